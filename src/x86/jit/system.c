/* SPDX-License-Identifier: MIT */
/*
 * Instructions of kernels.  Code of the classes for kernels runs at CPL 0.
 * Whatever may raise an exception or let an interrupt in is the interpreter's.
 */
#include "x86/interp/ops.h"
#include "x86/jit/debug.h"
#include "x86/jit/trans.h"
#include "x86/mmu/tlb.h"

static bool at_cpl0(const struct trans *t)
{
	return access_class(t->tu->page->class) != TLB_USER;
}

/* The interpreter does it unless these bits are set. */
static void require_bits(struct trans *t, struct rm m, u32 bits)
{
	flags_save(t);
	test_imm(&t->k, m, bits);
	punt_if(t, CC_E);
	flags_clobbered(t);
}

/* -- The interrupt flag ---------------------------------------------------------- */

static bool insn_cli(struct trans *t)
{
	if (!at_cpl0(t))
		return false;
	flags_save(t);
	put_op(&t->k, false, 0x81, 4, CPU_FIELD(rflags));	/* and [], imm32 */
	put32(&t->k, ~(u32)X86_EFLAGS_IF);
	flags_clobbered(t);
	return true;
}

/* Does nothing but its work, whatever state the CPU is in? */
static bool is_plain(const struct insn *in)
{
	if (in->op == op_nop)
		return true;
	if (in->op == op_ud || in->flags & (INSN_MEM | INSN_LOCK))
		return false;
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_TEST:
	case ZYDIS_MNEMONIC_XOR:
		return true;
	default:
		return false;
	}
}

/*
 * Interrupts are let in behind the next instruction (SDM vol. 2B STI).  If none
 * waits now, and nothing can be seen of that instruction, then nothing of this
 * rule can be either: requests are looked at later.
 */
static bool insn_sti(struct trans *t)
{
	const struct insn *next = t->in + 1;

	if (!at_cpl0(t) || jit_debug & JIT_LOCKSTEP ||
	    next == t->block->insn + t->block->count || !is_plain(next))
		return false;
	flags_save(t);
	put_op(&t->k, false, 0x80, 7, CPU_FIELD(irq_waits));	/* cmp [], 0 */
	put8(&t->k, 0);
	punt_if(t, CC_NE);
	put_op(&t->k, false, 0x81, 1, CPU_FIELD(rflags));	/* or [], imm32 */
	put32(&t->k, X86_EFLAGS_IF);
	flags_clobbered(t);
	return true;
}

/* R10 = RFLAGS as PUSHF shows them; R11 is lost. */
static void put_flags_image(struct code *k)
{
	const u32 hidden = X86_EFLAGS_STATUS | X86_EFLAGS_VM | X86_EFLAGS_RF;

	put_op(k, false, 0x0fb7, R_B, CPU_FIELD(jit_flags));	/* movzx: LAHF, SETO */
	put_op(k, false, 0xc0, 4, RM_REG(R_B));			/* shl r10b, 3 */
	put8(k, 3);
	put8(k, 0x66);
	put_op(k, false, 0xc1, 0, RM_REG(R_B));			/* rol r10w, 8 */
	put8(k, 8);
	put_op(k, false, 0x8b, R_C, CPU_FIELD(rflags));
	put_op(k, false, 0x81, 4, RM_REG(R_C));			/* and r11d, imm32 */
	put32(k, ~hidden);
	put_op(k, false, 0x0b, R_B, RM_REG(R_C));		/* or r10d, r11d */
}

static bool insn_pushf(struct trans *t)
{
	u8 size = word_size(t);

	if (t->in->osz != size)
		return false;
	flags_park(t);
	lea_word(t, R_A, RM_MEM(R_GUEST_RSP, -size));
	mem_check(t, size, true);
	put_flags_image(&t->k);
	mov_word_to(t, RM_MEM(R_A, 0), R_B);
	lea_word(t, R_GUEST_RSP, RM_MEM(R_GUEST_RSP, -size));
	return true;
}

/* -- Bases of FS and GS ------------------------------------------------------------ */

static struct rm base_of(const struct trans *t)
{
	bool gs = t->zi.mnemonic == ZYDIS_MNEMONIC_RDGSBASE ||
		  t->zi.mnemonic == ZYDIS_MNEMONIC_WRGSBASE;

	return gs ? CPU_FIELD(seg[GS].base) : CPU_FIELD(seg[FS].base);
}

static bool insn_swapgs(struct trans *t)
{
	struct code *k = &t->k;

	if (!at_cpl0(t) || jit_debug & JIT_LOCKSTEP)
		return false;
	mov_load(k, R_A, CPU_FIELD(seg[GS].base));
	mov_load(k, R_B, CPU_FIELD(kernel_gs_base));
	mov_store(k, CPU_FIELD(seg[GS].base), R_B);
	mov_store(k, CPU_FIELD(kernel_gs_base), R_A);
	return true;
}

static bool insn_read_base(struct trans *t)
{
	require_bits(t, CPU_FIELD(cr4), X86_CR4_FSGSBASE);
	gpr_make(t, operand_gpr(&t->ops[0]), R_A, t->in->osz == 8, 0x8b, base_of(t));
	return true;
}

static bool insn_write_base(struct trans *t)
{
	struct code *k = &t->k;
	u8 src;

	if (jit_debug & JIT_LOCKSTEP)
		return false;
	require_bits(t, CPU_FIELD(cr4), X86_CR4_FSGSBASE);
	src = gpr_use(t, operand_gpr(&t->ops[0]), R_A);
	put_op(k, t->in->osz == 8, 0x8b, R_A, RM_REG(src));
	if (t->in->osz == 8)
		check_canonical(t);
	flags_clobbered(t);
	mov_store(k, base_of(t), R_A);
	return true;
}

/* -- Control registers --------------------------------------------------------------- */

static bool insn_mov_from_cr(struct trans *t)
{
	int g = operand_gpr(&t->ops[0]);

	if (!at_cpl0(t) || t->in->op != op_mov_from_cr || g < 0)
		return false;
	switch (t->in->sub) {
	case 0:
		gpr_make(t, g, R_A, t->wide, 0x8b, CPU_FIELD(cr0));
		return true;
	case 2:
		gpr_make(t, g, R_A, t->wide, 0x8b, CPU_FIELD(cr2));
		return true;
	case 3:
		gpr_make(t, g, R_A, t->wide, 0x8b, CPU_FIELD(cr3));
		return true;
	case 4:
		gpr_make(t, g, R_A, t->wide, 0x8b, CPU_FIELD(cr4));
		return true;
	default:
		return false;
	}
}

bool insn_system(struct trans *t)
{
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_CLI:
		return insn_cli(t);
	case ZYDIS_MNEMONIC_STI:
		return insn_sti(t);
	case ZYDIS_MNEMONIC_PUSHFD:
	case ZYDIS_MNEMONIC_PUSHFQ:
		return insn_pushf(t);
	case ZYDIS_MNEMONIC_SWAPGS:
		return insn_swapgs(t);
	case ZYDIS_MNEMONIC_RDFSBASE:
	case ZYDIS_MNEMONIC_RDGSBASE:
		return insn_read_base(t);
	case ZYDIS_MNEMONIC_WRFSBASE:
	case ZYDIS_MNEMONIC_WRGSBASE:
		return insn_write_base(t);
	case ZYDIS_MNEMONIC_MOV:
		return insn_mov_from_cr(t);
	default:
		return false;
	}
}
