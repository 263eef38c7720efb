/* SPDX-License-Identifier: MIT */
/*
 * The guest's vector registers and MXCSR are in the host's while cpu->jit_vec
 * says so.  A block makes sure of that before its first vector instruction,
 * and again where the interpreter has done one in between; every way out of
 * translated code puts them back.
 *
 * The interpreter looks at control registers before each instruction.  They
 * change in instructions that are its own, so that a look when the registers
 * are loaded does.  An unmasked SIMD exception is its own as well: MXCSR then
 * is never loaded.
 */
#include "x86/cpu/xsave.h"
#include "x86/jit/trans.h"

#define AVX_STATE	(XFEATURE_SSE | XFEATURE_YMM)

/* -- Fixed pieces -------------------------------------------------------------- */

static bool has_avx(void)
{
	return __builtin_cpu_supports("avx");
}

/* VMOVDQU of YMM, or MOVUPS, between register @n and its place. */
static void put_move(struct code *k, u8 n, bool store)
{
	struct rm m = CPU_FIELD(fpu.vec);

	m.disp += n * sizeof(((struct fpu *)0)->vec[0]);
	if (!has_avx()) {
		put_op(k, false, store ? 0x0f11 : 0x0f10, n, m);
		return;
	}
	put_vex(k, &(struct vex){ .map = 1, .pp = 2, .l = 1,
				  .opcode = store ? 0x7f : 0x6f }, n, m);
}

static void move_all(struct code *k, bool store)
{
	for (u8 n = 0; n < 16; n++)
		put_move(k, n, store);
}

static void put_mxcsr(struct code *k, u8 extension, struct rm m)
{
	put_op(k, false, 0x0fae, extension, m);
}

enum { LDMXCSR = 2, STMXCSR = 3 };

/* To the returned place if the bits are set (CC_NE), or if none is (CC_E). */
static u8 *unless_bits(struct code *k, struct rm m, u32 bits, enum cc cc)
{
	test_imm(k, m, bits);
	return jcc_later(k, cc);
}

static void save_vectors(struct code *k)
{
	put_mxcsr(k, STMXCSR, CPU_FIELD(fpu.mxcsr));
	put_mxcsr(k, LDMXCSR, CPU_FIELD(jit_mxcsr));
	move_all(k, true);
	if (has_avx())
		put_vzero(k, false);
}

/* Puts the registers back, which are live.  Only flags are lost. */
static const u8 *make_save(struct code *k)
{
	const u8 *entry = code_exec(k);
	u8 *dead;

	dead = unless_bits(k, CPU_FIELD(jit_vec), VEC_SSE | VEC_AVX, CC_E);
	save_vectors(k);
	patch_here(k, dead);
	dead = unless_bits(k, CPU_FIELD(jit_vec), VEC_X87, CC_E);
	x87_put_save(k);
	patch_here(k, dead);
	put_op(k, false, 0xc7, 0, CPU_FIELD(jit_vec));		/* mov [], 0 */
	put32(k, 0);
	put8(k, 0xc3);
	return entry;
}

/* To the returned place unless all of @bits are set. */
static u8 *unless_all(struct code *k, struct rm m, u32 bits)
{
	put_op(k, false, 0x8b, R_B, m);
	put_op(k, false, 0xf7, 2, RM_REG(R_B));			/* not */
	return unless_bits(k, RM_REG(R_B), bits, CC_NE);
}

/* What sse_enabled() and avx_enabled() ask (native/check.h), in protected mode. */
static u32 put_checks(struct code *k, bool avx, u8 *fail[4])
{
	u32 n = 0;

	fail[n++] = unless_bits(k, CPU_FIELD(cr0),
				avx ? X86_CR0_TS : X86_CR0_TS | X86_CR0_EM, CC_NE);
	fail[n++] = unless_bits(k, CPU_FIELD(cr4),
				avx ? X86_CR4_OSXSAVE : X86_CR4_OSFXSR, CC_E);
	if (avx)
		fail[n++] = unless_all(k, CPU_FIELD(xcr0), AVX_STATE);
	fail[n++] = unless_all(k, CPU_FIELD(fpu.mxcsr), MXCSR_MASKS);
	return n;
}

