/* SPDX-License-Identifier: MIT */
/* KVM_GET_SREGS (api.rst 4.13); reset values: SDM vol. 3A table 9-1. */
#include "vcpu_test.h"

static void is_real_mode_data(const struct kvm_segment *s)
{
	assert_int_equal(s->base, 0);
	assert_int_equal(s->limit, 0xffff);
	assert_int_equal(s->selector, 0);
	assert_int_equal(s->type, 3);
	assert_int_equal(s->s, 1);
	assert_int_equal(s->present, 1);
	assert_int_equal(s->unusable, 0);
}

static void segments_after_creation(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs s;

	must(m.vcpu, KVM_GET_SREGS, &s);
	is_real_mode_data(&s.ds);
	is_real_mode_data(&s.es);
	is_real_mode_data(&s.fs);
	is_real_mode_data(&s.gs);
	is_real_mode_data(&s.ss);
	assert_int_equal(s.cs.selector, 0xf000);
	assert_int_equal(s.cs.base, 0xffff0000);
	assert_int_equal(s.cs.limit, 0xffff);
	assert_int_equal(s.cs.type, 11);
	assert_int_equal(s.cs.present, 1);
	assert_int_equal(s.tr.type, 11);
	assert_int_equal(s.tr.limit, 0xffff);
	assert_int_equal(s.ldt.type, 2);
	assert_int_equal(s.ldt.limit, 0xffff);
	assert_int_equal(s.gdt.base, 0);
	assert_int_equal(s.gdt.limit, 0xffff);
	assert_int_equal(s.idt.limit, 0xffff);
	machine_free(m);
}

static void control_registers_after_creation(void **state)
{
	static const __u64 nothing[4];
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_sregs s;

	must(m.vcpu, KVM_GET_SREGS, &s);
	assert_int_equal(s.cr0, 0x60000010);
	assert_int_equal(s.cr2 | s.cr3 | s.cr4 | s.cr8 | s.efer, 0);
	assert_int_equal(s.apic_base, 0xfee00900);
	assert_memory_equal(s.interrupt_bitmap, nothing, sizeof(nothing));
	machine_free(m);
}

static void only_vcpu_0_is_the_boot_processor(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);
	struct kvm_sregs s;

	must(ap, KVM_GET_SREGS, &s);
	assert_int_equal(s.apic_base, 0xfee00800);
	close(ap);
	machine_free(m);
}

/* "acknowledged by the APIC but not yet injected" */
static void bitmap_holds_the_injected_interrupt(void **state)
{
	static const uint8_t vectors[] = { 0, 31, 63, 64, 0x80, 255 };
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const uint8_t v = vectors[i];
		struct kvm_vcpu_events e = { .interrupt = { .injected = 1, .nr = v } };
		__u64 want[4] = { 0 };
		struct kvm_sregs s;

		want[v / 64] = 1ull << v % 64;
		must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
		must(m.vcpu, KVM_GET_SREGS, &s);
		assert_memory_equal(s.interrupt_bitmap, want, sizeof(want));
	}
	machine_free(m);
}

static void bitmap_leaves_out_a_software_interrupt(void **state)
{
	static const __u64 nothing[4];
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .interrupt = { .injected = 1, .nr = 0x80, .soft = 1 } };
	struct kvm_sregs s;

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	must(m.vcpu, KVM_GET_SREGS, &s);
	assert_memory_equal(s.interrupt_bitmap, nothing, sizeof(nothing));
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_SREGS, sizeof(struct kvm_sregs));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_SREGS);
}

IOCTL_TESTS(get_sregs,
	    cmocka_unit_test(segments_after_creation),
	    cmocka_unit_test(control_registers_after_creation),
	    cmocka_unit_test(only_vcpu_0_is_the_boot_processor),
	    cmocka_unit_test(bitmap_holds_the_injected_interrupt),
	    cmocka_unit_test(bitmap_leaves_out_a_software_interrupt),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
