/* SPDX-License-Identifier: MIT */
/* Instructions with registers or a stack of their own. */
#include "x86/jit/trans.h"

/* -- Stack ------------------------------------------------------------------------ */

/* To cpu->jit_target: it is not to be read twice. */
static bool load_pushed(struct trans *t)
{
	if (!ea_possible(t))
		return false;
	mov_word(t, R_B, mem_operand(t, word_size(t), false, false));
	mov_store(&t->k, CPU_FIELD(jit_target), R_B);
	return true;
}

static bool insn_push(struct trans *t)
{
	const ZydisDecodedOperand *o = &t->ops[0];
	bool imm = o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	bool mem = o->type == ZYDIS_OPERAND_TYPE_MEMORY;
	u8 src = R_C, size = word_size(t);
	struct rm m;

	if (t->in->osz != size || (!imm && !mem && operand_gpr(o) < 0) ||
	    (mem && !load_pushed(t)))
		return false;
	m = mem_at(t, RSP, -size, size, true);
	if (imm)
		mov_imm(&t->k, R_C, t->in->imm);
	else if (mem)
		mov_load(&t->k, R_C, CPU_FIELD(jit_target));
	else
		src = gpr_use(t, operand_gpr(o), R_C);
	mov_word_to(t, m, src);
	lea_word(t, R_GUEST_RSP, RM_MEM(R_GUEST_RSP, -size));
	return true;
}

static bool insn_pop(struct trans *t)
{
	const ZydisDecodedOperand *o = &t->ops[0];
	u8 size = word_size(t);
	struct rm m;
	int g;

	if (t->in->osz != size || o->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    operand_gpr(o) < 0)
		return false;
	g = operand_gpr(o);
	m = mem_at(t, RSP, 0, size, false);
	gpr_make(t, g, R_B, t->wide, 0x8b, m);
	if (g != RSP)
		lea_word(t, R_GUEST_RSP, RM_MEM(R_GUEST_RSP, size));
	return true;
}

static bool insn_leave(struct trans *t)
{
	u8 size = word_size(t);

	if (t->in->osz != size)
		return false;
	mov_word(t, R_B, mem_at(t, RBP, 0, size, false));
	lea_word(t, R_GUEST_RSP, RM_MEM(RBP, size));
	mov_word(t, RBP, RM_REG(R_B));
	return true;
}

/* -- Addresses ----------------------------------------------------------------------- */

static bool insn_lea(struct trans *t)
{
	if (t->in->osz < 4 || t->in->asz != word_size(t))
		return false;
	gpr_make(t, operand_gpr(&t->ops[0]), R_A, t->in->osz == 8, 0x8d, ea_operand(t));
	return true;
}

/* MOV between the accumulator and an address, as of the forms with ModRM. */
static bool insn_moffs(struct trans *t)
{
	u8 op = t->zi.opcode, size = t->in->osz;
	bool store = op & 2;

	if ((op & ~3) != 0xa0 || t->zi.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT ||
	    !ea_possible(t))
		return false;
	flags_save(t);
	ea_absolute(t, t->in->imm);
	mem_check(t, size, store);
	if (size == 2)
		put8(&t->k, 0x66);
	put_op(&t->k, size == 8, (store ? 0x88 : 0x8a) | (op & 1), R_GUEST_RAX, RM_MEM(R_A, 0));
	return true;
}

/* -- RAX and RDX ----------------------------------------------------------------------- */

/* CBW, CWDE, CDQE: R9 from its lower half. */
static bool insn_extend(struct trans *t)
{
	struct code *k = &t->k;

	if (t->in->osz == 8) {
		put_op(k, true, 0x63, R_GUEST_RAX, RM_REG(R_GUEST_RAX));
		return true;
	}
	if (t->in->osz == 2)
		put8(k, 0x66);
	put_op(k, false, t->in->osz == 2 ? 0x0fbe : 0x0fbf, R_GUEST_RAX,
	       RM_REG(R_GUEST_RAX));
	return true;
}

