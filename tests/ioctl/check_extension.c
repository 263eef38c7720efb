/* SPDX-License-Identifier: MIT */
/* KVM_CHECK_EXTENSION (api.rst 4.4), on /dev/kvm and on a VM. */
#include "vm_test.h"

static const struct {
	uint32_t cap;
	int value;
} same_everywhere[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_COALESCED_MMIO, 2 },		/* a page of the vCPU's mapping */
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_IRQ_ROUTING, 4096 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_MCE, 32 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_SYNC_REGS, 7 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 3 },
	{ KVM_CAP_SREGS2, 1 },
};

static void values(void **state)
{
	int sys = kvm_open(O_RDWR), vm = new_vm();

	for (size_t i = 0; i < ARRAY_LEN(same_everywhere); i++) {
		const uint32_t cap = same_everywhere[i].cap;

		if (check_extension(sys, cap) != same_everywhere[i].value)
			fail_msg("capability %u is %d", cap, check_extension(sys, cap));
		assert_int_equal(check_extension(vm, cap), same_everywhere[i].value);
	}
	close(vm);
	close(sys);
}

static void limits(void **state)
{
	int sys = kvm_open(O_RDWR);
	int soft = check_extension(sys, KVM_CAP_NR_VCPUS);
	int hard = check_extension(sys, KVM_CAP_MAX_VCPUS);

	assert_in_range(soft, 1, hard);
	assert_true(hard >= 1024);
	assert_true(check_extension(sys, KVM_CAP_MAX_VCPU_ID) >= hard);
	/* 32767 less the kernel's own on x86; fewer internal ones since 6.13 or so. */
	assert_in_range(check_extension(sys, KVM_CAP_NR_MEMSLOTS), 32764, 32767);
	close(sys);
}

/* Never an error: what is not known is 0. */
static void unknown_is_zero(void **state)
{
	static const unsigned long unknown[] = {
		5, 49, 67, 99999, 0x7fffffff, 0xffffffff, ~0ul, 1ul << 63,
		1ul << 32 | KVM_CAP_USER_MEMORY,
		KVM_CAP_PPC_HIOR, KVM_CAP_S390_PSW, KVM_CAP_ARM_PSCI,
	};
	int sys = kvm_open(O_RDONLY), vm = new_vm();

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		assert_int_equal(check_extension(sys, unknown[i]), 0);
		assert_int_equal(check_extension(vm, unknown[i]), 0);
	}
	close(vm);
	close(sys);
}

static void not_on_a_vcpu(void **state)
{
	assert_not_on_vcpu(KVM_CHECK_EXTENSION);
}

IOCTL_TESTS(check_extension,
	    cmocka_unit_test(values),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(unknown_is_zero),
	    cmocka_unit_test(not_on_a_vcpu))
