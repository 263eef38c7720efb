/* SPDX-License-Identifier: MIT */
/* The verifier's part that follows the pointers of REP MOVS and STOS. */
#include "x86/jit/verify.h"

static bool is_target(const struct check *k, const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base == ZYDIS_REGISTER_R15 &&
	       o->mem.index == ZYDIS_REGISTER_NONE &&
	       o->mem.disp.value + STATE_BIAS == offsetof(struct cpu, jit_target);
}

/* Where a MOV has its pointer from. */
static struct extent moved(const struct check *k)
{
	const ZydisDecodedOperand *from = &k->ops[1];

	if (k->zi.mnemonic != ZYDIS_MNEMONIC_MOV || from->size != 64)
		return (struct extent){ 0 };
	if (is_reg(from, ZYDIS_REGISTER_RAX))
		return k->at_rax;
	if (is_reg(from, ZYDIS_REGISTER_R11))
		return k->r11;
	return is_target(k, from) ? k->target : (struct extent){ 0 };
}

/* string.c: CMP R11D, PAGE_SIZE behind a check; R11, RSI and RDI get pointers by MOV. */
void verify_string(struct check *k)
{
	struct extent p = moved(k);

	if (k->zi.mnemonic == ZYDIS_MNEMONIC_CMP && k->ops[0].size == 32 &&
	    is_reg(&k->ops[0], ZYDIS_REGISTER_R11) &&
	    k->ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	    k->ops[1].imm.value.u == PAGE_SIZE)
		k->ends++;
	if (is_target(k, &k->ops[0]) && is_written(&k->ops[0]))
		k->target = p;
	for (int i = 0; i < k->zi.operand_count; i++) {
		const ZydisDecodedOperand *o = &k->ops[i];

		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER || !is_written(o))
			continue;
		if (is_reg(o, ZYDIS_REGISTER_R11))
			k->r11 = p;
		if (is_reg(o, ZYDIS_REGISTER_RSI))
			k->rsi = p;
		if (is_reg(o, ZYDIS_REGISTER_RDI))
			k->rdi = p;
	}
	if (k->zi.meta.category == ZYDIS_CATEGORY_STRINGOP)
		k->ends = 0;
}
