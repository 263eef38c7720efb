/* SPDX-License-Identifier: MIT */
/* Xen's part of the KVM API for tests (api.rst 4.28, 4.126-4.129, 4.135). */
#ifndef ANYKVM_TESTS_LIB_XEN_API_H
#define ANYKVM_TESTS_LIB_XEN_API_H

#include "lib/kvm_api.h"

enum {
	XEN_INTERDOMAIN = 2, XEN_VIRQ = 4, XEN_IPI = 5,		/* EVTCHNSTAT_* */
	XEN_RUNNING = 0, XEN_RUNNABLE, XEN_BLOCKED, XEN_OFFLINE,
};

#define XEN_2LEVEL	KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL
#define XEN_NONE	(~0ull)		/* no gfn, no gpa */

/* Kernels can be built without it (CONFIG_KVM_XEN). */
static inline void needs_xen(int vm)
{
	if (!on_kernel() || kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM))
		return;
	close(vm);
	skip();
}

static inline int xen_config(int vm, uint32_t flags, uint32_t msr)
{
	struct kvm_xen_hvm_config c = { .flags = flags, .msr = msr };

	return kvm_ioctl(vm, KVM_XEN_HVM_CONFIG, &c);
}

static inline int xen_set_long_mode(int vm, bool on)
{
	struct kvm_xen_hvm_attr a = { .type = KVM_XEN_ATTR_TYPE_LONG_MODE, .u.long_mode = on };

	return kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a);
}

static inline int xen_set_shared_info(int vm, uint64_t gfn)
{
	struct kvm_xen_hvm_attr a = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO, .u.shared_info.gfn = gfn,
	};

	return kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a);
}

static inline int xen_set_vector(int vm, uint8_t vector)
{
	struct kvm_xen_hvm_attr a = {
		.type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR, .u.vector = vector,
	};

	return kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a);
}

static inline int xen_set_address(int vcpu, uint16_t type, uint64_t gpa)
{
	struct kvm_xen_vcpu_attr a = { .type = type, .u.gpa = gpa };

	return kvm_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &a);
}

static inline int xen_set_timer(int vcpu, uint32_t port, uint32_t priority, uint64_t expires)
{
	struct kvm_xen_vcpu_attr a = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_TIMER,
		.u.timer = { .port = port, .priority = priority, .expires_ns = expires },
	};

	return kvm_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &a);
}

static inline uint64_t xen_timer_expires(int vcpu)
{
	struct kvm_xen_vcpu_attr a = { .type = KVM_XEN_VCPU_ATTR_TYPE_TIMER };

	assert_ok(kvm_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, &a));
	return a.u.timer.expires_ns;
}

/* A port of the guest that goes to @port of @vcpu, or to the eventfd @port if @vcpu is -1. */
static inline int xen_outbound(int vm, uint32_t flags, uint32_t send_port, uint32_t type,
			       uint32_t port, int vcpu)
{
	struct kvm_xen_hvm_attr a = {
		.type = KVM_XEN_ATTR_TYPE_EVTCHN,
		.u.evtchn = { .send_port = send_port, .type = type, .flags = flags },
	};

	if (vcpu < 0) {
		a.u.evtchn.deliver.eventfd.fd = port;
	} else {
		a.u.evtchn.deliver.port.port = port;
		a.u.evtchn.deliver.port.vcpu = vcpu;
		a.u.evtchn.deliver.port.priority = XEN_2LEVEL;
	}
	return kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a);
}

static inline int xen_send(int vm, uint32_t port, uint32_t vcpu, uint32_t priority)
{
	struct kvm_irq_routing_xen_evtchn e = {
		.port = port, .vcpu = vcpu, .priority = priority,
	};

	return kvm_ioctl(vm, KVM_XEN_HVM_EVTCHN_SEND, &e);
}

static inline uint64_t kvmclock_ns(int vm)
{
	struct kvm_clock_data d;

	assert_ok(kvm_ioctl(vm, KVM_GET_CLOCK, &d));
	return d.clock;
}

#endif
