/* SPDX-License-Identifier: MIT */
/* KVM_ENABLE_CAP (api.rst 4.37; the capabilities are sections 6 and 7). */
#include "vm_test.h"

static void bad_pointers(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	const size_t size = sizeof(struct kvm_enable_cap);

	assert_int_equal(size, 104);
	for (int fd = vm; fd >= 0; fd = fd == vm ? vcpu : -1) {
		assert_errno(EFAULT, kvm_ioctl(fd, KVM_ENABLE_CAP, NULL));
		assert_errno(EFAULT, kvm_ioctl(fd, KVM_ENABLE_CAP, NO_POINTER));
		assert_errno(EFAULT, kvm_ioctl(fd, KVM_ENABLE_CAP, at_page_end(size - 1)));
		assert_errno(EINVAL, kvm_ioctl(fd, KVM_ENABLE_CAP, at_page_end(size)));
	}
	close(vcpu);
	close(vm);
}

static void unknown(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	for (int fd = vm; fd >= 0; fd = fd == vm ? vcpu : -1) {
		assert_errno(EINVAL, enable_cap(fd, 99999, 0, 0));
		assert_errno(EINVAL, enable_cap(fd, ~0u, 0, 0));
		/* Known, but there is nothing to enable. */
		assert_errno(EINVAL, enable_cap(fd, KVM_CAP_USER_MEMORY, 0, 0));
		assert_errno(EINVAL, enable_cap(fd, KVM_CAP_IRQCHIP, 0, 0));
	}
	/* Of the other scope. */
	assert_errno(EINVAL, enable_cap(vcpu, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0, 1));
	close(vcpu);
	close(vm);
}

/* No flag is defined. */
static void flags(void **state)
{
	static const uint32_t caps[] = {
		KVM_CAP_DISABLE_QUIRKS, KVM_CAP_DISABLE_QUIRKS2, KVM_CAP_SPLIT_IRQCHIP,
		KVM_CAP_X2APIC_API, KVM_CAP_X86_DISABLE_EXITS, KVM_CAP_MSR_PLATFORM_INFO,
		KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_X86_TRIPLE_FAULT_EVENT,
		KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_EXIT_HYPERCALL, KVM_CAP_HALT_POLL,
		KVM_CAP_MAX_VCPU_ID, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	};
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		assert_errno(EINVAL, enable_cap(vm, caps[i], 1, 0));
		assert_errno(EINVAL, enable_cap(vm, caps[i], 1u << 31, 0));
	}
	assert_errno(EINVAL, enable_cap(vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1, 1));
	assert_ok(enable_cap(vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0, 1));
	assert_ok(enable_cap(vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0, 0));
	close(vcpu);
	close(vm);
}

/* -- Capabilities of a VM ---------------------------------------------------- */

/* Not on kvm_pvm, if it has not got it at all. */
static bool offered(int vm, uint32_t cap)
{
	return check_extension(vm, cap) > 0;
}

/* 7.6: the value is a mask of what there is. */
static void masks(void **state)
{
	static const struct {
		uint32_t cap;
		uint64_t known;		/* in Linux 6.1 */
	} caps[] = {
		{ KVM_CAP_X2APIC_API, 3 },
		{ KVM_CAP_X86_USER_SPACE_MSR, 7 },
		{ KVM_CAP_EXIT_HYPERCALL, 1 << 12 },
		{ KVM_CAP_DISABLE_QUIRKS2, 0x7f },
		{ KVM_CAP_X86_DISABLE_EXITS, 15 },
	};

	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		int vm = new_vm();
		/* kvm_pvm: HLT and PAUSE only. */
		uint64_t known = caps[i].cap == KVM_CAP_X86_USER_SPACE_MSR ? 7 :
				 check_extension(vm, caps[i].cap);

		if (!on_kernel())
			assert_int_equal(known, caps[i].known);
		assert_errno(EINVAL, enable_cap(vm, caps[i].cap, 0, 1ull << 63));
		assert_errno(EINVAL, enable_cap(vm, caps[i].cap, 0, 1ull << 32 | known));
		assert_ok(enable_cap(vm, caps[i].cap, 0, known));
		assert_ok(enable_cap(vm, caps[i].cap, 0, 0));
		close(vm);
	}
}

/* 7.6, 7.13, 7.23: anything but 0 is on. */
static void switches(void **state)
{
	static const uint32_t caps[] = {
		KVM_CAP_MSR_PLATFORM_INFO, KVM_CAP_EXCEPTION_PAYLOAD,
		KVM_CAP_X86_TRIPLE_FAULT_EVENT,
	};
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		if (on_kernel() && !offered(vm, caps[i]))
			continue;
		assert_ok(enable_cap(vm, caps[i], 0, 1));
		assert_ok(enable_cap(vm, caps[i], 0, 0));
	}
	close(vcpu);
	close(vm);
}

/* What the old one does not know is ignored. */
static void disable_quirks(void **state)
{
	int vm = new_vm();

	assert_ok(enable_cap(vm, KVM_CAP_DISABLE_QUIRKS, 0, ~0ull));
	assert_ok(enable_cap(vm, KVM_CAP_DISABLE_QUIRKS, 0, 0));
	close(vm);
}

