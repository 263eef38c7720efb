/* SPDX-License-Identifier: MIT */
/* Guest physical memory as a vCPU in guest sees it. */
#include "x86/mmu/internal.h"

#include <string.h>

const struct memslots *cpu_slots(const struct cpu *c)
{
	return __atomic_load_n(&c->vcpu->vm->slots[c->smm], __ATOMIC_ACQUIRE);
}

/*
 * The hint is an index, not a pointer: it stays harmless when the array it
 * was taken from is gone.
 */
const struct memslot *gpa_slot(struct cpu *c, gfn_t gfn)
{
	const struct memslots *slots = cpu_slots(c);
	const struct memslot *s;

	if (unlikely(!slots))
		return NULL;
	/* Slots are appended in place: what the count covers is there. */
	if (likely(c->mmu->last_slot < __atomic_load_n(&slots->count, __ATOMIC_ACQUIRE))) {
		s = &slots->slot[c->mmu->last_slot];
		if (likely(slot_holds(s, gfn)))
			return s;
	}
	s = memslot_find(slots, gfn);
	if (s)
		c->mmu->last_slot = (u32)(s - slots->slot);
	return s;
}

void *gpa_to_host(struct cpu *c, gpa_t gpa, bool write)
{
	const struct memslot *s = gpa_slot(c, gpa >> PAGE_SHIFT);

	if (unlikely(!s))
		return NULL;
	if (write) {
		if (unlikely(s->flags & KVM_MEM_READONLY))
			return NULL;
		if (unlikely(s->dirty_bitmap))
			mmu_mark_dirty(c, s, gpa >> PAGE_SHIFT);
	}
	return (void *)memslot_hva(s, gpa);
}

bool gpa_read(struct cpu *c, gpa_t gpa, void *buf, u32 n)
{
	u8 *to = buf;

	while (n) {
		u32 part = MIN(n, PAGE_SIZE - (gpa & ~PAGE_MASK));
		const void *host = gpa_to_host(c, gpa, false);

		if (!host)
			return false;
		memcpy(to, host, part);
		to += part;
		gpa += part;
		n -= part;
	}
	return true;
}

bool gpa_write(struct cpu *c, gpa_t gpa, const void *buf, u32 n)
{
	const u8 *from = buf;

	while (n) {
		u32 part = MIN(n, PAGE_SIZE - (gpa & ~PAGE_MASK));
		void *host = gpa_to_host(c, gpa, true);

		if (!host)
			return false;
		memcpy(host, from, part);
		from += part;
		gpa += part;
		n -= part;
	}
	return true;
}
