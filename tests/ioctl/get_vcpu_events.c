/* SPDX-License-Identifier: MIT */
/* KVM_GET_VCPU_EVENTS (api.rst 4.31). */
#include "vcpu_test.h"

#define ALWAYS	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW | \
		 KVM_VCPUEVENT_VALID_SMM)

static struct kvm_vcpu_events events(int vcpu)
{
	struct kvm_vcpu_events e;

	memset(&e, 0xa5, sizeof(e));
	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	return e;
}

static void nothing_after_creation(void **state)
{
	const struct kvm_vcpu_events want = { .flags = ALWAYS };
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_vcpu_events e = events(m.vcpu);

	assert_memory_equal(&e, &want, sizeof(e));
	machine_free(m);
}

static void flags_name_the_capabilities_enabled(void **state)
{
	static const struct { uint32_t cap, flag; } rows[] = {
		{ KVM_CAP_EXCEPTION_PAYLOAD, KVM_VCPUEVENT_VALID_PAYLOAD },
		{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, KVM_VCPUEVENT_VALID_TRIPLE_FAULT },
	};
	struct machine m = machine_new(NO_CHIPS);
	uint32_t want = ALWAYS;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_ok(enable_cap(m.vm, rows[i].cap, 0, 1));
		want |= rows[i].flag;
		assert_int_equal(events(m.vcpu).flags, want);
	}
	machine_free(m);
}

/* Without the payload capability there is one state, called injected. */
static void pending_looks_injected_without_payloads(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .pending = 1, .nr = 13, .has_error_code = 1, .error_code = 0x18 },
	};

	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	e = events(m.vcpu);
	assert_int_equal(e.exception.pending, 1);
	assert_int_equal(e.exception.injected, 0);
	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 0));
	e = events(m.vcpu);
	assert_int_equal(e.exception.injected, 1);
	assert_int_equal(e.exception.nr, 13);
	assert_int_equal(e.exception.error_code, 0x18);
	machine_free(m);
}

/* The payload is delivered on the way out: CR2 has it from here on. */
static void pending_page_fault_loses_its_payload_to_cr2(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .pending = 1, .nr = 14, .has_error_code = 1 },
		.exception_has_payload = 1, .exception_payload = 0x123456789000,
	};
	struct kvm_sregs s;

	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	e = events(m.vcpu);
	assert_int_equal(e.exception_has_payload, 1);
	assert_int_equal(e.exception_payload, 0x123456789000);
	must(m.vcpu, KVM_GET_SREGS, &s);
	assert_int_equal(s.cr2, 0);
	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 0));
	e = events(m.vcpu);
	assert_int_equal(e.exception_has_payload, 0);
	must(m.vcpu, KVM_GET_SREGS, &s);
	assert_int_equal(s.cr2, 0x123456789000);
	machine_free(m);
}

/* INT3 and INTO are executed again instead. */
static void soft_exceptions_are_hidden(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	for (int nr = 3; nr <= 4; nr++) {
		struct kvm_vcpu_events e = { .exception = { .injected = 1, .nr = nr } };

		must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
		e = events(m.vcpu);
		assert_int_equal(e.exception.injected, 0);
		assert_int_equal(e.exception.pending, 0);
		assert_int_equal(e.exception.nr, nr);
	}
	machine_free(m);
}

static void soft_interrupts_are_hidden(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .interrupt = { .injected = 1, .nr = 0x80, .soft = 1 } };

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	e = events(m.vcpu);
	assert_int_equal(e.interrupt.injected, 0);
	assert_int_equal(e.interrupt.soft, 0);
	assert_int_equal(e.interrupt.nr, 0x80);
	machine_free(m);
}

static void the_sipi_vector_is_never_told(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_vcpu_events e = { .flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR,
				     .sipi_vector = 0x55 };

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	assert_int_equal(events(m.vcpu).sipi_vector, 0);
	machine_free(m);
}

/* KVM_NMI only posts it: this request is the one that looks. */
static void takes_posted_nmis_in(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	assert_ok(kvm_ioctl_val(m.vcpu, KVM_NMI, 0));
	assert_int_equal(events(m.vcpu).nmi.pending, 1);
	machine_free(m);
}

/* Only GET_MP_STATE and a run accept it. */
static void tells_of_a_latched_init(void **state)
{
	struct kvm_regs dirty = { .rip = 0x1234, .rflags = 2 }, r;
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_mp_state s;

	must(m.vcpu, KVM_SET_REGS, &dirty);
	send_ipi(m.vm, m.vcpu, 0, MSI_INIT);
	assert_int_equal(events(m.vcpu).smi.latched_init, 1);
	assert_int_equal(events(m.vcpu).smi.latched_init, 1);
	must(m.vcpu, KVM_GET_REGS, &r);
	assert_int_equal(r.rip, 0x1234);
	must(m.vcpu, KVM_GET_MP_STATE, &s);
	assert_int_equal(events(m.vcpu).smi.latched_init, 0);
	must(m.vcpu, KVM_GET_REGS, &r);
	assert_int_equal(r.rip, 0xfff0);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_VCPU_EVENTS);
}

IOCTL_TESTS(get_vcpu_events,
	    cmocka_unit_test(nothing_after_creation),
	    cmocka_unit_test(flags_name_the_capabilities_enabled),
	    cmocka_unit_test(pending_looks_injected_without_payloads),
	    cmocka_unit_test(pending_page_fault_loses_its_payload_to_cr2),
	    cmocka_unit_test(soft_exceptions_are_hidden),
	    cmocka_unit_test(soft_interrupts_are_hidden),
	    cmocka_unit_test(the_sipi_vector_is_never_told),
	    cmocka_unit_test(takes_posted_nmis_in),
	    cmocka_unit_test(tells_of_a_latched_init),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
