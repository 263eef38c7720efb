// SPDX-License-Identifier: MIT
/*
 * Read-modify-write where its memory is no host memory, and where another CPU
 * was faster: the outcome is that of the undisturbed instruction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fakes.h"
#include "lib/random.h"

enum { MEM_SIZE = 4096, AT = 64, RACES = 3 };

static u8 *mem;
static u64 seed = 1;

/* All of [RBX]; the register is RCX. */
#define ALU(n)		{ 0xf0, 8 * n, 0x0b }, { 0xf0, 0x48, 8 * n + 1, 0x0b },	\
			{ 0xf0, 0x80, 0x03 | n << 3, 0x5a }, { 0xf0, 0x83, 0x03 | n << 3, 0xa5 }
#define UNARY(op, n)	{ 0xf0, op, 0x03 | n << 3 }, { 0xf0, 0x48, op + 1, 0x03 | n << 3 }
#define TWO(op)		{ 0xf0, 0x0f, op, 0x0b }, { 0xf0, 0x48, 0x0f, op + 1, 0x0b }
#define BITS(op, n)	{ 0xf0, 0x0f, op, 0x0b }, { 0xf0, 0x0f, 0xba, 0x03 | n << 3, 0x1d }

static const u8 insns[][8] = {
	ALU(0), ALU(1), ALU(2), ALU(3), ALU(4), ALU(5), ALU(6),
	UNARY(0xfe, 0), UNARY(0xfe, 1), UNARY(0xf6, 2), UNARY(0xf6, 3),
	TWO(0xc0), TWO(0xb0), { 0x86, 0x0b }, { 0x48, 0x87, 0x0b },
	BITS(0xab, 5), BITS(0xb3, 6), BITS(0xbb, 7), { 0xf0, 0x0f, 0xc7, 0x0b },
};

struct outcome {
	u64 gpr[16], flags;
	u8 mem[MEM_SIZE];
};

static void run(const u8 *bytes, const struct outcome *from, struct outcome *to)
{
	struct cpu *c = machine.cpu;
	enum step step;

	memcpy(mem, from->mem, MEM_SIZE);
	memcpy(c->gpr, from->gpr, sizeof(c->gpr));
	cpu_set_rflags(c, from->flags);
	do {
		step = machine_step(bytes, 8);
	} while (step == STEP_AGAIN);
	assert_int_equal(step, STEP_NEXT);
	memcpy(to->gpr, c->gpr, sizeof(c->gpr));
	to->flags = cpu_rflags(c);
	memcpy(to->mem, mem, MEM_SIZE);
}

static void random_start(struct outcome *o)
{
	for (u32 i = 0; i < 16; i++)
		o->gpr[i] = random_value(&seed);
	o->gpr[RBX] = (u64)mem + AT;
	o->gpr[RCX] = random_below(&seed, 256);		/* a bit index, too */
	o->flags = X86_EFLAGS_FIXED | (random_next(&seed) & X86_EFLAGS_STATUS);
	for (u32 i = 0; i < MEM_SIZE; i += 8)
		memcpy(o->mem + i, &(u64){ random_next(&seed) }, 8);
	if (random_below(&seed, 2))	/* CMPXCHG succeeds */
		memcpy(&o->gpr[RAX], o->mem + AT, 8);
}

static void compare_all(void (*disturb)(void))
{
	static struct outcome from, plain, disturbed;

	for (u32 i = 0; i < ARRAY_SIZE(insns); i++)
		for (u32 round = 0; round < 50; round++) {
			random_start(&from);
			machine.rmw_races = machine.rmw_no_host = 0;
			run(insns[i], &from, &plain);
			disturb();
			run(insns[i], &from, &disturbed);
			assert_int_equal(machine.rmw_races, 0);
			assert_memory_equal(&plain, &disturbed, sizeof(plain));
		}
}

static void lose_races(void)
{
	machine.rmw_races = RACES;
}

static void take_host_away(void)
{
	machine.rmw_no_host = true;
}

static void lost_races_are_run_again(void **state)
{
	compare_all(lose_races);
}

static void memory_need_not_be_the_hosts(void **state)
{
	compare_all(take_host_away);
}

static int setup(void **state)
{
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	machine_create(8);
	machine_map((u64)mem, (u64)mem + MEM_SIZE, false);
	return 0;
}

static int teardown(void **state)
{
	machine_destroy();
	return munmap(mem, MEM_SIZE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_races_are_run_again),
		cmocka_unit_test(memory_need_not_be_the_hosts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
