/* SPDX-License-Identifier: MIT */
/* The encodings, found by decoding every prefix, opcode and ModRM.reg. */
#include "silicon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct form *forms[NR_CODES][NR_FAMILIES];
static u32 nr_forms[NR_CODES][NR_FAMILIES];
static ZydisDecoder decoders[NR_CODES];

const u8 code_bits[NR_CODES] = { 16, 32, 64 };

const ZydisDecoder *decoder_of(enum code code)
{
	return &decoders[code];
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

static void add_form(enum code code, const struct form *f)
{
	u32 *n = &nr_forms[code][f->family];
	struct form **list = &forms[code][f->family];

	if (!(*n & (*n + 1)))
		*list = realloc(*list, (2 * *n + 2) * sizeof(*f));
	(*list)[(*n)++] = *f;
}

static bool decode_form(enum code code, const u8 *b, ZydisDecodedInstruction *zi,
			ZydisDecodedOperand *ops)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[code], b, 15, zi, ops));
}

bool form_is_gather(const struct form *f)
{
	return f->vex && f->mem && f->map == 2 && (f->opcode & 0xfc) == 0x90;
}

static void print_form(const struct form *f, u32 code_size, const u8 *b)
{
	printf("%s %u ", family_names[f->family], code_size);
	for (u32 i = 0; i < 16; i++)
		printf("%02x", b[i]);
	printf("\n");
}

/* vvvv is all ones where it is no operand; a gather's may be no other register. */
static bool try_form(enum code code, struct form *f)
{
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u8 bytes[17] = { 0x67 }, *b = bytes + 1, *from = b;
	bool ok;

	form_bytes(f, b);
	if (form_is_gather(f)) {
		b[4] |= 4;	/* SIB: index XMM2, mask XMM3 */
		b[5] = 0x10;
		b[2] ^= 3 << 3;
		from = code == CODE16 ? bytes : b;
	}
	ok = decode_form(code, from, &zi, ops);
	if (!ok && f->vex) {
		b[2] ^= 0x20;
		ok = decode_form(code, from, &zi, ops);
	}
	f->family = ok ? family_of(&zi, ops) : NONE;
	if (f->family == NONE)
		return false;
	f->has_modrm = zi.attributes & ZYDIS_ATTRIB_HAS_MODRM;
	f->user = needs_user(&zi, f->family);
	if (any_host)
		print_form(f, 2 << code, b);
	add_form(code, f);
	return true;
}

/* LES, LDS and BOUND, which are prefixes where ModRM.mod is 3. */
static bool is_vex_or_load(const struct form *f)
{
	return !f->vex && !f->map &&
	       (f->opcode == 0xc4 || f->opcode == 0xc5 || f->opcode == 0x62);
}

static void collect_modrm(enum code code, struct form f)
{
	/* ModRM.rm is part of the opcode. */
	bool x87 = !f.vex && !f.map && f.opcode >= 0xd8 && f.opcode <= 0xdf;

	for (u32 reg = 0; reg < 8; reg++) {
		f.mem = true;
		f.fixed_rm = false;
		f.modrm = reg << 3;
		if (try_form(code, &f) && !f.has_modrm)
			return;
		if (is_vex_or_load(&f))
			continue;
		f.mem = false;
		f.fixed_rm = x87;
		for (u32 rm = 0; rm < (x87 ? 8 : 1); rm++) {
			f.modrm = 0xc0 | reg << 3 | rm;
			try_form(code, &f);
		}
	}
}

/* One byte each: they are no opcodes. */
static bool is_prefix(enum code code, u32 opcode)
{
	switch (opcode) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0x67:
	case 0xf0: case 0xf2: case 0xf3: case 0x0f:
		return true;
	case 0xc4: case 0xc5: case 0x62:
		return code == CODE64;
	default:
		return code == CODE64 && (opcode & 0xf0) == 0x40;
	}
}

static void collect(enum code code, u32 i)
{
	struct form f = {
		.opcode = i, .prefix = i >> 8 & 3, .map = i >> 10 & 3,
		.w = i >> 12 & 1, .vex = i >> 13 & 1,
	};

	if (f.vex ? !f.map :
		    (f.w && code != CODE64) || (!f.map && is_prefix(code, f.opcode)))
		return;
	if (!f.vex && f.map == 1 && (f.opcode == 0x38 || f.opcode == 0x3a))
		return;
	for (f.l = 0; f.l <= f.vex; f.l++)
		collect_modrm(code, f);
}

void forms_collect(void)
{
	ZydisDecoderInit(&decoders[CODE16], ZYDIS_MACHINE_MODE_LONG_COMPAT_16,
			 ZYDIS_STACK_WIDTH_16);
	ZydisDecoderInit(&decoders[CODE32], ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
			 ZYDIS_STACK_WIDTH_32);
	ZydisDecoderInit(&decoders[CODE64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&decoders[CODE64], ZYDIS_DECODER_MODE_AMD_BRANCHES,
			       __builtin_cpu_is("amd") != 0);
	for (u32 code = 0; code < NR_CODES; code++)
		for (u32 i = 0; i < 2 * 2 * 4 * 4 * 256; i++)
			collect(code, i);
}

u32 forms_of(u32 family, enum code code)
{
	return nr_forms[code][family];
}

static bool has_any(u32 family, enum code code, bool user)
{
	for (u32 i = 0; i < nr_forms[code][family]; i++)
		if (user || !forms[code][family][i].user)
			return true;
	return false;
}

const struct form *form_choose(u32 family, enum code code, bool user)
{
	const struct form *f;
	u32 any = family;

	do {
		any = family == ALL_FAMILIES ? below(NR_FAMILIES) : family;
		if (!has_any(any, code, user) && family != ALL_FAMILIES)
			return NULL;
	} while (!has_any(any, code, user));
	do {
		f = &forms[code][any][below(nr_forms[code][any])];
	} while (f->user && !user);
	return f;
}

void forms_list(void)
{
	any_host = true;
	forms_collect();
}
