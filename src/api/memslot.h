/* SPDX-License-Identifier: MIT */
/*
 * Memory slots: the map from guest physical to the VMM's virtual addresses
 * (api.rst 4.35).  Nothing behind a slot is touched until the guest does.
 *
 * The slots of an address space are an immutable sorted array.  A change makes
 * a new array, publishes it, waits with vm_sync_vcpus() until no vCPU can
 * still use the old one, and frees that.
 */
#ifndef ANYKVM_API_MEMSLOT_H
#define ANYKVM_API_MEMSLOT_H

#include "api/kvm.h"

struct memslot {
	gfn_t base_gfn;
	u64 npages;
	hva_t hva;
	u32 flags;		/* KVM_MEM_* */
	u16 id;
	u16 as_id;
	u64 *dirty_bitmap;	/* one bit a page: reported; NULL unless logging */
};

struct memslots {
	u32 count;
	struct memslot slot[];	/* sorted by base_gfn, no overlap */
};

/* The slot that holds @gfn, or NULL.  Binary search. */
const struct memslot *memslot_find(const struct memslots *slots, gfn_t gfn);

static inline hva_t memslot_hva(const struct memslot *s, gpa_t gpa)
{
	return s->hva + (gpa - (s->base_gfn << PAGE_SHIFT));
}

/*
 * Reports the page, if the slot is logged and that has not been done: to be
 * called before the store, or under slots_lock.  Atomic, any thread; @vcpu is
 * the one that stores, NULL if none does.
 */
void memslot_mark_dirty(struct vm *vm, struct vcpu *vcpu, const struct memslot *s,
			gfn_t gfn);

/* True if a store must still be reported: logged, and the bit is clear. */
static inline bool memslot_wants_dirty(const struct memslot *s, gfn_t gfn)
{
	u64 rel = gfn - s->base_gfn;

	return s->dirty_bitmap &&
	       !(__atomic_load_n(&s->dirty_bitmap[rel / 64], __ATOMIC_RELAXED) &
		 BIT_ULL(rel % 64));
}

/*
 * Guest memory for threads that are not a vCPU in guest: takes slots_lock.
 * Guarded; marks pages dirty.  0, or -EFAULT if any byte is not backed.
 */
int vm_read_guest(struct vm *vm, u16 as_id, gpa_t gpa, void *buf, size_t n);
int vm_write_guest(struct vm *vm, u16 as_id, gpa_t gpa, const void *buf, size_t n);

/* 4 KiB pages in all slots; -1 if there has never been one.  Takes slots_lock. */
s64 memslots_pages(struct vm *vm);

int memslots_create(struct vm *vm);
void memslots_destroy(struct vm *vm);

#endif
