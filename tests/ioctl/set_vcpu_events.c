/* SPDX-License-Identifier: MIT */
/* KVM_SET_VCPU_EVENTS (api.rst 4.32). */
#include "run/guest.h"
#include "vcpu_test.h"

#define NMI_PENDING	KVM_VCPUEVENT_VALID_NMI_PENDING
#define SIPI_VECTOR	KVM_VCPUEVENT_VALID_SIPI_VECTOR
#define SHADOW		KVM_VCPUEVENT_VALID_SHADOW
#define SMM		KVM_VCPUEVENT_VALID_SMM
#define PAYLOAD		KVM_VCPUEVENT_VALID_PAYLOAD
#define TRIPLE_FAULT	KVM_VCPUEVENT_VALID_TRIPLE_FAULT

static struct kvm_vcpu_events events(int vcpu)
{
	struct kvm_vcpu_events e;

	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	return e;
}

/* A kernel may be built without it. */
static bool has_smm(int vm)
{
	return kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM);
}

/* -- What is refused ------------------------------------------------------------ */

static void unknown_flags(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	for (int bit = 6; bit < 32; bit++) {
		struct kvm_vcpu_events e = { .flags = 1u << bit };

		refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	}
	machine_free(m);
}

static void payload_without_the_capability(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .flags = PAYLOAD };

	refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	machine_free(m);
}

static void vectors_that_are_no_exceptions(void **state)
{
	static const uint8_t none[] = { 2, 32, 33, 128, 255 };
	struct machine m = machine_new(NO_CHIPS);

	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		struct kvm_vcpu_events e = { .exception = { .injected = 1, .nr = none[i] } };

		refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &e);
		e.exception.injected = 0;
		e.exception.pending = 1;
		e.flags = PAYLOAD;
		refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &e);
		e.flags = 0;		/* pending does not count then, nor does the vector */
		must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	}
	machine_free(m);
}

static void smm_while_waiting_for_sipi(void **state)
{
	struct kvm_mp_state init = { KVM_MP_STATE_INIT_RECEIVED };
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_vcpu_events smm = { .flags = SMM, .smi.smm = 1 };
	struct kvm_vcpu_events smi = { .flags = SMM, .smi.pending = 1 };
	struct kvm_vcpu_events none = { .flags = SMM };

	must(m.vcpu, KVM_SET_MP_STATE, &init);
	refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &smm);
	refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &smi);
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &none);
	smi.flags = 0;
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &smi);
	machine_free(m);
}

/* The only check that comes last: the rest has been applied by then. */
static void triple_fault_without_the_capability(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .flags = TRIPLE_FAULT, .triple_fault.pending = 1,
				     .nmi.masked = 1 };

	refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	assert_int_equal(events(m.vcpu).nmi.masked, 1);
	assert_ok(enable_cap(m.vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 0, 1));
	assert_int_equal(events(m.vcpu).triple_fault.pending, 0);
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	assert_int_equal(events(m.vcpu).triple_fault.pending, 1);
	e.triple_fault.pending = 0;
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	assert_int_equal(events(m.vcpu).triple_fault.pending, 0);
	machine_free(m);
}

static void a_refused_call_changes_nothing(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .exception = { .injected = 1, .nr = 200 },
				     .nmi.masked = 1, .interrupt = { .injected = 1, .nr = 9 } };

	refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	assert_int_equal(events(m.vcpu).nmi.masked, 0);
	assert_int_equal(events(m.vcpu).interrupt.injected, 0);
	machine_free(m);
}

/* -- What is kept ----------------------------------------------------------------- */

static void exceptions_are_kept(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	for (int nr = 0; nr < 32; nr++) {
		struct kvm_vcpu_events e = { .exception = { .injected = 1, .nr = nr,
				.has_error_code = nr & 1, .error_code = nr & 1 ? 0xfff8 : 0 } };
		struct kvm_vcpu_events out;

		if (nr == 2 || nr == 3 || nr == 4)
			continue;
		must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
		out = events(m.vcpu);
		assert_memory_equal(&out.exception, &e.exception, sizeof(e.exception));
	}
	machine_free(m);
}

