/* SPDX-License-Identifier: MIT */
/*
 * Plain moves between vector registers, general registers and memory, in C:
 * they are most of what guests do with vectors, and need no thunk.
 */
#include "x86/native/thunk.h"

#include <string.h>

#include "x86/mmu/access.h"
#include "x86/native/check.h"

/* Writes the low @n bytes of a register and clears it up to @width. */
static inline void vec_write(struct cpu *c, u16 off, const void *src, u32 n,
			     u32 width)
{
	u8 *dst = (u8 *)c + off, tmp[32] = { 0 };

	memcpy(tmp, src, n);
	memcpy(dst, tmp, width);
	c->fpu.xinuse |= width > 16 ? XFEATURE_SSE | XFEATURE_YMM : XFEATURE_SSE;
}

static inline enum step check_vec(struct cpu *c, bool vex)
{
	return native_check(c, vex ? CHECK_AVX : CHECK_SSE);
}

static inline enum step move_linear(struct cpu *c, const struct insn *in, u32 n,
				    bool write, u64 *lin)
{
	TRY(insn_linear(c, in, n, write, lin));
	if ((in->sub & NATIVE_ALIGNED) && unlikely(*lin & (n - 1)))
		return cpu_raise_gp0(c);
	return STEP_NEXT;
}

/* xmm = m.  Without VEX bits above 127 stay (SDM vol. 1 14.4.1). */
static inline enum step move_load(struct cpu *c, const struct insn *in, u32 n,
				  bool vex)
{
	u8 v[32];
	u64 lin;

	TRY(check_vec(c, vex));
	TRY(move_linear(c, in, n, false, &lin));
	TRY(mem_read(c, lin, v, n));
	vec_write(c, native_operands(in)->reg, v, n, vex ? 32 : 16);
	return STEP_NEXT;
}

static inline enum step move_store(struct cpu *c, const struct insn *in, u32 n,
				   bool vex)
{
	u64 lin;

	TRY(check_vec(c, vex));
	TRY(move_linear(c, in, n, true, &lin));
	return mem_write(c, lin, (u8 *)c + native_operands(in)->reg, n);
}

/* xmm = xmm or general register: from @rm to @reg. */
static inline enum step move_in(struct cpu *c, const struct insn *in, u32 n,
				bool vex)
{
	const struct native_operands *o = native_operands(in);

	TRY(check_vec(c, vex));
	vec_write(c, o->reg, (u8 *)c + o->rm, n, vex ? 32 : 16);
	return STEP_NEXT;
}

/* General register = low @n bytes of xmm, zero-extended. */
static inline enum step move_out(struct cpu *c, const struct insn *in, u32 n,
				 bool vex)
{
	const struct native_operands *o = native_operands(in);
	u64 v = 0;

	TRY(check_vec(c, vex));
	memcpy(&v, (u8 *)c + o->reg, n);
	memcpy((u8 *)c + o->rm, &v, 8);
	return STEP_NEXT;
}

static inline enum step move_zero(struct cpu *c, const struct insn *in, u32 n,
				  bool vex)
{
	static const u8 zero[32];

	TRY(check_vec(c, vex));
	vec_write(c, native_operands(in)->reg, zero, n, vex ? 32 : 16);
	return STEP_NEXT;
}

#define DEFINE_MOVE(kind, n)							\
static enum step op_##kind##n(struct cpu *c, const struct insn *in)		\
{										\
	return kind(c, in, n, false);						\
}										\
static enum step op_v##kind##n(struct cpu *c, const struct insn *in)		\
{										\
	return kind(c, in, n, true);						\
}
#define DEFINE_MOVE256(kind)							\
static enum step op_v##kind##32(struct cpu *c, const struct insn *in)		\
{										\
	return kind(c, in, 32, true);						\
}
DEFINE_MOVE(move_load, 4)
DEFINE_MOVE(move_load, 8)
DEFINE_MOVE(move_load, 16)
DEFINE_MOVE256(move_load)
DEFINE_MOVE(move_store, 4)
DEFINE_MOVE(move_store, 8)
DEFINE_MOVE(move_store, 16)
DEFINE_MOVE256(move_store)
DEFINE_MOVE(move_in, 4)
DEFINE_MOVE(move_in, 8)
DEFINE_MOVE(move_in, 16)
DEFINE_MOVE256(move_in)
DEFINE_MOVE(move_out, 4)
DEFINE_MOVE(move_out, 8)
DEFINE_MOVE(move_zero, 16)

enum move_kind { KIND_LOAD, KIND_STORE, KIND_IN, KIND_OUT, NR_KINDS };

