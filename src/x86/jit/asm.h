/* SPDX-License-Identifier: MIT */
/*
 * Writing x86-64 instructions (SDM vol. 2A chapter 2).  Registers are numbers
 * 0-15 in encoding order; @w is REX.W.
 */
#ifndef ANYKVM_X86_JIT_ASM_H
#define ANYKVM_X86_JIT_ASM_H

#include <string.h>

#include "util/types.h"

/* Code being written: @p in the writable view, @exec_delta to where it runs. */
struct code {
	u8 *p;
	s64 exec_delta;
};

static inline u8 *code_exec(const struct code *k)
{
	return k->p + k->exec_delta;
}

/* An r/m operand: a register, or [base + index << scale + disp]. */
struct rm {
	bool mem;
	u8 reg;			/* or the base */
	u8 index, scale;
	s32 disp;
};

enum { NO_INDEX = 4 };		/* RSP is none (SDM vol. 2A table 2-3) */

#define RM_REG(r)		((struct rm){ .reg = (r) })
#define RM_MEM(b, d)		((struct rm){ .mem = true, .reg = (b), \
					      .index = NO_INDEX, .disp = (d) })
#define RM_SIB(b, i, s, d)	((struct rm){ .mem = true, .reg = (b), .index = (i), \
					      .scale = (s), .disp = (d) })

static inline void put8(struct code *k, u8 v)	{ *k->p++ = v; }
static inline void put16(struct code *k, u16 v)	{ memcpy(k->p, &v, 2); k->p += 2; }
static inline void put32(struct code *k, u32 v)	{ memcpy(k->p, &v, 4); k->p += 4; }
static inline void put64(struct code *k, u64 v)	{ memcpy(k->p, &v, 8); k->p += 8; }

/* ModRM, SIB and displacement. */
static inline void put_modrm(struct code *k, u8 reg, const struct rm *m)
{
	u8 r = (reg & 7) << 3, b = m->reg & 7, mod;

	if (!m->mem) {
		put8(k, 0xc0 | r | b);
		return;
	}
	/* [RBP] and [R13] exist only with a displacement. */
	mod = !m->disp && b != 5 ? 0 : m->disp == (s8)m->disp ? 0x40 : 0x80;
	if (m->index != NO_INDEX || b == 4) {
		put8(k, mod | r | 4);
		put8(k, m->scale << 6 | (m->index & 7) << 3 | b);
	} else {
		put8(k, mod | r | b);
	}
	if (mod == 0x40)
		put8(k, (u8)m->disp);
	else if (mod)
		put32(k, m->disp);
}

static inline u8 rex_of(bool w, u8 reg, const struct rm *m)
{
	u8 x = m->mem && m->index != NO_INDEX ? m->index >> 3 : 0;

	return w << 3 | (reg >> 3) << 2 | x << 1 | m->reg >> 3;
}

/* @op has the escape bytes before it: 0x89, 0x0fb6, 0x0f38f0. */
static inline void put_opcode(struct code *k, u32 op)
{
	if (op > 0xffff)
		put8(k, op >> 16);
	if (op > 0xff)
		put8(k, op >> 8);
	put8(k, op);
}

static inline void put_op(struct code *k, bool w, u32 op, u8 reg, struct rm m)
{
	u8 rex = rex_of(w, reg, &m);

	if (rex)
		put8(k, 0x40 | rex);
	put_opcode(k, op);
	put_modrm(k, reg, &m);
}

/* SDM vol. 2A 2.3; @l: 256 bits. */
struct vex {
	u8 map, pp, opcode, vvvv;
	bool w, l;
};

static inline void put_vex_prefix(struct code *k, const struct vex *v, u8 rex)
{
	u8 last = v->w << 7 | (~v->vvvv & 15) << 3 | v->l << 2 | v->pp;

	if (v->map == 1 && !v->w && !(rex & 3)) {
		put8(k, 0xc5);
		put8(k, (~rex & 4) << 5 | last);
		return;
	}
	put8(k, 0xc4);
	put8(k, (~rex & 7) << 5 | v->map);
	put8(k, last);
}

