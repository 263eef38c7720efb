/* SPDX-License-Identifier: MIT */
/*
 * Memory slots.
 *
 * vCPUs search vm->slots[as] without a lock, so what they may be reading must
 * not change under them.  A change takes the cheapest way that is safe:
 *   - no vCPU exists: in place (vCPUs are published under slots_lock);
 *   - a slot above all others: appended behind `count', then count grows;
 *   - anything else: a changed copy is published, and the old array is kept as
 *     the next copy's buffer once vm_sync_vcpus() says nobody reads it.
 * With 32,764 slots registered one after another the first two matter.
 *
 * ids[] leads from slot id to base_gfn, as the array is sorted by the latter.
 */
#include "api/memslots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/arch.h"
#include "api/handlers.h"
#include "util/guard.h"

#define MEM_MAX_NR_PAGES	((1ul << 31) - 1)
#define NO_SLOT			UINT64_MAX

struct space {
	u64 *ids;		/* base_gfn by id, or NO_SLOT */
	u32 nr_ids;
	struct array *spare;
	struct array *current;
};

struct array {
	u32 capacity;
	struct space *space;	/* found from vm->slots[as] */
	struct memslots pub;
};

static struct array *array_of(struct memslots *s)
{
	return container_of(s, struct array, pub);
}

static struct array *array_alloc(struct space *space, u32 capacity)
{
	struct array *a = malloc(sizeof(*a) + capacity * sizeof(struct memslot));

	if (a) {
		a->capacity = capacity;
		a->space = space;
		a->pub.count = 0;
	}
	return a;
}

int memslots_create(struct vm *vm)
{
	for (u32 as = 0; as < KVM_ADDRESS_SPACES; as++) {
		struct space *s = calloc(1, sizeof(*s));

		if (s)
			s->current = array_alloc(s, 8);
		if (!s || !s->current) {
			free(s);
			memslots_destroy(vm);
			return -ENOMEM;
		}
		vm->slots[as] = &s->current->pub;
	}
	return 0;
}

void memslots_destroy(struct vm *vm)
{
	for (u32 as = 0; as < KVM_ADDRESS_SPACES && vm->slots[as]; as++) {
		struct space *s = array_of(vm->slots[as])->space;

		for (u32 i = 0; i < vm->slots[as]->count; i++)
			free(vm->slots[as]->slot[i].dirty_bitmap);
		free(s->current);
		free(s->spare);
		free(s->ids);
		free(s);
		vm->slots[as] = NULL;
	}
}

/* -- Look-up ------------------------------------------------------------------ */

