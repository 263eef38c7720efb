/* SPDX-License-Identifier: MIT */
/* KVM_INTERRUPT (api.rst 4.16). */
#include "vcpu_test.h"

static int queue(int vcpu, uint32_t vector)
{
	struct kvm_interrupt i = { .irq = vector };

	return kvm_ioctl(vcpu, KVM_INTERRUPT, &i);
}

static void vector_is_checked_first(void **state)
{
	static const enum chips chips[] = { NO_CHIPS, SPLIT_CHIPS, FULL_CHIPS };
	static const uint32_t invalid[] = { 256, 257, 0x80000000, ~0u };

	for (size_t c = 0; c < ARRAY_LEN(chips); c++) {
		struct machine m = machine_new(chips[c]);

		for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
			assert_errno(EINVAL, queue(m.vcpu, invalid[i]));
		machine_free(m);
	}
}

static void pic_in_the_kernel_is_enxio(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);

	assert_errno(ENXIO, queue(m.vcpu, 0x30));
	machine_free(m);
}

/* Without a LAPIC the last one wins: the VMM has asked whether it may. */
static void any_vector_is_queued_and_replaced(void **state)
{
	static const uint8_t vectors[] = { 0, 31, 0x30, 255 };
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct kvm_vcpu_events e;

		assert_int_equal(queue(m.vcpu, vectors[i]), 0);
		must(m.vcpu, KVM_GET_VCPU_EVENTS, &e);
		assert_int_equal(e.interrupt.injected, 1);
		assert_int_equal(e.interrupt.nr, vectors[i]);
		assert_int_equal(e.interrupt.soft, 0);
	}
	machine_free(m);
}

/* It waits in front of the LAPIC: no event of the vCPU yet. */
static void split_takes_one_at_a_time(void **state)
{
	struct machine m = machine_new(SPLIT_CHIPS);
	struct kvm_vcpu_events e;

	assert_int_equal(queue(m.vcpu, 0x30), 0);
	assert_errno(EEXIST, queue(m.vcpu, 0x30));
	assert_errno(EEXIST, queue(m.vcpu, 0x31));
	assert_errno(EINVAL, queue(m.vcpu, 256));
	must(m.vcpu, KVM_GET_VCPU_EVENTS, &e);
	assert_int_equal(e.interrupt.injected, 0);
	machine_free(m);
}

static void pointer_comes_before_the_state(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);

	reads_all_of(m.vcpu, KVM_INTERRUPT, sizeof(struct kvm_interrupt));
	machine_free(m);
	m = machine_new(NO_CHIPS);
	reads_all_of(m.vcpu, KVM_INTERRUPT, sizeof(struct kvm_interrupt));
	must(m.vcpu, KVM_INTERRUPT, at_page_end(sizeof(struct kvm_interrupt)));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_INTERRUPT);
}

IOCTL_TESTS(interrupt,
	    cmocka_unit_test(vector_is_checked_first),
	    cmocka_unit_test(pic_in_the_kernel_is_enxio),
	    cmocka_unit_test(any_vector_is_queued_and_replaced),
	    cmocka_unit_test(split_takes_one_at_a_time),
	    cmocka_unit_test(pointer_comes_before_the_state),
	    cmocka_unit_test(scope))
