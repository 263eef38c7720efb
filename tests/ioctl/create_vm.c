/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_VM (api.rst 4.2). */
#include "vm_test.h"

static void makes_a_descriptor(void **state)
{
	char link[32], name[64] = "";
	int sys = kvm_open(O_RDWR), vm = kvm_ioctl_val(sys, KVM_CREATE_VM, 0);

	assert_true(vm >= 0);
	assert_int_equal(fcntl(vm, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(vm, F_GETFL) & O_ACCMODE, O_RDWR);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", vm);
	assert_true(readlink(link, name, sizeof(name) - 1) > 0);
	assert_non_null(strstr(name, "anon_inode:kvm-vm"));
	close(vm);
	close(sys);
}

static void has_no_pages(void **state)
{
	int vm = new_vm();

	assert_ptr_equal(kvm_mmap(PG, MAP_SHARED, vm, 0), MAP_FAILED);
	assert_int_equal(errno, ENODEV);
	close(vm);
}

static void read_only_descriptor_will_do(void **state)
{
	int sys = kvm_open(O_RDONLY), vm = kvm_ioctl_val(sys, KVM_CREATE_VM, 0);

	assert_true(vm >= 0);
	assert_int_equal(fcntl(vm, F_GETFL) & O_ACCMODE, O_RDWR);
	close(vm);
	close(sys);
}

static void vms_have_nothing_in_common(void **state)
{
	int a = new_vm(), b = new_vm();

	close(new_vcpu(a, 0));
	close(new_vcpu(b, 0));
	assert_errno(EEXIST, kvm_ioctl_val(a, KVM_CREATE_VCPU, 0));
	close(a);
	close(new_vcpu(b, 1));
	close(b);
}

/* There is one type, 0. */
static void other_types(void **state)
{
	int sys = kvm_open(O_RDWR);

	assert_errno(EINVAL, kvm_ioctl_val(sys, KVM_CREATE_VM, 0x1234567));
	assert_errno(EINVAL, kvm_ioctl_val(sys, KVM_CREATE_VM, ~0ul));
	assert_errno(EINVAL, kvm_ioctl_val(sys, KVM_CREATE_VM, 1ul << 32));
	close(sys);
}

static void no_descriptor_left(void **state)
{
	int sys = kvm_open(O_RDWR);

	close(new_vm());	/* what an engine opens once, it has now */
	descriptors_exhaust();
	assert_errno(EMFILE, kvm_ioctl_val(sys, KVM_CREATE_VM, 0));
	/* The descriptor is reserved before the type is looked at. */
	assert_errno(EMFILE, kvm_ioctl_val(sys, KVM_CREATE_VM, 99));
	descriptors_restore(state);
	close(new_vm());
	close(sys);
}

static void wrong_scope(void **state)
{
	assert_only_on_system(KVM_CREATE_VM);
}

IOCTL_TESTS(create_vm,
	    cmocka_unit_test(makes_a_descriptor),
	    cmocka_unit_test(has_no_pages),
	    cmocka_unit_test(read_only_descriptor_will_do),
	    cmocka_unit_test(vms_have_nothing_in_common),
	    cmocka_unit_test(other_types),
	    cmocka_unit_test_teardown(no_descriptor_left, descriptors_restore),
	    cmocka_unit_test(wrong_scope))
