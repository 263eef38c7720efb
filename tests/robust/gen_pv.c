/* SPDX-License-Identifier: MIT */
/* Arguments of the ioctls that make KVM look like Xen or Hyper-V. */
#include "fuzz.h"

#include <string.h>

#define PUT(t, s)	(memcpy((t)->stage, &(s), sizeof(s)), sizeof(s))

static size_t gen_hv_eventfd(struct thread *t)
{
	struct kvm_hyperv_eventfd e = {
		.conn_id = one_in(t, 16) ? word(t) : pick(t, 8),
		.fd = PICK(t, world.eventfd),
		.flags = one_in(t, 32) ? word(t) : one_in(t, 3) ? KVM_HYPERV_EVENTFD_DEASSIGN : 0,
	};

	return PUT(t, e);
}

static size_t gen_xen_config(struct thread *t)
{
	struct kvm_xen_hvm_config c = {
		.flags = one_in(t, 16) ? word(t) : pick(t, 2) << 1 | pick(t, 2) << 5,
		.msr = one_in(t, 8) ? word(t) : 0x40000000 + (pick(t, 2) << 9),
	};

	return PUT(t, c);
}

static void gen_evtchn(struct thread *t, struct kvm_xen_hvm_attr *a)
{
	a->u.evtchn.send_port = one_in(t, 8) ? word(t) : pick(t, 8);
	a->u.evtchn.type = one_in(t, 16) ? word(t) : 1 + pick(t, 3);
	a->u.evtchn.flags = one_in(t, 3) ? pick(t, 9) : 0;
	if (one_in(t, 2)) {
		a->u.evtchn.deliver.port.port = pick(t, 8);
		a->u.evtchn.deliver.port.vcpu = pick(t, 4);
		a->u.evtchn.deliver.port.priority = one_in(t, 8) ? word(t) : -1;
	} else {
		a->u.evtchn.deliver.eventfd.fd = PICK(t, world.eventfd);
	}
}

static size_t gen_xen_vm_attr(struct thread *t)
{
	struct kvm_xen_hvm_attr a = { .type = one_in(t, 32) ? word(t) : pick(t, 5) };

	switch (a.type) {
	case KVM_XEN_ATTR_TYPE_SHARED_INFO:
		a.u.shared_info.gfn = one_in(t, 8) ? word(t) : gpa(t) >> 12;
		break;
	case KVM_XEN_ATTR_TYPE_EVTCHN:
		gen_evtchn(t, &a);
		break;
	default:
		a.u.shared_info.gfn = word(t);
	}
	return PUT(t, a);
}

static size_t gen_xen_send(struct thread *t)
{
	struct kvm_irq_routing_xen_evtchn e = {
		.port = one_in(t, 8) ? word(t) : pick(t, 64), .vcpu = pick(t, 4),
		.priority = one_in(t, 8) ? word(t) : -1,
	};

	return PUT(t, e);
}

static size_t gen_xen_vcpu_attr(struct thread *t)
{
	struct kvm_xen_vcpu_attr a = { .type = one_in(t, 32) ? word(t) : pick(t, 9) };

	switch (a.type) {
	case KVM_XEN_VCPU_ATTR_TYPE_TIMER:
		a.u.timer.port = pick(t, 8);
		a.u.timer.priority = one_in(t, 8) ? word(t) : -1;
		a.u.timer.expires_ns = one_in(t, 2) ? pick(t, 1ul << 32) : word(t);
		break;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT:
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA:
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST:
		a.u.runstate.state = one_in(t, 16) ? word(t) : pick(t, 4);
		a.u.runstate.time_running = pick(t, 1ul << 32);
		a.u.runstate.state_entry_time = a.u.runstate.time_running;
		break;
	default:
		a.u.gpa = one_in(t, 2) ? gpa(t) + pick(t, 4096) : word(t);
	}
	return PUT(t, a);
}

size_t gen_pv(struct thread *t, const struct row *row)
{
	switch (row->cmd) {
	case (u32)KVM_HYPERV_EVENTFD:		return gen_hv_eventfd(t);
	case (u32)KVM_XEN_HVM_CONFIG:		return gen_xen_config(t);
	case (u32)KVM_XEN_HVM_GET_ATTR:
	case (u32)KVM_XEN_HVM_SET_ATTR:		return gen_xen_vm_attr(t);
	case (u32)KVM_XEN_HVM_EVTCHN_SEND:	return gen_xen_send(t);
	case (u32)KVM_XEN_VCPU_GET_ATTR:
	case (u32)KVM_XEN_VCPU_SET_ATTR:	return gen_xen_vcpu_attr(t);
	}
	return 0;
}
