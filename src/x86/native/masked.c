/* SPDX-License-Identifier: MIT */
/*
 * Instructions whose memory elements are selected by a mask: gathers, masked
 * moves.  Elements that are not selected may not fault, so each is accessed
 * by itself, in C.
 */
#include "x86/native/thunk.h"

#include <string.h>

#include "x86/decode/decode.h"
#include "x86/mmu/access.h"
#include "x86/native/check.h"

/* insn.sub: bytes of an element and of an index; src_size: of the vector. */
#define SUB_ELEM(in)	((in)->sub & 15)
#define SUB_INDEX(in)	((in)->sub >> 4)

static inline u8 *operand(struct cpu *c, u16 off)
{
	return (u8 *)c + off;
}

static inline bool selected(const u8 *mask, u32 i, u32 elem)
{
	return mask[i * elem + elem - 1] & 0x80;
}

/* Linear address of @n bytes at @delta from the memory operand's start. */
static enum step linear_at(struct cpu *c, const struct insn *in, u64 delta,
			   u32 n, bool write, u64 *lin)
{
	u64 off = cut_to(insn_offset(c, in) + delta, in->asz);

	if (in->flags & INSN_EA64) {
		*lin = off;
		return STEP_NEXT;
	}
	return cpu_seg_linear(c, in->seg, off, n, write, lin);
}

/* -- Gathers ------------------------------------------------------------------------ */

static bool any_selected(const u8 *mask, u32 n, u32 elem)
{
	for (u32 i = 0; i < n; i++)
		if (selected(mask, i, elem))
			return true;
	return false;
}

/* That of the elements before it is delivered in lieu of a fault (SDM vol. 2C, VGATHER). */
static bool trap_is_due(const struct cpu *c)
{
	return (c->rflags & X86_EFLAGS_TF) || c->pending_db;
}

/* What is done of a gather: @n elements, and the mask's of them are clear. */
static void gather_commit(struct cpu *c, const struct native_operands *o,
			  const u8 *dst, u32 n, u32 elem)
{
	memcpy(operand(c, o->reg), dst, 32);
	memset(operand(c, o->vvvv), 0, n * elem);
	c->fpu.xinuse |= XFEATURE_SSE | XFEATURE_YMM;
}

/* -- Elements, which need no alignment: bytes are never checked for it ------------------ */

static u32 step_of(const struct cpu *c, u32 elem)
{
	return unlikely(c->rflags & X86_EFLAGS_AC) ? 1 : elem;
}

static enum step read_element(struct cpu *c, u64 lin, u8 *v, u32 elem)
{
	u32 n = step_of(c, elem);
	u8 all[8];

	for (u32 i = 0; i < elem; i += n)
		TRY(mem_read(c, lin + i, all + i, n));
	memcpy(v, all, elem);
	return STEP_NEXT;
}

static enum step probe_element(struct cpu *c, u64 lin, u32 elem)
{
	u32 n = step_of(c, elem);

	for (u32 i = 0; i < elem; i += n)
		TRY(mem_probe(c, lin + i, n, true));
	return STEP_NEXT;
}

static enum step write_element(struct cpu *c, u64 lin, const u8 *v, u32 elem)
{
	u32 n = step_of(c, elem);

	for (u32 i = 0; i < elem; i += n)
		TRY(mem_write(c, lin + i, v + i, n));
	return STEP_NEXT;
}

/* -- Gathers --------------------------------------------------------------------------- */

/*
 * A fault leaves the elements before it done, and their bits of the mask
 * clear (SDM vol. 2C, VGATHERDPS).  An MMIO exit starts the instruction over.
 */
static enum step op_gather(struct cpu *c, const struct insn *in)
{
	const struct native_operands *o = native_operands(in);
	u32 elem = SUB_ELEM(in), isize = SUB_INDEX(in), n;
	const u8 *index = operand(c, o->rm);
	const u8 *mask = operand(c, o->vvvv);
	u8 dst[32];
	enum step s;
	u64 lin;

