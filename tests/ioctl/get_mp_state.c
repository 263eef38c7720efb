/* SPDX-License-Identifier: MIT */
/* KVM_GET_MP_STATE (api.rst 4.38); INIT and SIPI: SDM vol. 3A 8.4. */
#include "vcpu_test.h"

static uint32_t mp_state(int vcpu)
{
	struct kvm_mp_state s = { ~0u };

	must(vcpu, KVM_GET_MP_STATE, &s);
	return s.mp_state;
}

static void only_a_boot_processor_runs_at_first(void **state)
{
	static const enum chips chips[] = { FULL_CHIPS, SPLIT_CHIPS };

	for (size_t i = 0; i < ARRAY_LEN(chips); i++) {
		struct machine m = machine_new(chips[i]);
		int ap = new_vcpu(m.vm, 1);

		assert_int_equal(mp_state(m.vcpu), KVM_MP_STATE_RUNNABLE);
		assert_int_equal(mp_state(ap), KVM_MP_STATE_UNINITIALIZED);
		close(ap);
		machine_free(m);
	}
}

/* Userspace's LAPICs know who waits. */
static void all_run_without_a_lapic(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	int ap = new_vcpu(m.vm, 1);

	assert_int_equal(mp_state(m.vcpu), KVM_MP_STATE_RUNNABLE);
	assert_int_equal(mp_state(ap), KVM_MP_STATE_RUNNABLE);
	close(ap);
	machine_free(m);
}

/* Asking is what makes the vCPU accept them. */
static void processes_init(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_regs dirty = { .rip = 0x1234, .rax = 5, .rflags = 2 }, r;
	int ap = new_vcpu(m.vm, 1);

	must(ap, KVM_SET_REGS, &dirty);
	send_ipi(m.vm, ap, 1, MSI_INIT);
	assert_int_equal(mp_state(ap), KVM_MP_STATE_INIT_RECEIVED);
	must(ap, KVM_GET_REGS, &r);
	assert_int_equal(r.rip, 0xfff0);
	assert_int_equal(r.rax, 0);
	close(ap);
	machine_free(m);
}

static void init_restarts_the_boot_processor(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_regs dirty = { .rip = 0x1234, .rflags = 2 }, r;

	must(m.vcpu, KVM_SET_REGS, &dirty);
	send_ipi(m.vm, m.vcpu, 0, MSI_INIT);
	assert_int_equal(mp_state(m.vcpu), KVM_MP_STATE_RUNNABLE);
	must(m.vcpu, KVM_GET_REGS, &r);
	assert_int_equal(r.rip, 0xfff0);
	machine_free(m);
}

static void processes_sipi(void **state)
{
	struct kvm_vcpu_events e = { .flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR,
				     .sipi_vector = 0x12 };
	struct kvm_mp_state sipi = { KVM_MP_STATE_SIPI_RECEIVED };
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);
	struct kvm_sregs s;
	struct kvm_regs r;

	must(ap, KVM_SET_VCPU_EVENTS, &e);
	must(ap, KVM_SET_MP_STATE, &sipi);
	assert_int_equal(mp_state(ap), KVM_MP_STATE_RUNNABLE);
	must(ap, KVM_GET_SREGS, &s);
	must(ap, KVM_GET_REGS, &r);
	assert_int_equal(s.cs.selector, 0x1200);
	assert_int_equal(s.cs.base, 0x12000);
	assert_int_equal(r.rip, 0);
	close(ap);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_MP_STATE, sizeof(struct kvm_mp_state));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_MP_STATE);
}

IOCTL_TESTS(get_mp_state,
	    cmocka_unit_test(only_a_boot_processor_runs_at_first),
	    cmocka_unit_test(all_run_without_a_lapic),
	    cmocka_unit_test(processes_init),
	    cmocka_unit_test(init_restarts_the_boot_processor),
	    cmocka_unit_test(processes_sipi),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
