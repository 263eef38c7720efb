/* SPDX-License-Identifier: MIT */
/* KVM_X86_SET_MSR_FILTER (api.rst 4.97). */
#include "vm_test.h"

#define RANGES		KVM_MSR_FILTER_MAX_RANGES
#define MAX_BITMAP	KVM_MSR_FILTER_MAX_BITMAP_SIZE
#define RW		(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

static uint8_t bits[MAX_BITMAP + 8];

static struct kvm_msr_filter one(uint32_t flags, uint32_t nmsrs, void *bitmap)
{
	struct kvm_msr_filter f = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };

	f.ranges[0] = (struct kvm_msr_filter_range){
		.flags = flags, .nmsrs = nmsrs, .base = 0x10, .bitmap = bitmap,
	};
	return f;
}

static int set(int vm, struct kvm_msr_filter f)
{
	return kvm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &f);
}

static void bad_pointers(void **state)
{
	const size_t size = sizeof(struct kvm_msr_filter);
	int vm = new_vm();

	assert_int_equal(size, 8 + RANGES * 24);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_X86_SET_MSR_FILTER, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_X86_SET_MSR_FILTER, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_X86_SET_MSR_FILTER, at_page_end(size - 1)));
	assert_ok(kvm_ioctl(vm, KVM_X86_SET_MSR_FILTER, at_page_end(size)));
	close(vm);
}

/* The flags, then whether anything is allowed, then range by range. */
static void flags(void **state)
{
	struct kvm_msr_filter f = { 0 };
	int vm = new_vm();

	for (f.flags = 2; f.flags; f.flags <<= 1)
		assert_errno(EINVAL, set(vm, f));
	assert_int_equal(set(vm, f), 0);
	f.flags = KVM_MSR_FILTER_DEFAULT_DENY;
	assert_errno(EINVAL, set(vm, f));
	/* A range without MSRs is none, whatever else it says. */
	f.ranges[3] = (struct kvm_msr_filter_range){ .flags = ~0u, .bitmap = NO_POINTER };
	assert_errno(EINVAL, set(vm, f));
	f.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
	assert_ok(set(vm, f));
	f.flags = KVM_MSR_FILTER_DEFAULT_DENY;
	f.ranges[RANGES - 1] = one(RW, 8, bits).ranges[0];
	assert_ok(set(vm, f));
	close(vm);
}

/* Its flags, its size, its bitmap. */
static void ranges(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, set(vm, one(0, 8, NO_POINTER)));
	for (uint32_t flag = 4; flag; flag <<= 1) {
		assert_errno(EINVAL, set(vm, one(flag, 8, NO_POINTER)));
		assert_errno(EINVAL, set(vm, one(flag | RW, 8, NO_POINTER)));
	}
	assert_errno(EINVAL, set(vm, one(RW, MAX_BITMAP * 8 + 1, NO_POINTER)));
	assert_errno(EINVAL, set(vm, one(RW, ~0u, NO_POINTER)));
	assert_errno(EFAULT, set(vm, one(RW, MAX_BITMAP * 8, NO_POINTER)));
	assert_errno(EFAULT, set(vm, one(RW, 1, NULL)));
	assert_ok(set(vm, one(RW, MAX_BITMAP * 8, bits)));
	assert_ok(set(vm, one(KVM_MSR_FILTER_READ, 1, bits)));
	assert_ok(set(vm, one(KVM_MSR_FILTER_WRITE, 1, bits)));
	close(vm);
}

/* It is read by the 64 bits. */
static void bitmap_at_the_end_of_a_page(void **state)
{
	int vm = new_vm();

	assert_ok(set(vm, one(RW, 64, at_page_end(8))));
	assert_ok(set(vm, one(RW, 1, at_page_end(8))));
	assert_errno(EFAULT, set(vm, one(RW, 1, at_page_end(1))));
	assert_errno(EFAULT, set(vm, one(RW, 65, at_page_end(9))));
	assert_ok(set(vm, one(RW, 65, at_page_end(16))));
	close(vm);
}

static void all_ranges(void **state)
{
	struct kvm_msr_filter f = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };
	int vm = new_vm();

	for (int i = 0; i < RANGES; i++)
		f.ranges[i] = one(RW, MAX_BITMAP * 8, bits).ranges[0];
	assert_ok(set(vm, f));
	f.ranges[RANGES - 1].flags = 0;
	assert_errno(EINVAL, set(vm, f));
	close(vm);
}

/* It is for the guest: the VMM reads and writes what it likes. */
static void ioctls_are_not_filtered(void **state)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1, .e = { .index = 0xc0000081, .data = 5 } };
	struct kvm_msr_filter f = one(RW, 8, bits);
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	f.flags = KVM_MSR_FILTER_DEFAULT_DENY;
	assert_ok(set(vm, f));
	assert_int_equal(kvm_ioctl(vcpu, KVM_SET_MSRS, &m), 1);
	m.e.data = 0;
	assert_int_equal(kvm_ioctl(vcpu, KVM_GET_MSRS, &m), 1);
	assert_int_equal(m.e.data, 5);
	/* With vCPUs it can be replaced, too. */
	assert_ok(set(vm, one(RW, 64, bits)));
	close(vcpu);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_X86_SET_MSR_FILTER);
}

IOCTL_TESTS(x86_set_msr_filter,
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(flags),
	    cmocka_unit_test(ranges),
	    cmocka_unit_test(bitmap_at_the_end_of_a_page),
	    cmocka_unit_test(all_ranges),
	    cmocka_unit_test(ioctls_are_not_filtered),
	    cmocka_unit_test(wrong_scope))
