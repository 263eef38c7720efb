/* SPDX-License-Identifier: MIT */
/* VM-wide ioctls, capabilities, and what is left of a vCPU's. */
#include "harness.h"

#include "api/arch.h"

static struct kfile *vcpu(void **state)
{
	return ((struct machine *)*state)->vcpu_file[0];
}

static void boot_cpu_has_the_bsp_bit(void **state)
{
	struct machine *m = *state;
	struct kfile *ap = machine_add_vcpu(m);

	assert_true(machine_cpu(m)->apic_base & APIC_BASE_BSP);
	assert_false(ap->vcpu->cpu->apic_base & APIC_BASE_BSP);
	assert_int_equal(ap->vcpu->cpu->mp_state, KVM_MP_STATE_RUNNABLE);	/* no LAPIC */
}

/* QEMU 7.2, Firecracker and cloud-hypervisor refuse to start without these. */
static void required_capabilities(void **state)
{
	static const u32 caps[] = {
		KVM_CAP_IRQCHIP, KVM_CAP_HLT, KVM_CAP_SET_TSS_ADDR, KVM_CAP_EXT_CPUID,
		KVM_CAP_MP_STATE, KVM_CAP_SET_IDENTITY_MAP_ADDR, KVM_CAP_ADJUST_CLOCK,
		KVM_CAP_VCPU_EVENTS, KVM_CAP_DEBUGREGS, KVM_CAP_XSAVE, KVM_CAP_XCRS,
		KVM_CAP_PIT2, KVM_CAP_PIT_STATE2, KVM_CAP_GET_TSC_KHZ, KVM_CAP_MCE,
		KVM_CAP_TSC_DEADLINE_TIMER, KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_USER_NMI,
		KVM_CAP_X86_ROBUST_SINGLESTEP,
	};

	for (u32 i = 0; i < ARRAY_SIZE(caps); i++)
		assert_true(arch_check_extension(NULL, caps[i]) > 0);
	assert_int_equal(arch_check_extension(NULL, KVM_CAP_ADJUST_CLOCK), 14);
	assert_int_equal(arch_check_extension(NULL, KVM_CAP_XSAVE2), 4096);
	assert_int_equal(arch_check_extension(NULL, KVM_CAP_NESTED_STATE), 0);
	assert_int_equal(arch_check_extension(NULL, KVM_CAP_HYPERV_ENLIGHTENED_VMCS), 0);
	assert_int_equal(arch_check_extension(NULL, 0x7fffffff), 0);
	assert_int_equal(arch_check_extension(NULL, -1), 0);
}

static int enable(void **state, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args[0] = arg };

	return arch_vm_enable_cap(((struct machine *)*state)->vm, &c);
}

static void vm_enable_cap_checks_arguments(void **state)
{
	struct machine *m = *state;
	struct kvm_enable_cap flagged = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .flags = 1 };

	assert_int_equal(arch_vm_enable_cap(m->vm, &flagged), -EINVAL);
	assert_int_equal(enable(state, 4711, 0), -EINVAL);
	assert_int_equal(enable(state, KVM_CAP_X86_USER_SPACE_MSR, 8), -EINVAL);
	assert_int_equal(enable(state, KVM_CAP_X86_USER_SPACE_MSR, 7), 0);
	assert_int_equal(enable(state, KVM_CAP_X86_DISABLE_EXITS, 16), -EINVAL);
	assert_int_equal(enable(state, KVM_CAP_DISABLE_QUIRKS2, 0x80), -EINVAL);
	assert_int_equal(enable(state, KVM_CAP_DISABLE_QUIRKS2, 0x7f), 0);
	assert_int_equal(enable(state, KVM_CAP_X2APIC_API, 4), -EINVAL);
	assert_int_equal(enable(state, KVM_CAP_X2APIC_API, 3), 0);
	assert_true(vm_irqchip(m->vm)->x2apic_32bit_ids);
	assert_int_equal(enable(state, KVM_CAP_EXIT_HYPERCALL, 1), -EINVAL);
	assert_int_equal(enable(state, KVM_CAP_SPLIT_IRQCHIP, 4097), -EINVAL);
	assert_int_equal(enable(state, KVM_CAP_EXCEPTION_PAYLOAD, 1), 0);
	assert_true(m->vm->arch->exception_payload);
	assert_int_equal(enable(state, KVM_CAP_MSR_PLATFORM_INFO, 0), 0);
	assert_true(m->vm->arch->no_platform_info);
}

static void vcpu_enable_cap_checks_arguments(void **state)
{
	struct kvm_enable_cap c = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .flags = 1 };

	assert_int_equal(call(vcpu(state), KVM_ENABLE_CAP, BAD_POINTER), -EFAULT);
	assert_int_equal(call(vcpu(state), KVM_ENABLE_CAP, &c), -EINVAL);
	c.flags = 0;
	assert_int_equal(call(vcpu(state), KVM_ENABLE_CAP, &c), 0);
	c.cap = KVM_CAP_HYPERV_SYNIC;
	assert_int_equal(call(vcpu(state), KVM_ENABLE_CAP, &c), -EINVAL);
}

static void vapic_address_without_lapic(void **state)
{
	assert_int_equal(call(vcpu(state), KVM_SET_VAPIC_ADDR, BAD_POINTER), -EINVAL);
}

static void vapic_address_must_be_in_a_slot(void **state)
{
	struct kvm_vapic_addr a = { 0 };
	struct kvm_tpr_access_ctl ctl = { .flags = 1 };

	assert_int_equal(call(vcpu(state), KVM_SET_VAPIC_ADDR, BAD_POINTER), -EFAULT);
	assert_int_equal(call(vcpu(state), KVM_SET_VAPIC_ADDR, &a), 0);
	a.vapic_addr = 0x2000;
	assert_int_equal(call(vcpu(state), KVM_SET_VAPIC_ADDR, &a), 0);
	a.vapic_addr = GUEST_PAGES * PAGE_SIZE;
	assert_int_equal(call(vcpu(state), KVM_SET_VAPIC_ADDR, &a), -EINVAL);
	assert_int_equal(call(vcpu(state), KVM_TPR_ACCESS_REPORTING, &ctl), -EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, machine_up, machine_down)
#define TEST_IRQCHIP(fn) cmocka_unit_test_setup_teardown(fn, machine_up_irqchip, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(boot_cpu_has_the_bsp_bit),
		TEST(required_capabilities),
		TEST(vm_enable_cap_checks_arguments),
		TEST(vcpu_enable_cap_checks_arguments),
		TEST(vapic_address_without_lapic),
		TEST_IRQCHIP(vapic_address_must_be_in_a_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
