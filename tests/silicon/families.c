/* SPDX-License-Identifier: MIT */
/*
 * The encodings, found by decoding every prefix, opcode and ModRM.reg, sorted
 * into families, without what may not run natively or cannot be compared.
 */
#include "silicon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum family {
	INTEGER, SHIFT, MULDIV, BIT, BCD, STRING, STACK, BRANCH, ATOMIC, FLAG, BMI, MMX, SSE, SSE2,
	SSE3, SSE4, SSE4A, AES, SHA, GFNI, AVX, AVX2, GATHER, FMA, F16C, VAES, X87,
	NR_FAMILIES, NONE,
};

const char *const family_names[] = {
	"integer", "shift", "muldiv", "bit", "bcd", "string", "stack", "branch", "atomic", "flag",
	"bmi", "mmx", "sse", "sse2", "sse3", "sse4", "sse4a", "aes", "sha", "gfni", "avx", "avx2",
	"gather", "fma", "f16c", "vaes", "x87",
};
const u32 nr_families = NR_FAMILIES;

u32 family_by_name(const char *name)
{
	u32 i = 0;

	while (i < NR_FAMILIES && strcmp(name, family_names[i]))
		i++;
	return i;
}

/* -- Sorting ---------------------------------------------------------------------- */

static enum family family_of_base(const ZydisDecodedInstruction *zi)
{
	switch (zi->mnemonic) {
	case ZYDIS_MNEMONIC_MUL: case ZYDIS_MNEMONIC_IMUL:
	case ZYDIS_MNEMONIC_DIV: case ZYDIS_MNEMONIC_IDIV:
		return MULDIV;
	case ZYDIS_MNEMONIC_XCHG: case ZYDIS_MNEMONIC_CMPXCHG16B:
		return ATOMIC;
	case ZYDIS_MNEMONIC_ENTER: case ZYDIS_MNEMONIC_LEAVE:
		return STACK;
	default:
		break;
	}
	switch (zi->meta.category) {
	case ZYDIS_CATEGORY_SHIFT: case ZYDIS_CATEGORY_ROTATE: return SHIFT;
	case ZYDIS_CATEGORY_BITBYTE: return BIT;
	case ZYDIS_CATEGORY_DECIMAL: return BCD;
	case ZYDIS_CATEGORY_STRINGOP: return STRING;
	case ZYDIS_CATEGORY_PUSH: case ZYDIS_CATEGORY_POP: return STACK;
	case ZYDIS_CATEGORY_COND_BR: case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL: return BRANCH;
	case ZYDIS_CATEGORY_SEMAPHORE: return ATOMIC;
	case ZYDIS_CATEGORY_FLAGOP: return FLAG;
	case ZYDIS_CATEGORY_BINARY: case ZYDIS_CATEGORY_LOGICAL: case ZYDIS_CATEGORY_DATAXFER:
	case ZYDIS_CATEGORY_CMOV: case ZYDIS_CATEGORY_SETCC: case ZYDIS_CATEGORY_CONVERT:
	case ZYDIS_CATEGORY_MISC: case ZYDIS_CATEGORY_NOP: case ZYDIS_CATEGORY_WIDENOP:
		return INTEGER;
	default:
		return NONE;
	}
}

static bool listing;	/* as of a host that has everything */

static enum family family_of(const ZydisDecodedInstruction *zi)
{
	switch (zi->meta.isa_ext) {
	case ZYDIS_ISA_EXT_BASE: case ZYDIS_ISA_EXT_LONGMODE: return family_of_base(zi);
	case ZYDIS_ISA_EXT_BMI1: case ZYDIS_ISA_EXT_BMI2: case ZYDIS_ISA_EXT_LZCNT:
	case ZYDIS_ISA_EXT_MOVBE: case ZYDIS_ISA_EXT_ADOX_ADCX: return BMI;
	case ZYDIS_ISA_EXT_MMX: return MMX;
	case ZYDIS_ISA_EXT_SSE: return SSE;
	case ZYDIS_ISA_EXT_SSE2: return SSE2;
	case ZYDIS_ISA_EXT_SSE3: case ZYDIS_ISA_EXT_SSSE3: return SSE3;
	case ZYDIS_ISA_EXT_SSE4: return SSE4;
	case ZYDIS_ISA_EXT_SSE4A: return SSE4A;
	case ZYDIS_ISA_EXT_AES: case ZYDIS_ISA_EXT_PCLMULQDQ: return AES;
	case ZYDIS_ISA_EXT_SHA: return SHA;
	case ZYDIS_ISA_EXT_GFNI: return GFNI;
	case ZYDIS_ISA_EXT_AVX: return AVX;
	case ZYDIS_ISA_EXT_AVX2: return AVX2;
	case ZYDIS_ISA_EXT_AVX2GATHER: return GATHER;
	case ZYDIS_ISA_EXT_FMA: return FMA;
	case ZYDIS_ISA_EXT_F16C: return F16C;
	case ZYDIS_ISA_EXT_AVXAES: case ZYDIS_ISA_EXT_VAES:
	case ZYDIS_ISA_EXT_VPCLMULQDQ: return VAES;
	case ZYDIS_ISA_EXT_X87: return X87;
	default: return NONE;
	}
}

