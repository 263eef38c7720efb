/* SPDX-License-Identifier: MIT */
/*
 * What VMs and vCPUs count (api.rst 4.133): stats.def expanded.
 *
 * Counting is a plain increment.  Of a vCPU's numbers only the thread that
 * holds its mutex changes any, of a VM's that which holds slots_lock.
 */
#ifndef ANYKVM_API_STATS_H
#define ANYKVM_API_STATS_H

#include "api/kvm.h"

struct vm_stats {
#define VM_STAT(kind, name, n) u64 name[n];
#include "api/stats.def"
};

struct vcpu_stats {
#define VCPU_STAT(kind, name, n) u64 name[n];
#include "api/stats.def"
};

/* @owner is a VM or a vCPU. */
#define stat_add(owner, name, v)	((owner)->stats->name[0] += (v))
#define stat_inc(owner, name)		stat_add(owner, name, 1)
#define stat_set(owner, name, v)	((owner)->stats->name[0] = (v))

/* One more of @v in a NSEC_HISTOGRAM: bucket i counts up to 2^i - 1. */
#define stat_histogram(owner, name, v) \
	stat_histogram_inc((owner)->stats->name, ARRAY_SIZE((owner)->stats->name), v)

static inline void stat_histogram_inc(u64 *buckets, u32 n, u64 v)
{
	u32 i = v ? 64 - __builtin_clzll(v) : 0;

	buckets[MIN(i, n - 1)]++;
}

/* See arch_vcpu_insns(). */
extern bool stats_count_insns;

int vm_stats_create(struct vm *vm);
void vm_stats_destroy(struct vm *vm);
int vcpu_stats_create(struct vcpu *vcpu);
void vcpu_stats_destroy(struct vcpu *vcpu);

#endif
