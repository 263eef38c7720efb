/* SPDX-License-Identifier: MIT */
/* Memory operands. */
#include "x86/jit/trans.h"

const u8 pinned[NR_GPRS] = {
	[RAX] = R_GUEST_RAX, [RCX] = RCX, [RDX] = RDX, [RBX] = RBX,
	[RSP] = R_GUEST_RSP, [RBP] = RBP, [RSI] = RSI, [RDI] = RDI,
	[R8] = NOT_PINNED, [R9] = NOT_PINNED, [R10] = NOT_PINNED, [R11] = NOT_PINNED,
	[R12] = R12, [R13] = R13, [R14] = R14, [R15] = NOT_PINNED,
};

struct rm gpr_operand(u8 g)
{
	return pinned[g] != NOT_PINNED ? RM_REG(pinned[g]) : GPR_HOME(g);
}

void gpr_make(struct trans *t, u8 g, u8 scratch, bool wide, u32 op, struct rm m)
{
	u8 to = pinned[g] != NOT_PINNED ? pinned[g] : scratch;

	put_op(&t->k, wide, op, to, m);
	if (to == scratch)
		mov_store(&t->k, GPR_HOME(g), scratch);
}

u8 gpr_use(struct trans *t, u8 g, u8 scratch)
{
	if (pinned[g] != NOT_PINNED)
		return pinned[g];
	mov_load(&t->k, scratch, GPR_HOME(g));
	return scratch;
}

bool ea_possible(const struct trans *t)
{
	const struct insn *in = t->in;

	if (!t->wide)
		return in->asz == 4 && in->seg != CS;
	return in->asz == 8 && ((in->flags & INSN_EA64) || ea_has_base(t));
}

bool ea_has_base(const struct trans *t)
{
	return t->in->seg == FS || t->in->seg == GS;
}

static u8 address_gpr(struct trans *t, u8 off, u8 scratch)
{
	if (off == GPR_OFF_NONE) {
		mov_imm(&t->k, scratch, 0);
		return scratch;
	}
	return gpr_use(t, off / 8, scratch);
}

struct rm ea_operand(struct trans *t)
{
	const struct insn *in = t->in;
	u8 base, index = NO_INDEX;

	if (in->base == GPR_OFF_RIP) {
		mov_imm(&t->k, R_B, t->rip + (s64)in->disp);
		return RM_MEM(R_B, 0);
	}
	if (in->base == GPR_OFF_NONE && in->index == GPR_OFF_NONE) {
		mov_imm(&t->k, R_B, (s64)in->disp);
		return RM_MEM(R_B, 0);
	}
	base = address_gpr(t, in->base, R_B);
	if (in->index != GPR_OFF_NONE)
		index = address_gpr(t, in->index, R_C);
	return RM_SIB(base, index, in->shift, in->disp);
}

/* Bytes of the memory operand. */
static u32 operand_size(const struct trans *t)
{
	int i = 0;

	while (t->ops[i].type != ZYDIS_OPERAND_TYPE_MEMORY)
		i++;
	return t->ops[i].size / 8;
}

/* A segment of 32-bit code that is not flat in all of its rights is the interpreter's. */
static void check_whole(struct trans *t)
{
	u32 size = operand_size(t);

	put_op(&t->k, false, 0xf6, 0, CPU_FIELD(flat));		/* test [], imm8 */
	put8(&t->k, t->in->seg == FS ? FLAT_FS : FLAT_GS);
	punt_if(t, CC_E);
	if (size == 1)
		return;
	put_op(&t->k, false, 0x83, 7, RM_REG(R_A));		/* cmp eax, -size */
	put8(&t->k, -size);
	punt_if(t, CC_A);
}

/* R_A: from offset to linear address. */
static void add_base(struct trans *t)
{
	struct rm base = CPU_FIELD(seg[0].base);

	if (!t->wide)
		check_whole(t);
	base.disp += t->in->seg * sizeof(struct segment);
	put_op(&t->k, t->wide, 0x03, R_A, base);
}

void ea_linear(struct trans *t)
{
	struct rm m = ea_operand(t);

	if (m.reg == R_B && m.index == NO_INDEX && !m.disp)
		mov_word(t, R_A, RM_REG(R_B));
	else
		lea_word(t, R_A, m);
	if (ea_has_base(t))
		add_base(t);
}

void ea_absolute(struct trans *t, u64 off)
{
	mov_imm(&t->k, R_A, off);
	if (ea_has_base(t))
		add_base(t);
}

void mem_check(struct trans *t, u32 size, bool write)
{
	check_linear(t, R_A, size, write);
	put_op(&t->k, true, 0x03, R_A, RM_REG(R_B));
	flags_clobbered(t);
}

/* The address in R_A and the addend in R_B, or both in R_B. */
static struct rm operand_of(struct trans *t, s32 off, bool keep_rax)
{
	struct rm m = RM_SIB(R_A, R_B, 0, off);

	if (!keep_rax)
		return m;
	lea(&t->k, R_B, RM_SIB(R_A, R_B, 0, 0));
	m.reg = R_B;
	m.index = NO_INDEX;
	return m;
}

/* -- Near a register --------------------------------------------------------------- */

bool near_has_base(const struct near *a)
{
	return a->index != NO_GPR || pinned[a->base] == NOT_PINNED;
}

