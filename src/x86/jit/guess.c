/* SPDX-License-Identifier: MIT */
/*
 * Addends that are expected to be those of the last time.
 *
 * Pages that are neighbours in the guest's physical memory and in a linear
 * address space have one addend, so that this is nearly always right; and it
 * takes the TLB's entry out of the way from one load to the next.  Where it is
 * wrong more often than it pays, the code is changed to take the entry's.
 */
#include "x86/jit/internal.h"

enum {
	MISSES	= 64,		/* between two looks at the clock */
	APART	= 3000,		/* cycles: what costs 30 then matters little */
	/* mov r10, [guess]; cmp r10, [entry]; jne */
	AT_GUESS = 3, AT_ENTRY = 7 + 4, SITE_SIZE = 7 + 8 + 6,
};

static u32 read32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The code of put_guess(), of which @ret is the jump back to behind it. */
static u8 *site_of(const struct jit *j, const u8 *ret)
{
	return (u8 *)ret + 5 + (s32)read32(ret + 1) - j->exec_delta - SITE_SIZE;
}

/* NOPs as the SDM advises them, vol. 2B table 4-12. */
static void put_nops(struct code *k, u32 n)
{
	static const u8 nop[][7] = {
		[6] = { 0x66, 0x0f, 0x1f, 0x44 }, [7] = { 0x0f, 0x1f, 0x80 },
	};

	for (; n; n -= 6 + n % 6) {
		memcpy(k->p, nop[6 + n % 6], 6 + n % 6);
		k->p += 6 + n % 6;
	}
}

/* mov r10, [entry]; and where others look for it: mov [guess], r10 */
static void take_entry(u8 *site, bool window)
{
	struct rm entry = RM_SIB(R_STATE, R_C, 0, (s32)read32(site + AT_ENTRY));
	struct rm guess = RM_MEM(R_STATE, (s32)read32(site + AT_GUESS));
	struct code k = { .p = site };

	mov_load(&k, R_B, entry);
	if (window)
		mov_store(&k, guess, R_B);
	put_nops(&k, site + SITE_SIZE - k.p);
}

static u64 failed(struct cpu *c, const u8 *ret, bool window)
{
	u8 *site = site_of(c->jit, ret);
	u32 n = ((s32)read32(site + AT_GUESS) - TABLES(c) -
		 (s32)offsetof(struct translator_tables, guess)) / sizeof(u64);
	u64 now = __builtin_ia32_rdtsc();

	if (now - c->jit->guess_since[n] < MISSES * APART)
		take_entry(site, window);
	c->jit->guess_since[n] = now;
	c->tables->guess_left[n] = MISSES;
	return c->tables->guess[n];
}

u64 jit_guess_failed(struct cpu *c, const u8 *ret)
{
	return failed(c, ret, false);
}

u64 jit_window_failed(struct cpu *c, const u8 *ret)
{
	return failed(c, ret, true);
}