static void pending_wins_over_injected(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = {
		.flags = PAYLOAD, .exception = { .injected = 1, .pending = 1, .nr = 1 },
		.exception_has_payload = 1, .exception_payload = 0x4001,
	};

	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	e = events(m.vcpu);
	assert_int_equal(e.exception.injected, 0);
	assert_int_equal(e.exception.pending, 1);
	assert_int_equal(e.exception_has_payload, 1);
	assert_int_equal(e.exception_payload, 0x4001);
	machine_free(m);
}

static void only_a_pending_exception_has_a_payload(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = {
		.flags = PAYLOAD, .exception = { .injected = 1, .nr = 14 },
		.exception_has_payload = 1, .exception_payload = 0x1000,
	};

	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	e = events(m.vcpu);
	assert_int_equal(e.exception.injected, 1);
	assert_int_equal(e.exception_has_payload, 0);
	machine_free(m);
}

/* It is skipped when it is delivered, not when it is set. */
static void a_breakpoint_leaves_rip_alone(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .exception = { .injected = 1, .nr = 3 } };
	struct kvm_regs r = { .rip = 0x1000 };

	must(m.vcpu, KVM_SET_REGS, &r);
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	must(m.vcpu, KVM_GET_REGS, &r);
	assert_int_equal(r.rip, 0x1000);
	machine_free(m);
}

/* With it on, the handler returns past the INT3 that userspace has put there. */
static void a_breakpoint_returns_past_it(void **state)
{
	struct kvm_vcpu_events e = { .exception = { .injected = 1, .nr = 3 } };
	struct kvm_regs r;
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	g.mem[GUEST_CODE + 0x100] = 0xf4;	/* hlt */
	guest_long(&g, 0, GUEST_CODE);
	guest_gate(&g, 3, GUEST_CODE + 0x100);
	must(g.vcpu[0], KVM_SET_VCPU_EVENTS, &e);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, GUEST_CODE + 0x101);
	assert_int_equal(*guest_word(&g, r.rsp), GUEST_CODE + 1);
	guest_destroy(&g);
}

static void interrupts_are_kept(void **state)
{
	static const uint8_t vectors[] = { 0, 8, 0x20, 255 };
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct kvm_vcpu_events e = { .interrupt = { .injected = 1, .nr = vectors[i] } };

		must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
		assert_int_equal(events(m.vcpu).interrupt.injected, 1);
		assert_int_equal(events(m.vcpu).interrupt.nr, vectors[i]);
	}
	machine_free(m);
}

static void nmis_are_kept(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .nmi = { .injected = 1, .masked = 1 } };

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	e = events(m.vcpu);
	assert_int_equal(e.nmi.injected, 1);
	assert_int_equal(e.nmi.masked, 1);
	assert_int_equal(e.nmi.pending, 0);
	machine_free(m);
}

/* What others may change meanwhile is only written if its flag says so. */
static void fields_without_their_flag_are_left(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	const uint32_t flags = NMI_PENDING | (has_smm(m.vm) ? SMM : 0);
	const uint8_t smi = has_smm(m.vm);
	struct kvm_vcpu_events e = { .flags = flags, .nmi.pending = 1, .smi.pending = smi };
	struct kvm_vcpu_events none = { 0 };

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &none);
	assert_int_equal(events(m.vcpu).nmi.pending, 1);
	assert_int_equal(events(m.vcpu).smi.pending, smi);
	none.flags = flags;
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &none);
	assert_int_equal(events(m.vcpu).nmi.pending, 0);
	assert_int_equal(events(m.vcpu).smi.pending, 0);
	machine_free(m);
}

static void the_shadow_follows_its_flag(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events on = { .flags = SHADOW,
				      .interrupt.shadow = KVM_X86_SHADOW_INT_STI };
	struct kvm_vcpu_events kept = { 0 }, off = { .flags = SHADOW };

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &on);
	assert_true(events(m.vcpu).interrupt.shadow & KVM_X86_SHADOW_INT_STI);
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &kept);
	assert_true(events(m.vcpu).interrupt.shadow & KVM_X86_SHADOW_INT_STI);
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &off);
	assert_int_equal(events(m.vcpu).interrupt.shadow, 0);
	machine_free(m);
}