static inline void put_vex(struct code *k, const struct vex *v, u8 reg, struct rm m)
{
	put_vex_prefix(k, v, rex_of(false, reg, &m));
	put8(k, v->opcode);
	put_modrm(k, reg, &m);
}

/* VZEROALL, VZEROUPPER */
static inline void put_vzero(struct code *k, bool all)
{
	put_vex_prefix(k, &(struct vex){ .map = 1, .l = all }, 0);
	put8(k, 0x77);
}

static inline void mov_rr(struct code *k, u8 dst, u8 src)
{
	put_op(k, true, 0x8b, dst, RM_REG(src));
}

static inline void mov_load(struct code *k, u8 dst, struct rm m)
{
	put_op(k, true, 0x8b, dst, m);
}

static inline void mov_store(struct code *k, struct rm m, u8 src)
{
	put_op(k, true, 0x89, src, m);
}

static inline void lea(struct code *k, u8 dst, struct rm m)
{
	put_op(k, true, 0x8d, dst, m);
}

static inline void push(struct code *k, u8 r)
{
	if (r >> 3)
		put8(k, 0x41);
	put8(k, 0x50 | (r & 7));
}

static inline void pop(struct code *k, u8 r)
{
	if (r >> 3)
		put8(k, 0x41);
	put8(k, 0x58 | (r & 7));
}

/* TEST of 32 bits. */
static inline void test_imm(struct code *k, struct rm m, u32 bits)
{
	put_op(k, false, 0xf7, 0, m);
	put32(k, bits);
}

static inline void mov_imm(struct code *k, u8 dst, u64 v)
{
	if (v == (u32)v) {		/* zero-extends */
		if (dst >> 3)
			put8(k, 0x41);
		put8(k, 0xb8 | (dst & 7));
		put32(k, v);
	} else if ((s64)v == (s32)v) {
		put_op(k, true, 0xc7, 0, RM_REG(dst));
		put32(k, v);
	} else {
		put8(k, 0x48 | dst >> 3);
		put8(k, 0xb8 | (dst & 7));
		put64(k, v);
	}
}

/* Relative jumps and calls to an address that executes. */
static inline void put_rel32(struct code *k, const u8 *target)
{
	put32(k, (u32)(target - (code_exec(k) + 4)));
}

static inline void jmp_to(struct code *k, const u8 *target)
{
	put8(k, 0xe9);
	put_rel32(k, target);
}

static inline void call_to(struct code *k, const u8 *target)
{
	put8(k, 0xe8);
	put_rel32(k, target);
}

static inline void jcc_to(struct code *k, u8 cc, const u8 *target)
{
	put8(k, 0x0f);
	put8(k, 0x80 | cc);
	put_rel32(k, target);
}

/* The same to what comes later: the place of the displacement, for patch_here(). */
static inline u8 *jcc_later(struct code *k, u8 cc)
{
	put8(k, 0x0f);
	put8(k, 0x80 | cc);
	put32(k, 0);
	return k->p - 4;
}

static inline u8 *jmp_later(struct code *k)
{
	put8(k, 0xe9);
	put32(k, 0);
	return k->p - 4;
}

static inline void patch_rel32(u8 *at, const u8 *target)
{
	u32 rel = (u32)(target - (at + 4));

	memcpy(at, &rel, 4);
}

/* A jump to @target takes the place of what is at @at. */
static inline void put_jmp_at(u8 *at, const u8 *target)
{
	at[0] = 0xe9;
	patch_rel32(at + 1, target);
}

static inline void patch_here(const struct code *k, u8 *at)
{
	patch_rel32(at, k->p);
}

/* Condition codes (SDM vol. 1 appendix B). */
enum cc { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A };

#endif
