/* SPDX-License-Identifier: MIT */
/* KVM_GET_DIRTY_LOG (api.rst 4.8). */
#include "dirty.h"

static void pointer_is_read_first(void **state)
{
	int vm = new_vm();

	assert_ok(enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, PG));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_DIRTY_LOG, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_DIRTY_LOG, NO_POINTER));
	close(vm);
}

static void rings_exclude_it(void **state)
{
	int vm = new_vm();
	uint64_t bits[3];

	assert_ok(enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, PG));
	add_logged_slot(vm);
	assert_errno(ENXIO, get_log(vm, LOG_SLOT, bits));
	assert_errno(ENXIO, get_log(vm, 2 << 16, bits));
	assert_errno(ENXIO, get_log(vm, 32764, NO_POINTER));
	close(vm);
}

static void slot_must_be_possible(void **state)
{
	int vm = new_vm();

	add_logged_slot(vm);
	assert_errno(EINVAL, get_log(vm, 32764, NO_POINTER));
	assert_errno(EINVAL, get_log(vm, 2 << 16 | LOG_SLOT, NO_POINTER));
	assert_errno(EINVAL, get_log(vm, ~0u, NO_POINTER));
	close(vm);
}

static void slot_must_be_logged(void **state)
{
	void *ram = guest_ram(PG);
	int vm = new_vm();

	add_logged_slot(vm);
	assert_ok(set_region(vm, 1, 0, 0, PG, ram));
	assert_errno(ENOENT, get_log(vm, 0, NO_POINTER));
	assert_errno(ENOENT, get_log(vm, 32763, NO_POINTER));
	assert_errno(ENOENT, get_log(vm, 1, NO_POINTER));
	assert_errno(has_smm_slots(vm) ? ENOENT : EINVAL,
		     get_log(vm, 1 << 16 | LOG_SLOT, NO_POINTER));
	close(vm);
	munmap(ram, PG);
}

/* What was copied to nowhere is lost: the words are taken first. */
static void bitmap_must_be_writable(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	uint64_t bits[3];

	add_logged_slot(vm);
	write_page(vcpu, 1);
	assert_errno(EFAULT, get_log(vm, LOG_SLOT, NO_POINTER));
	write_page(vcpu, 2);
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[0], 1 << 2);
	close(vcpu);
	close(vm);
}

static void takes_what_was_written(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	uint64_t bits[4] = { ~0ull, ~0ull, ~0ull, 0x1234 };

	add_logged_slot(vm);
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[0] | bits[1] | bits[2], 0);
	write_page(vcpu, 0);
	write_page(vcpu, 65);
	write_page(vcpu, 129);
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[0], 1);
	assert_int_equal(bits[1], 2);
	assert_int_equal(bits[2], 2);
	assert_int_equal(bits[3], 0x1234);	/* whole words, and no more */
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[0] | bits[1] | bits[2], 0);
	close(vcpu);
	close(vm);
}

static void manual_protection_only_copies(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	uint64_t bits[3];

	assert_ok(enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0,
			     KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	add_logged_slot(vm);
	write_page(vcpu, 7);
	for (int i = 0; i < 2; i++) {
		assert_ok(get_log(vm, LOG_SLOT, bits));
		assert_int_equal(bits[0], 1 << 7);
	}
	close(vcpu);
	close(vm);
}

static void initially_set(void **state)
{
	int vm = new_vm();
	uint64_t bits[3];

	assert_ok(enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0,
			     KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
			     KVM_DIRTY_LOG_INITIALLY_SET));
	add_logged_slot(vm);
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_true(bits[0] == ~0ull && bits[1] == ~0ull && bits[2] == 3);
	close(vm);
}

static void only_on_a_vm(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0), sys = kvm_open(O_RDWR);
	struct kvm_dirty_log log = { 0 };

	assert_errno(EINVAL, kvm_ioctl(sys, KVM_GET_DIRTY_LOG, &log));
	assert_errno(EINVAL, kvm_ioctl(vcpu, KVM_GET_DIRTY_LOG, &log));
	close(sys);
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(get_dirty_log,
	    cmocka_unit_test(pointer_is_read_first),
	    cmocka_unit_test(rings_exclude_it),
	    cmocka_unit_test(slot_must_be_possible),
	    cmocka_unit_test(slot_must_be_logged),
	    cmocka_unit_test(bitmap_must_be_writable),
	    cmocka_unit_test(takes_what_was_written),
	    cmocka_unit_test(manual_protection_only_copies),
	    cmocka_unit_test(initially_set),
	    cmocka_unit_test(only_on_a_vm))
