/* SPDX-License-Identifier: MIT */
/*
 * The single-shot timer of a vCPU: deadlines are nanoseconds of kvmclock, and
 * what it raises is the event channel of VIRQ_TIMER.
 */
#include <errno.h>

#include "x86/xen/internal.h"

/* Beyond this (13 days) a deadline is a guest's overflow; Xen says the same. */
#define FAR_NS_SHIFT	50
#define SOON_NS		100000000

/* On the worker, or at once for a deadline that is past. */
static void expired(struct worker_timer *t)
{
	struct xen_vcpu *x = container_of(t, struct xen_vcpu, timer);

	__atomic_store_n(&x->timer_pending, true, __ATOMIC_RELEASE);
	vcpu_request(x->vcpu, REQ_EVENT);
}

void xen_timer_init(struct xen_vcpu *x)
{
	worker_timer_init(&x->timer, expired);
}

void xen_timer_stop(struct cpu *c)
{
	struct xen_vcpu *x = c->xen;

	worker_timer_cancel(&x->timer);
	__atomic_store_n(&x->timer_pending, false, __ATOMIC_RELAXED);
	x->timer_expires = 0;
}

void xen_timer_start(struct cpu *c, u64 expires, s64 delta)
{
	struct xen_vcpu *x = c->xen;

	xen_timer_stop(c);
	x->timer_expires = expires;
	if (delta <= 0)
		expired(&x->timer);
	else
		worker_timer_arm(&x->timer, worker_now_ns() + delta);
}

/* KVM: without a shared_info to put it into, the event is lost. */
void xen_timer_deliver(struct cpu *c)
{
	struct xen_vcpu *x = c->xen;

	if (likely(!READ_ONCE(x->timer_pending)))
		return;
	__atomic_store_n(&x->timer_pending, false, __ATOMIC_RELAXED);
	x->timer_expires = 0;
	xen_evtchn_raise(c->vcpu->vm, c->vcpu, c->vcpu->id, x->timer_port);
}

/* -- Hypercalls ---------------------------------------------------------------------------- */

bool xen_set_timer_op(struct cpu *c, u64 timeout, u64 *ret)
{
	u64 now = xen_now(c->vcpu->vm);
	s64 delta = timeout - now;

	if (!c->xen->timer_port)
		return false;
	*ret = 0;
	if (!timeout) {
		xen_timer_stop(c);
		return true;
	}
	if ((s64)timeout < 0 || delta >> FAR_NS_SHIFT > 0) {
		delta = SOON_NS;
		timeout = now + delta;
	}
	xen_timer_start(c, timeout, delta);
	return true;
}

static u64 set_singleshot(struct cpu *c, bool mode64, u64 arg)
{
	struct xen_singleshot_timer t;
	s64 delta;

	if (!xen_read_linear(c, arg, &t, mode64 ? sizeof(t) : XEN_SINGLESHOT_TIMER_SIZE32))
		return -EFAULT;
	delta = t.timeout_abs_ns - xen_now(c->vcpu->vm);
	if ((t.flags & VCPU_SSHOTTMR_FUTURE) && delta < 0)
		return -ETIME;
	xen_timer_start(c, t.timeout_abs_ns, delta);
	return 0;
}

bool xen_vcpu_op(struct cpu *c, bool mode64, u32 op, u32 vcpu_id, u64 arg, u64 *ret)
{
	if (!c->xen->timer_port)
		return false;
	if (op != VCPUOP_SET_SINGLESHOT_TIMER && op != VCPUOP_STOP_SINGLESHOT_TIMER)
		return false;
	*ret = -EINVAL;
	if (vcpu_id != c->xen->vcpu_id)
		return true;
	if (op == VCPUOP_SET_SINGLESHOT_TIMER) {
		*ret = set_singleshot(c, mode64, arg);
	} else {
		xen_timer_stop(c);
		*ret = 0;
	}
	return true;
}
