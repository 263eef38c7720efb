/* SPDX-License-Identifier: MIT */
/*
 * SCHEDOP_poll: the vCPU sleeps as in HLT until one of some event channels,
 * masked or not, is raised; what ends it is REQ_UNHALT.
 */
#include <errno.h>
#include <sched.h>

#include "x86/xen/internal.h"

static void wake(struct xen_vcpu *x)
{
	if (__atomic_exchange_n(&x->polling, false, __ATOMIC_ACQ_REL))
		vcpu_request(x->vcpu, REQ_UNHALT);
}

static void timed_out(struct worker_timer *t)
{
	wake(container_of(t, struct xen_vcpu, poll_timer));
}

void xen_poll_init(struct xen_vcpu *x)
{
	worker_timer_init(&x->poll_timer, timed_out);
}

void xen_poll_wake(struct xen_vcpu *x, u32 port, bool masked)
{
	u32 polled = READ_ONCE(x->poll_port);

	if (!masked || !polled || polled == port)
		wake(x);
}

void xen_poll_end(struct cpu *c)
{
	if (likely(!READ_ONCE(c->xen->polling)))
		return;
	__atomic_store_n(&c->xen->polling, false, __ATOMIC_RELAXED);
	worker_timer_arm(&c->xen->poll_timer, 0);
}

void xen_poll_interrupt(struct cpu *c)
{
	if (likely(!READ_ONCE(c->xen->polling)))
		return;
	xen_poll_end(c);
	c->mp_state = KVM_MP_STATE_RUNNABLE;
}

/* -- The hypercall ------------------------------------------------------------------------- */

static bool read_poll(struct cpu *c, bool mode64, u64 arg, struct xen_sched_poll *p)
{
	struct xen_sched_poll32 p32;

	if (mode64)
		return xen_read_linear(c, arg, p, sizeof(*p));
	if (!xen_read_linear(c, arg, &p32, sizeof(p32)))
		return false;
	*p = (struct xen_sched_poll){
		.ports = p32.ports, .nr_ports = p32.nr_ports, .timeout = p32.timeout,
	};
	return true;
}

/* Asleep from the end of this instruction on.  KVM: the timeout is relative. */
static void sleep_until_raised(struct cpu *c, const u32 *ports, const struct xen_sched_poll *p)
{
	struct xen_vcpu *x = c->xen;

	WRITE_ONCE(x->poll_port, p->nr_ports == 1 ? ports[0] : 0);
	/* Whoever raises one after this sees it, one before is seen below. */
	__atomic_store_n(&x->polling, true, __ATOMIC_SEQ_CST);
	if (xen_evtchn_any_pending(c, ports, p->nr_ports)) {
		__atomic_store_n(&x->polling, false, __ATOMIC_RELAXED);
		return;
	}
	if (p->timeout)
		worker_timer_arm(&x->poll_timer,
				 worker_now_ns() + MIN(p->timeout, (u64)INT64_MAX));
	c->mp_state = KVM_MP_STATE_HALTED;
	vcpu_request(c->vcpu, REQ_EVENT);
}

static u64 sched_poll(struct cpu *c, bool mode64, u64 arg)
{
	u32 ports[XEN_POLL_MAX_PORTS];
	struct xen_sched_poll p;

	if (!read_poll(c, mode64, arg, &p))
		return -EFAULT;
	if (p.nr_ports > XEN_POLL_MAX_PORTS)
		return -EINVAL;
	if (!xen_read_linear(c, p.ports, ports, p.nr_ports * sizeof(*ports)))
		return -EFAULT;
	for (u32 i = 0; i < p.nr_ports; i++) {
		if (ports[i] >= xen_max_port(c->vcpu->vm))
			return -EINVAL;
	}
	sleep_until_raised(c, ports, &p);
	return 0;
}

bool xen_sched_op(struct cpu *c, bool mode64, u32 op, u64 arg, u64 *ret)
{
	const struct kvm_xen_hvm_config *config = &vm_xen(c->vcpu->vm)->config;

	switch (op) {
	case SCHEDOP_YIELD:
		sched_yield();
		*ret = 0;
		return true;
	case SCHEDOP_POLL:
		/* Only if userspace sends events nowhere but through KVM. */
		if (!c->lapic || !(READ_ONCE(config->flags) & KVM_XEN_HVM_CONFIG_EVTCHN_SEND))
			return false;
		*ret = sched_poll(c, mode64, arg);
		return true;
	default:
		return false;
	}
}
