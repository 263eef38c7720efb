/* SPDX-License-Identifier: MIT */
/*
 * A decoded instruction: everything its handler needs, nothing to look up.
 *
 * Registers are byte offsets into struct cpu, so that AH is RAX + 1, an absent
 * base is gpr_none and RIP-relative addressing uses the rip field (@disp then
 * includes the instruction's length).  Handlers of a family have @reg and @rm
 * in the order of interp/family.h; all others as ModRM has them.
 */
#ifndef ANYKVM_X86_DECODE_INSN_H
#define ANYKVM_X86_DECODE_INSN_H

#include "x86/cpu/state.h"

struct insn;
typedef enum step (*op_fn)(struct cpu *c, const struct insn *in);

enum insn_flags {
	INSN_MEM	= BIT(0),	/* the r/m operand is memory */
	INSN_EA64	= BIT(1),	/* linear = base + index + disp, no segment:
					 * 64-bit code and addressing, not FS or GS */
	INSN_LOCK	= BIT(2),
	INSN_REP	= BIT(3),	/* F3 on a string instruction */
	INSN_REPNE	= BIT(4),
	INSN_STORE	= BIT(5),	/* writes memory (informative) */
	INSN_END	= BIT(6),	/* ends a block: branches, mode changes */
	INSN_OPSZ16	= BIT(7),	/* effective operand size was 16 by prefix */
};

#define GPR_OFF(n)	((u8)((n) * 8))
#define GPR_OFF_NONE	((u8)offsetof(struct cpu, gpr_none))
#define GPR_OFF_RIP	((u8)offsetof(struct cpu, rip))

struct insn {
	op_fn op;
	/*
	 * Sign-extended immediate; address of a moffs; sel << 32 | off of a far
	 * pointer; displacement of a near branch from the branch's own start.
	 */
	u64 imm;
	void *aux;	/* native: the thunk */
	s32 disp;
	u16 mnemonic;	/* ZydisMnemonic */
	u8 len;		/* 1-15 */
	u8 osz;		/* operand size in bytes: 1, 2, 4, 8 (16-64: vectors) */
	u8 asz;		/* address size in bytes: 2, 4, 8 */
	u8 seg;		/* effective segment of the memory operand, enum seg */
	u8 base, index;	/* GPR_OFF of the address; GPR_OFF_NONE if absent */
	u8 shift;	/* scale as a shift count: 0-3 */
	u8 flags;	/* enum insn_flags */
	u8 reg;		/* GPR_OFF of the ModRM.reg (or opcode) register */
	u8 rm;		/* GPR_OFF of the ModRM.rm register, if not INSN_MEM */
	u8 vvvv;	/* GPR_OFF of the VEX.vvvv register (BMI) */
	u8 sub;		/* condition code, ModRM.reg digit, or as the op likes */
	u8 src_size;	/* MOVZX, MOVSX: bytes of the source; IN, OUT: of data */
	u8 end;		/* offset in its block of what follows it */
};

_Static_assert(sizeof(struct insn) == 48, "a block is an array of these");

static inline u8 *gpr8(struct cpu *c, u8 off)	{ return (u8 *)c + off; }
static inline u16 *gpr16(struct cpu *c, u8 off)	{ return (u16 *)((u8 *)c + off); }
static inline u32 *gpr32(struct cpu *c, u8 off)	{ return (u32 *)((u8 *)c + off); }
static inline u64 *gpr64(struct cpu *c, u8 off)	{ return (u64 *)((u8 *)c + off); }

/* Reads a register of @size bytes, zero-extended. */
static inline u64 reg_get(struct cpu *c, u8 off, u8 size)
{
	switch (size) {
	case 1: return *gpr8(c, off);
	case 2: return *gpr16(c, off);
	case 4: return *gpr32(c, off);
	default: return *gpr64(c, off);
	}
}

/* Writes it: 1 and 2 bytes merge, 4 zero-extend (SDM vol. 1 3.4.1.1). */
static inline void reg_set(struct cpu *c, u8 off, u8 size, u64 v)
{
	switch (size) {
	case 1: *gpr8(c, off) = (u8)v; break;
	case 2: *gpr16(c, off) = (u16)v; break;
	case 4: *gpr64(c, off) = (u32)v; break;
	default: *gpr64(c, off) = v; break;
	}
}

/* -- decode.c ---------------------------------------------------------------- */

enum decode_result {
	DECODE_OK,
	DECODE_SHORT,		/* needs bytes beyond @avail */
	DECODE_TOO_LONG,	/* over 15 bytes: #GP(0) */
	DECODE_INVALID,		/* #UD (LOCK where it is not allowed included) */
};

/*
 * Decodes one instruction of @code_size (2, 4, 8) code from @bytes.
 * On success fills @in; in->op is never NULL: an instruction that is valid
 * but not implemented gets op_unimplemented, which stops the guest with
 * KVM_EXIT_INTERNAL_ERROR.  @native makes thunks for vector instructions.
 */
enum decode_result decode_insn(struct native *native, const u8 *bytes,
			       unsigned int avail, u8 code_size, struct insn *in);

/* Valid but not implemented: cpu_emulation_failure(). */
enum step op_unimplemented(struct cpu *c, const struct insn *in);
/* Invalid: #UD. */
enum step op_ud(struct cpu *c, const struct insn *in);

#endif
