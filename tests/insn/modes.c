// SPDX-License-Identifier: MIT
/* What a 64-bit host cannot show: 16-bit code, limits, stack widths. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fakes.h"
#include "x86/interp/ops.h"

enum { MEM_SIZE = 0x20000, MEM_HIGH = 0x30000000 };

static struct cpu *c;
static u8 *mem;

/* 16-bit segments all at @mem, which the fake MMU maps onto itself. */
static int setup(void **state)
{
	int i;

	mem = mmap((void *)MEM_HIGH, MEM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	c = machine_create(2);
	machine_map((u64)mem, (u64)mem + MEM_SIZE, false);
	for (i = 0; i < NR_SEGS; i++)
		c->seg[i].base = (u64)mem;
	c->rip = 0x100;
	c->gpr[RSP] = 0x1000;
	return 0;
}

static int teardown(void **state)
{
	machine_destroy();
	return munmap(mem, MEM_SIZE);
}

#define STEP(...) \
	machine_step((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static u16 stack16(void)
{
	u16 v;

	memcpy(&v, mem + (u16)c->gpr[RSP], 2);
	return v;
}

static void assert_exception(enum step step, u8 vector)
{
	assert_int_equal(step, STEP_FAULT);
	assert_int_equal(c->exc.vector, vector);
}

static void ip_wraps_at_the_operand_size(void **state)
{
	c->rip = 0x10;
	assert_int_equal(STEP(0xeb, 0x80), STEP_JUMP);		/* JMP $-126 */
	assert_int_equal(c->rip, 0xff92);
	assert_int_equal(STEP(0xe9, 0x70, 0x10), STEP_JUMP);
	assert_int_equal(c->rip, 0x1005);
	c->gpr[RBX] = 0x12345678;
	assert_int_equal(STEP(0xff, 0xe3), STEP_JUMP);		/* JMP BX */
	assert_int_equal(c->rip, 0x5678);
}

static void targets_beyond_the_limit_fault(void **state)
{
	c->gpr[RBX] = 0x12345678;
	assert_exception(STEP(0x66, 0xff, 0xe3), EXC_GP);	/* JMP EBX */
	assert_exception(STEP(0x66, 0xff, 0xd3), EXC_GP);	/* CALL EBX */
	assert_int_equal(c->gpr[RSP], 0x1000);
	assert_int_equal(c->rip, 0x100);
	c->seg[CS].limit = 0x200;
	c->status = X86_EFLAGS_ZF;
	assert_exception(STEP(0x0f, 0x84, 0x00, 0x10), EXC_GP);	/* JZ */
	assert_int_equal(STEP(0x0f, 0x85, 0x00, 0x10), STEP_NEXT);
	mem[0x1000] = 0x01;
	mem[0x1001] = 0x02;
	assert_exception(STEP(0xc3), EXC_GP);			/* RET to 201h */
	assert_int_equal(c->gpr[RSP], 0x1000);
	c->gpr[RCX] = 5;
	c->rip = 0x1f0;
	assert_exception(STEP(0xe2, 0x7f), EXC_GP);		/* LOOP */
	assert_int_equal(c->gpr[RCX], 5);
}

static void jcxz_looks_at_16_bits(void **state)
{
	struct insn in = { .osz = 2, .asz = 2, .imm = 0x12, .len = 2 };

	c->gpr[RCX] = 0x10000;
	assert_int_equal(STEP(0xe3, 0x10), STEP_JUMP);
	assert_int_equal(c->rip, 0x112);
	c->gpr[RCX] = 0xffff;
	assert_int_equal(STEP(0xe3, 0x10), STEP_NEXT);
	assert_int_equal(STEP(0x67, 0xe3, 0x10), STEP_NEXT);	/* JECXZ */
	c->gpr[RCX] = ~0ull << 32;
	assert_int_equal(op_jcxz(c, &in), STEP_JUMP);
	assert_int_equal(c->rip, 0x117 + 0x12);
}

/* The bounds are two operands: the second one's address wraps. */
static void bounds_wrap(void **state)
{
	c->gpr[RDI] = 0xfffe;
	memcpy(mem + 0xfffe, (u16[]){ 5 }, 2);
	memcpy(mem, (u16[]){ 9 }, 2);
	c->gpr[RAX] = 9;
	assert_int_equal(STEP(0x62, 0x05), STEP_NEXT);		/* BOUND AX, [DI] */
	c->gpr[RAX] = 10;
	assert_exception(STEP(0x62, 0x05), EXC_BR);
	c->gpr[RAX] = 4;
	assert_exception(STEP(0x62, 0x05), EXC_BR);
}

static void calls_and_returns(void **state)
{
	assert_int_equal(STEP(0xe8, 0x10, 0x00), STEP_JUMP);
	assert_int_equal(c->rip, 0x113);
	assert_int_equal(c->gpr[RSP], 0xffe);
	assert_int_equal(stack16(), 0x103);
	assert_int_equal(STEP(0xc2, 0x06, 0x00), STEP_JUMP);
	assert_int_equal(c->rip, 0x103);
	assert_int_equal(c->gpr[RSP], 0x1006);
	assert_int_equal(STEP(0x66, 0xe8, 0, 0, 0, 0), STEP_JUMP);	/* CALL rel32 */
	assert_int_equal(c->gpr[RSP], 0x1002);
	assert_int_equal(STEP(0x66, 0xc3), STEP_JUMP);
	assert_int_equal(c->rip, 0x109);
}

static void the_stack_pointer_wraps_at_its_width(void **state)
{
	c->gpr[RSP] = 0x12340000;
	assert_int_equal(STEP(0x50), STEP_NEXT);
	assert_int_equal(c->gpr[RSP], 0x1234fffe);
	assert_int_equal(STEP(0x58), STEP_NEXT);
	assert_int_equal(c->gpr[RSP], 0x12340000);
	assert_int_equal(STEP(0x54), STEP_NEXT);		/* PUSH SP: the old one */
	assert_int_equal(stack16(), 0x0000);
	c->gpr[RSP] = 0x1000;
	mem[0x1000] = 0x77;
	assert_int_equal(STEP(0x5c), STEP_NEXT);		/* POP SP */
	assert_int_equal((u16)c->gpr[RSP], 0x77);
}

static void pusha_and_popa(void **state)
{
	int i;

	for (i = 0; i < 8; i++)
		if (i != RSP)
			c->gpr[i] = 0xabcd0000 + i;
	assert_int_equal(STEP(0x60), STEP_NEXT);
	assert_int_equal(c->gpr[RSP], 0xff0);
	assert_int_equal(stack16(), RDI);
	assert_int_equal(mem[0xff6] | mem[0xff7] << 8, 0x1000);
	for (i = 0; i < 8; i++)
		if (i != RSP)
			c->gpr[i] = 0x55550000;
	assert_int_equal(STEP(0x61), STEP_NEXT);
	assert_int_equal(c->gpr[RSP], 0x1000);
	assert_int_equal(c->gpr[RDI], 0x55550000 + RDI);
}

static void loops_count_in_the_address_size(void **state)
{
	c->gpr[RCX] = 0x10001;
	assert_int_equal(STEP(0xe2, 0x10), STEP_NEXT);		/* LOOP: CX is 1 */
	assert_int_equal(c->gpr[RCX], 0x10000);
	assert_int_equal(STEP(0xe3, 0x10), STEP_JUMP);		/* JCXZ */
	assert_int_equal(STEP(0x67, 0xe3, 0x10), STEP_NEXT);	/* JECXZ */
	assert_int_equal(STEP(0x67, 0xe2, 0x10), STEP_JUMP);
	assert_int_equal(c->gpr[RCX], 0xffff);
}

static void addresses_wrap_at_the_address_size(void **state)
{
	c->gpr[RBX] = 0xfff0;
	c->gpr[RSI] = 0x0020;
	mem[0x0015] = 0x99;
	assert_int_equal(STEP(0x8a, 0x40, 0x05), STEP_NEXT);	/* MOV AL, [BX + SI + 5] */
	assert_int_equal((u8)c->gpr[RAX], 0x99);
	assert_int_equal(STEP(0x8d, 0x40, 0x05), STEP_NEXT);	/* LEA AX */
	assert_int_equal((u16)c->gpr[RAX], 0x15);
	/* BTS [BX + SI], AX with a negative index. */
	c->gpr[RBX] = 0;
	c->gpr[RAX] = (u16)-16;
	assert_int_equal(STEP(0x0f, 0xab, 0x00), STEP_NEXT);
	assert_int_equal(mem[0x1e] | mem[0x1f] << 8, 1);
}

static void segment_limits_hold(void **state)
{
	c->seg[DS].limit = 0xff;
	c->gpr[RBX] = 0x100;
	assert_exception(STEP(0x8b, 0x07), EXC_GP);
	assert_exception(STEP(0x01, 0x07), EXC_GP);
	assert_exception(STEP(0x87, 0x07), EXC_GP);
	c->gpr[RBP] = 0x100;
	c->seg[SS].limit = 0xff;
	assert_exception(STEP(0x8b, 0x46, 0x00), EXC_SS);
}

static void non_canonical_targets_fault(void **state)
{
	machine_set_mode(8);
	c->gpr[RAX] = 0x0000800000000000;
	assert_exception(STEP(0xff, 0xe0), EXC_GP);
	c->gpr[RSP] = (u64)mem + 0x1000;
	assert_exception(STEP(0xff, 0xd0), EXC_GP);
	assert_int_equal(c->gpr[RSP], (u64)mem + 0x1000);
	memcpy(mem + 0x1000, &c->gpr[RAX], 8);
	assert_exception(STEP(0xc3), EXC_GP);
	assert_int_equal(c->gpr[RSP], (u64)mem + 0x1000);
}

static void unimplemented_is_not_undefined(void **state)
{
	assert_int_equal(STEP(0xd9, 0xe8), STEP_EXIT);		/* FLD1, no thunks here */
	assert_exception(STEP(0x0f, 0x0b), EXC_UD);
	assert_exception(STEP(0x0f, 0x01, 0xd5), EXC_UD);	/* XEND: RTM is not offered */
	assert_exception(STEP(0xf3, 0x0f, 0xa6, 0xc0), EXC_UD);	/* MONTMUL */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(ip_wraps_at_the_operand_size),
		TEST(targets_beyond_the_limit_fault),
		TEST(calls_and_returns), TEST(jcxz_looks_at_16_bits), TEST(bounds_wrap),
		TEST(the_stack_pointer_wraps_at_its_width),
		TEST(pusha_and_popa),
		TEST(loops_count_in_the_address_size),
		TEST(addresses_wrap_at_the_address_size),
		TEST(segment_limits_hold),
		TEST(non_canonical_targets_fault),
		TEST(unimplemented_is_not_undefined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
