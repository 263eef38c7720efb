// SPDX-License-Identifier: MIT
/* What shape_decode() remembers against decode_insn(), for all opcodes and ModRM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fakes.h"
#include "x86/decode/shape.h"

static struct shape shapes[NR_SHAPES];
static u64 seed = 0x9e3779b97f4a7c15;

static u8 random_byte(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u8)(seed >> 24);
}

static void expect_same(const u8 *bytes, u32 avail, u8 code_size)
{
	struct insn a, b;
	enum decode_result ra, rb;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	ra = shape_decode(shapes, NULL, bytes, avail, code_size, &a);
	rb = decode_insn(NULL, bytes, avail, code_size, &b);
	if (ra == rb && (ra != DECODE_OK || !memcmp(&a, &b, offsetof(struct insn, end) + 1)))
		return;
	for (u32 i = 0; i < avail; i++)
		fprintf(stderr, "%02x ", bytes[i]);
	fail_msg("of %u-byte code: %d, not %d", code_size, ra, rb);
}

/* Several with the same head, the last of them cut short. */
static void expect_shape(const u8 *head, u32 n)
{
	u8 bytes[15];

	memcpy(bytes, head, n);
	for (int round = 0; round < 2; round++) {
		for (u32 i = n; i < sizeof(bytes); i++)
			bytes[i] = random_byte();
		expect_same(bytes, sizeof(bytes), 8);
	}
	expect_same(bytes, n + random_byte() % 6, 8);
}

static void expect_opcode(const u8 *prefix, u32 prefixes, const u8 *opcode, u32 n)
{
	u8 head[15];

	memcpy(head, prefix, prefixes);
	memcpy(head + prefixes, opcode, n);
	for (u32 modrm = 0; modrm < 256; modrm++) {
		head[prefixes + n] = (u8)modrm;
		head[prefixes + n + 1] = random_byte();
		expect_shape(head, prefixes + n + 2);
	}
}

static void remembers_what_would_be_decoded(void **state)
{
	static const struct { u8 n, byte[3]; } prefix[] = {
		{ 0 }, { 1, { 0x48 } }, { 1, { 0x66 } }, { 1, { 0x41 } }, { 1, { 0x67 } },
		{ 2, { 0x65, 0x48 } }, { 2, { 0xf0, 0x4c } }, { 3, { 0x66, 0xf2, 0x4f } },
	};

	for (u32 p = 0; p < ARRAY_SIZE(prefix); p++)
		for (u32 opcode = 0; opcode < 512; opcode++) {
			u8 two[2] = { 0x0f, (u8)opcode };
			bool one = opcode < 256;

			expect_opcode(prefix[p].byte, prefix[p].n, one ? &two[1] : two,
				      one ? 1 : 2);
		}
}

static void bytes_at_random(void **state)
{
	static const u8 sizes[] = { 2, 4, 8 };
	u8 bytes[15];

	for (u32 i = 0; i < 200000; i++) {
		for (u32 k = 0; k < sizeof(bytes); k++)
			bytes[k] = random_byte();
		expect_same(bytes, 1 + random_byte() % sizeof(bytes), sizes[i % 3]);
	}
}

/* The second and third are not decoded: their fields come from the first. */
static void the_second_of_a_shape_is_known(void **state)
{
	static const u8 first[] = { 0x48, 0x81, 0x45, 0x10, 1, 2, 3, 4 };
	static const u8 second[] = { 0x48, 0x81, 0x45, 0xf0, 0xff, 0xff, 0xff, 0xff };
	static struct shape own[NR_SHAPES];
	u32 used = 0;
	struct insn in;

	assert_int_equal(shape_decode(own, NULL, first, sizeof(first), 8, &in), DECODE_OK);
	for (u32 i = 0; i < NR_SHAPES; i++) {
		used += !!own[i].key;
		own[i].insn.sub ^= own[i].key ? 0x80 : 0;
	}
	assert_int_equal(used, 1);
	assert_int_equal(shape_decode(own, NULL, second, sizeof(second), 8, &in), DECODE_OK);
	assert_int_equal(in.sub & 0x80, 0x80);
	assert_int_equal(in.disp, -16);
	assert_int_equal(in.imm, -1ull);
	assert_int_equal(in.len, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_of_a_shape_is_known),
		cmocka_unit_test(remembers_what_would_be_decoded),
		cmocka_unit_test(bytes_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
