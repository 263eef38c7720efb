/* SPDX-License-Identifier: MIT */
/*
 * The page that an access had last.
 *
 * It is compared before the TLB is asked, which takes half of the instructions,
 * and the access does not wait for them.  An access that changes its page too
 * often is given code that looks at the TLB: by a guess (guess.c) if the addend
 * stays nevertheless.
 */
#include "x86/jit/internal.h"
#include "x86/mmu/internal.h"

enum {
	MISSES	= 64,		/* between two looks at the clock */
	APART	= 600,		/* cycles: what costs 50 then matters little */
	SAME	= 60,		/* of the misses: a guess would have been right */
	MAX_ADDRESS = 8,	/* bytes of LEA before the site */
	MAX_CODE = 128,
	/* xor r11, [tag]; cmp r11, imm; ja; mov r10, [addend] */
	AT_TAG = 3, AT_IMM = 7 + 3, AT_JA = 14 + 2, SITE_SIZE = 7 + 7 + 6 + 7,
};

static u32 read32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

void recent_forget(struct cpu *c)
{
	struct translator_tables *t = c->tables;

	for (u32 i = 0; i < t->recent_count; i++) {
		u32 n = t->recent_log[i] / sizeof(struct recent);

		t->recent[n].tag = TLB_NO_STACK;
		t->recent_use[n].logged = 0;
	}
	t->recent_count = 0;
}

/* The displacement that leads to recent[n], or -1. */
static int place_at(const struct cpu *c, const u8 *disp)
{
	s64 at = (s64)(s32)read32(disp) - TABLES(c) -
		 (s64)offsetof(struct translator_tables, recent);

	if (at < 0 || at >= (s64)sizeof(c->tables->recent) || at % sizeof(struct recent))
		return -1;
	return at / sizeof(struct recent);
}

/* What put_recent() has made, at or behind @check; NULL: it is something else now. */
static u8 *site_behind(const struct cpu *c, u8 *check)
{
	for (u32 i = 0; i <= MAX_ADDRESS; i++)
		if (check[i] == 0x4d && check[i + 1] == 0x33 && check[i + 2] == 0x9f &&
		    place_at(c, check + i + AT_TAG) >= 0)
			return check + i;
	return NULL;
}

static struct rm entry_field(const struct cpu *c, u32 field)
{
	return RM_SIB(R_STATE, R_B, 0,
		      (s32)((u8 *)c->mmu->tlb[TLB_USER].entry - (u8 *)c) - STATE_BIAS +
		      (s32)field);
}

/* R11: the address.  As check.c does it, but for the copy. */
static void put_lookup(struct code *k, const struct cpu *c, const u8 *site, bool write)
{
	const u8 *miss = site + AT_JA + 4 + (s32)read32(site + AT_JA) + k->exec_delta;

	put_vex(k, &(struct vex){ .map = 3, .pp = 3, .opcode = 0xf0, .w = true }, R_B,
		RM_REG(R_C));					/* rorx r10, r11, 7 */
	put8(k, PAGE_SHIFT - 5);
	put_op(k, false, 0x81, 4, RM_REG(R_B));			/* and r10d, imm32 */
	put32(k, (TLB_ENTRIES - 1) << 5);
	put_op(k, true, 0x33, R_C,
	       entry_field(c, write ? offsetof(struct tlb_entry, tag_write) :
				      offsetof(struct tlb_entry, tag_read)));
	put_op(k, true, 0x81, 7, RM_REG(R_C));			/* cmp r11, imm32 */
	put32(k, read32(site + AT_IMM));
	jcc_to(k, CC_A, miss);
}

/* R10 = the guess, or what it should have been. */
static void put_guessed(struct code *k, const struct cpu *c, u32 n)
{
	struct rm guess = RM_MEM(R_STATE, TABLES(c) +
				 (s32)offsetof(struct translator_tables, recent_use[n].guess));
	u8 *wrong, *right;

	mov_load(k, R_C, guess);
	put_op(k, true, 0x3b, R_C, entry_field(c, offsetof(struct tlb_entry, addend)));
	wrong = jcc_later(k, CC_NE);
	mov_rr(k, R_B, R_C);
	right = jmp_later(k);
	patch_here(k, wrong);
	mov_load(k, R_B, entry_field(c, offsetof(struct tlb_entry, addend)));
	mov_store(k, guess, R_B);
	patch_here(k, right);
}

static void look_up_instead(struct cpu *c, u8 *site, u32 n, bool guess)
{
	struct jit *j = c->jit;
	struct code k = { .p = j->rw + j->used, .exec_delta = j->exec_delta };
	u8 *code = k.p;

	if (!jit_has_room(j))
		return;
	put_lookup(&k, c, site, n >= NR_RECENT);
	if (guess)
		put_guessed(&k, c, n);
	else
		mov_load(&k, R_B, entry_field(c, offsetof(struct tlb_entry, addend)));
	jmp_to(&k, site + SITE_SIZE + k.exec_delta);
	j->used = (k.p - j->rw + 15) & ~15ul;
	put_jmp_at(site, code);
}

/* Behind the call is: jne check */
void jit_recent_failed(struct cpu *c, const u8 *ret)
{
	u8 *check = (u8 *)ret + 6 + (s32)read32(ret + 2) - c->jit->exec_delta;
	u8 *site = site_behind(c, check);
	struct recent_use *use;
	u64 now = __builtin_ia32_rdtsc();
	u32 n;

	if (!site)
		return;
	n = place_at(c, site + AT_TAG);
	use = &c->tables->recent_use[n];
	if (now - use->since < MISSES * APART)
		look_up_instead(c, site, n, use->same >= SAME);
	use->since = now;
	use->left = MISSES;
	use->same = 0;
}
