/* SPDX-License-Identifier: MIT */
/*
 * The ring of each vCPU in which the VMM finds what the guest has written
 * (api.rst 8.29), in place of the bitmaps of KVM_GET_DIRTY_LOG.
 */
#ifndef ANYKVM_API_DIRTY_RING_H
#define ANYKVM_API_DIRTY_RING_H

#include "api/kvm.h"

#define DIRTY_RING_MAX_SIZE	(65536 * sizeof(struct kvm_dirty_gfn))

struct dirty_ring {
	struct kvm_dirty_gfn *entries;	/* the VMM writes them, too */
	u32 size;			/* in entries, a power of two */
	u32 soft_limit;
	/* Free-running: @tail is where the next goes, @head what to re-arm next. */
	u32 tail, head;
};

/* KVM_ENABLE_CAP: every vCPU that is created from now on has one. */
long dirty_rings_enable(struct vm *vm, u32 size);
void dirty_rings_destroy(struct vm *vm);

/* The ring of a new vCPU, if rings are enabled.  Caller holds vm->lock. */
int dirty_ring_create(struct vcpu *vcpu);
void dirty_ring_destroy(struct vcpu *vcpu);

/* Where the VMM maps the rings: all of them are in one file. */
int dirty_ring_fd(const struct vm *vm);
off_t dirty_ring_offset(const struct vcpu *vcpu);
u32 dirty_ring_bytes(const struct vm *vm);

/*
 * An entry to be filled soon with dirty_ring_fill(), in the ring of @vcpu, or
 * of another one if @vcpu is NULL or its ring is full.  False if all are full.
 */
struct dirty_entry {
	struct vcpu *vcpu;
	u32 index;
};
bool dirty_ring_reserve(struct vm *vm, struct vcpu *vcpu, struct dirty_entry *e);
void dirty_ring_fill(const struct dirty_entry *e, u32 slot, u64 offset);

/* Over the soft limit: KVM_RUN exits with KVM_EXIT_DIRTY_RING_FULL. */
static inline bool dirty_ring_full(const struct vcpu *vcpu)
{
	const struct dirty_ring *r = vcpu->dirty_ring;
	u32 head;

	if (!r)
		return false;
	/* In this order the difference is never negative. */
	head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
	return __atomic_load_n(&r->tail, __ATOMIC_RELAXED) - head >= r->soft_limit;
}

#endif
