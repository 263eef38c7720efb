/* SPDX-License-Identifier: MIT */
/*
 * What translated code may be made of.
 *
 * Memory is
 * - struct cpu, its TLBs and the translator's tables through R15, the latter two
 *   by an index in R10 or R11 that was masked;
 * - what was compared with the tag of the TLB or of the stack's page, no wider than
 *   that, and written only if it was the write tag: with the addend in R10 for an
 *   index, or added in RAX or R10; it is of the same place as the tag, or a guess
 *   that was compared with that; for REP MOVS and STOS in RSI and RDI;
 * - the return address of CALL and RET.
 * Jumps stay in the block or go to the glue.  R15 and RSP are not written, and
 * nothing is executed that the kernel of the host would notice.
 */
#include "x86/jit/verify.h"

static bool check_kind(struct check *k)
{
	if (k->zi.mnemonic == ZYDIS_MNEMONIC_INT3 || k->zi.mnemonic == ZYDIS_MNEMONIC_RDTSC)
		return true;	/* int3: room that nobody gets to */
	if (k->zi.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
		return wrong(k, "a privileged instruction");
	switch (k->zi.meta.category) {
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
	case ZYDIS_CATEGORY_RDWRFSGS:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_XSAVE:
	case ZYDIS_CATEGORY_XSAVEOPT:
		return wrong(k, "a system instruction");
	default:
		return true;
	}
}

static bool check_target(struct check *k, const ZydisDecodedOperand *o)
{
	const struct jit *j = k->c->jit;
	s64 to = (s64)k->off + k->zi.length + o->imm.value.s;
	s64 at = (k->tu->entry - j->rw) + to;

	if ((to >= 0 && to < k->tu->size) || (at >= 0 && at < (s64)j->glue_used))
		return true;
	return wrong(k, "a jump out of the block");
}

static bool check_register(struct check *k, const ZydisDecodedOperand *o)
{
	if (!is_written(o) || o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
		return true;
	if (is_reg(o, ZYDIS_REGISTER_R15) || is_reg(o, ZYDIS_REGISTER_RSP))
		return wrong(k, "R15 or RSP written");
	if (ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_SEGMENT)
		return wrong(k, "a segment register written");
	return true;
}

static bool check_operands(struct check *k)
{
	for (int i = 0; i < k->zi.operand_count; i++) {
		const ZydisDecodedOperand *o = &k->ops[i];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !verify_memory(k, o))
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && !check_register(k, o))
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o->imm.is_relative &&
		    !check_target(k, o))
			return false;
	}
	return true;
}

static bool check_insn(struct check *k)
{
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&k->decoder, k->tu->entry + k->off,
						 k->tu->size - k->off, &k->zi, k->ops)))
		return wrong(k, "no instruction");
	if (!check_kind(k) || !check_operands(k))
		return false;
	verify_follow(k);
	return true;
}

bool jit_verify(const struct cpu *c, const struct tu *tu, const u8 **at, const char **why)
{
	struct check k = { .c = c, .tu = tu, .guess = NO_GUESS };

	ZydisDecoderInit(&k.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (; k.off < tu->size; k.off += k.zi.length) {
		if (!check_insn(&k)) {
			*at = tu->entry + k.off;
			*why = k.why;
			return false;
		}
	}
	return true;
}
