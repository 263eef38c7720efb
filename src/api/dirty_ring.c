/* SPDX-License-Identifier: MIT */
/*
 * Dirty rings.
 *
 * An entry goes through the states of api.rst 8.29: empty, dirty (ours), reset
 * (the VMM has taken it), and empty again by KVM_RESET_DIRTY_RINGS.  The VMM
 * may write anything into an entry at any time, so what is believed of it is
 * the state alone, and where the ring begins and ends is known here only.
 *
 * Which pages have been reported already is kept in the bitmap of their slot.
 * The bit is set before the entry is filled, and cleared when it is re-armed:
 * a page whose bit is set always has an entry that is still to be re-armed.
 *
 * A ring is filled by its vCPU, and by writers that are none: entries are
 * reserved first, so any thread may.
 */
#include "api/dirty_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/fd.h"
#include "api/handlers.h"
#include "api/memslots.h"

/*
 * Room above the soft limit: a vCPU is stopped after the instruction that
 * reaches it, and one that switches tasks writes dozens of pages.
 */
#define RESERVED_ENTRIES	128

struct dirty_rings {
	u32 bytes;	/* of each ring */
	int fd;		/* all rings, by the index of the vCPU; -1 at first */
};

/* -- KVM_CAP_DIRTY_LOG_RING, KVM_CAP_DIRTY_LOG_RING_ACQ_REL ------------------------- */

static long enable_locked(struct vm *vm, u32 size)
{
	struct dirty_rings *rings;

	if (vm->nr_vcpus)
		return -EINVAL;
	rings = malloc(sizeof(*rings));
	if (!rings)
		return -ENOMEM;
	rings->bytes = size;
	rings->fd = -1;
	pthread_mutex_lock(&vm->slots_lock);
	dirty_bitmaps_clear_locked(vm);
	__atomic_store_n(&vm->dirty_rings, rings, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&vm->slots_lock);
	return 0;
}

