/* SPDX-License-Identifier: MIT */
/* Random register states, and their way into the vCPU. */
#include "fakes.h"

#include <string.h>
#include <sys/mman.h>

#include "lib/random.h"

u8 *memory;

static u64 seed = 0x9e3779b97f4a7c15ull;

u64 rnd(void)
{
	return random_next(&seed);
}

bool memory_create(void)
{
	void *p = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	memory = p == MAP_FAILED ? NULL : p;
	return memory;
}

static u64 random_element(void)
{
	return rnd() & 3 ? rnd() : random_special(&seed);
}

void fill(void *p, u32 n)
{
	for (u32 i = 0; i < n; i += 8) {
		u64 v = random_element();

		memcpy((u8 *)p + i, &v, MIN(8, n - i));
	}
}

/* An 80-bit value: mostly normal numbers of ordinary size. */
static void random_st(u8 *st)
{
	u64 m = random_element();
	u16 e = rnd() & 0x8000;

	switch (rnd() % 8) {
	case 0: e |= 0x7fff; break;
	case 1: break;
	case 2: e = (u16)rnd(); break;
	default: e |= 0x3fff - 32 + rnd() % 64; break;
	}
	if (rnd() % 8)
		m |= 1ull << 63;
	memset(st, 0, 16);
	memcpy(st, &m, 8);
	memcpy(st + 8, &e, 2);
}

static void random_x87(u8 *fx)
{
	u16 fcw = 0x7f | (rnd() & 0x0c00);
	static const u16 precision[] = { 0, 0x200, 0x300, 0x300 };

	memset(fx, 0, 512);
	fcw |= precision[rnd() % 4];
	memcpy(fx, &fcw, 2);
	memcpy(fx + 2, &(u16){ rnd() & 0x7f7f }, 2);
	fx[4] = (u8)(rnd() | rnd());
	for (u32 i = 0; i < 8; i++)
		random_st(fx + 32 + 16 * i);
}

void random_state(struct state *s)
{
	static const u32 modes[] = { 0, 0, 0, 0x2000, 0x4000, 0x6000, 0x8000, 0x40 };
	u32 mxcsr = 0x1f80 | modes[rnd() % 8] | (rnd() & 3 ? 0 : rnd() & 0x3f);

	random_x87(s->fx);
	memcpy(s->fx + 24, &mxcsr, 4);
	fill(s->ymm, sizeof(s->ymm));
	fill(s->gpr, sizeof(s->gpr));
	fill(memory, MEM_BYTES);
	s->flags = (rnd() & X86_EFLAGS_STATUS) | 2;
	s->gpr[RBX] = (u64)memory + MEM_AT - 0x10;
	s->gpr[RDI] = (u64)memory + MEM_AT;
}

void state_to_guest(struct cpu *cpu, const struct state *s)
{
	memcpy(cpu->gpr, s->gpr, sizeof(s->gpr));
	memset(&cpu->fpu, 0, sizeof(cpu->fpu));
	memcpy(cpu->fpu.fxsave, s->fx, 160);
	memcpy(&cpu->fpu.mxcsr, s->fx + 24, 4);
	cpu->fpu.xinuse = fpu_supported_xcr0();
	for (u32 n = 0; n < 16; n++)
		memcpy(cpu->fpu.vec[n], s->ymm[n], 32);
	cpu_set_rflags(cpu, s->flags);
}