/* Column: 4, 8, 16 or 32 bytes. */
static op_fn move_handler(enum move_kind kind, u32 bytes, bool vex)
{
	static const op_fn legacy[NR_KINDS][4] = {
		[KIND_LOAD] = { op_move_load4, op_move_load8, op_move_load16 },
		[KIND_STORE] = { op_move_store4, op_move_store8, op_move_store16 },
		[KIND_IN] = { op_move_in4, op_move_in8, op_move_in16 },
		[KIND_OUT] = { op_move_out4, op_move_out8 },
	}, avx[NR_KINDS][4] = {
		[KIND_LOAD] = { op_vmove_load4, op_vmove_load8, op_vmove_load16,
				op_vmove_load32 },
		[KIND_STORE] = { op_vmove_store4, op_vmove_store8, op_vmove_store16,
				 op_vmove_store32 },
		[KIND_IN] = { op_vmove_in4, op_vmove_in8, op_vmove_in16,
			      op_vmove_in32 },
		[KIND_OUT] = { op_vmove_out4, op_vmove_out8 },
	};
	u32 col = bytes == 4 ? 0 : bytes == 8 ? 1 : bytes == 16 ? 2 : 3;

	if (bytes != 4 && bytes != 8 && bytes != 16 && bytes != 32)
		return NULL;
	return vex ? avx[kind][col] : legacy[kind][col];
}

/* Moves of a whole register, or of an element that clears the rest. */
static bool moves_all(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_MOVUPS:	case ZYDIS_MNEMONIC_VMOVUPS:
	case ZYDIS_MNEMONIC_MOVUPD:	case ZYDIS_MNEMONIC_VMOVUPD:
	case ZYDIS_MNEMONIC_MOVAPS:	case ZYDIS_MNEMONIC_VMOVAPS:
	case ZYDIS_MNEMONIC_MOVAPD:	case ZYDIS_MNEMONIC_VMOVAPD:
	case ZYDIS_MNEMONIC_MOVDQU:	case ZYDIS_MNEMONIC_VMOVDQU:
	case ZYDIS_MNEMONIC_MOVDQA:	case ZYDIS_MNEMONIC_VMOVDQA:
	case ZYDIS_MNEMONIC_LDDQU:	case ZYDIS_MNEMONIC_VLDDQU:
	case ZYDIS_MNEMONIC_MOVNTPS:	case ZYDIS_MNEMONIC_VMOVNTPS:
	case ZYDIS_MNEMONIC_MOVNTPD:	case ZYDIS_MNEMONIC_VMOVNTPD:
	case ZYDIS_MNEMONIC_MOVNTDQ:	case ZYDIS_MNEMONIC_VMOVNTDQ:
	case ZYDIS_MNEMONIC_MOVNTDQA:	case ZYDIS_MNEMONIC_VMOVNTDQA:
	case ZYDIS_MNEMONIC_MOVQ:	case ZYDIS_MNEMONIC_VMOVQ:
	case ZYDIS_MNEMONIC_MOVD:	case ZYDIS_MNEMONIC_VMOVD:
		return true;
	default:
		return false;
	}
}

/* From memory they clear the rest, between registers they merge. */
static bool moves_scalar(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_MOVSS:	case ZYDIS_MNEMONIC_VMOVSS:
	case ZYDIS_MNEMONIC_MOVSD:	case ZYDIS_MNEMONIC_VMOVSD:
		return true;
	default:
		return false;
	}
}

/* x XOR x. */
static bool is_zeroing(const struct native_form *f)
{
	const ZydisDecodedOperand *other = f->vvvv ? f->vvvv : f->reg;

	switch (f->zi->mnemonic) {
	case ZYDIS_MNEMONIC_PXOR:	case ZYDIS_MNEMONIC_VPXOR:
	case ZYDIS_MNEMONIC_XORPS:	case ZYDIS_MNEMONIC_VXORPS:
	case ZYDIS_MNEMONIC_XORPD:	case ZYDIS_MNEMONIC_VXORPD:
		return f->reg && f->rm && other->reg.value == f->rm->reg.value;
	default:
		return false;
	}
}

static void swap_reg_rm(struct insn *in)
{
	struct native_operands *o = (struct native_operands *)&in->imm;
	u16 reg = o->reg;

	o->reg = o->rm;
	o->rm = reg;
}

static op_fn move_registers(const struct native_form *f, struct insn *in, bool vex)
{
	bool to_rm = op_writes(f->rm);

	if (!f->reg || !f->rm || is_gpr(f->reg))
		return NULL;
	if (is_gpr(f->rm))
		return move_handler(to_rm ? KIND_OUT : KIND_IN, f->rm->size / 8, vex);
	if (to_rm)
		swap_reg_rm(in);
	/* MOVQ x, x moves 64 bits whichever size the operands are said to be. */
	if (f->zi->mnemonic == ZYDIS_MNEMONIC_MOVQ ||
	    f->zi->mnemonic == ZYDIS_MNEMONIC_VMOVQ)
		return move_handler(KIND_IN, 8, vex);
	return move_handler(KIND_IN, f->reg->size / 8, vex);
}

/* False: not a plain move, a thunk is needed. */
bool native_plain_move(const struct native_form *f, struct insn *in)
{
	bool vex = f->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	ZydisMnemonic m = f->zi->mnemonic;
	op_fn op = NULL;

	if (f->check != CHECK_SSE && f->check != CHECK_AVX)
		return false;
	if (is_zeroing(f))
		op = vex ? op_vmove_zero16 : op_move_zero16;
	else if (f->mem && (moves_all(m) || moves_scalar(m)))
		op = move_handler(op_writes(f->mem) ? KIND_STORE : KIND_LOAD,
				  f->mem->size / 8, vex);
	else if (!f->mem && moves_all(m))
		op = move_registers(f, in, vex);
	if (!op)
		return false;
	in->op = op;
	return true;
}
