/* SPDX-License-Identifier: MIT */
/* KVM_GET_VCPU_MMAP_SIZE (api.rst 4.5). */
#include "vm_test.h"

/* kvm_run, the data of port I/O, the coalesced ring. */
static void three_pages(void **state)
{
	int sys = kvm_open(O_RDONLY);

	assert_int_equal(kvm_ioctl_val(sys, KVM_GET_VCPU_MMAP_SIZE, 0), 3 * PG);
	close(sys);
}

static void so_much_can_be_mapped(void **state)
{
	int sys = kvm_open(O_RDWR), vm = new_vm(), vcpu = new_vcpu(vm, 0);
	size_t size = kvm_ioctl_val(sys, KVM_GET_VCPU_MMAP_SIZE, 0);
	volatile char *p = kvm_mmap(size, MAP_SHARED, vcpu, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < size; i += PG)
		p[i] = p[i];
	munmap((char *)p, size);
	close(vcpu);
	close(vm);
	close(sys);
}

static void argument_must_be_zero(void **state)
{
	int sys = kvm_open(O_RDWR);

	assert_errno(EINVAL, kvm_ioctl_val(sys, KVM_GET_VCPU_MMAP_SIZE, 1));
	assert_errno(EINVAL, kvm_ioctl_val(sys, KVM_GET_VCPU_MMAP_SIZE, 1ul << 63));
	close(sys);
}

static void wrong_scope(void **state)
{
	assert_only_on_system(KVM_GET_VCPU_MMAP_SIZE);
}

IOCTL_TESTS(get_vcpu_mmap_size,
	    cmocka_unit_test(three_pages),
	    cmocka_unit_test(so_much_can_be_mapped),
	    cmocka_unit_test(argument_must_be_zero),
	    cmocka_unit_test(wrong_scope))
