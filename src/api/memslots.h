/* SPDX-License-Identifier: MIT */
/* Inside api/memslot.c, api/dirty.c and api/dirty_ring.c. */
#ifndef ANYKVM_API_MEMSLOTS_H
#define ANYKVM_API_MEMSLOTS_H

#include "api/memslot.h"

/* The slot with that id, or NULL.  Caller holds vm->slots_lock. */
struct memslot *memslot_by_id_locked(struct vm *vm, u16 as_id, u16 id);

static inline size_t dirty_bitmap_size(u64 npages)
{
	return (npages + 63) / 64 * sizeof(u64);
}

/* A bitmap for a slot that starts to be logged. */
u64 *dirty_bitmap_alloc(struct vm *vm, u64 npages);

/* No page has been reported.  Caller holds vm->slots_lock; there is no vCPU. */
void dirty_bitmaps_clear_locked(struct vm *vm);

/*
 * The next store to that page is reported again, once vm_sync_vcpus() has been
 * called.  @slot and @offset may be anything.  Caller holds vm->slots_lock.
 */
void dirty_rearm_locked(struct vm *vm, u32 slot, u64 offset);

#endif