	TRY(native_check(c, CHECK_AVX));
	if (o->reg == o->rm || o->reg == o->vvvv || o->rm == o->vvvv)
		return cpu_raise_ud(c);
	n = in->src_size / MAX(elem, isize);
	memcpy(dst, operand(c, o->reg), sizeof(dst));
	for (u32 i = 0; i < n; i++) {
		s64 v = 0;

		if (!selected(mask, i, elem))
			continue;
		memcpy(&v, index + i * isize, isize);
		if (isize == 4)
			v = (s32)v;
		s = linear_at(c, in, (u64)v << in->shift, elem, false, &lin);
		if (s == STEP_NEXT)
			s = read_element(c, lin, dst + i * elem, elem);
		if (s == STEP_FAULT) {
			bool begun = any_selected(mask, i, elem);

			gather_commit(c, o, dst, i, elem);
			return begun && trap_is_due(c) ? STEP_AGAIN : STEP_FAULT;
		}
		if (s != STEP_NEXT)
			return s;
	}
	memset(dst + n * elem, 0, sizeof(dst) - n * elem);
	gather_commit(c, o, dst, 32 / elem, elem);
	return STEP_NEXT;
}

/* -- Masked moves --------------------------------------------------------------------- */

/* VMASKMOVPS/PD, VPMASKMOVD/Q reg, mask, m: the others become zero. */
static enum step op_maskmov_load(struct cpu *c, const struct insn *in)
{
	const struct native_operands *o = native_operands(in);
	const u8 *mask = operand(c, o->vvvv);
	u32 elem = SUB_ELEM(in);
	u8 dst[32] = { 0 };
	u64 lin;

	TRY(native_check(c, CHECK_AVX));
	for (u32 i = 0; i < in->src_size / elem; i++) {
		if (!selected(mask, i, elem))
			continue;
		TRY(linear_at(c, in, i * elem, elem, false, &lin));
		TRY(read_element(c, lin, dst + i * elem, elem));
	}
	memcpy(operand(c, o->reg), dst, sizeof(dst));
	c->fpu.xinuse |= XFEATURE_SSE | XFEATURE_YMM;
	return STEP_NEXT;
}

/* Stores the elements of @src that @mask selects; probes all of them first. */
static enum step store_selected(struct cpu *c, const struct insn *in,
				const u8 *src, const u8 *mask, u32 elem)
{
	u32 n = in->src_size / elem;
	u64 lin[16];

	for (u32 i = 0; i < n; i++) {
		if (!selected(mask, i, elem))
			continue;
		TRY(linear_at(c, in, i * elem, elem, true, &lin[i]));
		TRY(probe_element(c, lin[i], elem));
	}
	for (u32 i = 0; i < n; i++)
		if (selected(mask, i, elem))
			TRY(write_element(c, lin[i], src + i * elem, elem));
	return STEP_NEXT;
}

static enum step op_maskmov_store(struct cpu *c, const struct insn *in)
{
	const struct native_operands *o = native_operands(in);

	TRY(native_check(c, CHECK_AVX));
	return store_selected(c, in, operand(c, o->reg), operand(c, o->vvvv),
			      SUB_ELEM(in));
}

/*
 * The page faults of all bytes, selected or not: implementation-specific
 * (SDM vol. 2B, MASKMOVDQU), and what AMD's processors do.
 */
static enum step probe_all(struct cpu *c, const struct insn *in)
{
	u64 lin;

	TRY(linear_at(c, in, 0, in->src_size, true, &lin));
	/* For #AC it consists of quadwords. */
	for (u32 i = 0; i < in->src_size; i += 8)
		TRY(mem_probe(c, lin + i, 8, true));
	return STEP_NEXT;
}

/* MASKMOVDQU xmm, mask and MASKMOVQ mm, mask: bytes at DS:rDI. */
static enum step maskmov_bytes(struct cpu *c, const struct insn *in)
{
	const struct native_operands *o = native_operands(in);

	TRY(probe_all(c, in));
	return store_selected(c, in, operand(c, o->reg), operand(c, o->rm), 1);
}

static enum step op_maskmovdqu(struct cpu *c, const struct insn *in)
{
	TRY(native_check(c, CHECK_SSE));
	return maskmov_bytes(c, in);
}

static enum step op_vmaskmovdqu(struct cpu *c, const struct insn *in)
{
	TRY(native_check(c, CHECK_AVX));
	return maskmov_bytes(c, in);
}

