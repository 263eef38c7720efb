/* SPDX-License-Identifier: MIT */
/* KVM_GET_LAPIC (api.rst 4.57); reset values: SDM vol. 3A 11.4.7. */
#include "lapic_test.h"

static void needs_a_lapic_before_a_pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	refused(EINVAL, m.vcpu, KVM_GET_LAPIC, NULL);
	refused(EINVAL, m.vcpu, KVM_GET_LAPIC, NO_POINTER);
	machine_free(m);
	m = machine_new(SPLIT_CHIPS);
	writes_all_of(m.vcpu, KVM_GET_LAPIC, sizeof(struct kvm_lapic_state));
	machine_free(m);
}

static void values_after_creation(void **state)
{
	static const struct { uint32_t offset, value; } want[] = {
		{ ID, 0x03000000 }, { TPR, 0 }, { PPR, 0 }, { LDR, 0 }, { DFR, 0xffffffff },
		{ SVR, 0xff }, { ISR, 0 }, { IRR, 0 }, { ICR, 0 }, { ICR2, 0 },
		{ LVT_TIMER, LVT_MASKED }, { LVT_LINT0, LVT_MASKED }, { LVT_LINT1, LVT_MASKED },
		{ LVT_ERROR, LVT_MASKED }, { TMICT, 0 }, { TMCCT, 0 }, { TDCR, 0 },
	};
	int vm = new_vm_irqchip(), ap = new_vcpu(vm, 3);
	struct kvm_lapic_state l = lapic_of(ap);

	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(reg(&l, want[i].offset), want[i].value);
	assert_int_equal(reg(&l, VERSION) & 0xff, 0x14);
	assert_true((reg(&l, VERSION) >> 16 & 0xff) >= 5);	/* LVT entries - 1 */
	close(ap);
	close(vm);
}

/* KVM_X86_QUIRK_LINT0_REENABLED: firmware that knows no LAPIC gets the PIC's. */
static void lint0_of_the_boot_processor(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_lapic_state l = lapic_of(m.vcpu);

	assert_int_equal(reg(&l, LVT_LINT0), 0x700);
	machine_free(m);
	m.vm = new_vm_irqchip();
	assert_ok(enable_cap(m.vm, KVM_CAP_DISABLE_QUIRKS, 0, KVM_X86_QUIRK_LINT0_REENABLED));
	m.vcpu = new_vcpu(m.vm, 0);
	l = lapic_of(m.vcpu);
	assert_int_equal(reg(&l, LVT_LINT0), LVT_MASKED);
	machine_free(m);
}

static void the_x2apic_id_has_two_formats(void **state)
{
	for (int wide = 0; wide <= 1; wide++) {
		struct machine m = x2apic_machine(wide);
		struct kvm_lapic_state l = lapic_of(m.vcpu);

		assert_int_equal(reg(&l, ID), wide ? 5 : 5 << 24);
		assert_int_equal(reg(&l, LDR), 1 << 5);
		machine_free(m);
	}
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_LAPIC);
}

IOCTL_TESTS(get_lapic,
	    cmocka_unit_test(needs_a_lapic_before_a_pointer),
	    cmocka_unit_test(values_after_creation),
	    cmocka_unit_test(lint0_of_the_boot_processor),
	    cmocka_unit_test(the_x2apic_id_has_two_formats),
	    cmocka_unit_test(scope))
