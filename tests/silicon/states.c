/* SPDX-License-Identifier: MIT */
/* Random numbers, and initial states made of them. */
#include "silicon.h"

#include <string.h>

#include "lib/random.h"

u64 seed;

u64 rnd(void)
{
	return random_next(&seed);
}

u32 below(u32 n)
{
	return random_below(&seed, n);
}

u64 value(void)
{
	return random_value(&seed);
}

/* splitmix64: neighbouring cases have nothing in common. */
void rnd_seed(u64 from, u64 nr)
{
	u64 z = from * 0x9e3779b97f4a7c15ull + (nr + 1) * 0xd1342543de82ef95ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	seed = (z ^ z >> 31) | 1;
}

/* -- Memory and vectors ------------------------------------------------------------- */

enum { POOL_BYTES = 1 << 20 };
static u8 pool[POOL_BYTES + MEM_BYTES];

/* Numbers of one, two or four to the element, of every kind that IEEE 754 has. */
static u64 element(void)
{
	switch (below(8)) {
	case 0: case 1: return random_special(&seed);
	case 2: return (rnd() & 0x800fffffffffffff) | (u64)(0x3ff - 40 + below(80)) << 52;
	case 3: return (rnd() & 0x807fffff807fffff) |
		       (u64)(0x7f - 20 + below(40)) << 55 | (u64)(0x7f - 20 + below(40)) << 23;
	case 4: return below(32) | (u64)below(32) << 32;
	default: return rnd();
	}
}

void pool_create(void)
{
	rnd_seed(0x5111c0, 0);
	for (u32 i = 0; i < sizeof(pool); i += 8) {
		u64 v = element();

		memcpy(pool + i, &v, 8);
	}
}

static const u8 *pool_at_random(void)
{
	return pool + (below(POOL_BYTES) & ~7u);
}

const u8 *pool_memory(void)
{
	return pool_at_random();
}

/* -- The FPU -------------------------------------------------------------------------- */

/* An 80-bit value: mostly normal numbers of ordinary size. */
static void random_st(u8 *st)
{
	u64 m = element();
	u16 e = rnd() & 0x8000;

	switch (below(8)) {
	case 0: e |= 0x7fff; break;
	case 1: break;
	case 2: e = (u16)rnd(); break;
	default: e |= 0x3fff - 32 + below(64); break;
	}
	if (below(8))
		m |= 1ull << 63;
	memcpy(st, &m, 8);
	memcpy(st + 8, &e, 2);
}

static void random_x87(u8 *fx)
{
	static const u16 precision[] = { 0, 0x200, 0x300, 0x300 };
	u16 fcw = 0x7f | (rnd() & 0x0c00) | precision[below(4)];
	u16 fsw = rnd() & 0x7f7f;

	if (below(8) == 0)
		fcw &= ~(1 << below(6));
	if (below(4))		/* else an exception may be pending from before */
		fsw &= ~(~fcw & 0x3f);
	if (fsw & ~fcw & 0x3f)
		fsw |= 0x8080;
	memcpy(fx, &fcw, 2);
	memcpy(fx + 2, &fsw, 2);
	fx[4] = (u8)(rnd() | rnd());
	for (u32 i = 0; i < 8; i++)
		random_st(fx + FPU_ST + 16 * i);
}

u32 random_mxcsr(void)
{
	static const u32 modes[] = { 0, 0, 0, 0x2000, 0x4000, 0x6000, 0x8000, 0x40, 0x8040 };
	u32 mxcsr = 0x1f80 | modes[below(COUNT(modes))] | (below(4) ? 0 : rnd() & 0x3f);

	if (below(8) == 0)
		mxcsr &= ~(0x80 << below(6));
	return mxcsr;
}

void random_fpu(struct fpu *f)
{
	u32 mxcsr = random_mxcsr();

	memset(f, 0, sizeof(*f));
	random_x87(f->fx);
	memcpy(f->fx + FPU_MXCSR, &mxcsr, 4);
	memcpy(f->fx + FPU_MXCSR + 4, &(u32){ 0xffff }, 4);
	memcpy(f->fx + FPU_XMM, pool_at_random(), 256);
	memcpy(f->ymm_high, pool_at_random(), 256);
	f->xstate_bv = 7;
}

/* -- General registers -------------------------------------------------------------------- */

/* Where operands are there, straddle two pages, or fall off. */
static u64 pointer(void)
{
	u32 page;

	switch (below(10)) {
	case 0: case 1:		/* between the two writable pages */
		return DATA + 2 * PAGE - 64 + below(128);
	case 2:
		page = 1 + below(DATA_PAGES - 1);
		return DATA + page * PAGE - 40 + below(80);
	case 3:
		return DATA + 3 * PAGE + below(PAGE);
	case 4: case 5:
		return DATA + PAGE + 1024 + below(2 * PAGE - 2048);
	default:
		return DATA + PAGE + 1024 + (below(2 * PAGE - 2048) & ~63u);
	}
}

static void random_gprs(struct state *s, u32 bias)
{
	for (u32 i = 0; i < 16; i++) {
		switch (below(3)) {
		case 0: s->gpr[i] = pointer() - bias; break;
		case 1: s->gpr[i] = below(4) ? 16 * below(8) : below(80) - 16ll; break;
		default: s->gpr[i] = value(); break;
		}
	}
	s->gpr[RCX] = below(2) ? below(40) : value();
	s->gpr[RBX] = pointer() - bias;
	s->gpr[RSI] = pointer() - bias;
	s->gpr[RDI] = pointer() - bias;
	if (below(2))		/* let some divisions succeed */
		s->gpr[RDX] = below(3) ? below(100) : 0 - (u64)below(2);
}

static u64 stack_pointer(void)
{
	return DATA + 2 * PAGE + (below(4) ? 8 * ((int)below(160) - 80) : below(1024));
}

/* 16-bit addresses and stacks do not see the upper halves. */
static void narrow(struct state *s, enum code code)
{
	for (u32 i = 0; i < 16 && code != CODE64; i++)
		s->gpr[i] = i < 8 ? (u32)s->gpr[i] : 0;
	for (u32 i = 0; i < 8 && code == CODE16; i++)
		if (below(6) == 0)
			s->gpr[i] |= rnd() & 0xffff0000;
	if (code != CODE64 && !segment_is_big(s->sel[SS]) && below(2))
		s->gpr[RSP] |= rnd() & 0xffff0000;
}

static u64 random_flags(bool user)
{
	u64 flags = 0x202 | (rnd() & FLAGS_STATUS) | (below(4) ? 0 : FLAG_DF);

	if (below(16) == 0)
		flags |= FLAG_TF;
	return user && below(8) == 0 ? flags | FLAG_AC : flags;
}

void state_generate(struct state *s, enum code code, bool user)
{
	segments_generate(s, code);
	random_gprs(s, segment_base(s->sel[DS]));
	s->gpr[RSP] = stack_pointer() - segment_base(s->sel[SS]);
	if (below(3) == 0)
		s->gpr[RBP] = s->gpr[RSP] + below(128);
	narrow(s, code);
	random_fpu(&s->fpu);
	s->flags = random_flags(user);
}