static enum step op_maskmovq(struct cpu *c, const struct insn *in)
{
	TRY(native_check(c, CHECK_MMX));
	/* Even if the store faults. */
	mmx_enter(&c->fpu);
	return maskmov_bytes(c, in);
}

/* -- Which one ------------------------------------------------------------------------- */

struct masked_op {
	ZydisMnemonic mnemonic;
	op_fn load, store;
	u8 elem, index;		/* bytes */
};

static const struct masked_op masked_ops[] = {
	{ ZYDIS_MNEMONIC_VPGATHERDD, op_gather, NULL, 4, 4 },
	{ ZYDIS_MNEMONIC_VGATHERDPS, op_gather, NULL, 4, 4 },
	{ ZYDIS_MNEMONIC_VPGATHERQD, op_gather, NULL, 4, 8 },
	{ ZYDIS_MNEMONIC_VGATHERQPS, op_gather, NULL, 4, 8 },
	{ ZYDIS_MNEMONIC_VPGATHERDQ, op_gather, NULL, 8, 4 },
	{ ZYDIS_MNEMONIC_VGATHERDPD, op_gather, NULL, 8, 4 },
	{ ZYDIS_MNEMONIC_VPGATHERQQ, op_gather, NULL, 8, 8 },
	{ ZYDIS_MNEMONIC_VGATHERQPD, op_gather, NULL, 8, 8 },
	{ ZYDIS_MNEMONIC_VMASKMOVPS, op_maskmov_load, op_maskmov_store, 4 },
	{ ZYDIS_MNEMONIC_VPMASKMOVD, op_maskmov_load, op_maskmov_store, 4 },
	{ ZYDIS_MNEMONIC_VMASKMOVPD, op_maskmov_load, op_maskmov_store, 8 },
	{ ZYDIS_MNEMONIC_VPMASKMOVQ, op_maskmov_load, op_maskmov_store, 8 },
	{ ZYDIS_MNEMONIC_MASKMOVDQU, NULL, op_maskmovdqu, 1 },
	{ ZYDIS_MNEMONIC_VMASKMOVDQU, NULL, op_vmaskmovdqu, 1 },
	{ ZYDIS_MNEMONIC_MASKMOVQ, NULL, op_maskmovq, 1 },
};

static const struct masked_op *masked_op(ZydisMnemonic mnemonic)
{
	for (u32 i = 0; i < ARRAY_SIZE(masked_ops); i++)
		if (masked_ops[i].mnemonic == mnemonic)
			return &masked_ops[i];
	return NULL;
}

/* Base without the vector index; DS:rDI where the operand is implicit. */
static void set_address(const struct native_form *f, struct insn *in)
{
	const ZydisDecodedOperandMem *m = &f->mem->mem;

	in->asz = f->zi->address_width / 8;
	in->seg = decode_seg(m->segment);
	in->base = m->base ? GPR_OFF(ZydisRegisterGetId(m->base)) : GPR_OFF_NONE;
	in->index = GPR_OFF_NONE;
	in->shift = m->scale > 1 ? __builtin_ctz(m->scale) : 0;
	in->disp = m->disp.has_displacement ? (s32)m->disp.value : 0;
	in->flags |= INSN_MEM;
	in->flags &= ~INSN_EA64;
	if (in->asz == 8 && in->seg != FS && in->seg != GS)
		in->flags |= INSN_EA64;
}

/*
 * The register offsets are in insn.imm.  False if it is none of these.  The
 * plain memory forms keep the address that the decoder made.
 */
bool native_masked(const struct native_form *f, struct insn *in)
{
	struct native_operands *o = (struct native_operands *)&in->imm;
	const struct masked_op *m = f->mem ? masked_op(f->zi->mnemonic) : NULL;

	if (!m)
		return false;
	in->op = op_writes(f->mem) ? m->store : m->load;
	in->sub = m->elem | m->index << 4;
	if (in->op == op_gather) {
		o->rm = VEC_OFF(ZydisRegisterGetId(f->mem->mem.index));
		in->src_size = f->zi->avx.vector_length / 8;
	}
	if (in->op == op_gather || m->elem == 1)
		set_address(f, in);
	return true;
}
