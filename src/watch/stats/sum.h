/* SPDX-License-Identifier: MIT */
/* What is made of the numbers of a page, for reports and for the live view. */
#ifndef ANYKVM_WATCH_STATS_SUM_H
#define ANYKVM_WATCH_STATS_SUM_H

#include "watch/stats/page.h"

struct stats_sum {
	u64 exits, vmm_ns;		/* of all reasons */
	u64 guest_ns, halted_ns;	/* the latter is not in the former */
	u64 insns;
	u64 kvm[NR_STATS_KVM];
	struct stats_exit by_reason[STATS_REASONS];
};

/* Adds the vCPU's. */
void stats_sum_vcpu(struct stats_sum *sum, const struct stats_vcpu *v);
/* All of them. */
void stats_sum(struct stats_sum *sum, const struct stats_page *p);

/* Instructions per microsecond in guest. */
double stats_mips(u64 insns, u64 guest_ns);

/* The addresses with exits, the most frequent first: their number. */
u32 stats_sort_pcs(struct stats_pc out[STATS_PCS], const struct stats_page *p);

enum { STATS_NAME_MAX = 24 };

/* "IO"; "exit 77" if it has no name. */
const char *stats_reason(u32 reason, char name[STATS_NAME_MAX]);
const char *stats_kvm_name(u32 i);

#endif
