/* SPDX-License-Identifier: MIT */
/* KVM_SET_DEBUGREGS (api.rst 4.34). */
#include "vcpu_test.h"

static void malformed_is_einval_and_changes_nothing(void **state)
{
	static const struct kvm_debugregs malformed[] = {
		{ .flags = 1 },
		{ .flags = 1ull << 63 },
		{ .dr6 = 1ull << 32 },
		{ .dr6 = ~0ull },
		{ .dr7 = 1ull << 32 },
		{ .dr7 = 1ull << 63 },
	};
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_debugregs before, d, after;

	must(m.vcpu, KVM_GET_DEBUGREGS, &before);
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		d = malformed[i];
		d.db[0] = 0x1234;
		refused(EINVAL, m.vcpu, KVM_SET_DEBUGREGS, &d);
		must(m.vcpu, KVM_GET_DEBUGREGS, &after);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	machine_free(m);
}

static void every_register_is_kept(void **state)
{
	static const struct kvm_debugregs values[] = {
		{ .db = { 1, 2, 3, 4 }, .dr6 = 0xffff0ff1, .dr7 = 0x403 },
		{ .db = { ~0ull, 1ull << 63, 0x800000000000, 0 }, .dr6 = 0xffff4ff0, .dr7 = 0x2400 },
		{ .dr6 = 0xffff0ff0, .dr7 = 0xf0ff07ff },
	};
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct kvm_debugregs in = values[i], out;

		must(m.vcpu, KVM_SET_DEBUGREGS, &in);
		must(m.vcpu, KVM_GET_DEBUGREGS, &out);
		assert_memory_equal(&in, &out, sizeof(in));
	}
	machine_free(m);
}

static void reserved_is_not_looked_at(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_debugregs d = { .dr6 = 0xffff0ff0, .dr7 = 0x400,
				   .reserved = { 1, 2, 3, 4, 5, 6, 7, 8, 9 } };

	must(m.vcpu, KVM_SET_DEBUGREGS, &d);
	must(m.vcpu, KVM_GET_DEBUGREGS, &d);
	assert_int_equal(d.reserved[0], 0);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	reads_all_of(m.vcpu, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs));
	must(m.vcpu, KVM_SET_DEBUGREGS, at_page_end(sizeof(struct kvm_debugregs)));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_DEBUGREGS);
}

IOCTL_TESTS(set_debugregs,
	    cmocka_unit_test(malformed_is_einval_and_changes_nothing),
	    cmocka_unit_test(every_register_is_kept),
	    cmocka_unit_test(reserved_is_not_looked_at),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
