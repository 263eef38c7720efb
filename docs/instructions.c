/* SPDX-License-Identifier: MIT */
/* Encodings gathered into rows, a row per mnemonic and handler. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instructions.h"

static struct row rows[4096];
static u32 nr_rows;

/* Of what is refused: instructions by extension. */
static bool refused[ZYDIS_ISA_EXT_MAX_VALUE + 1][ZYDIS_MNEMONIC_MAX_VALUE + 1];

/* -- Gathering ----------------------------------------------------------------------- */

static struct row *row_of(const struct row *new)
{
	static struct row *last[ZYDIS_MNEMONIC_MAX_VALUE + 1];
	struct row *r;

	for (r = last[new->mnemonic]; r; r = r->before)
		if (!strcmp(r->handler, new->handler) && !strcmp(r->requires, new->requires) &&
		    r->feature == new->feature)
			return r;
	if (nr_rows == ARRAY_SIZE(rows))
		abort();
	r = &rows[nr_rows++];
	*r = *new;
	r->before = last[r->mnemonic];
	last[r->mnemonic] = r;
	return r;
}

static u8 mandatory_prefix(const ZydisDecodedInstruction *zi)
{
	static const u8 pp[] = { 0, 0x66, 0xf3, 0xf2 };
	u32 i;

	if (zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		return pp[zi->raw.vex.pp];
	for (i = 0; i < zi->raw.prefix_count; i++)
		if (zi->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY)
			return zi->raw.prefixes[i].value;
	return 0;
}

static struct encoding *encoding_of(struct row *row, const struct encoding *new)
{
	u32 i;

	for (i = 0; i < row->count; i++) {
		const struct encoding *e = &row->encoding[i];

		if (e->vex == new->vex && e->prefix == new->prefix && e->map == new->map &&
		    e->opcode == new->opcode)
			return &row->encoding[i];
	}
	row->encoding = realloc(row->encoding, (row->count + 1) * sizeof(*new));
	row->encoding[row->count] = *new;
	return &row->encoding[row->count++];
}

static void add_encoding(struct row *row, const ZydisDecodedInstruction *zi)
{
	bool vex = zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	struct encoding new = {
		.vex = vex, .prefix = mandatory_prefix(zi), .map = zi->opcode_map,
		.opcode = zi->opcode, .has_modrm = zi->attributes & ZYDIS_ATTRIB_HAS_MODRM,
	};
	struct encoding *e = encoding_of(row, &new);

	e->w |= 1 << (vex ? zi->raw.vex.W : zi->raw.rex.W);
	e->l |= vex ? 1 << zi->raw.vex.L : 0;
	if (!new.has_modrm)
		return;
	if (zi->raw.modrm.mod == 3)
		e->registers |= BIT_ULL(zi->raw.modrm.reg << 3 | zi->raw.modrm.rm);
	else
		e->memory |= BIT(zi->raw.modrm.reg);
}

static void add(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
		const u8 *bytes, u8 code_size)
{
	struct row new = { 0 }, *row;

	if (!describe_is_offered(zi)) {
		refused[zi->meta.isa_ext][zi->mnemonic] = true;
		return;
	}
	describe_handler(zi, ops, bytes, code_size, &new);
	row = row_of(&new);
	row->modes |= code_size;
	row->written |= new.written;
	row->undefined |= new.undefined;
	add_encoding(row, zi);
}

/* -- An encoding as the manuals write it ---------------------------------------------- */

struct text {
	char s[8192];
	u32 n;
};

__attribute__((format(printf, 2, 3)))
static void put(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	t->n += vsnprintf(t->s + t->n, sizeof(t->s) - t->n, format, args);
	va_end(args);
	if (t->n >= sizeof(t->s))
		abort();
}

static void put_vex(struct text *t, const struct encoding *e)
{
	put(t, "VEX");
	if (e->l != 3)
		put(t, e->l == 1 ? ".128" : ".256");
	if (e->prefix)
		put(t, ".%02X", e->prefix);
	put(t, ".0F%s", e->map == 2 ? "38" : e->map == 3 ? "3A" : "");
	if (e->w != 3)
		put(t, e->w == 1 ? ".W0" : ".W1");
}

static void put_legacy(struct text *t, const struct encoding *e)
{
	if (e->prefix)
		put(t, "%02X ", e->prefix);
	if (e->w == 2)
		put(t, "REX.W ");
	put(t, "%s", e->map == 0 ? "" : e->map == 1 ? "0F " : e->map == 2 ? "0F 38 " : "0F 3A ");
}

static void put_opcode(struct text *t, const struct encoding *e, u8 last)
{
	if (e->vex)
		put_vex(t, e);
	else
		put_legacy(t, e);
	put(t, "%s%02X", e->vex ? " " : "", e->opcode);
	if (last != e->opcode)
		put(t, "-%02X", last);
}

/* Those ModRM bytes with registers that no digit stands for. */
static void put_rest(struct text *t, u64 rest)
{
	u32 i, from;

	for (i = 0; i < 64; i++) {
		if (!(rest >> i & 1))
			continue;
		from = i;
		while (i < 63 && rest >> (i + 1) & 1)
			i++;
		put(t, from == i ? " %02X" : " %02X-%02X", 0xc0 | from, 0xc0 | i);
	}
}

/* /r, or the digits; m, r: only with memory, only with a register. */
static void put_modrm(struct text *t, const struct encoding *e)
{
	u64 rest = e->registers;
	u32 reg, digits = 0, alone = 0, i;
	/* Of VEX one register of eight has been tried. */
	u64 all = e->vex ? 0x01 : 0xff;

	for (reg = 0; reg < 8; reg++) {
		if ((e->registers >> 8 * reg & 0xff) != all)
			continue;
		digits |= BIT(reg);
		rest &= ~(0xffull << 8 * reg);
	}
	if (e->memory == 0xff && digits == 0xff) {
		put(t, " /r");
	} else if (e->memory == 0xff && !digits && !rest) {
		put(t, " /r m");
	} else if (!e->memory && digits == 0xff) {
		put(t, " /r r");
	} else {
		alone = e->memory ^ digits;
		for (i = 0; i < 8; i++)
			if ((e->memory | digits) & BIT(i))
				put(t, " /%u%s", i, !(alone & BIT(i)) ? "" :
						    e->memory & BIT(i) ? "m" : "r");
		put_rest(t, rest);
	}
}

static bool follows(const struct encoding *e, const struct encoding *next)
{
	return e->vex == next->vex && e->prefix == next->prefix && e->map == next->map &&
	       e->w == next->w && e->l == next->l && e->memory == next->memory &&
	       e->registers == next->registers && e->opcode + 1 == next->opcode;
}

static int compare_encodings(const void *a, const void *b)
{
	const struct encoding *x = a, *y = b;

	if (x->vex != y->vex || x->map != y->map)
		return (x->vex << 8 | x->map) - (y->vex << 8 | y->map);
	return (x->prefix << 8 | x->opcode) - (y->prefix << 8 | y->opcode);
}

static void put_encodings(struct text *t, const struct row *row)
{
	u32 i, first;

	qsort(row->encoding, row->count, sizeof(*row->encoding), compare_encodings);
	for (i = 0; i < row->count; i++) {
		first = i;
		while (i + 1 < row->count && follows(&row->encoding[i], &row->encoding[i + 1]))
			i++;
		put(t, "%s", first ? ", " : "");
		put_opcode(t, &row->encoding[first], row->encoding[i].opcode);
		if (row->encoding[i].has_modrm)
			put_modrm(t, &row->encoding[i]);
	}
}

/* -- Rows ------------------------------------------------------------------------------ */

static const char *flags_text(u32 flags, char *s)
{
	static const struct { u32 bit; char name[3]; } names[] = {
		{ X86_EFLAGS_OF, "OF" }, { X86_EFLAGS_SF, "SF" }, { X86_EFLAGS_ZF, "ZF" },
		{ X86_EFLAGS_AF, "AF" }, { X86_EFLAGS_PF, "PF" }, { X86_EFLAGS_CF, "CF" },
		{ X86_EFLAGS_DF, "DF" }, { X86_EFLAGS_IF, "IF" }, { X86_EFLAGS_AC, "AC" },
	};
	u32 i;

	*s = 0;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			sprintf(s + strlen(s), "%s%s", *s ? " " : "", names[i].name);
	return s;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int by_name = strcmp(ZydisMnemonicGetString(x->mnemonic),
			     ZydisMnemonicGetString(y->mnemonic));

	return by_name ? by_name : strcmp(x->handler, y->handler);
}

static void print_row(const struct row *row)
{
	static struct text t;
	char written[64], undefined[64];

	t.n = 0;
	put_encodings(&t, row);
	printf("instructions\t%s\t%s\t%s%s%s\t%s\t%s\t%s\t%s\t%s\n",
	       ZydisMnemonicGetString(row->mnemonic), t.s, row->modes & MODE_16 ? " 16" : "",
	       row->modes & MODE_32 ? " 32" : "", row->modes & MODE_64 ? " 64" : "",
	       row->handler, row->requires, flags_text(row->written, written),
	       flags_text(row->undefined, undefined), row->feature);
}

void instructions(void)
{
	u32 i;

	encodings_each(add);
	qsort(rows, nr_rows, sizeof(rows[0]), compare_rows);
	for (i = 0; i < nr_rows; i++)
		print_row(&rows[i]);
}

void refused_instructions(void)
{
	static const struct { ZydisISAExt extension; const char *name, *why; } list[] = {
#define REFUSED(extension, why) { ZYDIS_ISA_EXT_##extension, #extension, why },
#include "x86/decode/isa.def"
	};
	u32 i, m;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		printf("refused\t%s\t%s\t", list[i].name, list[i].why);
		for (m = 0; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++)
			if (refused[list[i].extension][m])
				printf("%s ", ZydisMnemonicGetString(m));
		printf("\n");
		memset(refused[list[i].extension], 0, sizeof(refused[0]));
	}
	for (i = 0; i <= ZYDIS_ISA_EXT_MAX_VALUE; i++)
		for (m = 0; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++)
			if (refused[i][m])
				printf("unexplained\t%s\t%s\n", ZydisISAExtGetString(i),
				       ZydisMnemonicGetString(m));
}
