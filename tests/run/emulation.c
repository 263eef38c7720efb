/* SPDX-License-Identifier: MIT */
/* Code that cannot be executed, and KVM_CAP_EXIT_ON_EMULATION_FAILURE (api.rst 7.27). */
#include "guest.h"

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

enum { HANDLER = 0x20000, UD = 6, SVM_EXIT_NPF = 0x400 };
enum { NPF_USER = 4, NPF_FETCH = 16 };
#define NPF_FINAL	(1ull << 32)

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

/* As an SVM host says it: a nested page fault that struck nothing under way. */
static void assert_debug_words(struct guest *g, u32 first, u64 error, u64 gpa)
{
	const u64 words[] = { SVM_EXIT_NPF, error, gpa, 0, 0 };

	if (on_kernel())
		return;		/* "the format is unspecified" */
	assert_int_equal(g->run[0]->internal.ndata, first + ARRAY_LEN(words));
	assert_memory_equal((void *)&g->run[0]->internal.data[first], words, sizeof(words));
}

static void assert_failure(struct guest *g)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(g->run[0]->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	assert_int_equal(g->run[0]->emulation_failure.flags, 0);
	assert_int_equal(guest_rip(g, 0), GUEST_MMIO);
	assert_debug_words(g, 1, NPF_FINAL | NPF_USER | NPF_FETCH, GUEST_MMIO);
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

/* An instruction whose rest is not in memory: the bytes of it that are. */
static void instruction_bytes(void **state)
{
	static const u8 bytes[15] = { 0x48, 0xb8, 0x11, [3 ... 14] = 0x90 };
	const u64 at = GUEST_RAM - 3;
	struct kvm_run *run;
	struct guest g;

	needs_guest();
	if (on_kernel())
		skip();
	guest_create(&g, GUEST_PLAIN, 1);
	run = g.run[0];
	memcpy(g.mem + at, bytes, 3);
	guest_long(&g, 0, at);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(run->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	assert_int_equal(run->emulation_failure.flags,
			 KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	assert_int_equal(run->emulation_failure.insn_size, 3);
	assert_memory_equal((void *)run->emulation_failure.insn_bytes, bytes, 15);
	assert_debug_words(&g, 3, NPF_FINAL | NPF_USER | NPF_FETCH, GUEST_RAM);
	guest_destroy(&g);
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
		cmocka_unit_test(instruction_bytes),
		cmocka_unit_test(argument_is_a_boolean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