long dirty_rings_enable(struct vm *vm, u32 size)
{
	long ret;

	if (!size || size & (size - 1))
		return -EINVAL;
	if (size < PAGE_SIZE)
		return -EINVAL;
	if (size > DIRTY_RING_MAX_SIZE)
		return -E2BIG;
	pthread_mutex_lock(&vm->lock);
	ret = vm->dirty_rings ? -EINVAL : enable_locked(vm, size);
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

void dirty_rings_destroy(struct vm *vm)
{
	if (!vm->dirty_rings)
		return;
	if (vm->dirty_rings->fd >= 0)
		close(vm->dirty_rings->fd);
	free(vm->dirty_rings);
	vm->dirty_rings = NULL;
}

/* -- Life of a ring -------------------------------------------------------------------- */

u32 dirty_ring_bytes(const struct vm *vm)
{
	const struct dirty_rings *rings = __atomic_load_n(&vm->dirty_rings, __ATOMIC_ACQUIRE);

	return rings ? rings->bytes : 0;
}

int dirty_ring_fd(const struct vm *vm)
{
	return vm->dirty_rings->fd;
}

off_t dirty_ring_offset(const struct vcpu *vcpu)
{
	return (off_t)vcpu->idx * vcpu->vm->dirty_rings->bytes;
}

/* Sparse: what no vCPU writes is never there. */
static int file_create(struct dirty_rings *rings)
{
	int fd;

	if (rings->fd >= 0)
		return 0;
	fd = kfile_memfd("anykvm-dirty-rings", (size_t)KVM_MAX_VCPUS * rings->bytes);
	if (fd < 0)
		return fd;
	rings->fd = fd;
	return 0;
}

int dirty_ring_create(struct vcpu *vcpu)
{
	struct dirty_rings *rings = vcpu->vm->dirty_rings;
	struct dirty_ring *r;
	void *map;
	int ret;

	if (!rings)
		return 0;
	ret = file_create(rings);
	if (ret < 0)
		return ret;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	map = mmap(NULL, rings->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, rings->fd,
		   dirty_ring_offset(vcpu));
	if (map == MAP_FAILED) {
		free(r);
		return -ENOMEM;
	}
	r->entries = map;
	r->size = rings->bytes / sizeof(*r->entries);
	r->soft_limit = r->size - RESERVED_ENTRIES;
	vcpu->dirty_ring = r;
	return 0;
}

void dirty_ring_destroy(struct vcpu *vcpu)
{
	struct dirty_ring *r = vcpu->dirty_ring;

	if (!r)
		return;
	munmap(r->entries, vcpu->vm->dirty_rings->bytes);
	free(r);
	vcpu->dirty_ring = NULL;
}

/* -- Filling ------------------------------------------------------------------------------ */

static struct kvm_dirty_gfn *entry_at(const struct dirty_ring *r, u32 index)
{
	return &r->entries[index & (r->size - 1)];
}

static bool reserve_in(struct vcpu *vcpu, struct dirty_entry *e)
{
	struct dirty_ring *r = vcpu->dirty_ring;

	for (;;) {
		u32 head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
		u32 tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);

		if (tail - head >= r->size) {
			if (__atomic_load_n(&r->head, __ATOMIC_ACQUIRE) == head)
				return false;
		} else if (__atomic_compare_exchange_n(&r->tail, &tail, tail + 1, false,
						       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			*e = (struct dirty_entry){ .vcpu = vcpu, .index = tail };
			return true;
		}
	}
}

bool dirty_ring_reserve(struct vm *vm, struct vcpu *vcpu, struct dirty_entry *e)
{
	struct vcpu *v;
	u32 i;

	if (vcpu && reserve_in(vcpu, e))
		return true;
	vm_for_each_vcpu(vm, i, v) {
		if (v != vcpu && reserve_in(v, e))
			return true;
	}
	return false;
}

void dirty_ring_fill(const struct dirty_entry *e, u32 slot, u64 offset)
{
	struct kvm_dirty_gfn *gfn = entry_at(e->vcpu->dirty_ring, e->index);

	WRITE_ONCE(gfn->slot, slot);
	WRITE_ONCE(gfn->offset, offset);
	__atomic_store_n(&gfn->flags, KVM_DIRTY_GFN_F_DIRTY, __ATOMIC_RELEASE);
	if (dirty_ring_full(e->vcpu))
		vcpu_request(e->vcpu, REQ_DIRTY_RING);
}

/* -- KVM_RESET_DIRTY_RINGS ------------------------------------------------------------------ */

/* What is pushed meanwhile waits for the next time. */
static u32 reset_locked(struct vm *vm, struct dirty_ring *r)
{
	const u32 tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
	u32 i, head = r->head;

	for (i = head; i != tail; i++) {
		struct kvm_dirty_gfn *gfn = entry_at(r, i);
		u32 slot;
		u64 offset;

		if (!(__atomic_load_n(&gfn->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_RESET))
			break;
		slot = READ_ONCE(gfn->slot);
		offset = READ_ONCE(gfn->offset);
		__atomic_store_n(&gfn->flags, 0, __ATOMIC_RELEASE);
		dirty_rearm_locked(vm, slot, offset);
	}
	__atomic_store_n(&r->head, i, __ATOMIC_RELEASE);
	return i - head;
}

long vm_reset_dirty_rings(struct kfile *f, void *arg)
{
	struct vm *vm = f->vm;
	struct vcpu *v;
	long count = 0;
	u32 i;

	if (!dirty_ring_bytes(vm))
		return -EINVAL;
	pthread_mutex_lock(&vm->slots_lock);
	vm_for_each_vcpu(vm, i, v)
		count += reset_locked(vm, v->dirty_ring);
	if (count)
		vm_sync_vcpus(vm);
	pthread_mutex_unlock(&vm->slots_lock);
	return count;
}
