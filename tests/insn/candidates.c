// SPDX-License-Identifier: MIT
#include "candidates.h"

#include <string.h>

#include "lib/random.h"
#include "probe.h"
#include "x86/decode/decode.h"

static struct candidates how;
static u64 count;		/* of compare_one_of_many() */

static u32 below(u32 n)
{
	return random_below(&how.seed, n);
}

/* -- Opcode maps ----------------------------------------------------------------------- */

struct encoding {
	u8 bytes[PROBE_BYTES];
	u32 len;
};

static void put(struct encoding *e, u8 byte)
{
	e->bytes[e->len++] = byte;
}

static struct encoding begin(const u8 *prefix, u32 n)
{
	struct encoding e = { .len = n };

	memset(e.bytes, 0x11, sizeof(e.bytes));	/* SIB, displacement, immediate */
	memcpy(e.bytes, prefix, n);
	return e;
}

/* One of those that are too many to try each time: by chance, or by its number. */
static void compare_one_of_many(const u8 *bytes)
{
	bool chosen = how.sliced ? count++ % how.share == how.slice :
				   how.share == 1 || !below(how.share);

	if (chosen)
		how.compare(bytes);
}

/* One ModRM of each kind; every one of the forms with registers if all are asked for. */
static const u8 rm_kinds[] = { 0x00, 0x04, 0x05, 0x41, 0x82, 0xc0, 0xc3, 0xc5 };

static void each_modrm(const struct encoding *e)
{
	struct encoding one = *e;
	u32 i;

	for (i = 0; i < (how.full ? 256 : 8 * ARRAY_SIZE(rm_kinds)); i++) {
		one.bytes[e->len] = how.full ? i : rm_kinds[i % ARRAY_SIZE(rm_kinds)] |
					       (i / ARRAY_SIZE(rm_kinds)) << 3;
		compare_one_of_many(one.bytes);
	}
}

/* As each_modrm, fewer: for the maps with many prefixes. */
static void some_modrm(const struct encoding *e)
{
	static const u8 few[] = { 0x00, 0x0c, 0xc1, 0xd3, 0xfd };
	struct encoding one = *e;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(few); i++) {
		one.bytes[one.len] = few[i];
		compare_one_of_many(one.bytes);
	}
}

static void map(const u8 *prefix, u32 n, const u8 *escape, u32 escape_len)
{
	u32 opcode, i;

	for (opcode = 0; opcode < 256; opcode++) {
		struct encoding e = begin(prefix, n);

		if (!escape_len && decode_is_prefix(opcode, how.code_size))
			continue;
		for (i = 0; i < escape_len; i++)
			put(&e, escape[i]);
		put(&e, opcode);
		each_modrm(&e);
	}
}

static void legacy_map(const u8 *escape, u32 escape_len)
{
	static const struct { u8 len, byte[3]; } prefix[] = {
		{ 0 }, { 1, { 0x66 } }, { 1, { 0xf2 } }, { 1, { 0xf3 } }, { 1, { 0xf0 } },
		{ 1, { 0x67 } }, { 2, { 0x66, 0xf2 } }, { 2, { 0x66, 0xf3 } },
		{ 2, { 0xf2, 0xf3 } }, { 2, { 0xf3, 0xf2 } }, { 2, { 0x66, 0xf0 } },
		{ 1, { 0x48 } }, { 1, { 0x45 } }, { 2, { 0x66, 0x48 } }, { 2, { 0xf3, 0x48 } },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(prefix); i++)
		if (how.code_size == 8 || (prefix[i].byte[0] & 0xf0) != 0x40)
			map(prefix[i].byte, prefix[i].len, escape, escape_len);
}

static void one_byte_map(void)
{
	legacy_map(NULL, 0);
}

static void two_byte_map(void)
{
	legacy_map((const u8[]){ 0x0f }, 1);
}

static void map_0f38(void)
{
	legacy_map((const u8[]){ 0x0f, 0x38 }, 2);
}

static void map_0f3a(void)
{
	legacy_map((const u8[]){ 0x0f, 0x3a }, 2);
}

/* C4, with maps that exist and some that do not. */
static void vex_map(u32 map_select, u8 wvvvvlpp, bool all_modrm)
{
	u32 opcode;

	for (opcode = 0; opcode < 256; opcode++) {
		struct encoding e = begin(NULL, 0);

		put(&e, 0xc4);
		put(&e, 0xe0 | map_select);
		put(&e, wvvvvlpp);
		put(&e, opcode);
		if (all_modrm)
			each_modrm(&e);
		else
			some_modrm(&e);
	}
}

/*
 * What vvvv holds matters only if it is all ones, or to a gather: every ModRM
 * byte has two of them, and every one has a few ModRM bytes.  FULL_PRODUCT has
 * each with each, for a day.
 */
