/* SPDX-License-Identifier: MIT */
/* Memory operands: the address, and the software TLB. */
#include "x86/jit/trans.h"
#include "x86/mmu/internal.h"

const u8 pinned[NR_GPRS] = {
	[RAX] = R_GUEST_RAX, [RCX] = RCX, [RDX] = RDX, [RBX] = RBX,
	[RSP] = R_GUEST_RSP, [RBP] = RBP, [RSI] = RSI, [RDI] = RDI,
	[R8] = NOT_PINNED, [R9] = NOT_PINNED, [R10] = NOT_PINNED, [R11] = NOT_PINNED,
	[R12] = R12, [R13] = R13, [R14] = R14, [R15] = NOT_PINNED,
};

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

/* From R_STATE to the first entry of the TLB in use. */
static s32 tlb_offset(const struct trans *t)
{
	return (s32)((u8 *)t->c->tlb->entry - (u8 *)t->c) - STATE_BIAS;
}

void mem_check(struct trans *t, u32 size, bool write)
{
	s32 tag = tlb_offset(t) + (write ? offsetof(struct tlb_entry, tag_write) :
					   offsetof(struct tlb_entry, tag_read));
	s32 addend = tlb_offset(t) + offsetof(struct tlb_entry, addend);
	struct code *k = &t->k;
	const u8 *check = k->p;

	_Static_assert(sizeof(struct tlb_entry) == 1 << 5, "index of the TLB");
	put32(k, 0xf0fb63c4);					/* rorx r10, rax, 7 */
	put8(k, 0xd0); put8(k, PAGE_SHIFT - 5);
	put_op(k, false, 0x81, 4, RM_REG(R_B));			/* and r10d, imm32 */
	put32(k, (TLB_ENTRIES - 1) << 5);
	mov_rr(k, R_C, R_A);
	put_op(k, true, 0x33, R_C, RM_SIB(R_STATE, R_B, 0, tag));
	put_op(k, true, 0x81, 7, RM_REG(R_C));			/* cmp r11, imm32 */
	put32(k, PAGE_SIZE - size);
	miss_if(t, CC_A, check, R_A, write);
	put_op(k, true, 0x03, R_A, RM_SIB(R_STATE, R_B, 0, addend));
	flags_clobbered(t);
}
