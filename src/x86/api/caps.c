/* SPDX-License-Identifier: MIT */
/* KVM_CHECK_EXTENSION and KVM_ENABLE_CAP of a VM (api.rst 4.4, 4.37, section 7). */
#include <errno.h>
#include <linux/kvm_para.h>

#include "api/arch.h"
#include "x86/api/api.h"
#include "x86/xen/xen.h"
#include "x86/api/cpuid_table.h"

#define CLOCK_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)
#define X2APIC_API_FLAGS (KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
#define HYPERCALL_EXITS	BIT(KVM_HC_MAP_GPA_RANGE)
#define GUEST_DEBUG_MASK (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | \
			  KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP | \
			  KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | \
			  KVM_GUESTDBG_BLOCKIRQ)
#define QUIRKS		(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_CD_NW_CLEARED | \
			 KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_OUT_7E_INC_RIP | \
			 KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | KVM_X86_QUIRK_FIX_HYPERCALL_INSN | \
			 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)
#define MSR_EXIT_REASONS (KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			  KVM_MSR_EXIT_REASON_FILTER)

/* -- KVM_CHECK_EXTENSION -------------------------------------------------------------------- */

/* Counters are AMD's: on other hosts there are none to disable. */
static int pmu_capability(void)
{
	return cpuid_host_amd() ? KVM_PMU_CAP_DISABLE : 0;
}

int arch_check_extension(struct vm *vm, long cap)
{
	switch (cap) {
#define CAP(name, value) case KVM_CAP_##name: return value;
#include "x86/api/arch_caps.def"
	default:
		return 0;
	}
}

/* -- KVM_ENABLE_CAP --------------------------------------------------------------------------- */

static int enable_disable_exits(struct vm *vm, u64 mask)
{
	if (mask & ~(u64)KVM_X86_DISABLE_VALID_EXITS)
		return -EINVAL;
	__atomic_fetch_or(&vm->arch->disabled_exits, mask, __ATOMIC_RELAXED);
	return 0;
}

static int enable_x2apic_api(struct vm *vm, u64 flags)
{
	struct irqchip *ic = vm_irqchip(vm);

	if (flags & ~(u64)X2APIC_API_FLAGS)
		return -EINVAL;
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		ic->x2apic_32bit_ids = true;
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		ic->x2apic_no_broadcast_quirk = true;
	return 0;
}

static int enable_user_space_msr(struct vm *vm, u64 reasons)
{
	if (reasons & ~(u64)MSR_EXIT_REASONS)
		return -EINVAL;
	WRITE_ONCE(vm->arch->user_space_msr, reasons);
	return 0;
}

/* KVM: taken, but there is nothing to detect with (KVM_CHECK_EXTENSION: 0). */
static int enable_bus_lock_exit(u64 mode)
{
	const u64 both = KVM_BUS_LOCK_DETECTION_OFF | KVM_BUS_LOCK_DETECTION_EXIT;

	return mode & ~both || mode == both ? -EINVAL : 0;
}

static int enable_exit_hypercall(struct vm *vm, u64 mask)
{
	if (mask & ~(u64)HYPERCALL_EXITS)
		return -EINVAL;
	WRITE_ONCE(vm->arch->hypercall_exits, mask);
	return 0;
}

static int enable_quirks(struct vm *vm, u64 mask, u64 known)
{
	if (mask & ~known)
		return -EINVAL;
	WRITE_ONCE(vm->arch->disabled_quirks, mask);
	return 0;
}

static int enable_pmu_capability(struct vm *vm, u64 mask)
{
	int ret = -EINVAL;

	if (mask & ~(u64)pmu_capability() || !pmu_capability())
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	if (!vm_has_vcpus(vm)) {
		vm->arch->no_pmu = mask & KVM_PMU_CAP_DISABLE;
		ret = 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

static int enable_exit_on_emulation_failure(struct vm *vm, u64 on)
{
	if (on & ~1ull)
		return -EINVAL;
	WRITE_ONCE(vm->arch->exit_on_emulation_failure, on);
	return 0;
}

int arch_vm_enable_cap(struct vm *vm, const struct kvm_enable_cap *cap)
{
	struct arch_vm *a = vm->arch;
	u64 arg = cap->args[0];

	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_DISABLE_QUIRKS2:
		return enable_quirks(vm, arg, QUIRKS);
	case KVM_CAP_DISABLE_QUIRKS:
		return enable_quirks(vm, arg, ~0ull);
	case KVM_CAP_SPLIT_IRQCHIP:
		return arg > KVM_MAX_GSI ? -EINVAL : irqchip_create_split(vm, arg);
	case KVM_CAP_X2APIC_API:
		return enable_x2apic_api(vm, arg);
	case KVM_CAP_X86_DISABLE_EXITS:
		return enable_disable_exits(vm, arg);
	case KVM_CAP_MSR_PLATFORM_INFO:
		WRITE_ONCE(a->no_platform_info, !arg);
		return 0;
	case KVM_CAP_EXCEPTION_PAYLOAD:
		WRITE_ONCE(a->exception_payload, arg);
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		WRITE_ONCE(a->triple_fault_event, arg);
		return 0;
	case KVM_CAP_X86_USER_SPACE_MSR:
		return enable_user_space_msr(vm, arg);
	case KVM_CAP_X86_BUS_LOCK_EXIT:
		return enable_bus_lock_exit(arg);
	case KVM_CAP_PMU_CAPABILITY:
		return enable_pmu_capability(vm, arg);
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
		return enable_exit_on_emulation_failure(vm, arg);
	case KVM_CAP_EXIT_HYPERCALL:
		return enable_exit_hypercall(vm, arg);
	default:
		return -EINVAL;
	}
}
