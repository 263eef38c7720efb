// SPDX-License-Identifier: MIT
/*
 * Every encoding against the host CPU: is it an instruction, and how long?
 * All opcode maps under the prefixes that matter, then random stacks of
 * prefixes, in 64-, 32- and 16-bit code.
 *
 * ANYKVM_INSN_SHARE=N tries one in N of the maps, chosen by the seed (1: all),
 * ANYKVM_INSN_FULL=1 has every ModRM byte and every VEX prefix in them,
 * ANYKVM_INSN_SEED and ANYKVM_INSN_ROUNDS make other or longer random runs,
 * ANYKVM_INSN_ANY_HOST=1 compares with one that is not AMD's, too,
 * ANYKVM_INSN_LIST=1 prints every difference, not just the first ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "explained.h"
#include "probe.h"
#include "x86/decode/decode.h"
#include "x86/interp/ops.h"
#include "x86/native/native.h"

enum { SHOWN = 20, ROUNDS = 20000, SHARE = 20 };

static struct native *native;
static u8 code_size;
static u64 seed = 1, compared, explained, different;
static u64 share;
static bool full, list, amd;

static u64 number(const char *name, u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static u32 below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed * 0x2545f4914f6cdd1dull) >> 33) % n;
}

/* -- Comparing ----------------------------------------------------------------------- */

static void show(const u8 *bytes, const char *ours, u32 len, const char *host)
{
	u32 i;

	if (different++ >= SHOWN && !list)
		return;
	fprintf(stderr, "%2u-bit:", code_size * 8);
	for (i = 0; i < PROBE_BYTES; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, ": %s %u here, %s on the host (%s)\n", ours, len, host,
		explained_name(bytes, code_size));
}

/* How many bytes the host takes; 0 if no length makes an instruction. */
static u32 host_length(const u8 *bytes)
{
	u32 len;

	for (len = 1; len < PROBE_BYTES; len++)
		if (probe_run(bytes, len, code_size) != PROBE_FETCH)
			return len;
	return 0;
}

static void report(const u8 *bytes, const char *ours, u32 len, enum probe_result host)
{
	static const char *const name[] = {
		[PROBE_EXECUTED] = "executed", [PROBE_FETCH] = "too short",
		[PROBE_UD] = "#UD", [PROBE_GP] = "#GP",
	};
	char text[64];

	snprintf(text, sizeof(text), "%s at %u", name[host], host_length(bytes));
	show(bytes, ours, len, text);
}

static void differs(const u8 *bytes, const char *ours, u32 len, enum probe_result host)
{
	if (explained_difference(bytes, code_size, host == PROBE_UD))
		explained++;
	else
		report(bytes, ours, len, host);
}

static void compare_valid(const u8 *bytes, const struct insn *in)
{
	enum probe_result host = probe_run(bytes, in->len, code_size);

	if (in->op == op_unimplemented)
		show(bytes, "unimplemented", in->len, "?");
	if (host == PROBE_UD || host == PROBE_FETCH)
		differs(bytes, "valid", in->len, host);
	else if (in->len > 1 && probe_run(bytes, in->len - 1, code_size) != PROBE_FETCH)
		differs(bytes, "valid", in->len, PROBE_EXECUTED);
}

/* How many bytes it takes to know that it is none. */
static u32 fetched_length(const u8 *bytes)
{
	struct insn in;
	u32 len = 1;

	while (len < INSN_MAX_BYTES &&
	       decode_insn(native, bytes, len, code_size, &in) == DECODE_SHORT)
		len++;
	return len;
}

static void compare_undefined(const u8 *bytes)
{
	u32 len = fetched_length(bytes);

	if (probe_run(bytes, len, code_size) != PROBE_UD)
		report(bytes, "#UD", len, PROBE_FETCH);
	else if (len > 1 && probe_run(bytes, len - 1, code_size) != PROBE_FETCH)
		report(bytes, "#UD", len, PROBE_UD);
}

static void compare_too_long(const u8 *bytes)
{
	enum probe_result host = probe_run(bytes, INSN_MAX_BYTES, code_size);

	if (host != PROBE_GP)
		report(bytes, "too long", 0, host);
	else if (probe_run(bytes, INSN_MAX_BYTES - 1, code_size) != PROBE_FETCH)
		report(bytes, "too long", 0, PROBE_EXECUTED);
}

static void compare(const u8 *bytes)
{
	enum decode_result r;
	struct insn in;
	enum probe_result host;

	compared++;
	r = decode_insn(native, bytes, PROBE_BYTES, code_size, &in);
	if (r == DECODE_OK && in.op != op_ud) {
		compare_valid(bytes, &in);
		return;
	}
	if (r == DECODE_TOO_LONG) {
		compare_too_long(bytes);
		return;
	}
	host = probe_run(bytes, PROBE_BYTES, code_size);
	if (host != PROBE_UD)
		differs(bytes, "#UD", r == DECODE_OK ? in.len : 0, host);
	else
		compare_undefined(bytes);
}

