/* SPDX-License-Identifier: MIT */
/*
 * Delivery of event channels by the two-level ABI: a bit in shared_info, a bit
 * in the selector of the vCPU's vcpu_info, its upcall flag, and an interrupt.
 */
#include <errno.h>

#include "util/guard.h"
#include "x86/irqchip/irqchip.h"
#include "x86/xen/internal.h"

#define FIRST_VECTOR	0x10	/* those below are not interrupts' */

ATOMIC_MAY_UNWIND static bool test_and_set(u8 *map, u32 bit)
{
	return __atomic_fetch_or(&map[bit / 8], BIT(bit % 8), __ATOMIC_SEQ_CST) & BIT(bit % 8);
}

ATOMIC_MAY_UNWIND static bool test(const u8 *map, u32 bit)
{
	return __atomic_load_n(&map[bit / 8], __ATOMIC_SEQ_CST) & BIT(bit % 8);
}

ATOMIC_MAY_UNWIND static void set_upcall(u8 *info)
{
	__atomic_store_n(&info[VCPU_INFO_UPCALL], 1, __ATOMIC_SEQ_CST);
}

struct raise {
	u32 port;
	bool long_mode;
	int result;		/* as xen_evtchn_raise() */
	bool kick;
};

static void raise_shared(u8 *shared, void *ctx)
{
	struct raise *r = ctx;

	if (test_and_set(shared + SHARED_PENDING, r->port))
		r->result = 0;
	else if (test(shared + (r->long_mode ? SHARED_MASK64 : SHARED_MASK32), r->port))
		r->result = -ENOTCONN;
	else
		r->result = 1;
}

static void raise_selector(u8 *info, void *ctx)
{
	struct raise *r = ctx;
	u8 *selector = info + (r->long_mode ? VCPU_INFO_SELECTOR64 : VCPU_INFO_SELECTOR32);

	if (test_and_set(selector, r->port / (r->long_mode ? 64 : 32)))
		return;
	set_upcall(info);
	r->kick = true;
}

/* Without its memory the vCPU is told to try again, later (xen_process). */
static void defer_selector(struct xen_vcpu *v, struct raise *r)
{
	u64 bit = BIT_ULL(r->port / (r->long_mode ? 64 : 32));

	r->kick = !(__atomic_fetch_or(&v->pending_selector, bit, __ATOMIC_SEQ_CST) & bit);
}

/* Under the lock, in memory. */
static int raise_locked(struct vm *vm, struct xen_vcpu *v, struct raise *r)
{
	const struct xen_vm *x = vm_xen(vm);

	r->long_mode = x->long_mode;
	if (v->info == XEN_NO_GPA || r->port >= xen_max_port(vm) ||
	    x->shared_info == XEN_NO_GPA)
		return -EINVAL;
	if (!xen_access(vm, x->shared_info, raise_shared, r))
		return -EFAULT;
	if (r->result == 1 && !xen_access(vm, v->info, raise_selector, r))
		defer_selector(v, r);
	return r->result;
}

long xen_set_upcall_vector(u8 *where, u8 vector)
{
	if (vector && vector < FIRST_VECTOR)
		return -EINVAL;
	WRITE_ONCE(*where, vector);
	return 0;
}

static void notify(struct cpu *c)
{
	u8 vector = READ_ONCE(c->xen->upcall_vector);

	if (vector && c->lapic)
		lapic_post(c->lapic, vector);
	else
		vcpu_request(c->vcpu, REQ_EVENT);
}

int xen_evtchn_raise(struct vm *vm, struct vcpu *self, u32 vcpu_id, u32 port)
{
	struct vcpu *vcpu = vm_vcpu_by_id(vm, vcpu_id);
	struct raise r = { .port = port };
	struct xen_memory m;
	int ret;

	if (!vcpu)
		return -EINVAL;
	xen_memory_begin(&m, vm, self);
	pthread_rwlock_rdlock(&vm_xen(vm)->lock);
	ret = raise_locked(vm, vcpu->cpu->xen, &r);
	pthread_rwlock_unlock(&vm_xen(vm)->lock);
	xen_memory_end(&m);
	if (r.kick)
		notify(vcpu->cpu);
	if (r.kick || ret == -ENOTCONN)
		xen_poll_wake(vcpu->cpu->xen, port, ret == -ENOTCONN);
	return ret;
}