/* [base + disp] with the addend in R_B. */
static struct rm based_operand(struct trans *t, const struct near *a, bool keep_rax)
{
	if (pinned[a->base] != NOT_PINNED)
		return RM_SIB(pinned[a->base], R_B, 0, a->disp);
	mov_load(&t->k, R_A, GPR_HOME(a->base));
	return operand_of(t, a->disp, keep_rax);
}

/* The way to the interpreter of an access that does not look at the TLB: rescue.c. */
static void punt_never(struct trans *t)
{
	struct cold *cold = cold_add(t, COLD_PUNT, NULL);

	cold->in = t->in;
	cold->target = t->rip;
	cold->before = t->flags;
	cold->recipe = t->recipe;
}

u8 linear_of(struct trans *t, const struct near *a, s32 disp)
{
	u8 base = gpr_use(t, a->base, R_A);

	if (a->index != NO_GPR) {
		lea(&t->k, R_A, RM_SIB(base, pinned[a->index], a->shift, disp));
		return R_A;
	}
	if (!disp)
		return base;
	lea(&t->k, R_A, RM_MEM(base, disp));
	return R_A;
}

/* What @w leads to, by what is kept of it and in R_B. */
static struct rm window_operand(struct trans *t, const struct window *w,
				const struct near *a)
{
	s32 disp = a->disp + w->moved;

	if (!near_has_base(a))
		return RM_SIB(pinned[a->base], R_B, 0, a->disp);
	if (a->index == NO_GPR)
		return RM_MEM(R_B, disp);
	return RM_SIB(R_B, pinned[a->index], a->shift, disp);
}

/* What is stored to is not waited for. */
static bool is_read(const struct trans *t)
{
	for (int i = 0; i < t->zi.operand_count; i++)
		if (t->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (t->ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ))
			return true;
	return false;
}

/*
 * Outside windows.  The addend comes late, and processors add two registers faster
 * than those and a displacement.
 */
static struct rm single_operand(struct trans *t, const struct near *a, bool keep_rax)
{
	u8 lin;

	if (check_near(t, a))
		return based_operand(t, a, keep_rax);
	lin = linear_of(t, a, a->disp);
	if (!a->write && is_read(t))
		check_read(t, lin, a->size);
	else
		check_linear(t, lin, a->size, a->write);
	return lin == R_A ? operand_of(t, 0, keep_rax) : RM_SIB(lin, R_B, 0, 0);
}

static struct rm mem_based(struct trans *t, const struct near *a, bool keep_rax)
{
	struct window *w = window_find(t, a);
	struct rm m;

	if (w) {
		mov_load(&t->k, R_B, w->addend);
		punt_never(t);
		return window_operand(t, w, a);
	}
	flags_save(t);
	w = window_open(t, a);
	if (!w) {
		m = single_operand(t, a, keep_rax);
		flags_clobbered(t);
		return m;
	}
	check_window(t, w, a);
	flags_clobbered(t);
	punt_never(t);
	return window_operand(t, w, a);
}

struct rm mem_at(struct trans *t, u8 g, s32 disp, u32 size, bool write)
{
	struct near a = {
		.base = g, .index = NO_GPR, .disp = disp, .size = size, .write = write,
	};

	if (t->wide)
		return mem_based(t, &a, false);
	flags_save(t);
	lea_word(t, R_A, RM_MEM(pinned[g], disp));
	check_linear(t, R_A, size, write);
	flags_clobbered(t);
	return operand_of(t, 0, false);
}

bool mem_is_based(const struct insn *in)
{
	return (in->flags & INSN_EA64) && in->base < GPR_OFF_NONE &&
	       in->index == GPR_OFF_NONE;
}

/* An index has to be in a register; the base need not. */
bool mem_near(const struct insn *in, struct near *a)
{
	u8 index = in->index / 8;

	if (!(in->flags & INSN_EA64) || in->base >= GPR_OFF_NONE)
		return false;
	*a = (struct near){ .base = in->base / 8, .index = NO_GPR, .disp = in->disp };
	if (in->index == GPR_OFF_NONE)
		return true;
	if (pinned[index] == NOT_PINNED && !in->shift) {
		index = a->base;
		a->base = in->index / 8;
	}
	if (pinned[index] == NOT_PINNED)
		return false;
	a->index = index;
	a->shift = in->shift;
	return true;
}

struct rm mem_operand(struct trans *t, u32 size, bool write, bool keep_rax)
{
	const struct insn *in = t->in;
	u64 lin = t->rip + (s64)in->disp;
	struct near a;

	if (mem_near(in, &a)) {
		a.size = size;
		a.write = write;
		return mem_based(t, &a, keep_rax);
	}
	flags_save(t);
	if ((in->flags & INSN_EA64) && in->base == GPR_OFF_RIP &&
	    (lin & ~PAGE_MASK) + size <= PAGE_SIZE) {
		check_constant(t, lin, write);
		flags_clobbered(t);
		return operand_of(t, lin & ~PAGE_MASK, keep_rax);
	}
	ea_linear(t);
	if (!write && is_read(t))
		check_read(t, R_A, size);
	else
		check_linear(t, R_A, size, write);
	flags_clobbered(t);
	return operand_of(t, 0, keep_rax);
}