static void load_vectors(struct code *k, u8 use)
{
	u8 *live;

	put_op(k, false, 0x83, 1, CPU_FIELD(fpu.xinuse));	/* or [], imm8 */
	put8(k, use);
	live = unless_bits(k, CPU_FIELD(jit_vec), VEC_SSE | VEC_AVX, CC_NE);
	put_mxcsr(k, STMXCSR, CPU_FIELD(jit_mxcsr));
	put_mxcsr(k, LDMXCSR, CPU_FIELD(fpu.mxcsr));
	move_all(k, false);
	patch_here(k, live);
}

/*
 * Makes the registers live for what @need says.  RAX: the RIP, at which the
 * interpreter goes on if it may not be.  RAX, R10 and flags are lost.
 */
static const u8 *make_load(struct code *k, enum vec_need need, const u8 *exit)
{
	const u8 *entry = code_exec(k);
	u8 *fail[4];
	u32 n;

	if (need == VEC_X87) {
		n = x87_put_checks(k, fail);
		x87_put_load(k);
	} else {
		n = put_checks(k, need == VEC_AVX, fail);
		load_vectors(k, need == VEC_AVX ? AVX_STATE : XFEATURE_SSE);
	}
	put_op(k, false, 0x83, 1, CPU_FIELD(jit_vec));
	put8(k, need);
	put8(k, 0xc3);
	while (n)
		patch_here(k, fail[--n]);
	put_op(k, false, 0xc7, 0, CPU_FIELD(jit_skip));		/* mov [], 1 */
	put32(k, 1);
	jmp_to(k, exit);
	return entry;
}

void vec_move_live(struct code *k, bool store)
{
	u8 *dead = unless_bits(k, CPU_FIELD(jit_vec), VEC_SSE | VEC_AVX, CC_E);

	move_all(k, store);
	patch_here(k, dead);
}

void vec_make_save(struct jit *j, struct code *k)
{
	j->vec_save = make_save(k);
}

void vec_make_load(struct jit *j, struct code *k)
{
	j->vec_load[VEC_SSE] = make_load(k, VEC_SSE, j->exit);
	j->vec_load[VEC_AVX] = make_load(k, VEC_AVX, j->exit);
	j->vec_load[VEC_X87] = make_load(k, VEC_X87, j->exit);
}

void vec_leave(const struct jit *j, struct code *k)
{
	u8 *dead;

	put_op(k, false, 0x83, 7, CPU_FIELD(jit_vec));		/* cmp [], 0 */
	put8(k, 0);
	dead = jcc_later(k, CC_E);
	call_to(k, j->vec_save);
	patch_here(k, dead);
}

/* -- In a block ------------------------------------------------------------------ */

void vec_require(struct trans *t, enum vec_need need)
{
	struct cold *cold;

	if (t->vec & need) {
		t->vec_relied = t->nr_cold;
		return;
	}
	flags_save(t);
	put_op(&t->k, false, 0xf6, 0, CPU_FIELD(jit_vec));	/* test [], need */
	put8(&t->k, need);
	cold = cold_if(t, COLD_VEC, CC_E);
	cold->resume = t->k.p;
	cold->vec = need;
	flags_clobbered(t);
	t->vec |= need;
}

void vec_load(struct trans *t, u8 needs, u64 rip)
{
	/* x87 first: it has to move what is live. */
	for (enum vec_need need = VEC_X87; need; need >>= 1) {
		if (!(needs & need))
			continue;
		mov_imm(&t->k, RAX, rip);
		call_to(&t->k, t->j->vec_load[need]);
	}
}
