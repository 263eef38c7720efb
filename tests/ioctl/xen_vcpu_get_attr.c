/* SPDX-License-Identifier: MIT */
/* KVM_XEN_VCPU_GET_ATTR (api.rst 4.129). */
#include "xen_test.h"

static struct kvm_xen_vcpu_attr get(uint16_t type)
{
	struct kvm_xen_vcpu_attr a = { .type = type };

	memset(&a.u, 0xa5, sizeof(a.u));
	assert_ok(kvm_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, &a));
	return a;
}

static void errors(void **state)
{
	struct kvm_xen_vcpu_attr a = { .type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST };

	needs();
	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, NO_POINTER));
	assert_errno(EINVAL, kvm_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, &a));
	a.type = 0xffff;
	assert_errno(ENOENT, kvm_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, &a));
	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_XEN_VCPU_GET_ATTR, &a));
}

static void a_new_vcpu_has_nothing_set(void **state)
{
	struct kvm_xen_vcpu_attr a;

	needs();
	for (uint16_t type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO;
	     type <= KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR; type++)
		assert_int_equal(get(type).u.gpa, XEN_NONE);
	a = get(KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA);
	assert_int_equal(a.u.runstate.state, 0);
	assert_int_equal(a.u.runstate.state_entry_time, 0);
	assert_int_equal(a.u.runstate.time_offline, 0);
	a = get(KVM_XEN_VCPU_ATTR_TYPE_TIMER);
	assert_int_equal(a.u.timer.port, 0);
	assert_int_equal(a.u.timer.priority, XEN_2LEVEL);
	assert_int_equal(a.u.timer.expires_ns, 0);
	/* Xen's number is that of creation, not the APIC id. */
	assert_int_equal(get(KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID).u.vcpu_id, 0);
	assert_int_equal(get(KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR).u.vector, 0);
}

static void addresses_are_read(void **state)
{
	needs();
	for (uint16_t type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO;
	     type <= KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR; type++) {
		assert_ok(xen_set_address(vcpu, type, 0x1000 * (type + 1)));
		assert_int_equal(get(type).u.gpa, 0x1000 * (type + 1));
	}
	for (uint16_t type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO;
	     type <= KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR; type++) {
		assert_int_equal(get(type).u.gpa, 0x1000 * (type + 1));
		assert_ok(xen_set_address(vcpu, type, XEN_NONE));
		assert_int_equal(get(type).u.gpa, XEN_NONE);
	}
}

static void ids_and_vectors_are_read(void **state)
{
	struct kvm_xen_vcpu_attr id = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID, .u.vcpu_id = 33,
	};
	struct kvm_xen_vcpu_attr vector = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR, .u.vector = 0xe1,
	};

	needs();
	assert_ok(kvm_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &id));
	assert_ok(kvm_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &vector));
	assert_int_equal(get(KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID).u.vcpu_id, 33);
	assert_int_equal(get(KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR).u.vector, 0xe1);
}

/* Reading CURRENT brings nothing up to date. */
static void runstate_is_what_was_set(void **state)
{
	struct kvm_xen_vcpu_attr a = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA,
		.u.runstate = { .state = XEN_RUNNABLE, .state_entry_time = 10,
			.time_running = 1, .time_runnable = 2, .time_blocked = 3,
			.time_offline = 4 },
	}, b;

	needs();
	assert_ok(kvm_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &a));
	assert_int_equal(get(KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT).u.runstate.state,
			 XEN_RUNNABLE);
	b = get(KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA);
	assert_memory_equal(&a.u.runstate, &b.u.runstate, sizeof(a.u.runstate));
}

/* An event that is due is delivered by the read, not reported. */
static void an_expired_timer_is_in_shared_info(void **state)
{
	needs();
	assert_ok(xen_set_shared_info(vm, 2));
	assert_ok(xen_set_address(vcpu, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, 0x1000));
	assert_ok(xen_set_timer(vcpu, 13, XEN_2LEVEL, 1));
	assert_int_equal(get(KVM_XEN_VCPU_ATTR_TYPE_TIMER).u.timer.port, 13);
	assert_int_equal(xen_timer_expires(vcpu), 0);
	assert_int_equal(*(uint32_t *)(ram + 0x2800), 1 << 13);
	assert_int_equal(ram[0x1000], 1);
}

IOCTL_TESTS(xen_vcpu_get_attr,
	    with_vcpu(errors),
	    with_vcpu(a_new_vcpu_has_nothing_set),
	    with_vcpu(addresses_are_read),
	    with_vcpu(ids_and_vectors_are_read),
	    with_vcpu(runstate_is_what_was_set),
	    with_vcpu(an_expired_timer_is_in_shared_info))