static void smm_is_kept(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_vcpu_events e = { .flags = SMM, .smi = { .smm = 1, .pending = 1,
				     .smm_inside_nmi = 1, .latched_init = 1 } };
	struct kvm_vcpu_events out;

	if (!has_smm(m.vm)) {
		e.smi.pending = 0;
		refused(EINVAL, m.vcpu, KVM_SET_VCPU_EVENTS, &e);
		machine_free(m);
		return;
	}
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	out = events(m.vcpu);
	assert_memory_equal(&out.smi, &e.smi, sizeof(e.smi));
	e.smi.smm_inside_nmi = e.smi.latched_init = e.smi.pending = 0;
	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	out = events(m.vcpu);
	assert_memory_equal(&out.smi, &e.smi, sizeof(e.smi));
	machine_free(m);
}

/* There is nothing that could hold it without a LAPIC. */
static void latched_init_needs_a_lapic(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .flags = SMM, .smi.latched_init = 1 };

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	assert_int_equal(events(m.vcpu).smi.latched_init, 0);
	machine_free(m);
}

/* Also outside SMM, where the next look at the MP state accepts it. */
static void latched_init_is_set_and_cleared(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_vcpu_events on = { .flags = SMM, .smi.latched_init = 1 };
	struct kvm_vcpu_events off = { .flags = SMM }, none = { 0 };
	struct kvm_mp_state s;
	int ap = new_vcpu(m.vm, 1);

	must(ap, KVM_SET_VCPU_EVENTS, &on);
	assert_int_equal(events(ap).smi.latched_init, 1);
	must(ap, KVM_SET_VCPU_EVENTS, &off);
	assert_int_equal(events(ap).smi.latched_init, 0);
	must(ap, KVM_GET_MP_STATE, &s);
	assert_int_equal(s.mp_state, KVM_MP_STATE_UNINITIALIZED);
	must(ap, KVM_SET_VCPU_EVENTS, &on);
	must(ap, KVM_SET_VCPU_EVENTS, &none);
	assert_int_equal(events(ap).smi.latched_init, 1);
	must(ap, KVM_GET_MP_STATE, &s);
	assert_int_equal(s.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	assert_int_equal(events(ap).smi.latched_init, 0);
	close(ap);
	machine_free(m);
}

static void the_sipi_vector_is_used(void **state)
{
	struct kvm_mp_state sipi = { KVM_MP_STATE_SIPI_RECEIVED };
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_vcpu_events e = { .flags = SIPI_VECTOR, .sipi_vector = 0x9a };
	int ap = new_vcpu(m.vm, 1);
	struct kvm_sregs s;

	must(ap, KVM_SET_VCPU_EVENTS, &e);
	must(ap, KVM_SET_MP_STATE, &sipi);
	must(ap, KVM_GET_MP_STATE, &sipi);
	assert_int_equal(sipi.mp_state, KVM_MP_STATE_RUNNABLE);
	must(ap, KVM_GET_SREGS, &s);
	assert_int_equal(s.cs.selector, 0x9a00);
	assert_int_equal(s.cs.base, 0x9a000);
	close(ap);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	reads_all_of(m.vcpu, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events));
	must(m.vcpu, KVM_SET_VCPU_EVENTS, at_page_end(sizeof(struct kvm_vcpu_events)));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_VCPU_EVENTS);
}

IOCTL_TESTS(set_vcpu_events,
	    cmocka_unit_test(unknown_flags),
	    cmocka_unit_test(payload_without_the_capability),
	    cmocka_unit_test(vectors_that_are_no_exceptions),
	    cmocka_unit_test(smm_while_waiting_for_sipi),
	    cmocka_unit_test(triple_fault_without_the_capability),
	    cmocka_unit_test(a_refused_call_changes_nothing),
	    cmocka_unit_test(exceptions_are_kept),
	    cmocka_unit_test(pending_wins_over_injected),
	    cmocka_unit_test(only_a_pending_exception_has_a_payload),
	    cmocka_unit_test(a_breakpoint_leaves_rip_alone),
	    cmocka_unit_test(a_breakpoint_returns_past_it),
	    cmocka_unit_test(interrupts_are_kept),
	    cmocka_unit_test(nmis_are_kept),
	    cmocka_unit_test(fields_without_their_flag_are_left),
	    cmocka_unit_test(the_shadow_follows_its_flag),
	    cmocka_unit_test(smm_is_kept),
	    cmocka_unit_test(latched_init_needs_a_lapic),
	    cmocka_unit_test(latched_init_is_set_and_cleared),
	    cmocka_unit_test(the_sipi_vector_is_used),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