/* The number of slots that begin at or below @gfn. */
static u32 upper_bound(const struct memslots *slots, gfn_t gfn)
{
	u32 lo = 0, hi = __atomic_load_n(&slots->count, __ATOMIC_ACQUIRE);

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (slots->slot[mid].base_gfn <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct memslot *memslot_find(const struct memslots *slots, gfn_t gfn)
{
	u32 i = upper_bound(slots, gfn);

	if (!i || gfn - slots->slot[i - 1].base_gfn >= slots->slot[i - 1].npages)
		return NULL;
	return &slots->slot[i - 1];
}

struct memslot *memslot_by_id_locked(struct vm *vm, u16 as_id, u16 id)
{
	const struct space *s = array_of(vm->slots[as_id])->space;

	if (id >= s->nr_ids || s->ids[id] == NO_SLOT)
		return NULL;
	return (struct memslot *)memslot_find(vm->slots[as_id], s->ids[id]);
}

s64 memslots_pages(struct vm *vm)
{
	s64 pages = -1;

	pthread_mutex_lock(&vm->slots_lock);
	for (u32 as = 0; as < KVM_ADDRESS_SPACES; as++) {
		const struct memslots *slots = vm->slots[as];

		if (array_of(vm->slots[as])->space->nr_ids)
			pages = MAX(pages, 0);
		for (u32 i = 0; i < slots->count; i++)
			pages += slots->slot[i].npages;
	}
	pthread_mutex_unlock(&vm->slots_lock);
	return pages;
}

/* -- Changes ------------------------------------------------------------------ */

static int ids_reserve(struct space *s, u16 id)
{
	u32 n = MAX(s->nr_ids, 16);
	u64 *bigger;

	if (id < s->nr_ids)
		return 0;
	while (n <= id)
		n *= 2;
	bigger = realloc(s->ids, n * sizeof(*s->ids));
	if (!bigger)
		return -ENOMEM;
	for (u32 i = s->nr_ids; i < n; i++)
		bigger[i] = NO_SLOT;
	s->ids = bigger;
	s->nr_ids = n;
	return 0;
}

/* A buffer for @count slots that no vCPU reads. */
static struct array *take_buffer(struct space *s, u32 count)
{
	struct array *a = s->spare;

	if (a && a->capacity >= count) {
		s->spare = NULL;
		return a;
	}
	return array_alloc(s, count + count / 2 + 8);
}

static void publish(struct vm *vm, u16 as, struct array *new)
{
	struct array *old = array_of(vm->slots[as]);
	struct space *s = old->space;

	s->current = new;
	__atomic_store_n(&vm->slots[as], &new->pub, __ATOMIC_RELEASE);
	vm_sync_vcpus(vm);
	free(s->spare);
	s->spare = old;
}

static bool may_change_in_place(const struct vm *vm, const struct array *a, u32 count)
{
	return !vm->nr_vcpus && a->capacity >= count;
}

static int insert_locked(struct vm *vm, const struct memslot *m)
{
	struct memslots *old = vm->slots[m->as_id];
	struct array *a = array_of(old);
	struct space *s = a->space;
	u32 pos = upper_bound(old, m->base_gfn), count = old->count;
	bool append = pos == count && count < a->capacity;
	int ret = ids_reserve(s, m->id);

	if (ret < 0)
		return ret;
	if (append || may_change_in_place(vm, a, count + 1)) {
		memmove(&old->slot[pos + 1], &old->slot[pos], (count - pos) * sizeof(*m));
		old->slot[pos] = *m;
		__atomic_store_n(&old->count, count + 1, __ATOMIC_RELEASE);
		vm_sync_vcpus(vm);
	} else {
		a = take_buffer(s, count + 1);
		if (!a)
			return -ENOMEM;
		memcpy(a->pub.slot, old->slot, pos * sizeof(*m));
		a->pub.slot[pos] = *m;
		memcpy(&a->pub.slot[pos + 1], &old->slot[pos], (count - pos) * sizeof(*m));
		a->pub.count = count + 1;
		publish(vm, m->as_id, a);
	}
	s->ids[m->id] = m->base_gfn;
	return 0;
}

static int remove_locked(struct vm *vm, const struct memslot *m)
{
	struct memslots *old = vm->slots[m->as_id];
	struct space *s = array_of(old)->space;
	u32 pos = m - old->slot, count = old->count - 1;
	u64 *bitmap = m->dirty_bitmap;
	u16 id = m->id;

	if (may_change_in_place(vm, array_of(old), count)) {
		memmove(&old->slot[pos], &old->slot[pos + 1], (count - pos) * sizeof(*m));
		old->count = count;
		/* vCPUs of later know nothing older, but keep to one rule. */
		vm_sync_vcpus(vm);
	} else {
		struct array *a = take_buffer(s, count);

		if (!a)
			return -ENOMEM;
		memcpy(a->pub.slot, old->slot, pos * sizeof(*m));
		memcpy(&a->pub.slot[pos], &old->slot[pos + 1], (count - pos) * sizeof(*m));
		a->pub.count = count;
		publish(vm, m->as_id, a);
	}
	s->ids[id] = NO_SLOT;
	free(bitmap);
	return 0;
}

/* Replaces @m by @new, which has the same id: flags, base or bitmap differ. */
static int replace_locked(struct vm *vm, const struct memslot *m, const struct memslot *new)
{
	struct memslots *old = vm->slots[m->as_id];
	u32 pos = m - old->slot;
	struct array *a = take_buffer(array_of(old)->space, old->count);
	u32 kept = 0, to;

	if (!a)
		return -ENOMEM;
	for (u32 i = 0; i < old->count; i++) {
		if (i != pos)
			a->pub.slot[kept++] = old->slot[i];
	}
	a->pub.count = kept;
	to = upper_bound(&a->pub, new->base_gfn);
	memmove(&a->pub.slot[to + 1], &a->pub.slot[to], (kept - to) * sizeof(*m));
	a->pub.slot[to] = *new;
	a->pub.count = kept + 1;
	a->space->ids[new->id] = new->base_gfn;
	publish(vm, new->as_id, a);
	return 0;
}

/* -- KVM_SET_USER_MEMORY_REGION (api.rst 4.35) ---------------------------------- */

static int check_region(const struct kvm_userspace_memory_region *r)
{
	const u64 hva = r->userspace_addr, size = r->memory_size;

	if ((u16)r->slot >= KVM_USER_MEM_SLOTS)
		return -EINVAL;
	if (r->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return -EINVAL;
	if ((size | r->guest_phys_addr | hva) & ~PAGE_MASK)
		return -EINVAL;
	if (hva > USER_SPACE_END || size > USER_SPACE_END - hva)
		return -EINVAL;
	if (r->slot >> 16 >= KVM_ADDRESS_SPACES)
		return -EINVAL;
	if (r->guest_phys_addr + size < r->guest_phys_addr)
		return -EINVAL;
	return size >> PAGE_SHIFT > MEM_MAX_NR_PAGES ? -EINVAL : 0;
}

/* Does [@m->base_gfn, ...) touch a slot other than @self? */
static bool overlaps(const struct memslots *slots, const struct memslot *m,
		     const struct memslot *self)
{
	/* Sorted and disjoint: look down from the last that begins in time. */
	u32 i = upper_bound(slots, m->base_gfn + m->npages - 1);

	while (i-- > 0) {
		const struct memslot *s = &slots->slot[i];

		if (s == self)
			continue;
		return s->base_gfn + s->npages > m->base_gfn;
	}
	return false;
}

static int check_place(struct vm *vm, const struct memslot *m, const struct memslot *self)
{
	if (overlaps(vm->slots[m->as_id], m, self))
		return -EEXIST;
	if ((m->base_gfn + m->npages) << PAGE_SHIFT > arch_max_gpa())
		return -EINVAL;
	return 0;
}

static int create_slot(struct vm *vm, struct memslot *m)
{
	int ret = check_place(vm, m, NULL);

	if (ret < 0)
		return ret;
	if (m->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		m->dirty_bitmap = dirty_bitmap_alloc(vm, m->npages);
		if (!m->dirty_bitmap)
			return -ENOMEM;
	}
	ret = insert_locked(vm, m);
	if (ret < 0)
		free(m->dirty_bitmap);
	return ret;
}

static int change_slot(struct vm *vm, const struct memslot *old, struct memslot *m)
{
	u64 *old_bitmap = old->dirty_bitmap;
	int ret = 0;

	if (m->hva != old->hva || m->npages != old->npages ||
	    ((m->flags ^ old->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	if (m->base_gfn == old->base_gfn && m->flags == old->flags)
		return 0;
	if (m->base_gfn != old->base_gfn)
		ret = check_place(vm, m, old);
	if (ret < 0)
		return ret;
	if (m->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		m->dirty_bitmap = old_bitmap ?: dirty_bitmap_alloc(vm, m->npages);
		if (!m->dirty_bitmap)
			return -ENOMEM;
	}
	ret = replace_locked(vm, old, m);
	if (ret < 0) {
		if (m->dirty_bitmap != old_bitmap)
			free(m->dirty_bitmap);
		return ret;
	}
	if (!m->dirty_bitmap)
		free(old_bitmap);
	return 0;
}

static int set_region_locked(struct vm *vm, const struct kvm_userspace_memory_region *r)
{
	const struct memslot *old = memslot_by_id_locked(vm, r->slot >> 16, r->slot);
	struct memslot m = {
		.base_gfn = r->guest_phys_addr >> PAGE_SHIFT,
		.npages = r->memory_size >> PAGE_SHIFT,
		.hva = r->userspace_addr,
		.flags = r->flags,
		.id = r->slot,
		.as_id = r->slot >> 16,
	};

	if (!m.npages)
		return old ? remove_locked(vm, old) : -EINVAL;
	return old ? change_slot(vm, old, &m) : create_slot(vm, &m);
}

long vm_set_user_memory_region(struct kfile *f, void *arg)
{
	const struct kvm_userspace_memory_region *r = arg;
	long ret = check_region(r);

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&f->vm->slots_lock);
	ret = set_region_locked(f->vm, r);
	pthread_mutex_unlock(&f->vm->slots_lock);
	return ret;
}

/* -- Access from other threads --------------------------------------------------- */

static int access_guest(struct vm *vm, u16 as_id, gpa_t gpa, void *buf, size_t n, bool write)
{
	int ret = 0;

	pthread_mutex_lock(&vm->slots_lock);
	while (n && !ret) {
		size_t part = MIN(n, PAGE_SIZE - (gpa & ~PAGE_MASK));
		const struct memslot *s = memslot_find(vm->slots[as_id], gpa >> PAGE_SHIFT);

		if (!s || (write && (s->flags & KVM_MEM_READONLY)))
			ret = -EFAULT;
		else if (!write)
			ret = copy_from_user(buf, memslot_hva(s, gpa), part);
		else if (!(ret = copy_to_user(memslot_hva(s, gpa), buf, part)))
			memslot_mark_dirty(vm, NULL, s, gpa >> PAGE_SHIFT);
		gpa += part;
		buf = (u8 *)buf + part;
		n -= part;
	}
	pthread_mutex_unlock(&vm->slots_lock);
	return ret;
}

int vm_read_guest(struct vm *vm, u16 as_id, gpa_t gpa, void *buf, size_t n)
{
	return access_guest(vm, as_id, gpa, buf, n, false);
}

int vm_write_guest(struct vm *vm, u16 as_id, gpa_t gpa, const void *buf, size_t n)
{
	return access_guest(vm, as_id, gpa, (void *)buf, n, true);
}
