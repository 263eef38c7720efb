/* SPDX-License-Identifier: MIT */
/*
 * Dirty logging (api.rst 4.8, 4.117, 7.18).
 *
 * A vCPU sets a page's bit before the first store it makes through a cached
 * translation, and if there are rings it reports the page there.  After bits
 * were cleared, vm_sync_vcpus() makes it forget those translations; stores it
 * made in between are in memory when the ioctl returns, which is before the
 * VMM can copy the page.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/dirty_ring.h"
#include "api/handlers.h"
#include "api/memslots.h"
#include "util/guard.h"

u64 *dirty_bitmap_alloc(struct vm *vm, u64 npages)
{
	u64 *bitmap = calloc(1, dirty_bitmap_size(npages));

	if (!bitmap || vm->dirty_rings || !(vm->manual_dirty_log & KVM_DIRTY_LOG_INITIALLY_SET))
		return bitmap;
	memset(bitmap, 0xff, dirty_bitmap_size(npages));
	if (npages % 64)
		bitmap[npages / 64] = BIT_ULL(npages % 64) - 1;
	return bitmap;
}

void dirty_bitmaps_clear_locked(struct vm *vm)
{
	for (u32 as = 0; as < KVM_ADDRESS_SPACES; as++) {
		for (u32 i = 0; i < vm->slots[as]->count; i++) {
			const struct memslot *s = &vm->slots[as]->slot[i];

			if (s->dirty_bitmap)
				memset(s->dirty_bitmap, 0, dirty_bitmap_size(s->npages));
		}
	}
}

void memslot_mark_dirty(struct vm *vm, struct vcpu *vcpu, const struct memslot *s,
			gfn_t gfn)
{
	u64 rel = gfn - s->base_gfn;
	struct dirty_entry entry;

	if (!memslot_wants_dirty(s, gfn))
		return;
	/* All rings full: the bit stays clear, so that the next store tries again. */
	if (vm->dirty_rings && !dirty_ring_reserve(vm, vcpu, &entry))
		return;
	__atomic_fetch_or(&s->dirty_bitmap[rel / 64], BIT_ULL(rel % 64), __ATOMIC_RELEASE);
	if (vm->dirty_rings)
		dirty_ring_fill(&entry, (u32)s->as_id << 16 | s->id, rel);
}

void dirty_rearm_locked(struct vm *vm, u32 slot, u64 offset)
{
	const struct memslot *s;

	if (slot >> 16 >= KVM_ADDRESS_SPACES)
		return;
	s = memslot_by_id_locked(vm, slot >> 16, slot);
	if (s && s->dirty_bitmap && offset < s->npages)
		__atomic_fetch_and(&s->dirty_bitmap[offset / 64], ~BIT_ULL(offset % 64),
				   __ATOMIC_ACQ_REL);
}

static int check_slot(u32 slot)
{
	return slot >> 16 >= KVM_ADDRESS_SPACES || (u16)slot >= KVM_USER_MEM_SLOTS ?
	       -EINVAL : 0;
}

static const struct memslot *logged_slot_locked(struct vm *vm, u32 slot)
{
	const struct memslot *s = memslot_by_id_locked(vm, slot >> 16, slot);

	return s && s->dirty_bitmap ? s : NULL;
}

/* Copies the log to @out; get-and-clear unless it is cleared manually. */
static void collect(struct vm *vm, const struct memslot *s, u64 *out)
{
	size_t words = dirty_bitmap_size(s->npages) / sizeof(u64);
	bool keep = vm->manual_dirty_log, any = false;

	for (size_t i = 0; i < words; i++) {
		out[i] = __atomic_load_n(&s->dirty_bitmap[i], __ATOMIC_ACQUIRE);
		if (out[i] && !keep) {
			out[i] = __atomic_exchange_n(&s->dirty_bitmap[i], 0, __ATOMIC_ACQ_REL);
			any = true;
		}
	}
	if (any)
		vm_sync_vcpus(vm);
}

long vm_get_dirty_log(struct kfile *f, void *arg)
{
	const struct kvm_dirty_log *log = arg;
	const struct memslot *s;
	u64 *copy = NULL;
	size_t size = 0;
	long ret;

	if (dirty_ring_bytes(f->vm))
		return -ENXIO;
	ret = check_slot(log->slot);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&f->vm->slots_lock);
	s = logged_slot_locked(f->vm, log->slot);
	if (s) {
		size = dirty_bitmap_size(s->npages);
		copy = malloc(size);
		if (copy)
			collect(f->vm, s, copy);
	}
	pthread_mutex_unlock(&f->vm->slots_lock);
	if (!s)
		return -ENOENT;
	if (!copy)
		return -ENOMEM;
	ret = copy_to_user(log->dirty_bitmap, copy, size);
	free(copy);
	return ret;
}

static int check_range(const struct kvm_clear_dirty_log *log, const struct memslot *s)
{
	const u64 first = log->first_page, n = log->num_pages;

	if (first > s->npages || n > s->npages - first)
		return -EINVAL;
	return n < s->npages - first && n % 64 ? -EINVAL : 0;
}

static void clear_bits(struct vm *vm, const struct memslot *s, u64 first,
		       u64 npages, const u64 *bits)
{
	bool any = false;

	for (u64 i = 0; i < (npages + 63) / 64; i++) {
		u64 *word = &s->dirty_bitmap[first / 64 + i];

		if (bits[i])
			any |= __atomic_fetch_and(word, ~bits[i], __ATOMIC_ACQ_REL) & bits[i];
	}
	if (any)
		vm_sync_vcpus(vm);
}

static long clear_locked(struct vm *vm, const struct kvm_clear_dirty_log *log)
{
	const struct memslot *s = logged_slot_locked(vm, log->slot);
	size_t size = dirty_bitmap_size(log->num_pages);
	u64 *bits;
	long ret;

	if (!s)
		return -ENOENT;
	ret = check_range(log, s);
	if (ret < 0)
		return ret;
	bits = malloc(size ?: 1);
	if (!bits)
		return -ENOMEM;
	ret = copy_from_user(bits, log->dirty_bitmap, size);
	if (!ret)
		clear_bits(vm, s, log->first_page, log->num_pages, bits);
	free(bits);
	return ret;
}

long vm_clear_dirty_log(struct kfile *f, void *arg)
{
	const struct kvm_clear_dirty_log *log = arg;
	long ret;

	if (dirty_ring_bytes(f->vm))
		return -ENXIO;
	ret = check_slot(log->slot);
	if (ret < 0)
		return ret;
	if (log->first_page % 64)
		return -EINVAL;
	pthread_mutex_lock(&f->vm->slots_lock);
	ret = clear_locked(f->vm, log);
	pthread_mutex_unlock(&f->vm->slots_lock);
	return ret;
}