/* 7.5 */
static void split_irqchip(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 4097));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 1ull << 32));
	assert_ok(enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 4096));
	assert_errno(EEXIST, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 24));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 4097));
	close(vm);
	vm = new_vm_irqchip();
	assert_errno(EEXIST, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 24));
	close(vm);
	vm = new_vm();
	close(new_vcpu(vm, 0));
	assert_errno(EEXIST, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 24));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 4097));
	close(vm);
	vm = new_vm();
	assert_ok(enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 0));
	close(vm);
}

/* 7.14 */
static void manual_dirty_log(void **state)
{
	const uint32_t cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2;
	int vm = new_vm();

	assert_errno(EINVAL, enable_cap(vm, cap, 0, 2));	/* not without bit 0 */
	assert_errno(EINVAL, enable_cap(vm, cap, 0, 4));
	assert_ok(enable_cap(vm, cap, 0, 3));
	assert_ok(enable_cap(vm, cap, 0, 1));
	assert_ok(enable_cap(vm, cap, 0, 0));
	close(vm);
}

/* 7.20: an unsigned int */
static void halt_poll(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_HALT_POLL, 0, 1ull << 32));
	assert_ok(enable_cap(vm, KVM_CAP_HALT_POLL, 0, 0xffffffff));
	assert_ok(enable_cap(vm, KVM_CAP_HALT_POLL, 0, 0));
	close(vm);
}

/* 7.34: once */
static void max_vcpu_id(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 0, 4097));
	assert_ok(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 0, 8));
	assert_ok(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 0, 8));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 0, 9));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 0, 0));
	close(vm);
}

/* 7.21: off or exit, and no error where bus locks cannot be seen. */
static void bus_lock_exit(void **state)
{
	const uint32_t cap = KVM_CAP_X86_BUS_LOCK_EXIT;
	int vm = new_vm();

	assert_ok(enable_cap(vm, cap, 0, 0));
	assert_ok(enable_cap(vm, cap, 0, KVM_BUS_LOCK_DETECTION_OFF));
	assert_ok(enable_cap(vm, cap, 0, KVM_BUS_LOCK_DETECTION_EXIT));
	assert_errno(EINVAL, enable_cap(vm, cap, 0, 3));
	assert_errno(EINVAL, enable_cap(vm, cap, 0, 4));
	assert_errno(EINVAL, enable_cap(vm, cap, 1, 0));
	close(vm);
}

/* 7.27: a bool */
static void exit_on_emulation_failure(void **state)
{
	const uint32_t cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE;
	int vm = new_vm();

	assert_ok(enable_cap(vm, cap, 0, 1));
	assert_ok(enable_cap(vm, cap, 0, 0));
	assert_errno(EINVAL, enable_cap(vm, cap, 0, 2));
	assert_errno(EINVAL, enable_cap(vm, cap, 0, 1ull << 32));
	close(vm);
}

/* 7.30: before the first vCPU */
static void pmu_capability(void **state)
{
	const uint32_t cap = KVM_CAP_PMU_CAPABILITY;
	int vm = new_vm();

	if (!offered(vm, cap))
		skip();
	assert_errno(EINVAL, enable_cap(vm, cap, 0, KVM_PMU_CAP_DISABLE << 1));
	assert_ok(enable_cap(vm, cap, 0, KVM_PMU_CAP_DISABLE));
	assert_ok(enable_cap(vm, cap, 0, 0));
	close(new_vcpu(vm, 0));
	assert_errno(EINVAL, enable_cap(vm, cap, 0, 0));
	close(vm);
}

/* 7.32: Intel only */
static void notify_vmexit(void **state)
{
	int vm = new_vm();

	if (offered(vm, KVM_CAP_X86_NOTIFY_VMEXIT))
		skip();
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_X86_NOTIFY_VMEXIT, 0, 0));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_X86_NOTIFY_VMEXIT, 0,
					KVM_X86_NOTIFY_VMEXIT_ENABLED));
	close(vm);
}

/* Since 6.18 or before, exits must be disabled before the first vCPU. */
static void disable_exits_any_time(void **state)
{
	int vm = new_vm();

	close(new_vcpu(vm, 0));
	errno = 0;
	assert_true(!enable_cap(vm, KVM_CAP_X86_DISABLE_EXITS, 0, KVM_X86_DISABLE_EXITS_HLT) ||
		    (on_kernel() && errno == EINVAL));
	close(vm);
}

static void not_on_the_system(void **state)
{
	assert_not_on_system(KVM_ENABLE_CAP);
}

IOCTL_TESTS(enable_cap,
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(unknown),
	    cmocka_unit_test(flags),
	    cmocka_unit_test(masks),
	    cmocka_unit_test(switches),
	    cmocka_unit_test(disable_quirks),
	    cmocka_unit_test(split_irqchip),
	    cmocka_unit_test(manual_dirty_log),
	    cmocka_unit_test(halt_poll),
	    cmocka_unit_test(max_vcpu_id),
	    cmocka_unit_test(bus_lock_exit),
	    cmocka_unit_test(exit_on_emulation_failure),
	    cmocka_unit_test(pmu_capability),
	    cmocka_unit_test(notify_vmexit),
	    cmocka_unit_test(disable_exits_any_time),
	    cmocka_unit_test(not_on_the_system))
