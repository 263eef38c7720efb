// SPDX-License-Identifier: MIT
/* What is not executed. */
#include "x86/cpu/cpu.h"
#include "x86/decode/insn.h"

enum step op_unimplemented(struct cpu *c, const struct insn *in)
{
	return cpu_emulation_failure(c, SVM_EXIT_EXCP_BASE + EXC_UD, 0, 0);
}

enum step op_ud(struct cpu *c, const struct insn *in)
{
	return cpu_raise_ud(c);
}