/* CWD, CDQ, CQO */
static bool insn_sign(struct trans *t)
{
	mov_rr(&t->k, RAX, R_GUEST_RAX);
	if (t->in->osz == 2)
		put8(&t->k, 0x66);
	if (t->in->osz == 8)
		put8(&t->k, 0x48);
	put8(&t->k, 0x99);
	return true;
}

/* The r/m operand of an instruction that uses RAX: R_B, if it is no pinned register. */
static bool operand_beside_rax(struct trans *t, bool write, struct rm *m)
{
	const ZydisDecodedOperand *o = &t->ops[0];
	int g;

	if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!ea_possible(t))
			return false;
		*m = mem_operand(t, o->size / 8, write, true);
		return true;
	}
	g = operand_gpr(o);
	if (g < 0)
		return false;
	*m = RM_REG(gpr_use(t, g, R_B));
	return true;
}

static void put_sized(struct trans *t, u32 opcode, u8 reg, struct rm m)
{
	u8 size = t->ops[0].size / 8, rex = rex_of(size == 8, reg, &m);

	if (t->zi.attributes & ZYDIS_ATTRIB_HAS_LOCK)
		put8(&t->k, 0xf0);
	if (size == 2)
		put8(&t->k, 0x66);
	put8(&t->k, 0x40 | rex);
	put_opcode(&t->k, opcode | (size > 1));
	put_modrm(&t->k, reg, &m);
}

/* MUL, and IMUL of one operand: most flags are undefined, so those before matter. */
static bool insn_multiply(struct trans *t, u8 extension)
{
	struct rm m;

	if (!operand_beside_rax(t, false, &m))
		return false;
	flags_merge(t);
	mov_rr(&t->k, RAX, R_GUEST_RAX);
	put_sized(t, 0xf6, extension, m);
	mov_rr(&t->k, R_GUEST_RAX, RAX);
	flags_set(t);
	return true;
}

static bool insn_cmpxchg(struct trans *t)
{
	int src = operand_gpr(&t->ops[1]), dst = -1;
	struct rm m;

	if (src < 0 || !operand_beside_rax(t, true, &m))
		return false;
	if (t->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
		dst = operand_gpr(&t->ops[0]);
	if (dst == RAX)
		m = RM_REG(RAX);
	src = gpr_use(t, src, R_C);
	mov_rr(&t->k, RAX, R_GUEST_RAX);
	put_sized(t, 0x0fb0, src, m);
	mov_rr(&t->k, R_GUEST_RAX, RAX);
	if (dst >= 0 && pinned[dst] == NOT_PINNED)
		mov_store(&t->k, GPR_HOME(dst), R_B);
	flags_set(t);
	return true;
}

/* CMPXCHG16B faults if it is not aligned. */
static bool insn_cmpxchg_pair(struct trans *t)
{
	u32 size = t->ops[0].size / 8;
	struct code *k = &t->k;

	if (!ea_possible(t))
		return false;
	flags_save(t);
	ea_linear(t);
	mem_check(t, size, true);
	if (size == 16) {
		put8(k, 0xa8);					/* test al, 15 */
		put8(k, 15);
		punt_if(t, CC_NE);
	}
	mov_rr(k, R_B, R_A);
	flags_load(t);
	mov_rr(k, RAX, R_GUEST_RAX);
	put8(k, 0xf0);						/* lock */
	put_op(k, size == 16, 0x0fc7, 1, RM_MEM(R_B, 0));
	mov_rr(k, R_GUEST_RAX, RAX);
	flags_set(t);
	return true;
}

/* -- DIV and IDIV ------------------------------------------------------------------------ */

/* R_C = the divisor: memory could be another one the next time. */
static bool load_divisor(struct trans *t)
{
	const ZydisDecodedOperand *o = &t->ops[0];
	bool wide = t->in->osz == 8;

	if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!ea_possible(t))
			return false;
		flags_save(t);
		ea_linear(t);
		mem_check(t, t->in->osz, false);
		put_op(&t->k, wide, 0x8b, R_C, RM_MEM(R_A, 0));
		return true;
	}
	flags_save(t);
	put_op(&t->k, wide, 0x8b, R_C, gpr_operand(operand_gpr(o)));
	return true;
}