/* -- On the vCPU's own thread -------------------------------------------------------------- */

struct flush {
	u64 bits;
	bool long_mode;
};

static void flush_selector(u8 *info, void *ctx)
{
	struct flush *f = ctx;
	u8 *selector = info + (f->long_mode ? VCPU_INFO_SELECTOR64 : VCPU_INFO_SELECTOR32);

	for (u64 left = f->bits; left; left &= left - 1)
		test_and_set(selector, __builtin_ctzll(left));
	set_upcall(info);
}

static void deliver_deferred(struct cpu *c)
{
	struct vm *vm = c->vcpu->vm;
	struct flush f = {
		.bits = __atomic_load_n(&c->xen->pending_selector, __ATOMIC_ACQUIRE),
		.long_mode = READ_ONCE(vm_xen(vm)->long_mode),
	};

	if (c->xen->info == XEN_NO_GPA || !xen_access(vm, c->xen->info, flush_selector, &f))
		return;
	__atomic_fetch_and(&c->xen->pending_selector, ~f.bits, __ATOMIC_ACQ_REL);
	if (READ_ONCE(c->xen->upcall_vector) && c->lapic)
		lapic_post(c->lapic, c->xen->upcall_vector);
}

void xen_process(struct cpu *c)
{
	xen_timer_deliver(c);
	if (unlikely(READ_ONCE(c->xen->pending_selector)))
		deliver_deferred(c);
}

ATOMIC_MAY_UNWIND static void read_upcall(u8 *info, void *ctx)
{
	*(bool *)ctx = __atomic_load_n(&info[VCPU_INFO_UPCALL], __ATOMIC_SEQ_CST);
}

bool xen_upcall_enabled(const struct cpu *c)
{
	return READ_ONCE(vm_xen(c->vcpu->vm)->upcall_vector) && c->lapic &&
	       c->xen->info != XEN_NO_GPA;
}

/* Level-triggered: the guest's handler clears the flag. */
int xen_upcall(struct cpu *c)
{
	struct vm *vm = c->vcpu->vm;
	u8 vector = READ_ONCE(vm_xen(vm)->upcall_vector);
	bool pending = false;
	struct xen_memory m;

	if (likely(!xen_upcall_enabled(c)))
		return -1;
	xen_memory_begin(&m, vm, c->vcpu);
	xen_access(vm, c->xen->info, read_upcall, &pending);
	xen_memory_end(&m);
	return pending ? vector : -1;
}

struct look {
	const u32 *ports;
	u32 n;
	bool any;
};

static void look_pending(u8 *shared, void *ctx)
{
	struct look *l = ctx;

	for (u32 i = 0; i < l->n && !l->any; i++)
		l->any = test(shared + SHARED_PENDING, l->ports[i]);
}

bool xen_evtchn_any_pending(struct cpu *c, const u32 *ports, u32 n)
{
	struct xen_vm *x = vm_xen(c->vcpu->vm);
	struct look l = { .ports = ports, .n = n };
	bool known;

	pthread_rwlock_rdlock(&x->lock);
	known = x->shared_info != XEN_NO_GPA &&
		xen_access(c->vcpu->vm, x->shared_info, look_pending, &l);
	pthread_rwlock_unlock(&x->lock);
	return !known || l.any;
}

/* -- GSI routing (api.rst 4.52) ---------------------------------------------------------------- */

int xen_set_irq(struct vm *vm, const struct kvm_irq_routing_entry *e, int level)
{
	if (!level)
		return -1;
	return xen_evtchn_raise(vm, xen_self(vm), e->u.xen_evtchn.vcpu, e->u.xen_evtchn.port);
}

int xen_check_route(struct vm *vm, const struct kvm_irq_routing_entry *e)
{
	if (e->u.xen_evtchn.port >= xen_max_port(vm) ||
	    e->u.xen_evtchn.priority != XEN_PRIO_2LEVEL)
		return -EINVAL;
	return 0;
}
