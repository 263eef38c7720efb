/* SPDX-License-Identifier: MIT */
/*
 * Plain moves between vector registers, general registers and memory, in C:
 * they are most of what guests do with vectors, and need no thunk.
 */
#include "x86/native/thunk.h"

#include <string.h>

#include "x86/mmu/access.h"
#include "x86/native/check.h"

typedef u64 v128 __attribute__((vector_size(16), aligned(1), may_alias));
typedef u64 v256 __attribute__((vector_size(32), aligned(1), may_alias));

/* 256-bit moves: a later load of the whole register must find one store. */
#define AVX_CODE __attribute__((target("avx")))

static inline v128 load128(const void *src, u32 n)
{
	u64 v = 0;

	if (n == 16)
		return *(const v128 *)src;
	memcpy(&v, src, n);
	return (v128){ v, 0 };
}

/* Writes the low @n bytes of an XMM register and clears the rest of it. */
static inline void sse_write(struct cpu *c, u16 off, const void *src, u32 n)
{
	*(v128 *)((u8 *)c + off) = load128(src, n);
	c->fpu.xinuse |= XFEATURE_SSE;
}

/* The same of a YMM register. */
AVX_CODE static inline void avx_write(struct cpu *c, u16 off, const void *src, u32 n)
{
	v256 *dst = (v256 *)((u8 *)c + off);

	if (n == 32) {
		*dst = *(const v256 *)src;
	} else {
		const v128 low = load128(src, n);

		*dst = (v256){ low[0], low[1], 0, 0 };
	}
	c->fpu.xinuse |= XFEATURE_SSE | XFEATURE_YMM;
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

/* Where the operand can be read: the guest's memory, or a copy in @buf. */
static inline enum step move_source(struct cpu *c, const struct insn *in, u32 n,
				    bool vex, void *buf, const u8 **src)
{
	u64 lin;

	TRY(check_vec(c, vex));
	TRY(move_linear(c, in, n, false, &lin));
	*src = tlb_host_read(c, lin, n);
	if (likely(*src))
		return STEP_NEXT;
	*src = buf;
	return mem_read_slow(c, lin, buf, n);
}

static inline enum step move_store(struct cpu *c, const struct insn *in, u32 n,
				   bool vex)
{
	u64 lin;

	TRY(check_vec(c, vex));
	TRY(move_linear(c, in, n, true, &lin));
	return mem_write(c, lin, (u8 *)c + native_operands(in)->reg, n);
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

/* Without VEX bits above 127 stay (SDM vol. 1 14.4.1). */
#define DEFINE_LOAD(name, attr, n, vex, write)					\
attr static enum step name(struct cpu *c, const struct insn *in)		\
{										\
	const u8 *src;								\
	u8 buf[n];								\
										\
	TRY(move_source(c, in, n, vex, buf, &src));				\
	write(c, native_operands(in)->reg, src, n);				\
	return STEP_NEXT;							\
}

/* xmm = xmm or general register: from @rm to @reg. */
#define DEFINE_IN(name, attr, n, vex, write)					\
attr static enum step name(struct cpu *c, const struct insn *in)		\
{										\
	const struct native_operands *o = native_operands(in);			\
										\
	TRY(check_vec(c, vex));							\
	write(c, o->reg, (u8 *)c + o->rm, n);					\
	return STEP_NEXT;							\
}

#define DEFINE_TO_VEC(n)							\
	DEFINE_LOAD(op_move_load##n, , n, false, sse_write)			\
	DEFINE_LOAD(op_vmove_load##n, AVX_CODE, n, true, avx_write)		\
	DEFINE_IN(op_move_in##n, , n, false, sse_write)				\
	DEFINE_IN(op_vmove_in##n, AVX_CODE, n, true, avx_write)
DEFINE_TO_VEC(4)
DEFINE_TO_VEC(8)
DEFINE_TO_VEC(16)
DEFINE_LOAD(op_vmove_load32, AVX_CODE, 32, true, avx_write)
DEFINE_IN(op_vmove_in32, AVX_CODE, 32, true, avx_write)

#define DEFINE_FROM_VEC(kind, n)						\
static enum step op_##kind##n(struct cpu *c, const struct insn *in)		\
{										\
	return kind(c, in, n, false);						\
}										\
static enum step op_v##kind##n(struct cpu *c, const struct insn *in)		\
{										\
	return kind(c, in, n, true);						\
}
DEFINE_FROM_VEC(move_store, 4)
DEFINE_FROM_VEC(move_store, 8)
DEFINE_FROM_VEC(move_store, 16)
DEFINE_FROM_VEC(move_out, 4)
DEFINE_FROM_VEC(move_out, 8)

AVX_CODE static enum step op_vmove_store32(struct cpu *c, const struct insn *in)
{
	u64 lin;
	u8 *dst;

	TRY(check_vec(c, true));
	TRY(move_linear(c, in, 32, true, &lin));
	dst = tlb_host_write(c, lin, 32);
	if (unlikely(!dst))
		return mem_write_slow(c, lin, (u8 *)c + native_operands(in)->reg, 32);
	*(v256 *)dst = *(v256 *)((u8 *)c + native_operands(in)->reg);
	return STEP_NEXT;
}

/* x XOR x */
static const u8 zero[16];

static enum step op_move_zero(struct cpu *c, const struct insn *in)
{
	TRY(check_vec(c, false));
	sse_write(c, native_operands(in)->reg, zero, 16);
	return STEP_NEXT;
}

AVX_CODE static enum step op_vmove_zero(struct cpu *c, const struct insn *in)
{
	TRY(check_vec(c, true));
	avx_write(c, native_operands(in)->reg, zero, 16);
	return STEP_NEXT;
}

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
		op = vex ? op_vmove_zero : op_move_zero;
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
