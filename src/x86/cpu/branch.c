/* SPDX-License-Identifier: MIT */
#include "x86/cpu/branch.h"

#include <Zydis/Zydis.h>

/* In the order of their MSRs. */
enum { BRANCH_FROM, BRANCH_TO, EXCEPTION_FROM, EXCEPTION_TO };

bool insn_is_branch(const struct insn *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_JB ... ZYDIS_MNEMONIC_JZ:
	case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE:
	case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_RET:
	case ZYDIS_MNEMONIC_INT:
	case ZYDIS_MNEMONIC_INT1:
	case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_INTO:
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_SYSCALL:
	case ZYDIS_MNEMONIC_SYSRET:
	case ZYDIS_MNEMONIC_SYSENTER:
	case ZYDIS_MNEMONIC_SYSEXIT:
		return true;
	default:
		return false;
	}
}

void branch_record(struct cpu *c, u64 from)
{
	if (likely(!(c->debugctl & DEBUGCTL_LBR)))
		return;
	c->last_branch[BRANCH_FROM] = from;
	c->last_branch[BRANCH_TO] = c->rip;
}

void branch_record_event(struct cpu *c, u64 from)
{
	if (likely(!(c->debugctl & DEBUGCTL_LBR)))
		return;
	c->last_branch[EXCEPTION_FROM] = c->last_branch[BRANCH_FROM];
	c->last_branch[EXCEPTION_TO] = c->last_branch[BRANCH_TO];
	branch_record(c, from);
}
