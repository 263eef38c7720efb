/* SPDX-License-Identifier: MIT */
/* What the lists of the source say of an instruction. */
#include <stdio.h>
#include <string.h>

#include "instructions.h"
#include "silicon/undefined.h"
#include "x86/interp/ops.h"
#include "x86/interp/special.h"
#include "x86/native/thunk.h"

/* -- By set: isa.def --------------------------------------------------------------- */

static const struct {
	ZydisISASet set;
	const char *engine, *host;
} sets[] = {
#define ENGINE(set, feature)	{ ZYDIS_ISA_SET_##set, feature, NULL },
#define NATIVE(set, host)	{ ZYDIS_ISA_SET_##set, NULL, #host },
#include "x86/decode/isa.def"
};

static int set_of(const ZydisDecodedInstruction *zi)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sets); i++)
		if (sets[i].set == zi->meta.isa_set)
			return i;
	return -1;
}

/* -- By handler --------------------------------------------------------------------- */

static const struct {
	op_fn op;
	const char *name;
} handlers[] = {
#define OP(mnemonic, handler, flags) { handler, #handler },
#include "x86/interp/ops.def"
#define SPECIAL(handler) { handler, #handler },
#include "x86/interp/ops_special.def"
};

static const struct {
	const struct op_family *family;
	const char *name;
} families[] = {
#define FAMILY(mnemonic, name, flags) { &family_##name, "family_" #name },
#define OP(mnemonic, handler, flags)
#include "x86/interp/ops_integer.def"
#undef OP
	{ &family_movzx16, "family_movzx16" },
	{ &family_movsx16, "family_movsx16" },
};

static bool family_has(const struct op_family *family, op_fn op)
{
	u32 i;

	for (i = 0; i < NR_FORMS * NR_SIZES; i++)
		if (family->fn[i / NR_SIZES][i % NR_SIZES] == op)
			return true;
	return false;
}

static const char *find_handler(op_fn op)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(handlers); i++)
		if (handlers[i].op == op)
			return handlers[i].name;
	for (i = 0; i < ARRAY_SIZE(families); i++)
		if (family_has(families[i].family, op))
			return families[i].name;
	return "?";
}

/* Encodings that follow each other mostly have the same. */
static const char *handler_name(op_fn op)
{
	static const char *name;
	static op_fn last;

	if (op != last) {
		last = op;
		name = find_handler(op);
	}
	return name;
}

static const char *requirements(const char *handler)
{
	static const struct { char handler[24]; const char *text; } rows[] = {
#define GUARDED(name, requirements) { "op_" #name, #requirements },
#define DECIDES(name, text) { "op_" #name, text },
#include "x86/interp/guarded.def"
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].handler, handler))
			return rows[i].text;
	return "";
}

/* -- Those that run natively --------------------------------------------------------- */

static const char *native_requirements(const ZydisDecodedInstruction *zi,
				       const ZydisDecodedOperand *ops)
{
	static const char *const name[NR_CHECKS] = {
		[CHECK_NONE] = "", [CHECK_BMI] = "PROTECTED", [CHECK_SSE] = "SSE",
		[CHECK_AVX] = "AVX", [CHECK_MMX] = "MMX", [CHECK_MMX_SSE] = "MMX | SSE",
		[CHECK_X87] = "X87",
	};
	const struct native_form f = { .zi = zi, .ops = ops };

	return name[native_check_of(&f)];
}

static bool is_ours(const ZydisDecodedInstruction *zi)
{
	const struct op_entry *e = &op_table[zi->mnemonic];

	return (e->op || e->family) && !decode_is_vector(zi);
}

bool describe_is_offered(const ZydisDecodedInstruction *zi)
{
	return zi->meta.isa_ext != ZYDIS_ISA_EXT_KNC && (is_ours(zi) || set_of(zi) >= 0);
}

void describe_handler(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
		      const u8 *bytes, u8 code_size, struct row *row)
{
	const ZydisAccessedFlags *flags = zi->cpu_flags;
	int set = set_of(zi);
	struct insn in;

	row->mnemonic = zi->mnemonic;
	row->undefined = undefined_flags(zi);
	row->written = flags ? flags->modified | flags->set_0 | flags->set_1 : 0;
	row->feature = set < 0 ? "" : sets[set].engine ? sets[set].engine : sets[set].host;
	if (!is_ours(zi)) {
		strcpy(row->handler, "native");
		row->requires = native_requirements(zi, ops);
		return;
	}
	/* What one vendor's processors refuse, the other's may have. */
	if (decode_insn(NULL, bytes, 15, code_size, &in) != DECODE_OK || in.op == op_ud)
		in.op = op_table[zi->mnemonic].op;
	snprintf(row->handler, sizeof(row->handler), "%s", handler_name(in.op));
	row->requires = requirements(row->handler);
}

/* What encodings must lead to, so that no row is dead. */
void handlers_list(void)
{
#define LISTED(mnemonic, handler) printf("listed\t%s\t%s\n", mnemonic, handler);
#define FAMILY(mnemonic, name, flags) \
	LISTED(ZydisMnemonicGetString(ZYDIS_MNEMONIC_##mnemonic), "family_" #name)
#define OP(mnemonic, handler, flags) \
	LISTED(ZydisMnemonicGetString(ZYDIS_MNEMONIC_##mnemonic), #handler)
#include "x86/interp/ops.def"
#define SPECIAL(handler) LISTED("", #handler)
#include "x86/interp/ops_special.def"
}

void requirements_list(void)
{
#define REQUIRE(name, met, fault) printf("require\t%s\t%s\t%s\n", #name, #met, #fault);
#include "x86/interp/requirements.def"
}