/* The quotient fits if RDX is below the divisor. */
static void check_div(struct trans *t)
{
	put_op(&t->k, t->in->osz == 8, 0x3b, RDX, RM_REG(R_C));
	punt_if(t, CC_AE);
}

/*
 * It does if RDX is but the sign of RAX, and the divisor neither 0 nor -1.
 * The interpreter knows the rest.
 */
static void check_idiv(struct trans *t)
{
	bool wide = t->in->osz == 8;
	struct code *k = &t->k;

	put_op(k, wide, 0x8d, R_A, RM_MEM(R_C, 1));
	put_op(k, wide, 0x83, 7, RM_REG(R_A));			/* cmp rax, 1 */
	put8(k, 1);
	punt_if(t, CC_BE);
	put_op(k, wide, 0x8b, R_A, RM_REG(R_GUEST_RAX));
	put_op(k, wide, 0xc1, 7, RM_REG(R_A));			/* sar rax, imm8 */
	put8(k, t->in->osz * 8 - 1);
	put_op(k, wide, 0x3b, R_A, RM_REG(RDX));
	punt_if(t, CC_NE);
}

static bool insn_divide(struct trans *t, bool is_signed)
{
	struct code *k = &t->k;

	if (t->in->osz < 4 || !load_divisor(t))
		return false;
	if (is_signed)
		check_idiv(t);
	else
		check_div(t);
	flags_clobbered(t);
	flags_merge(t);
	mov_rr(k, RAX, R_GUEST_RAX);
	put_op(k, t->in->osz == 8, 0xf7, is_signed ? 7 : 6, RM_REG(R_C));
	mov_rr(k, R_GUEST_RAX, RAX);
	flags_set(t);
	return true;
}

bool insn_special(struct trans *t)
{
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		return insn_moffs(t);
	case ZYDIS_MNEMONIC_PUSH:
		return insn_push(t);
	case ZYDIS_MNEMONIC_POP:
		return insn_pop(t);
	case ZYDIS_MNEMONIC_LEAVE:
		return insn_leave(t);
	case ZYDIS_MNEMONIC_LEA:
		return insn_lea(t);
	case ZYDIS_MNEMONIC_CBW:
	case ZYDIS_MNEMONIC_CWDE:
	case ZYDIS_MNEMONIC_CDQE:
		return insn_extend(t);
	case ZYDIS_MNEMONIC_CWD:
	case ZYDIS_MNEMONIC_CDQ:
	case ZYDIS_MNEMONIC_CQO:
		return insn_sign(t);
	case ZYDIS_MNEMONIC_MUL:
		return insn_multiply(t, 4);
	case ZYDIS_MNEMONIC_IMUL:
		return t->zi.operand_count_visible == 1 && insn_multiply(t, 5);
	case ZYDIS_MNEMONIC_CMPXCHG:
		return insn_cmpxchg(t);
	case ZYDIS_MNEMONIC_CMPXCHG8B:
	case ZYDIS_MNEMONIC_CMPXCHG16B:
		return insn_cmpxchg_pair(t);
	case ZYDIS_MNEMONIC_DIV:
		return insn_divide(t, false);
	case ZYDIS_MNEMONIC_IDIV:
		return insn_divide(t, true);
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_ENDBR32:
	case ZYDIS_MNEMONIC_ENDBR64:
	case ZYDIS_MNEMONIC_PREFETCHNTA:
	case ZYDIS_MNEMONIC_PREFETCHT0:
	case ZYDIS_MNEMONIC_PREFETCHT1:
	case ZYDIS_MNEMONIC_PREFETCHT2:
	case ZYDIS_MNEMONIC_PREFETCHW:
		return true;
	default:
		return false;
	}
}
