/* SPDX-License-Identifier: MIT */
/* KVM_CLEAR_DIRTY_LOG (api.rst 4.117). */
#include "dirty.h"

static int manual_vm(void)
{
	int vm = new_vm();

	assert_ok(enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0,
			     KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	return vm;
}

static void pointer_is_read_first(void **state)
{
	int vm = new_vm();

	assert_ok(enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, PG));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, NULL));
	close(vm);
}

static void rings_exclude_it(void **state)
{
	int vm = new_vm();
	uint64_t bits[3] = { 0 };

	assert_ok(enable_cap(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0, PG));
	add_logged_slot(vm);
	assert_errno(ENXIO, clear_log(vm, LOG_SLOT, 0, 64, bits));
	assert_errno(ENXIO, clear_log(vm, 2 << 16, 1, 64, NO_POINTER));
	close(vm);
}

/* Each call has every mistake that is found later, too. */
static void errors_in_order(void **state)
{
	int vm = manual_vm();
	uint64_t bits[3] = { 0 };

	add_logged_slot(vm);
	assert_errno(EINVAL, clear_log(vm, 32764, 0, 64, bits));
	assert_errno(EINVAL, clear_log(vm, 2 << 16 | LOG_SLOT, 0, 64, bits));
	assert_errno(EINVAL, clear_log(vm, 1, 1, 64, NO_POINTER));
	assert_errno(ENOENT, clear_log(vm, 1, 0, ~0u, NO_POINTER));
	assert_errno(has_smm_slots(vm) ? ENOENT : EINVAL,
		     clear_log(vm, 1 << 16 | LOG_SLOT, 0, 64, NO_POINTER));
	/* Past the end; not whole words; beyond the end by overflow. */
	assert_errno(EINVAL, clear_log(vm, LOG_SLOT, 0, 192, NO_POINTER));
	assert_errno(EINVAL, clear_log(vm, LOG_SLOT, 192, 1, NO_POINTER));
	assert_errno(EINVAL, clear_log(vm, LOG_SLOT, 0, 65, NO_POINTER));
	assert_errno(EINVAL, clear_log(vm, LOG_SLOT, ~63ull, 64, NO_POINTER));
	assert_errno(EFAULT, clear_log(vm, LOG_SLOT, 0, 64, NO_POINTER));
	close(vm);
}

static void ranges(void **state)
{
	int vm = manual_vm();
	uint64_t bits[3] = { 0 };

	add_logged_slot(vm);
	assert_ok(clear_log(vm, LOG_SLOT, 0, 64, bits));
	assert_ok(clear_log(vm, LOG_SLOT, 0, 130, bits));
	assert_ok(clear_log(vm, LOG_SLOT, 64, 66, bits));
	assert_ok(clear_log(vm, LOG_SLOT, 128, 2, bits));
	assert_ok(clear_log(vm, LOG_SLOT, 64, 0, bits));
	close(vm);
}

static void clears_the_given_bits(void **state)
{
	int vm = manual_vm(), vcpu = new_vcpu(vm, 0);
	uint64_t bits[3], ones[3] = { 1 << 1, 0, 1 << 1 };

	add_logged_slot(vm);
	write_page(vcpu, 1);
	write_page(vcpu, 2);
	write_page(vcpu, 70);
	write_page(vcpu, 129);
	assert_ok(clear_log(vm, LOG_SLOT, 0, 130, ones));
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[0], 1 << 2);
	assert_int_equal(bits[1], 1 << 6);
	assert_int_equal(bits[2], 0);
	/* The bitmap begins at first_page. */
	assert_ok(clear_log(vm, LOG_SLOT, 64, 64, (uint64_t[]){ 1 << 6 }));
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[1], 0);
	/* And what is cleared is reported again. */
	write_page(vcpu, 70);
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[1], 1 << 6);
	close(vcpu);
	close(vm);
}

/* Bits behind the slot's last page concern nothing. */
static void padding_bits_are_ignored(void **state)
{
	int vm = manual_vm(), vcpu = new_vcpu(vm, 0);
	uint64_t bits[3], ones[3] = { ~0ull, ~0ull, ~0ull };

	add_logged_slot(vm);
	write_page(vcpu, 129);
	assert_ok(clear_log(vm, LOG_SLOT, 0, 130, ones));
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[0] | bits[1] | bits[2], 0);
	close(vcpu);
	close(vm);
}

static void works_without_manual_protection(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	uint64_t bits[3];

	add_logged_slot(vm);
	write_page(vcpu, 3);
	write_page(vcpu, 4);
	assert_ok(clear_log(vm, LOG_SLOT, 0, 64, (uint64_t[]){ 1 << 3 }));
	assert_ok(get_log(vm, LOG_SLOT, bits));
	assert_int_equal(bits[0], 1 << 4);
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(clear_dirty_log,
	    cmocka_unit_test(pointer_is_read_first),
	    cmocka_unit_test(rings_exclude_it),
	    cmocka_unit_test(errors_in_order),
	    cmocka_unit_test(ranges),
	    cmocka_unit_test(clears_the_given_bits),
	    cmocka_unit_test(padding_bits_are_ignored),
	    cmocka_unit_test(works_without_manual_protection))
