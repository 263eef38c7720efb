/* SPDX-License-Identifier: MIT */
/* BT, BTS, BTR and BTC of a bit string in memory: the index is a register. */
#include "x86/jit/trans.h"

/* R_C = the index with its sign. */
static void load_index(struct trans *t, int g)
{
	put_op(&t->k, true, t->in->osz == 8 ? 0x8b : 0x63, R_C, gpr_operand(g));
}

/* R_A = the address of the unit that has the bit (SDM vol. 2A, BT). */
static void unit_address(struct trans *t, int g)
{
	u8 shift = __builtin_ctz(t->in->osz);
	struct code *k = &t->k;

	ea_linear(t);
	load_index(t, g);
	put_op(k, true, 0xc1, 7, RM_REG(R_C));			/* sar r11, imm8 */
	put8(k, 3 + shift);
	lea_word(t, R_A, RM_SIB(R_A, R_C, shift, 0));
}

/* Its register form takes the index modulo the size. */
static void put_test(struct trans *t, int g)
{
	bool wide = t->in->osz == 8;

	put_op(&t->k, wide, 0x8b, R_B, RM_MEM(R_A, 0));
	flags_merge(t);
	put_op(&t->k, wide, 0x0fa3, gpr_use(t, g, R_C), RM_REG(R_B));
}

static void put_change(struct trans *t, int g)
{
	struct rm m = RM_MEM(R_B, 0);
	struct code *k = &t->k;

	mov_rr(k, R_B, R_A);
	load_index(t, g);
	put_op(k, false, 0x81, 4, RM_REG(R_C));			/* and r11d, imm32 */
	put32(k, t->in->osz * 8 - 1);
	flags_merge(t);
	if (t->zi.attributes & ZYDIS_ATTRIB_HAS_LOCK)
		put8(k, 0xf0);
	put_op(k, t->in->osz == 8, 0x0f00 | t->zi.opcode, R_C, m);
}

static bool insn_bit_string(struct trans *t, bool write)
{
	int g = operand_gpr(&t->ops[1]);

	if (t->ops[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    t->ops[1].type != ZYDIS_OPERAND_TYPE_REGISTER || t->in->osz < 4 || g < 0 ||
	    !ea_possible(t) || (!t->wide && ea_has_base(t)))
		return false;
	flags_save(t);
	unit_address(t, g);
	mem_check(t, t->in->osz, write);
	if (write)
		put_change(t, g);
	else
		put_test(t, g);
	flags_set(t);
	return true;
}

bool insn_bits(struct trans *t)
{
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_BT:
		return insn_bit_string(t, false);
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		return insn_bit_string(t, true);
	default:
		return false;
	}
}