static void vex_maps(void)
{
	u32 select, i;

	for (select = 0; select < (how.full ? 32 : 5); select++)
		for (i = 0; i < 256; i++) {
			bool two = (i >> 3 & 15) == 15 || (i >> 3 & 15) == 9;
			bool exists = select >= 1 && select <= 3;

			if (two || (how.full && exists) || how.full == FULL_PRODUCT)
				vex_map(select, i, (how.full && two && exists) ||
						   how.full == FULL_PRODUCT);
		}
}

/* -- Opcodes whose meaning hangs on all of ModRM, and gathers on SIB ---------------------- */

struct bytes {
	u8 len, byte[3];
};

static void group(const struct bytes *prefix, const struct bytes *opcode)
{
	struct encoding e = begin(prefix->byte, prefix->len);
	u32 i, modrm;

	for (i = 0; i < opcode->len; i++)
		put(&e, opcode->byte[i]);
	for (modrm = 0; modrm < 256; modrm++) {
		e.bytes[e.len] = modrm;
		compare_one_of_many(e.bytes);
	}
}

static void groups(void)
{
	static const struct bytes prefix[] = {
		{ 0 }, { 1, { 0x66 } }, { 1, { 0xf2 } }, { 1, { 0xf3 } }, { 1, { 0xf0 } },
		{ 2, { 0xf0, 0xf3 } }, { 2, { 0xf2, 0xf0 } }, { 1, { 0x48 } }, { 1, { 0x4f } },
		{ 2, { 0x66, 0x48 } }, { 2, { 0xf2, 0x48 } }, { 2, { 0xf3, 0x48 } },
	};
	static const struct bytes opcode[] = {
		{ 1, { 0xd8 } }, { 1, { 0xd9 } }, { 1, { 0xda } }, { 1, { 0xdb } },
		{ 1, { 0xdc } }, { 1, { 0xdd } }, { 1, { 0xde } }, { 1, { 0xdf } },
		{ 1, { 0x80 } }, { 1, { 0x83 } }, { 1, { 0x8c } }, { 1, { 0x8e } },
		{ 1, { 0x8f } }, { 1, { 0xc0 } }, { 1, { 0xd3 } }, { 1, { 0xc6 } },
		{ 1, { 0xc7 } }, { 1, { 0xf6 } }, { 1, { 0xf7 } }, { 1, { 0xfe } },
		{ 1, { 0xff } }, { 1, { 0x62 } }, { 1, { 0xc4 } }, { 1, { 0xc5 } },
		{ 2, { 0x0f, 0x00 } }, { 2, { 0x0f, 0x01 } }, { 2, { 0x0f, 0x0d } },
		{ 2, { 0x0f, 0x0f } }, { 2, { 0x0f, 0x18 } }, { 2, { 0x0f, 0x1c } },
		{ 2, { 0x0f, 0x1e } }, { 2, { 0x0f, 0x20 } }, { 2, { 0x0f, 0x21 } },
		{ 2, { 0x0f, 0x22 } }, { 2, { 0x0f, 0x23 } }, { 2, { 0x0f, 0x71 } },
		{ 2, { 0x0f, 0x72 } }, { 2, { 0x0f, 0x73 } }, { 2, { 0x0f, 0xae } },
		{ 2, { 0x0f, 0xb9 } }, { 2, { 0x0f, 0xba } }, { 2, { 0x0f, 0xc7 } },
		{ 2, { 0x0f, 0xff } }, { 3, { 0x0f, 0x38, 0xf0 } }, { 3, { 0x0f, 0x38, 0xf6 } },
	};
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(prefix); i++)
		for (j = 0; j < ARRAY_SIZE(opcode); j++)
			group(&prefix[i], &opcode[j]);
}

/* Destination, index and mask must differ: @n counts them, W, L and the opcode. */
static void gather(u32 n)
{
	struct encoding e = begin(NULL, 0);

	put(&e, 0xc4);
	put(&e, 0xe2);
	put(&e, (n & 1) << 7 | (n >> 1 & 15) << 3 | (n >> 5 & 1) << 2 | 1);
	put(&e, 0x90 | (n >> 6 & 3));
	put(&e, (n >> 8 & 7) << 3 | 4);
	put(&e, (n >> 11 & 7) << 3 | 1);
	compare_one_of_many(e.bytes);
}

static void gathers(void)
{
	u32 n;

	for (n = 0; n < BIT(14); n++)
		gather(n);
}

/* -- Random ones ------------------------------------------------------------------------ */

static u8 random_prefix(void)
{
	static const u8 any[] = {
		0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
		0x40, 0x41, 0x42, 0x44, 0x48, 0x4f,
	};

	return any[below(how.code_size == 8 ? 17 : 11)];
}

