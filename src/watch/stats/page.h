/* SPDX-License-Identifier: MIT */
/*
 * What --stats counts, in a memfd "anykvm-stats" that other processes find among
 * the descriptors of the VMM and map for reading.  Each number is one aligned
 * word that is changed atomically; nothing is locked, and a reader may see one
 * number of an exit before the other.  No number ever falls, but that a vCPU's
 * may move to the last of the slots, which has all that have none.
 */
#ifndef ANYKVM_WATCH_STATS_PAGE_H
#define ANYKVM_WATCH_STATS_PAGE_H

#include <linux/kvm.h>

#include "util/types.h"

#define STATS_MEMFD	"anykvm-stats"
#define STATS_MAGIC	"anykvmst"

enum {
	STATS_VERSION	= 1,
	STATS_REASONS	= 64,		/* KVM_EXIT_*; others, and: */
	STATS_FAILED	= 63,		/* KVM_RUN failed, but not with EINTR */
	STATS_VCPUS	= 129,		/* the last one: all that have no other */
	STATS_PCS	= 8192,
	STATS_PROBES	= 32,		/* from where an address belongs on */
};

/* The rows of stats.def that are one number, in its order. */
enum stats_kvm {
#define STATS_KVM_1(name)	STATS_KVM_##name,
#define STATS_KVM_32(name)
#define VCPU_STAT(kind, name, n) STATS_KVM_##n(name)
#include "api/stats.def"
	NR_STATS_KVM,
};

struct stats_exit {
	u64 count;
	u64 vmm_ns;			/* from there to the next KVM_RUN */
};

struct stats_vcpu {
	u32 used;			/* 0: no vCPU has had it */
	u32 id, vm;			/* VMs are numbered from 0 */
	u32 ended;
	u64 guest_ns;			/* in KVM_RUN */
	u64 insns;
	u64 kvm[NR_STATS_KVM];
	struct stats_exit exits[STATS_REASONS];
};

/* Where exits left the guest; in a hash table that is never emptied. */
struct stats_pc {
	u64 key;			/* 0: free; stats_key() */
	u64 count;
	u64 vmm_ns;
};

struct stats_page {
	char magic[8];
	u32 version, size;		/* @size: of the whole */
	u32 nr_kvm, pid;
	u64 start_ns;			/* CLOCK_MONOTONIC */
	u64 end_ns;			/* 0: the process has not come to its end */
	u32 vms, vcpus;			/* made so far */
	u64 ioctls;			/* but KVM_RUN */
	u64 syscall_entry;		/* of a guest: where its kernel is; 0: not known */
	u64 pc_lost;			/* exits from addresses without room in @pcs */
	u32 viewer;			/* pid of the view on the program's own terminal */
	u32 viewer_done;		/* it has left the terminal */
	struct stats_vcpu vcpu[STATS_VCPUS];
	struct stats_pc pcs[STATS_PCS];
};

/* Linear addresses are canonical: 57 bits at most, of which bit 56 is the sign. */
static inline u64 stats_key(u64 pc, u32 reason)
{
	return (pc & (BIT_ULL(57) - 1)) | (u64)(reason + 1) << 57;
}

static inline u64 stats_key_pc(u64 key)
{
	return (u64)((s64)(key << 7) >> 7);
}

static inline u32 stats_key_reason(u64 key)
{
	return (u32)(key >> 57) - 1;
}

static inline u64 stats_get(const u64 *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

#endif
