/* SPDX-License-Identifier: MIT */
/* KVM_XEN_HVM_GET_ATTR (api.rst 4.127). */
#include "ioctl_test.h"
#include "lib/xen_api.h"

static int xen_vm(void)
{
	int vm = new_vm();

	needs_xen(vm);
	return vm;
}

static struct kvm_xen_hvm_attr get(int vm, uint16_t type)
{
	struct kvm_xen_hvm_attr a = { .type = type };

	memset(&a.u, 0xa5, sizeof(a.u));
	assert_ok(kvm_ioctl(vm, KVM_XEN_HVM_GET_ATTR, &a));
	return a;
}

static void errors(void **state)
{
	struct kvm_xen_hvm_attr a = { .type = KVM_XEN_ATTR_TYPE_EVTCHN };
	int vm = xen_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_XEN_HVM_GET_ATTR, NO_POINTER));
	assert_errno(ENOENT, kvm_ioctl(vm, KVM_XEN_HVM_GET_ATTR, &a));
	a.type = 0xffff;
	assert_errno(ENOENT, kvm_ioctl(vm, KVM_XEN_HVM_GET_ATTR, &a));
	close(vm);
}

static void a_new_vm_has_nothing_set(void **state)
{
	int vm = xen_vm();

	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_LONG_MODE).u.long_mode, 0);
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_SHARED_INFO).u.shared_info.gfn, XEN_NONE);
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_UPCALL_VECTOR).u.vector, 0);
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_XEN_VERSION).u.xen_version, 0);
	close(vm);
}

static void what_was_set_is_read(void **state)
{
	struct kvm_xen_hvm_attr version = {
		.type = KVM_XEN_ATTR_TYPE_XEN_VERSION, .u.xen_version = 0x40011,
	};
	void *ram = guest_ram(PG);
	int vm = xen_vm();

	assert_ok(set_region(vm, 0, 0, 0x5000, PG, ram));
	assert_ok(xen_set_long_mode(vm, true));
	assert_ok(xen_set_shared_info(vm, 5));
	assert_ok(xen_set_vector(vm, 0xf3));
	assert_ok(kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &version));
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_LONG_MODE).u.long_mode, 1);
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_SHARED_INFO).u.shared_info.gfn, 5);
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_UPCALL_VECTOR).u.vector, 0xf3);
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_XEN_VERSION).u.xen_version, 0x40011);

	assert_ok(xen_set_shared_info(vm, XEN_NONE));
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_SHARED_INFO).u.shared_info.gfn, XEN_NONE);
	assert_errno(EINVAL, xen_set_vector(vm, 1));
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_UPCALL_VECTOR).u.vector, 0xf3);
	close(vm);
	munmap(ram, PG);
}

/* Any value but 0 means long mode. */
static void long_mode_is_a_truth_value(void **state)
{
	struct kvm_xen_hvm_attr a = { .type = KVM_XEN_ATTR_TYPE_LONG_MODE, .u.long_mode = 0x80 };
	int vm = xen_vm();

	assert_ok(kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a));
	assert_int_equal(get(vm, KVM_XEN_ATTR_TYPE_LONG_MODE).u.long_mode, 1);
	close(vm);
}

IOCTL_TESTS(xen_hvm_get_attr,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(a_new_vm_has_nothing_set),
	    cmocka_unit_test(what_was_set_is_read),
	    cmocka_unit_test(long_mode_is_a_truth_value))
