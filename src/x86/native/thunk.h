/* SPDX-License-Identifier: MIT */
/* What the files of x86/native share. */
#ifndef ANYKVM_X86_NATIVE_THUNK_H
#define ANYKVM_X86_NATIVE_THUNK_H

#include <Zydis/Zydis.h>

#include "x86/decode/insn.h"

/*
 * A thunk gets a pointer to each register operand (the memory operand takes
 * the place of @rm) and the vCPU for implicit operands and RFLAGS.  It has no
 * guest register number in it, so there are as many thunks as there are
 * operations, whatever the guest does.
 */
typedef void (*thunk_fn)(void *reg, void *rm, void *is4, void *vvvv,
			 struct cpu *c);

/* insn.imm of a native instruction: byte offsets into struct cpu. */
struct native_operands {
	u16 reg, rm, is4, vvvv;
};
_Static_assert(sizeof(struct native_operands) == sizeof(u64), "fits insn.imm");
_Static_assert(sizeof(struct cpu) <= 65536, "operands are 16-bit offsets");

static inline const struct native_operands *native_operands(const struct insn *in)
{
	return (const struct native_operands *)&in->imm;
}

#define VEC_OFF(n)	((u16)(offsetof(struct cpu, fpu.vec) + (n) * 64))
#define MMX_OFF(n)	((u16)(offsetof(struct cpu, fpu.fxsave) + 32 + (n) * 16))

/* insn.sub of a native instruction. */
enum {
	NATIVE_ALIGNED	= BIT(0),	/* memory operand must be aligned to its size */
	NATIVE_DEST_RM	= BIT(1),	/* the destination is the r/m operand */
	NATIVE_MMX	= BIT(2),	/* enters MMX state (SDM vol. 1 9.5.1) */
	NATIVE_CONTROL	= BIT(3),	/* x87: leaves the instruction pointer alone */
};

/* What must be enabled, and which faults come first. */
enum native_check {
	CHECK_NONE,
	CHECK_BMI,	/* VEX without vector registers */
	CHECK_SSE,
	CHECK_AVX,
	CHECK_MMX,
	CHECK_MMX_SSE,	/* MMX and XMM */
	CHECK_X87,
	NR_CHECKS
};
enum native_mem { MEM_NONE, MEM_LOAD, MEM_STORE, NR_MEMS };

/* The parts of an instruction that decide what its thunk is. */
struct native_form {
	const ZydisDecodedInstruction *zi;
	const ZydisDecodedOperand *ops;		/* hidden ones too */
	const ZydisDecodedOperand *reg, *rm, *is4, *vvvv, *mem;
	enum native_check check;
};

struct emit {
	u8 b[192];
	u32 n;
};

/*
 * prepare.c: @ops are all operands, the hidden ones too.  False if it does not
 * run natively.
 */
bool native_form_of(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
		    struct native_form *f);

/* encode.c: its VEX.W; outside 64-bit code that does not widen (SDM vol. 2A 2.3.5.2). */
u8 native_vex_w(const struct native_form *f);

/* The instruction alone, for 64-bit code, operands renamed. */
bool native_encode(const struct native_form *f, struct emit *e);

/* emit.c: the whole thunk.  False if the form is not supported. */
bool native_emit(const struct native_form *f, struct emit *e);

/* arena.c: the executable copy of @e; NULL if the arena is full. */
int arena_get(void);
void *arena_thunk(const struct emit *e);

/* prepare.c: of f->zi and f->ops alone. */
enum native_check native_check_of(const struct native_form *f);

/* run.c, x87.c, move.c, masked.c, check.c */
op_fn native_handler(enum native_check check, enum native_mem mem, bool fp);
op_fn x87_handler(enum native_mem mem);
bool native_plain_move(const struct native_form *f, struct insn *in);
bool native_masked(const struct native_form *f, struct insn *in);
enum step native_check_slow(struct cpu *c, enum native_check check);

/* Renamed registers: what stands for the guest's in a thunk. */
enum {
	SLOT_VEC_REG = 1, SLOT_VEC_VVVV = 2, SLOT_VEC_RM = 3, SLOT_VEC_IS4 = 4,
	SLOT_GPR_REG = 9, SLOT_GPR_RM = 10, SLOT_GPR_VVVV = 11,
};

static inline bool is_gpr(const ZydisDecodedOperand *o)
{
	return o && o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       o->reg.value >= ZYDIS_REGISTER_AL &&
	       o->reg.value <= ZYDIS_REGISTER_R15;
}

static inline bool is_mmx(const ZydisDecodedOperand *o)
{
	return o && o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       o->reg.value >= ZYDIS_REGISTER_MM0 &&
	       o->reg.value <= ZYDIS_REGISTER_MM7;
}

static inline bool is_vec(const ZydisDecodedOperand *o)
{
	return o && o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       o->reg.value >= ZYDIS_REGISTER_XMM0 &&
	       o->reg.value <= ZYDIS_REGISTER_YMM31;
}

static inline bool op_reads(const ZydisDecodedOperand *o)
{
	return o && (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ);
}

static inline bool op_writes(const ZydisDecodedOperand *o)
{
	return o && (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
}

#endif
