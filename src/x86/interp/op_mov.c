// SPDX-License-Identifier: MIT
/* MOV, MOVZX, MOVSX, LEA, MOVBE, CMOVcc, BSWAP, XLAT and their like (SDM vol. 2). */
#include <sched.h>

#include "x86/interp/flags.h"
#include "x86/interp/operand.h"
#include "x86/interp/ops.h"
#include "x86/interp/special.h"

#define DEFINE_MOV(bits, unused)						\
HANDLER(mov_rr##bits)								\
{										\
	REG_WRITE_##bits(c, in->rm, *gpr##bits(c, in->reg));			\
	return STEP_NEXT;							\
}										\
HANDLER(mov_ri##bits)								\
{										\
	REG_WRITE_##bits(c, in->rm, (u##bits)in->imm);				\
	return STEP_NEXT;							\
}										\
static inline void mov_load##bits(struct cpu *c, const struct insn *in, u##bits v) \
{										\
	REG_WRITE_##bits(c, in->reg, v);					\
}										\
DEFINE_LOAD(bits, mov_rm, mov_load##bits)					\
DEFINE_STORE(bits, mov_mr, *gpr##bits(c, in->reg))				\
DEFINE_STORE(bits, mov_mi, in->imm)
FOR_SIZES(DEFINE_MOV, _)

#define DEFINE_LEA(bits, unused)						\
HANDLER(lea_rm##bits)								\
{										\
	REG_WRITE_##bits(c, in->reg, (u##bits)insn_offset(c, in));		\
	return STEP_NEXT;							\
}
FOR_SIZES_16_UP(DEFINE_LEA, _)

const struct op_family family_mov = { .fn = {
	[FORM_RR] = ALL_SIZES(mov_rr),
	[FORM_RI] = ALL_SIZES(mov_ri),
	[FORM_RM] = ALL_SIZES(mov_rm),
	[FORM_MR] = ALL_SIZES(mov_mr),
	[FORM_MI] = ALL_SIZES(mov_mi),
} };

const struct op_family family_lea = { .fn = {
	[FORM_RM] = SIZES_16_UP(lea_rm),
} };

/* MOV between the accumulator and an absolute address of up to 64 bits. */
enum step op_mov_from_moffs(struct cpu *c, const struct insn *in)
{
	u64 lin, v;

	TRY(cpu_seg_linear(c, in->seg, in->imm, in->osz, false, &lin));
	TRY(mem_read_size(c, lin, in->osz, &v));
	reg_set(c, GPR_OFF(RAX), in->osz, v);
	return STEP_NEXT;
}

enum step op_mov_to_moffs(struct cpu *c, const struct insn *in)
{
	u64 lin;

	TRY(cpu_seg_linear(c, in->seg, in->imm, in->osz, true, &lin));
	return mem_write_size(c, lin, in->osz, reg_get(c, GPR_OFF(RAX), in->osz));
}

/* -- Extensions ------------------------------------------------------------------- */

#define DEFINE_EXTEND(dst, name, src, ext)					\
HANDLER(name##src##_rr##dst)							\
{										\
	REG_WRITE_##dst(c, in->rm, (u##dst)(ext)*gpr##src(c, in->reg));		\
	return STEP_NEXT;							\
}										\
static inline void name##src##_load##dst(struct cpu *c, const struct insn *in, u##src v) \
{										\
	REG_WRITE_##dst(c, in->reg, (u##dst)(ext)v);				\
}										\
SLOW_HANDLER(name##src##_rm_slow##dst)						\
{										\
	u##src v;								\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, src / 8, false, &lin));				\
	TRY(mem_read##src(c, lin, &v));						\
	name##src##_load##dst(c, in, v);					\
	return STEP_NEXT;							\
}										\
HANDLER(name##src##_rm##dst)							\
{										\
	const u8 *p = operand_read(c, in, src / 8);				\
										\
	if (unlikely(!p))							\
		return name##src##_rm_slow##dst(c, in);				\
	name##src##_load##dst(c, in, *(const mem_u##src *)p);			\
	return STEP_NEXT;							\
}

#define DEFINE_EXTEND_FAMILY(name, src, ext)					\
	FOR_SIZES_16_UP(DEFINE_EXTEND, name, src, ext)				\
const struct op_family family_##name##src = { .fn = {				\
	[FORM_RR] = SIZES_16_UP(name##src##_rr),				\
	[FORM_RM] = SIZES_16_UP(name##src##_rm),				\
} };

DEFINE_EXTEND_FAMILY(movzx, 8, u8)
DEFINE_EXTEND_FAMILY(movzx, 16, u16)
DEFINE_EXTEND_FAMILY(movsx, 8, s8)
DEFINE_EXTEND_FAMILY(movsx, 16, s16)
DEFINE_EXTEND_FAMILY(movsx, 32, s32)

/* -- CMOVcc: the load is done, and 32 bits zero-extend, whatever the condition --- */

#define DEFINE_CMOV_SIZE(bits, name, cc)					\
HANDLER(cmov##name##_rr##bits)							\
{										\
	u8 src = flags_condition(c->status, cc) ? in->reg : in->rm;		\
										\
	REG_WRITE_##bits(c, in->rm, *gpr##bits(c, src));			\
	return STEP_NEXT;							\
}										\
static inline void cmov##name##_load##bits(struct cpu *c, const struct insn *in, \
					   u##bits v)				\
{										\
	if (!flags_condition(c->status, cc))					\
		v = *gpr##bits(c, in->reg);					\
	REG_WRITE_##bits(c, in->reg, v);					\
}										\
DEFINE_LOAD(bits, cmov##name##_rm, cmov##name##_load##bits)

#define CONDITION(mnemonic, name, cc)						\
	FOR_SIZES_16_UP(DEFINE_CMOV_SIZE, name, cc)				\
const struct op_family family_cmov##name = { .fn = {				\
	[FORM_RR] = SIZES_16_UP(cmov##name##_rr),				\
	[FORM_RM] = SIZES_16_UP(cmov##name##_rm),				\
} };
#include "x86/interp/conditions.def"

/* -- The rest, by size at run time --------------------------------------------------- */

static u64 swap_bytes(u64 v, u8 size)
{
	return __builtin_bswap64(v) >> (64 - 8 * size);
}

/* 16 bits are undefined (SDM vol. 2A): 0, as processors give. */
enum step op_bswap(struct cpu *c, const struct insn *in)
{
	u64 v = in->osz == 2 ? 0 : swap_bytes(reg_get(c, in->reg, in->osz), in->osz);

	reg_set(c, in->reg, in->osz, v);
	return STEP_NEXT;
}

enum step op_movbe(struct cpu *c, const struct insn *in)
{
	bool store = in->flags & INSN_STORE;
	u64 lin, v;

	TRY(insn_linear(c, in, in->osz, store, &lin));
	if (store)
		return mem_write_size(c, lin, in->osz,
				      swap_bytes(reg_get(c, in->reg, in->osz), in->osz));
	TRY(mem_read_size(c, lin, in->osz, &v));
	reg_set(c, in->reg, in->osz, swap_bytes(v, in->osz));
	return STEP_NEXT;
}

enum step op_xlat(struct cpu *c, const struct insn *in)
{
	u64 off = cut_to(c->gpr[RBX] + *gpr8(c, GPR_OFF(RAX)), in->asz);
	u64 lin;
	u8 v;

	TRY(cpu_seg_linear(c, in->seg, off, 1, false, &lin));
	TRY(mem_read8(c, lin, &v));
	*gpr8(c, GPR_OFF(RAX)) = v;
	return STEP_NEXT;
}

/* CBW, CWDE, CDQE: the lower half of rAX into all of it. */
enum step op_cbw(struct cpu *c, const struct insn *in)
{
	u64 rax = c->gpr[RAX];

	reg_set(c, GPR_OFF(RAX), in->osz,
		in->osz == 2 ? (u64)(s8)rax : in->osz == 4 ? (u64)(s16)rax : (u64)(s32)rax);
	return STEP_NEXT;
}

/* CWD, CDQ, CQO: the sign of rAX into rDX. */
enum step op_cwd(struct cpu *c, const struct insn *in)
{
	u64 sign = c->gpr[RAX] >> (8 * in->osz - 1) & 1;

	reg_set(c, GPR_OFF(RDX), in->osz, 0 - sign);
	return STEP_NEXT;
}

enum step op_nop(struct cpu *c, const struct insn *in)
{
	return STEP_NEXT;
}

/*
 * A vCPU that spins may wait for one that has no CPU of the host: KVM gives its
 * own away after 3000 on AMD's processors, 4096 on Intel's.
 */
enum step op_pause(struct cpu *c, const struct insn *in)
{
	__builtin_ia32_pause();
	if (unlikely(++c->pauses % PAUSE_SPINS == 0))
		sched_yield();
	return STEP_NEXT;
}

/* Guests order RDTSC with it, which a full memory barrier need not do. */
enum step op_lfence(struct cpu *c, const struct insn *in)
{
	__builtin_ia32_lfence();
	return STEP_NEXT;
}

/* MFENCE, SFENCE. */
enum step op_fence(struct cpu *c, const struct insn *in)
{
	__sync_synchronize();
	return STEP_NEXT;
}
