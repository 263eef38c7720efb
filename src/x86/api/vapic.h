/* SPDX-License-Identifier: MIT */
/*
 * KVM_CAP_VAPIC: how a VMM helps guests that use the LAPIC's TPR a lot.
 *
 * TPR access reporting tells it of the instructions that do
 * (KVM_EXIT_TPR_ACCESS), so that it can replace them with code that uses a
 * word in guest memory: TPR, the highest vector in service and the highest
 * requested.  While the guest runs, that word holds the TPR; outside the
 * guest the LAPIC's register does.
 */
#ifndef ANYKVM_X86_API_VAPIC_H
#define ANYKVM_X86_API_VAPIC_H

#include "x86/cpu/state.h"

static inline bool vapic_active(const struct cpu *c)
{
	return unlikely(c->vapic_gpa);
}

/* In guest: the guest's TPR to the LAPIC; the LAPIC's state to the guest. */
void vapic_load(struct cpu *c);
void vapic_store(struct cpu *c);

/* The guest's instruction touches the TPR in the LAPIC. */
void vapic_report(struct cpu *c, bool is_write);
/* Its exit, if one is due: kvm_run is filled in. */
bool vapic_report_exit(struct cpu *c);

#endif
