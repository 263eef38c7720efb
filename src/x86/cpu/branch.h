/* SPDX-License-Identifier: MIT */
/* Control-transfer recording: DebugCtl.LBR (AMD64 APM vol. 2 13.1.1, 13.1.3). */
#ifndef ANYKVM_X86_CPU_BRANCH_H
#define ANYKVM_X86_CPU_BRANCH_H

#include "x86/decode/insn.h"

/* A jump, call or return of any kind, taken or not; software interrupts are, too. */
bool insn_is_branch(const struct insn *in);

/*
 * A control transfer that began at @from has got to c->rip: a branch, or an
 * interrupt or exception, for which what was last before it is kept.
 */
void branch_record(struct cpu *c, u64 from);
void branch_record_event(struct cpu *c, u64 from);

#endif