static bool host_has(enum family f)
{
	switch (listing ? NONE : f) {
	case AES: return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
	case SSE4: return __builtin_cpu_supports("sse4.2");
	case SSE4A: return __builtin_cpu_supports("sse4a");
	case AVX: return __builtin_cpu_supports("avx");
	case AVX2: case GATHER: return __builtin_cpu_supports("avx2");
	case FMA: return __builtin_cpu_supports("fma");
	case VAES: return __builtin_cpu_supports("vaes");
	case GFNI: return __builtin_cpu_supports("gfni");
	case BMI: return __builtin_cpu_supports("bmi2");
	default: return true;
	}
}

/* Registers outside the state of a case. */
static bool is_foreign(ZydisRegister r)
{
	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_SEGMENT: case ZYDIS_REGCLASS_CONTROL: case ZYDIS_REGCLASS_DEBUG:
	case ZYDIS_REGCLASS_TEST: case ZYDIS_REGCLASS_TABLE:
		return true;
	default:
		return false;
	}
}

static bool operand_is_allowed(const ZydisDecodedOperand *op)
{
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return !is_foreign(op->reg.value);
	case ZYDIS_OPERAND_TYPE_MEMORY:	/* the host's threads live there */
		return op->mem.segment != ZYDIS_REGISTER_FS &&
		       op->mem.segment != ZYDIS_REGISTER_GS;
	case ZYDIS_OPERAND_TYPE_POINTER:
		return false;
	default:
		return true;
	}
}

static bool mnemonic_is_allowed(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_CPUID: case ZYDIS_MNEMONIC_RDTSC:
	/* Whether they have a ModRM byte to fetch depends on the processor (SDM vol. 2B, UD). */
	case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1:
	/* They tell of the mode, or of where the last x87 instruction was. */
	case ZYDIS_MNEMONIC_FNSTENV: case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXSAVE64:
	case ZYDIS_MNEMONIC_FXRSTOR: case ZYDIS_MNEMONIC_FXRSTOR64:
	case ZYDIS_MNEMONIC_PUSHF: case ZYDIS_MNEMONIC_PUSHFD: case ZYDIS_MNEMONIC_PUSHFQ:
	case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ:
	/* Privileged at one CPL of the two. */
	case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI: case ZYDIS_MNEMONIC_CLTS:
	case ZYDIS_MNEMONIC_HLT:
		return false;
	default:
		return true;
	}
}

/*
 * Repeat prefixes are reserved here (SDM vol. 2A 2.1.1); AMD's processors take
 * the condition from them.
 */
static bool is_repeated_loop(const ZydisDecodedInstruction *zi)
{
	if (zi->mnemonic != ZYDIS_MNEMONIC_LOOPE && zi->mnemonic != ZYDIS_MNEMONIC_LOOPNE)
		return false;
	for (u32 i = 0; i < zi->raw.prefix_count; i++)
		if (zi->raw.prefixes[i].value == 0xf2 || zi->raw.prefixes[i].value == 0xf3)
			return true;
	return false;
}

/* Only forward, over instructions of the sequence. */
static bool branch_is_allowed(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops)
{
	return zi->meta.branch_type != ZYDIS_BRANCH_TYPE_FAR && !is_repeated_loop(zi) &&
	       ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && zi->raw.imm[0].is_relative;
}

bool insn_is_allowed(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops)
{
	enum family f = family_of(zi);

	if (f == NONE || !host_has(f) || !mnemonic_is_allowed(zi->mnemonic))
		return false;
	if (f == BRANCH && !branch_is_allowed(zi, ops))
		return false;
	for (u32 i = 0; i < zi->operand_count; i++)
		if (!operand_is_allowed(&ops[i]))
			return false;
	return true;
}

/* -- Collecting ------------------------------------------------------------------------ */

static struct form *forms[2][NR_FAMILIES];
static u32 nr_forms[2][NR_FAMILIES];
static ZydisDecoder decoders[2];

const ZydisDecoder *decoder_of(bool wide)
{
	return &decoders[wide];
}

