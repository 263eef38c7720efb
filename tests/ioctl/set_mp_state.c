/* SPDX-License-Identifier: MIT */
/* KVM_SET_MP_STATE (api.rst 4.39). */
#include "vcpu_test.h"

static int set(int vcpu, uint32_t value)
{
	struct kvm_mp_state s = { value };

	return kvm_ioctl(vcpu, KVM_SET_MP_STATE, &s);
}

static uint32_t get(int vcpu)
{
	struct kvm_mp_state s = { ~0u };

	must(vcpu, KVM_GET_MP_STATE, &s);
	return s.mp_state;
}

static const uint32_t settled[] = {
	KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED,
	KVM_MP_STATE_HALTED, KVM_MP_STATE_AP_RESET_HOLD,
};

/* s390's, RISC-V's, and what nobody has defined. */
static const uint32_t unknown[] = {
	KVM_MP_STATE_STOPPED, KVM_MP_STATE_CHECK_STOP, KVM_MP_STATE_OPERATING, KVM_MP_STATE_LOAD,
	KVM_MP_STATE_SUSPENDED, 11, 0x80000000, ~0u,
};

static void states_of_x86_are_kept(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);

	for (size_t i = 0; i < ARRAY_LEN(settled); i++) {
		assert_ok(set(ap, settled[i]));
		assert_int_equal(get(ap), settled[i]);
	}
	close(ap);
	machine_free(m);
}

static void other_states_are_einval(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		assert_errno(EINVAL, set(m.vcpu, unknown[i]));
	assert_int_equal(get(m.vcpu), KVM_MP_STATE_RUNNABLE);
	machine_free(m);
}

static void only_runnable_without_a_lapic(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(settled); i++) {
		if (settled[i] == KVM_MP_STATE_RUNNABLE)
			assert_ok(set(m.vcpu, settled[i]));
		else
			assert_errno(EINVAL, set(m.vcpu, settled[i]));
	}
	assert_errno(EINVAL, set(m.vcpu, KVM_MP_STATE_SIPI_RECEIVED));
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		assert_errno(EINVAL, set(m.vcpu, unknown[i]));
	machine_free(m);
}

/* It becomes a SIPI that waits, which the next look at the state delivers. */
static void sipi_received_starts_the_processor(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);

	assert_ok(set(ap, KVM_MP_STATE_SIPI_RECEIVED));
	assert_int_equal(get(ap), KVM_MP_STATE_RUNNABLE);
	close(ap);
	machine_free(m);
}

/* It waits for a look at the state, and finds then what userspace has set. */
static void a_sipi_sent_before_it_counts(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);
	struct kvm_vcpu_events e;
	struct kvm_sregs s;

	send_ipi(m.vm, ap, 1, MSI_SIPI | 0x9a);
	must(ap, KVM_GET_VCPU_EVENTS, &e);
	must(ap, KVM_GET_SREGS, &s);
	assert_ok(set(ap, KVM_MP_STATE_INIT_RECEIVED));
	assert_int_equal(get(ap), KVM_MP_STATE_RUNNABLE);
	must(ap, KVM_GET_SREGS, &s);
	assert_int_equal(s.cs.base, 0x9a000);
	close(ap);
	machine_free(m);
}

/* Whoever does not wait for one ignores it (SDM vol. 3A 8.4.2). */
static void a_sipi_looked_at_before_it_is_gone(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);

	send_ipi(m.vm, ap, 1, MSI_SIPI | 0x9a);
	assert_int_equal(get(ap), KVM_MP_STATE_UNINITIALIZED);
	assert_ok(set(ap, KVM_MP_STATE_INIT_RECEIVED));
	assert_int_equal(get(ap), KVM_MP_STATE_INIT_RECEIVED);
	close(ap);
	machine_free(m);
}

/* In SMM an INIT stays latched: nobody may be made to wait for SIPI there. */
static void no_init_while_an_smi_waits_or_runs(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_vcpu_events smi = { .flags = KVM_VCPUEVENT_VALID_SMM, .smi.pending = 1 };
	struct kvm_vcpu_events smm = { .flags = KVM_VCPUEVENT_VALID_SMM, .smi.smm = 1 };
	struct kvm_vcpu_events *both[] = { &smi, &smm };

	if (!kvm_ioctl_val(m.vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM))
		skip();
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		must(m.vcpu, KVM_SET_VCPU_EVENTS, both[i]);
		assert_errno(EINVAL, set(m.vcpu, KVM_MP_STATE_INIT_RECEIVED));
		assert_errno(EINVAL, set(m.vcpu, KVM_MP_STATE_SIPI_RECEIVED));
		assert_ok(set(m.vcpu, KVM_MP_STATE_HALTED));
		assert_ok(set(m.vcpu, KVM_MP_STATE_RUNNABLE));
	}
	machine_free(m);
}

static void pointer_comes_before_the_state(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	reads_all_of(m.vcpu, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state));
	must(m.vcpu, KVM_SET_MP_STATE, at_page_end(sizeof(struct kvm_mp_state)));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_MP_STATE);
}

IOCTL_TESTS(set_mp_state,
	    cmocka_unit_test(states_of_x86_are_kept),
	    cmocka_unit_test(other_states_are_einval),
	    cmocka_unit_test(only_runnable_without_a_lapic),
	    cmocka_unit_test(sipi_received_starts_the_processor),
	    cmocka_unit_test(a_sipi_sent_before_it_counts),
	    cmocka_unit_test(a_sipi_looked_at_before_it_is_gone),
	    cmocka_unit_test(no_init_while_an_smi_waits_or_runs),
	    cmocka_unit_test(pointer_comes_before_the_state),
	    cmocka_unit_test(scope))
