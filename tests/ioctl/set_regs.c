/* SPDX-License-Identifier: MIT */
/* KVM_SET_REGS (api.rst 4.12). */
#include "vcpu_test.h"

/* Every defined bit but the fixed one, and VM: real mode has a use of its own for it. */
#define RFLAGS_ALL	0x3d7fd5ul

static void fill(struct kvm_regs *r, uint64_t v)
{
	uint64_t *word = (uint64_t *)r;

	for (size_t i = 0; i < sizeof(*r) / sizeof(*word); i++)
		word[i] = v + i;
}

static void every_register_is_kept(void **state)
{
	static const uint64_t seeds[] = { 0, 0x0123456789abcdef, 1ull << 63, ~0ull - 100 };
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(seeds); i++) {
		struct kvm_regs in, out;

		fill(&in, seeds[i]);
		in.rflags = 2;
		must(m.vcpu, KVM_SET_REGS, &in);
		must(m.vcpu, KVM_GET_REGS, &out);
		assert_memory_equal(&in, &out, sizeof(in));
	}
	machine_free(m);
}

static void rflags_bit_1_is_forced(void **state)
{
	static const uint64_t values[] = { 0, 2, 0x246, 0x200, RFLAGS_ALL, RFLAGS_ALL | 2 };
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct kvm_regs r = { .rflags = values[i] };

		must(m.vcpu, KVM_SET_REGS, &r);
		must(m.vcpu, KVM_GET_REGS, &r);
		assert_int_equal(r.rflags, values[i] | 2);
	}
	machine_free(m);
}

/* #UD as @e; with KVM_CAP_EXCEPTION_PAYLOAD the two states are told apart. */
static void put_exception(int vcpu, bool pending)
{
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .nr = 6, .pending = pending, .injected = !pending },
	};

	must(vcpu, KVM_SET_VCPU_EVENTS, &e);
}

static void drops_a_pending_exception(void **state)
{
	int vm = new_vm(), vcpu;
	struct kvm_vcpu_events e;
	struct kvm_regs r;

	assert_ok(enable_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	vcpu = new_vcpu(vm, 0);
	put_exception(vcpu, true);
	must(vcpu, KVM_GET_REGS, &r);
	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	assert_true(e.exception.pending);
	must(vcpu, KVM_SET_REGS, &r);
	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	assert_false(e.exception.pending);
	close(vcpu);
	close(vm);
}

static void keeps_an_injected_exception(void **state)
{
	int vm = new_vm(), vcpu;
	struct kvm_vcpu_events e;
	struct kvm_regs r;

	assert_ok(enable_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	vcpu = new_vcpu(vm, 0);
	put_exception(vcpu, false);
	must(vcpu, KVM_GET_REGS, &r);
	must(vcpu, KVM_SET_REGS, &r);
	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	assert_true(e.exception.injected);
	assert_int_equal(e.exception.nr, 6);
	close(vcpu);
	close(vm);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_regs before, after;

	must(m.vcpu, KVM_GET_REGS, &before);
	reads_all_of(m.vcpu, KVM_SET_REGS, sizeof(struct kvm_regs));
	must(m.vcpu, KVM_GET_REGS, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	must(m.vcpu, KVM_SET_REGS, at_page_end(sizeof(struct kvm_regs)));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_REGS);
}

IOCTL_TESTS(set_regs,
	    cmocka_unit_test(every_register_is_kept),
	    cmocka_unit_test(rflags_bit_1_is_forced),
	    cmocka_unit_test(drops_a_pending_exception),
	    cmocka_unit_test(keeps_an_injected_exception),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
