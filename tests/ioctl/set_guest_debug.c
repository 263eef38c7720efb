/* SPDX-License-Identifier: MIT */
/* KVM_SET_GUEST_DEBUG (api.rst 4.87). */
#include "run/guest.h"
#include "vcpu_test.h"

static int debug(int vcpu, uint32_t control)
{
	struct kvm_guest_debug d = { .control = control };

	return kvm_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &d);
}

/* What GET_SET_GUEST_DEBUG2 does not name is not refused either. */
static void any_control_bit_is_accepted(void **state)
{
	const uint32_t inject = KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP;
	struct machine m = machine_new(NO_CHIPS);

	for (int bit = 0; bit < 32; bit++)
		assert_ok(debug(m.vcpu, 1u << bit & ~inject));
	assert_ok(debug(m.vcpu, ~inject));
	assert_ok(debug(m.vcpu, 0));
	machine_free(m);
}

static struct kvm_vcpu_events events(int vcpu)
{
	struct kvm_vcpu_events e;

	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	return e;
}

/* Also without KVM_GUESTDBG_ENABLE. */
static void injects_a_debug_exception(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	assert_ok(debug(m.vcpu, KVM_GUESTDBG_INJECT_DB));
	assert_int_equal(events(m.vcpu).exception.pending, 1);
	assert_int_equal(events(m.vcpu).exception.nr, 1);
	machine_free(m);
}

static void injects_a_breakpoint(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_regs r = { .rip = 0x1000 };

	must(m.vcpu, KVM_SET_REGS, &r);
	assert_ok(debug(m.vcpu, KVM_GUESTDBG_INJECT_BP));
	assert_int_equal(events(m.vcpu).exception.nr, 3);
	must(m.vcpu, KVM_GET_REGS, &r);
	assert_int_equal(r.rip, 0x1000);
	machine_free(m);
}

static void debug_wins_over_breakpoint(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	assert_ok(debug(m.vcpu, KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP));
	assert_int_equal(events(m.vcpu).exception.nr, 1);
	machine_free(m);
}

static void injecting_twice_is_ebusy(void **state)
{
	static const uint32_t both[] = { KVM_GUESTDBG_INJECT_DB, KVM_GUESTDBG_INJECT_BP };
	struct machine m = machine_new(NO_CHIPS);

	/* Events folds pending into injected without this. */
	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	assert_ok(debug(m.vcpu, KVM_GUESTDBG_INJECT_DB));
	for (size_t i = 0; i < ARRAY_LEN(both); i++)
		assert_errno(EBUSY, debug(m.vcpu, both[i]));
	assert_int_equal(events(m.vcpu).exception.nr, 1);
	assert_ok(debug(m.vcpu, KVM_GUESTDBG_ENABLE));
	machine_free(m);
}

/* Only one that is pending: one that is being delivered gives way. */
static void an_injected_exception_is_replaced(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .exception = { .injected = 1, .nr = 6 } };

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	assert_ok(debug(m.vcpu, KVM_GUESTDBG_INJECT_DB));
	assert_int_equal(events(m.vcpu).exception.nr, 1);
	machine_free(m);
}

/* -- In the guest ---------------------------------------------------------------- */

static void nothing_works_without_enable(void **state)
{
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	g.mem[GUEST_CODE] = 0x90;		/* nop */
	g.mem[GUEST_CODE + 1] = 0xf4;		/* hlt */
	guest_long(&g, 0, GUEST_CODE);
	assert_ok(debug(g.vcpu[0], KVM_GUESTDBG_SINGLESTEP));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_long(&g, 0, GUEST_CODE);
	assert_ok(debug(g.vcpu[0], KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_ENABLE));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_DEBUG);
	assert_int_equal(g.run[0]->debug.arch.pc, GUEST_CODE + 1);
	assert_ok(debug(g.vcpu[0], 0));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

static void the_breakpoints_handler_returns_past_it(void **state)
{
	struct kvm_regs r;
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	g.mem[GUEST_CODE + 0x100] = 0xf4;	/* hlt */
	guest_long(&g, 0, GUEST_CODE);
	guest_gate(&g, 3, GUEST_CODE + 0x100);
	assert_ok(debug(g.vcpu[0], KVM_GUESTDBG_INJECT_BP));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(*guest_word(&g, r.rsp), GUEST_CODE + 1);
	guest_destroy(&g);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	reads_all_of(m.vcpu, KVM_SET_GUEST_DEBUG, sizeof(struct kvm_guest_debug));
	must(m.vcpu, KVM_SET_GUEST_DEBUG, at_page_end(sizeof(struct kvm_guest_debug)));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_GUEST_DEBUG);
}

IOCTL_TESTS(set_guest_debug,
	    cmocka_unit_test(any_control_bit_is_accepted),
	    cmocka_unit_test(injects_a_debug_exception),
	    cmocka_unit_test(injects_a_breakpoint),
	    cmocka_unit_test(debug_wins_over_breakpoint),
	    cmocka_unit_test(injecting_twice_is_ebusy),
	    cmocka_unit_test(an_injected_exception_is_replaced),
	    cmocka_unit_test(nothing_works_without_enable),
	    cmocka_unit_test(the_breakpoints_handler_returns_past_it),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
