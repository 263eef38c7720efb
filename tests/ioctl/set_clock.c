/* SPDX-License-Identifier: MIT */
/* KVM_SET_CLOCK (api.rst 4.30). */
#include "vm_test.h"

#define NSEC_PER_SEC	1000000000ull

static uint64_t clock_of(int vm)
{
	struct kvm_clock_data d;

	assert_ok(kvm_ioctl(vm, KVM_GET_CLOCK, &d));
	return d.clock;
}

static int set(int vm, uint64_t clock, uint32_t flags, uint64_t realtime)
{
	struct kvm_clock_data d = { .clock = clock, .flags = flags, .realtime = realtime };

	return kvm_ioctl(vm, KVM_SET_CLOCK, &d);
}

static uint64_t realtime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void goes_on_from_there(void **state)
{
	int vm = new_vm();

	for (uint64_t clock = 0; clock < 1ull << 60; clock = clock * 16 + 20 * NSEC_PER_SEC) {
		assert_int_equal(set(vm, clock, 0, 0), 0);
		assert_in_range(clock_of(vm) - clock, 0, 10 * NSEC_PER_SEC);
	}
	close(vm);
}

/* With REALTIME the time since then is added, never subtracted. */
static void realtime_is_made_up_for(void **state)
{
	int vm = new_vm();

	assert_ok(set(vm, 1000, KVM_CLOCK_REALTIME, realtime() - 10 * NSEC_PER_SEC));
	assert_in_range(clock_of(vm), 10 * NSEC_PER_SEC, 30 * NSEC_PER_SEC);
	assert_ok(set(vm, 1000, KVM_CLOCK_REALTIME, realtime() + 10 * NSEC_PER_SEC));
	assert_in_range(clock_of(vm), 1000, 9 * NSEC_PER_SEC);
	/* Without the flag the field means nothing. */
	assert_ok(set(vm, 1000, 0, realtime() - 10 * NSEC_PER_SEC));
	assert_in_range(clock_of(vm), 1000, 9 * NSEC_PER_SEC);
	close(vm);
}

static void flags(void **state)
{
	const uint32_t known = KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	int vm = new_vm();

	for (int bit = 0; bit < 32; bit++) {
		if (!(known & 1u << bit))
			assert_errno(EINVAL, set(vm, 5 * NSEC_PER_SEC, 1u << bit, 0));
	}
	assert_true(clock_of(vm) < 5 * NSEC_PER_SEC);
	/* What KVM_GET_CLOCK gives can be set. */
	assert_ok(set(vm, 0, known, realtime()));
	assert_ok(set(vm, 0, KVM_CLOCK_TSC_STABLE, 0));
	assert_ok(set(vm, 0, KVM_CLOCK_HOST_TSC, 0));
	close(vm);
}

static void bad_pointers(void **state)
{
	struct kvm_clock_data d = { .flags = 1 };
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_CLOCK, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_CLOCK, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_CLOCK, at_page_end(sizeof(d) - 1)));
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_SET_CLOCK, read_only(&d, sizeof(d))));
	d.flags = 0;
	assert_ok(kvm_ioctl(vm, KVM_SET_CLOCK, read_only(&d, sizeof(d))));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_CLOCK);
}

IOCTL_TESTS(set_clock,
	    cmocka_unit_test(goes_on_from_there),
	    cmocka_unit_test(realtime_is_made_up_for),
	    cmocka_unit_test(flags),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(wrong_scope))