/* -- Encodings ----------------------------------------------------------------------- */

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

/* One of those that are too many to try each time. */
static void compare_one_of_many(const u8 *bytes)
{
	if (share == 1 || !below(share))
		compare(bytes);
}

/* One ModRM of each kind; every one of the forms with registers if @full. */
static const u8 rm_kinds[] = { 0x00, 0x04, 0x05, 0x41, 0x82, 0xc0, 0xc3, 0xc5 };

static void each_modrm(const struct encoding *e)
{
	struct encoding one = *e;
	u32 i;

	for (i = 0; i < (full ? 256 : 8 * ARRAY_SIZE(rm_kinds)); i++) {
		one.bytes[e->len] = full ? i : rm_kinds[i % ARRAY_SIZE(rm_kinds)] |
					       (i / ARRAY_SIZE(rm_kinds)) << 3;
		compare_one_of_many(one.bytes);
	}
}

/* As each_modrm, fewer: for the maps with many prefixes. */
static void some_modrm(const struct encoding *e, u8 opcode)
{
	static const u8 few[] = { 0x00, 0x0c, 0xc1, 0xd3, 0xfd };
	struct encoding one = *e;
	u32 i;

	put(&one, opcode);
	if (full) {
		each_modrm(&one);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(few); i++) {
		one.bytes[one.len] = few[i];
		compare_one_of_many(one.bytes);
	}
}

static bool is_prefix(u8 byte)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
	case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3:
		return true;
	default:
		return code_size == 8 && (byte & 0xf0) == 0x40;
	}
}

static void map(const u8 *prefix, u32 n, const u8 *escape, u32 escape_len)
{
	u32 opcode, i;

	for (opcode = 0; opcode < 256; opcode++) {
		struct encoding e = begin(prefix, n);

		if (!escape_len && is_prefix(opcode))
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
		if (code_size == 8 || (prefix[i].byte[0] & 0xf0) != 0x40)
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
static void vex_map(u32 map_select, u8 wvvvvlpp)
{
	u32 opcode;

	for (opcode = 0; opcode < 256; opcode++) {
		struct encoding e = begin(NULL, 0);

		put(&e, 0xc4);
		put(&e, 0xe0 | map_select);
		put(&e, wvvvvlpp);
		some_modrm(&e, opcode);
	}
}

static void vex_maps(void)
{
	u32 select, i;

	for (select = 0; select < (full ? 32 : 5); select++)
		for (i = 0; i < 256; i++)
			/* vvvv: none, another one, and all if asked to. */
			if (full || (i >> 3 & 15) == 15 || (i >> 3 & 15) == 9)
				vex_map(select, i);
}

/* -- Random ones ------------------------------------------------------------------------ */

static u8 random_prefix(void)
{
	static const u8 any[] = {
		0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
		0x40, 0x41, 0x42, 0x44, 0x48, 0x4f,
	};

	return any[below(code_size == 8 ? 17 : 11)];
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
	compare(e.bytes);
}

static void random_encodings(void)
{
	u64 rounds = number("ANYKVM_INSN_ROUNDS", ROUNDS), i;

	for (i = 0; i < rounds; i++) {
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
		compare(begin(bytes[i].byte, bytes[i].len).bytes);
}

/* -- The tests -------------------------------------------------------------------------- */

static void in_mode(u8 size)
{
	static void (*const parts[])(void) = {
		found, one_byte_map, two_byte_map, map_0f38, map_0f3a, vex_maps,
		random_encodings,
	};
	u32 i;

	if (!amd)
		print_message("only what AMD processors do is known so far\n");
	if (!amd || !probe_has_mode(size))
		skip();
	probe_take_signals();
	code_size = size;
	seed = number("ANYKVM_INSN_SEED", 1) * 2 + 1;
	compared = explained = different = 0;
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		parts[i]();
	print_message("%llu encodings, %llu explained, %llu different\n",
		      (unsigned long long)compared, (unsigned long long)explained,
		      (unsigned long long)different);
	assert_int_equal(different, 0);
}

static void encodings_in_64_bit_code(void **state)
{
	in_mode(8);
}

static void encodings_in_32_bit_code(void **state)
{
	in_mode(4);
}

static void encodings_in_16_bit_code(void **state)
{
	in_mode(2);
}

static int setup(void **state)
{
	full = number("ANYKVM_INSN_FULL", 0);
	share = number("ANYKVM_INSN_SHARE", full ? 1 : SHARE);
	list = number("ANYKVM_INSN_LIST", 0);
	amd = decode_host_init() || number("ANYKVM_INSN_ANY_HOST", 0);
	native = native_create();
	return native && probe_create() ? 0 : -1;
}

static int teardown(void **state)
{
	probe_destroy();
	native_destroy(native);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodings_in_64_bit_code),
		cmocka_unit_test(encodings_in_32_bit_code),
		cmocka_unit_test(encodings_in_16_bit_code),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
