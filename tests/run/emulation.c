/* SPDX-License-Identifier: MIT */
/* Code that cannot be executed, and KVM_CAP_EXIT_ON_EMULATION_FAILURE (api.rst 7.27). */
#include "guest.h"

enum { HANDLER = 0x20000, UD = 6 };

/* In kernel or user mode where no memory is; the handler of #UD tells. */
static void start(struct guest *g, u8 cpl)
{
	static const u8 handler[] = { 0xe6, 0x10, 0xf4 };	/* out %al, $0x10; hlt */
	struct kvm_sregs s;

	guest_create(g, GUEST_PLAIN, 1);
	memcpy(g->mem + HANDLER, handler, sizeof(handler));
	guest_gate(g, UD, HANDLER);
	*(u64 *)(g->mem + GUEST_TSS + 4) = GUEST_STACK;
	guest_long(g, 0, GUEST_MMIO);
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_SREGS, &s));
	s.cs.dpl = s.ss.dpl = cpl;
	s.cs.selector |= cpl;
	s.ss.selector |= cpl;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_SREGS, &s));
}

static void enable(struct guest *g, u64 on)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { on },
	};

	assert_ok(kvm_ioctl(g->vm, KVM_ENABLE_CAP, &cap));
}

static void assert_failure(struct guest *g)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(g->run[0]->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	assert_true(g->run[0]->internal.ndata >= 1);
	assert_int_equal(g->run[0]->emulation_failure.flags, 0);
	assert_int_equal(guest_rip(g, 0), GUEST_MMIO);
}

static void assert_ud(struct guest *g)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_rip(g, 0), HANDLER);
}

static bool exception_due(struct guest *g)
{
	struct kvm_vcpu_events e;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_VCPU_EVENTS, &e));
	if (e.exception.injected)
		assert_int_equal(e.exception.nr, UD);
	return e.exception.injected;
}

static void kernel_code_exits_with_ud_pending(void **state)
{
	struct guest g;

	needs_guest();
	start(&g, 0);
	assert_failure(&g);
	assert_true(exception_due(&g));
	assert_ud(&g);
	guest_destroy(&g);
}

static void user_code_gets_ud(void **state)
{
	struct guest g;

	needs_guest();
	start(&g, 3);
	assert_ud(&g);
	guest_destroy(&g);
}

static void always_an_exit_if_asked_for(void **state)
{
	for (u8 cpl = 0; cpl <= 3; cpl += 3) {
		struct guest g;

		needs_guest();
		start(&g, cpl);
		enable(&g, 1);
		assert_failure(&g);
		assert_false(exception_due(&g));
		assert_failure(&g);
		enable(&g, 0);
		if (!cpl)
			assert_failure(&g);
		assert_ud(&g);
		guest_destroy(&g);
	}
}

static void argument_is_a_boolean(void **state)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 2 },
	};
	int vm = new_vm();

	assert_int_equal(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION,
				       KVM_CAP_EXIT_ON_EMULATION_FAILURE), 1);
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 1;
	cap.flags = 1;
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_ENABLE_CAP, &cap));
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_code_exits_with_ud_pending),
		cmocka_unit_test(user_code_gets_ud),
		cmocka_unit_test(always_an_exit_if_asked_for),
		cmocka_unit_test(argument_is_a_boolean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