static u8 random_modrm(void)
{
	return below(2) ? below(256) : 0xc0 | below(64);
}

static void random_opcode(struct encoding *e)
{
	switch (below(5)) {
	case 0:
		break;
	case 1:
		put(e, 0x0f);
		put(e, 0x38 | (below(2) << 1));
		break;
	default:
		put(e, 0x0f);
		break;
	}
	put(e, below(256));
}

static void random_vex(struct encoding *e)
{
	switch (below(4)) {
	case 0:
		put(e, 0xc5);
		break;
	case 1:
		put(e, 0x62);
		put(e, below(256));
		put(e, below(256));
		break;
	case 2:
		put(e, 0x8f);
		put(e, below(8) << 5 | (8 + below(3)));
		break;
	default:
		put(e, 0xc4);
		put(e, below(8) << 5 | (1 + below(3)));
		break;
	}
	put(e, below(256));
	put(e, below(256));
}

static void random_encoding(bool vex, u32 max_prefixes)
{
	struct encoding e = begin(NULL, 0);
	u32 n;

	for (n = below(max_prefixes + 1); n; n--)
		put(&e, random_prefix());
	if (vex)
		random_vex(&e);
	else
		random_opcode(&e);
	put(&e, random_modrm());
	how.compare(e.bytes);
}

static void random_encodings(void)
{
	u64 i;

	for (i = 0; i < how.rounds; i++) {
		random_encoding(false, i % 4 ? 3 : 12);
		random_encoding(true, i % 4 ? 0 : 1);
	}
}

/* -- Those that differed once -------------------------------------------------------- */

static void found(void)
{
	static const struct { u8 len, byte[14]; } bytes[] = {
		{ 3, { 0x0f, 0x0d, 0xc1 } },			/* PREFETCH of a register */
		{ 4, { 0xf0, 0x0f, 0x20, 0xc0 } },		/* LOCK MOV from CR0: CR8 */
		{ 4, { 0xf0, 0x0f, 0x22, 0xc3 } },
		{ 5, { 0xf0, 0x44, 0x0f, 0x22, 0xc3 } },	/* CR16 */
		{ 5, { 0xc4, 0xe1, 0x7a, 0xb8, 0xc1 } },	/* VEX and POPCNT, TZCNT, LZCNT */
		{ 5, { 0xc4, 0xe1, 0xfa, 0xbc, 0xc1 } },
		{ 4, { 0xc5, 0xfa, 0xbd, 0xc1 } },
		{ 5, { 0xc4, 0xe1, 0xfa, 0x2a, 0x00 } },	/* VCVTSI2SS m, W */
		{ 5, { 0xc4, 0xe1, 0xfb, 0x2a, 0x00 } },	/* VCVTSI2SD */
		{ 5, { 0xc4, 0xe3, 0xf9, 0x16, 0x00 } },	/* VPEXTRQ, VPINSRQ */
		{ 5, { 0xc4, 0xe3, 0xf9, 0x22, 0xc1 } },
		{ 5, { 0xc4, 0xe3, 0x7d, 0x00, 0xc1 } },	/* VPERMQ, VPERMPD without W */
		{ 5, { 0xc4, 0xe3, 0x7d, 0x01, 0x00 } },
		{ 3, { 0x0f, 0xff, 0xaf } },			/* UD0, UD1: no ModRM */
		{ 3, { 0x0f, 0xb9, 0xb7 } },
		{ 3, { 0x0f, 0x78, 0x00 } },			/* no VMREAD, but EXTRQ's length */
		{ 3, { 0x48, 0x8f, 0x8a } },			/* no XOP, VEX after REX */
		{ 3, { 0x48, 0xc5, 0xa2 } },
		{ 14, { 0x48, 0x44, 0x65, 0x44, 0x64, 0x44, 0x4f, 0x41, 0x40, 0x41,
			0x0f, 0x38, 0x73, 0x80 } },		/* too long, and undefined */
		{ 14, { 0x65, 0x44, 0x65, 0xf0, 0xf3, 0x42, 0x36, 0x3e, 0x67, 0x2e,
			0x3e, 0x3e, 0xf7, 0xd6 } },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bytes); i++)
		how.compare(begin(bytes[i].byte, bytes[i].len).bytes);
}

void candidates_each(const struct candidates *wanted)
{
	static void (*const parts[])(void) = {
		found, one_byte_map, two_byte_map, map_0f38, map_0f3a, vex_maps,
		groups, gathers, random_encodings,
	};
	u32 i;

	how = *wanted;
	count = 0;
	how.seed = how.seed * 2 + 1;
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		parts[i]();
}
