/* SPDX-License-Identifier: MIT */
/* What x86/jit/asm.h writes, as Zydis reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <Zydis/Zydis.h>

#include "x86/jit/asm.h"

struct read {
	ZydisDecodedInstruction in;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};

/* One instruction, all of what has been written. */
static void read_back(const u8 *buf, const struct code *k, struct read *r)
{
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, buf, k->p - buf, &r->in, r->ops)));
	assert_int_equal(r->in.length, k->p - buf);
}

static ZydisRegister reg64(u8 r)
{
	return ZYDIS_REGISTER_RAX + r;
}

static void assert_memory(const ZydisDecodedOperand *o, const struct rm *m)
{
	bool index = m->index != NO_INDEX;

	assert_int_equal(o->type, ZYDIS_OPERAND_TYPE_MEMORY);
	assert_int_equal(o->mem.base, reg64(m->reg));
	assert_int_equal(o->mem.index, index ? reg64(m->index) : ZYDIS_REGISTER_NONE);
	assert_int_equal(o->mem.scale, index ? 1 << m->scale : 0);
	assert_int_equal(o->mem.disp.value, m->disp);
}

static void registers(void **state)
{
	struct read r;
	u8 buf[16];

	for (u8 dst = 0; dst < 16; dst++) {
		for (u8 src = 0; src < 16; src++) {
			struct code k = { .p = buf };

			mov_rr(&k, dst, src);
			read_back(buf, &k, &r);
			assert_int_equal(r.in.mnemonic, ZYDIS_MNEMONIC_MOV);
			assert_int_equal(r.ops[0].reg.value, reg64(dst));
			assert_int_equal(r.ops[1].reg.value, reg64(src));
		}
	}
}

static void one_memory(u8 reg, struct rm m)
{
	struct read r;
	u8 buf[16];
	struct code k = { .p = buf };

	mov_load(&k, reg, m);
	read_back(buf, &k, &r);
	assert_int_equal(r.ops[0].reg.value, reg64(reg));
	assert_memory(&r.ops[1], &m);

	k.p = buf;
	mov_store(&k, m, reg);
	read_back(buf, &k, &r);
	assert_memory(&r.ops[0], &m);
	assert_int_equal(r.ops[1].reg.value, reg64(reg));

	k.p = buf;
	lea(&k, reg, m);
	read_back(buf, &k, &r);
	assert_int_equal(r.in.mnemonic, ZYDIS_MNEMONIC_LEA);
	assert_memory(&r.ops[1], &m);
}

static const s32 disps[] = { 0, 1, -1, 127, 128, -128, -129, 0x12345678, INT32_MIN };

static void memory(void **state)
{
	for (u8 base = 0; base < 16; base++)
		for (u32 d = 0; d < ARRAY_SIZE(disps); d++)
			for (u8 reg = 0; reg < 16; reg++)
				one_memory(reg, RM_MEM(base, disps[d]));
}

static void memory_with_index(void **state)
{
	for (u8 base = 0; base < 16; base++)
		for (u8 index = 0; index < 16; index++)
			for (u32 d = 0; d < ARRAY_SIZE(disps); d++)
				if (index != NO_INDEX)
					one_memory(base ^ 9, RM_SIB(base, index, d & 3, disps[d]));
}

static void immediates(void **state)
{
	static const u64 values[] = {
		0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, -1ull, -0x80000000ull,
		-0x80000001ull, 0x123456789abcdef0,
	};
	struct read r;
	u8 buf[16];

	for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
		for (u8 reg = 0; reg < 16; reg++) {
			struct code k = { .p = buf };
			bool wide;

			mov_imm(&k, reg, values[i]);
			read_back(buf, &k, &r);
			wide = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64,
						     r.ops[0].reg.value) == 64;
			assert_int_equal(r.in.mnemonic, ZYDIS_MNEMONIC_MOV);
			assert_int_equal(ZydisRegisterGetId(r.ops[0].reg.value), reg);
			/* 32 bits zero-extend. */
			assert_int_equal(wide ? r.ops[1].imm.value.u :
						(u32)r.ops[1].imm.value.u, values[i]);
		}
	}
}

static u64 target_of(const u8 *buf, const struct code *k)
{
	struct read r;

	read_back(buf, k, &r);
	return (u64)k->p + k->exec_delta + r.ops[0].imm.value.s;
}

static void jumps(void **state)
{
	u8 buf[64];

	/* The target is where it executes, which is not where it is written. */
	for (s64 delta = -0x100000; delta <= 0x100000; delta += 0x100000) {
		const u8 *to = buf + 33 + delta;
		struct code k = { .p = buf, .exec_delta = delta };

		jmp_to(&k, to);
		assert_true(target_of(buf, &k) == (u64)to);
		k.p = buf;
		call_to(&k, to);
		assert_true(target_of(buf, &k) == (u64)to);
		for (u8 cc = 0; cc < 16; cc++) {
			k.p = buf;
			jcc_to(&k, cc, to);
			assert_true(target_of(buf, &k) == (u64)to);
			assert_int_equal(buf[1] & 15, cc);
		}
	}
}

static void jumps_ahead(void **state)
{
	u8 buf[64];
	struct code k = { .p = buf }, first;
	u8 *at = jcc_later(&k, CC_NE);

	first = k;
	put32(&k, 0x90909090);
	patch_here(&k, at);
	assert_true(target_of(buf, &first) == (u64)k.p);
	k.p = buf;
	at = jmp_later(&k);
	first = k;
	put32(&k, 0x90909090);
	patch_here(&k, at);
	assert_true(target_of(buf, &first) == (u64)k.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers),
		cmocka_unit_test(memory),
		cmocka_unit_test(memory_with_index),
		cmocka_unit_test(immediates),
		cmocka_unit_test(jumps),
		cmocka_unit_test(jumps_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
