/* SPDX-License-Identifier: MIT */
/* KVM_SMI (api.rst 4.96). */
#include "vcpu_test.h"

static struct kvm_vcpu_events events(int vcpu)
{
	struct kvm_vcpu_events e;

	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	return e;
}

/* A kernel may be built without SMM. */
static bool offered(int vm)
{
	return check_extension(vm, KVM_CAP_X86_SMM);
}

static void it_waits(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	if (!offered(m.vm)) {
		assert_errno(ENOTTY, kvm_ioctl_val(m.vcpu, KVM_SMI, 0));
		machine_free(m);
		return;
	}
	assert_int_equal(events(m.vcpu).smi.pending, 0);
	for (int i = 0; i < 3; i++) {
		assert_ok(kvm_ioctl_val(m.vcpu, KVM_SMI, 0));
		assert_int_equal(events(m.vcpu).smi.pending, 1);
		assert_int_equal(events(m.vcpu).smi.smm, 0);
	}
	machine_free(m);
}

static void another_waits_while_in_smm(void **state)
{
	struct kvm_vcpu_events smm = { .flags = KVM_VCPUEVENT_VALID_SMM, .smi.smm = 1 };
	struct machine m = machine_new(NO_CHIPS);

	if (!offered(m.vm))
		skip();
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &smm);
	assert_ok(kvm_ioctl_val(m.vcpu, KVM_SMI, 0));
	assert_int_equal(events(m.vcpu).smi.smm, 1);
	assert_int_equal(events(m.vcpu).smi.pending, 1);
	machine_free(m);
}

static void the_argument_is_ignored(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	if (!offered(m.vm))
		skip();
	assert_ok(kvm_ioctl(m.vcpu, KVM_SMI, NO_POINTER));
	assert_ok(kvm_ioctl_val(m.vcpu, KVM_SMI, ~0ul));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SMI);
}

IOCTL_TESTS(smi,
	    cmocka_unit_test(it_waits),
	    cmocka_unit_test(another_waits_while_in_smm),
	    cmocka_unit_test(the_argument_is_ignored),
	    cmocka_unit_test(scope))
