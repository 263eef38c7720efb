/* SPDX-License-Identifier: MIT */
/* Guest memory that Xen's structures live in. */
#include "api/memslot.h"
#include "util/guard.h"
#include "x86/mmu/mmu.h"
#include "x86/xen/internal.h"

struct vcpu *xen_self(struct vm *vm)
{
	struct vcpu *self = current_vcpu;

	return self && self->vm == vm && self->in_guest ? self : NULL;
}

void xen_memory_begin(struct xen_memory *m, struct vm *vm, struct vcpu *self)
{
	*m = (struct xen_memory){ .vm = vm };
	if (!self) {
		pthread_mutex_lock(&vm->slots_lock);
		m->locked = true;
	} else if (!self->in_guest) {
		if (vcpu_enter_guest(self))
			mmu_flush_all(self->cpu);
		m->entered = self;
	}
}

void xen_memory_end(struct xen_memory *m)
{
	if (m->locked)
		pthread_mutex_unlock(&m->vm->slots_lock);
	if (m->entered)
		vcpu_leave_guest(m->entered);
}

/* No page is marked dirty: api.rst 4.126 and 4.128 exempt both kinds. */
bool xen_access(struct vm *vm, gpa_t gpa, void (*fn)(u8 *host, void *ctx), void *ctx)
{
	const struct memslots *slots = __atomic_load_n(&vm->slots[0], __ATOMIC_ACQUIRE);
	const struct memslot *s = memslot_find(slots, gpa >> PAGE_SHIFT);
	struct guard g;

	if (!s || (s->flags & KVM_MEM_READONLY))
		return false;
	if (guard_enter(&g))
		return false;
	fn((u8 *)memslot_hva(s, gpa), ctx);
	guard_leave(&g);
	return true;
}

bool xen_read_linear(struct cpu *c, u64 lin, void *buf, u32 n)
{
	const enum tlb_class class = c->rflags & X86_EFLAGS_AC ? TLB_KERNEL_AC : TLB_KERNEL;
	u8 *to = buf;

	while (n) {
		u32 part = MIN(n, PAGE_SIZE - (lin & ~PAGE_MASK));
		struct walk w;

		if (mmu_walk(c, lin, ACCESS_READ, class, true, &w) != STEP_NEXT ||
		    !gpa_read(c, w.gpa, to, part))
			return false;
		to += part;
		lin += part;
		n -= part;
	}
	return true;
}
