/* SPDX-License-Identifier: MIT */
/* KVM_NMI (api.rst 4.64). */
#include "run/guest.h"
#include "vcpu_test.h"

static struct kvm_vcpu_events events(int vcpu)
{
	struct kvm_vcpu_events e;

	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	return e;
}

static void the_argument_is_ignored(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	assert_ok(kvm_ioctl_val(m.vcpu, KVM_NMI, 0));
	assert_ok(kvm_ioctl(m.vcpu, KVM_NMI, NO_POINTER));
	assert_ok(kvm_ioctl_val(m.vcpu, KVM_NMI, ~0ul));
	machine_free(m);
}

static void it_waits(void **state)
{
	static const enum chips chips[] = { NO_CHIPS, SPLIT_CHIPS, FULL_CHIPS };

	for (size_t i = 0; i < ARRAY_LEN(chips); i++) {
		struct machine m = machine_new(chips[i]);

		assert_int_equal(events(m.vcpu).nmi.pending, 0);
		assert_ok(kvm_ioctl_val(m.vcpu, KVM_NMI, 0));
		assert_int_equal(events(m.vcpu).nmi.pending, 1);
		assert_int_equal(events(m.vcpu).nmi.injected, 0);
		machine_free(m);
	}
}

static void only_one_waits_behind_one_in_progress(void **state)
{
	struct kvm_vcpu_events masked = { .nmi.masked = 1 };
	struct machine m = machine_new(NO_CHIPS);

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &masked);
	for (int i = 0; i < 5; i++)
		assert_ok(kvm_ioctl_val(m.vcpu, KVM_NMI, 0));
	assert_int_equal(events(m.vcpu).nmi.pending, 1);
	machine_free(m);
}

/* Else one may be taken at once and another behind it. */
static void two_are_delivered_of_many(void **state)
{
	static const u8 handler[] = {
		0x48, 0xff, 0x04, 0x25, 0, 0, 4, 0,	/* incq GUEST_DATA */
		0x48, 0xcf,				/* iretq */
	};
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	g.mem[GUEST_CODE] = 0xf4;	/* hlt */
	memcpy(g.mem + GUEST_CODE + 0x100, handler, sizeof(handler));
	guest_long(&g, 0, GUEST_CODE);
	guest_gate(&g, 2, GUEST_CODE + 0x100);
	for (int i = 0; i < 5; i++)
		assert_ok(kvm_ioctl_val(g.vcpu[0], KVM_NMI, 0));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(*guest_word(&g, GUEST_DATA), 2);
	guest_destroy(&g);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_NMI);
}

IOCTL_TESTS(nmi,
	    cmocka_unit_test(the_argument_is_ignored),
	    cmocka_unit_test(it_waits),
	    cmocka_unit_test(only_one_waits_behind_one_in_progress),
	    cmocka_unit_test(two_are_delivered_of_many),
	    cmocka_unit_test(scope))