static u32 form_bytes(const struct form *f, u8 *b)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf3, 0xf2 };
	u32 n = 0;

	if (f->vex) {
		b[n++] = 0xc4;
		b[n++] = 0xe0 | f->map;
		b[n++] = f->w << 7 | 0x78 | f->l << 2 | f->prefix;
	} else {
		if (f->prefix)
			b[n++] = prefixes[f->prefix];
		if (f->w)
			b[n++] = 0x48;
		if (f->map)
			b[n++] = 0x0f;
		if (f->map > 1)
			b[n++] = f->map == 2 ? 0x38 : 0x3a;
	}
	b[n++] = f->opcode;
	b[n++] = f->modrm;
	memset(b + n, 0, 16 - n);
	return n;
}

static void add_form(bool wide, const struct form *f)
{
	u32 *n = &nr_forms[wide][f->family];
	struct form **list = &forms[wide][f->family];

	if (!(*n & (*n + 1)))
		*list = realloc(*list, (2 * *n + 2) * sizeof(*f));
	(*list)[(*n)++] = *f;
}

static bool decode_form(bool wide, const u8 *b, ZydisDecodedInstruction *zi,
			ZydisDecodedOperand *ops)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[wide], b, 15, zi, ops));
}

static void print_form(const struct form *f, u32 code_size, const u8 *b)
{
	printf("%s %u ", family_names[f->family], code_size);
	for (u32 i = 0; i < 16; i++)
		printf("%02x", b[i]);
	printf("\n");
}

/* vvvv is all ones where it is no operand; a gather's may be no other register. */
static bool try_form(bool wide, struct form *f)
{
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u8 b[16];
	bool ok;

	form_bytes(f, b);
	if (f->vex && f->mem && f->map == 2 && (f->opcode & 0xfc) == 0x90) {
		b[4] |= 4;	/* SIB: index XMM2, mask XMM3 */
		b[5] = 0x10;
		b[2] ^= 3 << 3;
	}
	ok = decode_form(wide, b, &zi, ops);
	if (!ok && f->vex) {
		b[2] ^= 0x20;
		ok = decode_form(wide, b, &zi, ops);
	}
	if (!ok || !insn_is_allowed(&zi, ops))
		return false;
	f->has_modrm = zi.attributes & ZYDIS_ATTRIB_HAS_MODRM;
	f->family = family_of(&zi);
	if (listing)
		print_form(f, wide ? 8 : 4, b);
	add_form(wide, f);
	return true;
}

static void collect_modrm(bool wide, struct form f)
{
	/* ModRM.rm is part of the opcode. */
	bool x87 = !f.vex && !f.map && f.opcode >= 0xd8 && f.opcode <= 0xdf;

	for (u32 reg = 0; reg < 8; reg++) {
		f.mem = true;
		f.fixed_rm = false;
		f.modrm = reg << 3;
		if (try_form(wide, &f) && !f.has_modrm)
			return;
		f.mem = false;
		f.fixed_rm = x87;
		for (u32 rm = 0; rm < (x87 ? 8 : 1); rm++) {
			f.modrm = 0xc0 | reg << 3 | rm;
			try_form(wide, &f);
		}
	}
}

/* One byte each: they are no opcodes. */
static bool is_prefix(bool wide, u32 opcode)
{
	switch (opcode) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0x67:
	case 0xf0: case 0xf2: case 0xf3: case 0x0f: case 0xc4: case 0xc5: case 0x62:
		return true;
	default:
		return wide && (opcode & 0xf0) == 0x40;
	}
}

void forms_collect(void)
{
	ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
	ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&decoders[1], ZYDIS_DECODER_MODE_AMD_BRANCHES,
			       __builtin_cpu_is("amd") != 0);
	for (u32 i = 0; i < 2 * 2 * 2 * 4 * 4 * 256; i++) {
		struct form f = {
			.opcode = i, .prefix = i >> 8 & 3, .map = i >> 10 & 3,
			.w = i >> 12 & 1,
		};
		bool wide = i >> 13 & 1;

		f.vex = i >> 14 & 1;
		if (f.vex ? !f.map : (f.w && !wide) || (!f.map && is_prefix(wide, f.opcode)))
			continue;
		if (!f.vex && f.map == 1 && (f.opcode == 0x38 || f.opcode == 0x3a))
			continue;
		for (f.l = 0; f.l <= f.vex; f.l++)
			collect_modrm(wide, f);
	}
}

const struct form *form_choose(u32 family, bool wide)
{
	while (family == ALL_FAMILIES) {
		family = below(NR_FAMILIES);
		if (!nr_forms[wide][family])
			family = ALL_FAMILIES;
	}
	return nr_forms[wide][family] ? &forms[wide][family][below(nr_forms[wide][family])] : NULL;
}

void forms_list(void)
{
	listing = true;
	forms_collect();
}
