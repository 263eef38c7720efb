/* SPDX-License-Identifier: MIT */
/* A vCPU's Xen state: its life and attributes (api.rst 4.128, 4.129). */
#include <errno.h>
#include <stdlib.h>

#include "api/dispatch.h"
#include "util/guard.h"
#include "x86/xen/internal.h"

/* -- Life ---------------------------------------------------------------------------- */

int xen_vcpu_create(struct cpu *c)
{
	struct xen_vcpu *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->info = x->time_info = x->runstate = XEN_NO_GPA;
	x->vcpu = c->vcpu;
	x->vcpu_id = c->vcpu->idx;
	xen_timer_init(x);
	xen_poll_init(x);
	c->xen = x;
	return 0;
}

void xen_vcpu_stop(struct cpu *c)
{
	worker_timer_cancel(&c->xen->timer);
	worker_timer_cancel(&c->xen->poll_timer);
}

void xen_vcpu_destroy(struct cpu *c)
{
	if (!c->xen)
		return;
	xen_vcpu_stop(c);
	free(c->xen);
	c->xen = NULL;
}

/* -- Addresses ------------------------------------------------------------------------- */

u32 xen_time_pages(const struct cpu *c, gpa_t gpa[XEN_TIME_PAGES])
{
	gpa_t info = READ_ONCE(c->xen->info), time = READ_ONCE(c->xen->time_info);
	u32 n = 0;

	if (info != XEN_NO_GPA)
		gpa[n++] = info + VCPU_INFO_TIME;
	if (time != XEN_NO_GPA)
		gpa[n++] = time;
	return n;
}

ATOMIC_MAY_UNWIND static void probe(u8 *host, void *ctx)
{
	__atomic_fetch_or(host, 0, __ATOMIC_RELAXED);
}

static bool has_memory(struct cpu *c, gpa_t gpa)
{
	struct vm *vm = c->vcpu->vm;
	struct xen_memory m;
	bool ok;

	xen_memory_begin(&m, vm, c->vcpu);
	ok = xen_access(vm, gpa, probe, NULL);
	xen_memory_end(&m);
	return ok;
}

static void publish(struct cpu *c, gpa_t *where, gpa_t gpa)
{
	struct xen_vm *x = vm_xen(c->vcpu->vm);

	pthread_rwlock_wrlock(&x->lock);
	WRITE_ONCE(*where, gpa);
	pthread_rwlock_unlock(&x->lock);
}

/* KVM: an address without memory is remembered all the same. */
static long set_address(struct cpu *c, gpa_t *where, gpa_t gpa, u32 size)
{
	if (gpa != XEN_NO_GPA && (gpa & ~PAGE_MASK) + size > PAGE_SIZE)
		return -EINVAL;
	publish(c, where, gpa);
	if (gpa == XEN_NO_GPA)
		return 0;
	if (!has_memory(c, gpa))
		return -EFAULT;
	clock_request(c);
	return 0;
}

/* It may cross into a second page, which must be there, too. */
static long set_runstate_address(struct cpu *c, gpa_t gpa)
{
	gpa_t last = gpa + xen_runstate_size(c->vcpu->vm) - 1;

	publish(c, &c->xen->runstate, gpa);
	if (gpa != XEN_NO_GPA && (!has_memory(c, gpa) || !has_memory(c, last)))
		return -EFAULT;
	return 0;
}

/* -- The other attributes ---------------------------------------------------------------- */

static long set_timer(struct cpu *c, u32 port, u32 priority, u64 expires)
{
	if (port && priority != XEN_PRIO_2LEVEL)
		return -EINVAL;
	xen_timer_stop(c);
	c->xen->timer_port = port;
	if (port && expires)
		xen_timer_start(c, expires, expires - xen_now(c->vcpu->vm));
	return 0;
}

/*
 * An event that is due is in shared_info afterwards, or else the deadline is
 * reported: it is not lost between the two.
 */
static void get_timer(struct cpu *c, struct kvm_xen_vcpu_attr *a)
{
	xen_timer_deliver(c);
	a->u.timer.port = c->xen->timer_port;
	a->u.timer.priority = XEN_PRIO_2LEVEL;
	a->u.timer.expires_ns = c->xen->timer_expires;
}

static long set_vcpu_id(struct cpu *c, u32 id)
{
	if (id >= KVM_MAX_VCPUS)
		return -EINVAL;
	c->xen->vcpu_id = id;
	return 0;
}

long vcpu_xen_vcpu_set_attr(struct kfile *f, void *arg)
{
	const struct kvm_xen_vcpu_attr *a = arg;
	struct cpu *c = f->vcpu->cpu;

	switch (a->type) {
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO:
		return set_address(c, &c->xen->info, a->u.gpa, VCPU_INFO_SIZE);
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO:
		return set_address(c, &c->xen->time_info, a->u.gpa,
				   sizeof(struct pvclock_vcpu_time_info));
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR:
		return set_runstate_address(c, a->u.gpa);
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT:
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA:
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST:
		return xen_runstate_set(c, a);
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID:
		return set_vcpu_id(c, a->u.vcpu_id);
	case KVM_XEN_VCPU_ATTR_TYPE_TIMER:
		return set_timer(c, a->u.timer.port, a->u.timer.priority, a->u.timer.expires_ns);
	case KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR:
		return xen_set_upcall_vector(&c->xen->upcall_vector, a->u.vector);
	default:
		return -ENOENT;
	}
}

long vcpu_xen_vcpu_get_attr(struct kfile *f, void *arg)
{
	struct kvm_xen_vcpu_attr *a = arg;
	struct cpu *c = f->vcpu->cpu;

	switch (a->type) {
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO:
		a->u.gpa = c->xen->info;
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO:
		a->u.gpa = c->xen->time_info;
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR:
		a->u.gpa = c->xen->runstate;
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT:
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA:
		xen_runstate_get(c, a);
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST:
		return -EINVAL;
	case KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID:
		a->u.vcpu_id = c->xen->vcpu_id;
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_TIMER:
		get_timer(c, a);
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR:
		a->u.vector = c->xen->upcall_vector;
		return 0;
	default:
		return -ENOENT;
	}
}
