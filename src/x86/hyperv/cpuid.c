/* SPDX-License-Identifier: MIT */
/* Hyper-V's CPUID leaves: what is offered, what a guest was given. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/guard.h"
#include "x86/api/cpuid_table.h"
#include "x86/hyperv/internal.h"

#define SIGNATURE_KVM_HV	"Linux KVM Hv"

/* -- KVM_GET_SUPPORTED_HV_CPUID (api.rst 4.118) ------------------------------------------ */

static const struct kvm_cpuid_entry2 supported[] = {
	{ .function = HV_CPUID_VENDOR_AND_MAX, .eax = HV_CPUID_SYNDBG_CAPS },
	{ .function = HV_CPUID_INTERFACE, .eax = HV_INTERFACE_SIGNATURE },
	/* Windows Server 2016: build 14393, version 10.0. */
	{ .function = HV_CPUID_VERSION, .eax = 14393, .ebx = 10 << 16 },
	{ .function = HV_CPUID_FEATURES,
	  .eax = HV_ACCESS_VP_RUNTIME | HV_ACCESS_TIME_REF_COUNT | HV_ACCESS_SYNIC |
		 HV_ACCESS_STIMER | HV_ACCESS_APIC | HV_ACCESS_HYPERCALL |
		 HV_ACCESS_VP_INDEX | HV_ACCESS_RESET | HV_ACCESS_REFERENCE_TSC |
		 HV_ACCESS_FREQUENCY | HV_ACCESS_REENLIGHTENMENT,
	  .ebx = HV_POST_MESSAGES | HV_SIGNAL_EVENTS | HV_DEBUGGING,
	  .edx = HV_GUEST_DEBUGGING | HV_XMM_INPUT | HV_FREQUENCY_MSRS | HV_CRASH_MSRS |
		 HV_DEBUG_MSRS | HV_STIMER_DIRECT },
	{ .function = HV_CPUID_ENLIGHTENMENTS,
	  .eax = HV_REMOTE_TLB_FLUSH | HV_APIC_MSRS | HV_RELAXED_TIMING |
		 HV_DEPRECATED_AUTO_EOI | HV_CLUSTER_IPI | HV_EX_PROCESSOR_MASKS,
	  .ebx = 0xfff },			/* spins before telling the host */
	{ .function = HV_CPUID_LIMITS, .eax = KVM_MAX_VCPUS, .ebx = 64 },
	{ .function = HV_CPUID_SYNDBG_VENDOR },
	{ .function = HV_CPUID_SYNDBG_INTERFACE, .eax = HV_SYNDBG_SIGNATURE },
	{ .function = HV_CPUID_SYNDBG_CAPS, .eax = HV_SYNDBG_KERNEL_DEBUGGING },
	{ .function = HV_CPUID_NESTED, .eax = HV_NESTED_MSR_BITMAP },
};

/* vCPUs never share a core unawares: the host has no hyper-threads to offer. */
static bool smt_impossible(void)
{
	int fd = open("/sys/devices/system/cpu/smt/control", O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 && (!strncmp(text, "forceoff", 8) || !strncmp(text, "notsupported", 12));
}

static void fill(struct kvm_cpuid_entry2 *e, const struct cpu *c)
{
	switch (e->function) {
	case HV_CPUID_VENDOR_AND_MAX:
	case HV_CPUID_SYNDBG_VENDOR:
		memcpy(&e->ebx, SIGNATURE_KVM_HV, 12);
		break;
	case HV_CPUID_FEATURES:
		if (c && !c->lapic)
			e->edx &= ~HV_STIMER_DIRECT;
		break;
	case HV_CPUID_ENLIGHTENMENTS:
		if (smt_impossible())
			e->eax |= HV_NO_NONARCH_CORE_SHARING;
		break;
	}
}

static long get_supported(const struct cpu *c, void *arg)
{
	struct kvm_cpuid_entry2 e[ARRAY_SIZE(supported)];
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nent < ARRAY_SIZE(e))
		return -E2BIG;
	memcpy(e, supported, sizeof(e));
	for (u32 i = 0; i < ARRAY_SIZE(e); i++)
		fill(&e[i], c);
	head.nent = ARRAY_SIZE(e);
	if (copy_to_user((u8 *)arg + sizeof(head), e, sizeof(e)) ||
	    copy_to_user(arg, &head, sizeof(head)))
		return -EFAULT;
	return 0;
}

long system_get_supported_hv_cpuid(struct kfile *f, void *arg)
{
	return get_supported(NULL, arg);
}

long vcpu_get_supported_hv_cpuid(struct kfile *f, void *arg)
{
	return get_supported(kfile_cpu(f), arg);
}

/* -- Of a guest ---------------------------------------------------------------------------- */

void hv_cpuid_changed(struct cpu *c)
{
	static const struct kvm_cpuid_entry2 none;
	const struct kvm_cpuid_entry2 *interface = cpuid_find(c, HV_CPUID_INTERFACE, 0);
	const struct kvm_cpuid_entry2 *features = cpuid_find(c, HV_CPUID_FEATURES, 0);
	const struct kvm_cpuid_entry2 *hints = cpuid_find(c, HV_CPUID_ENLIGHTENMENTS, 0);
	const struct kvm_cpuid_entry2 *syndbg = cpuid_find(c, HV_CPUID_SYNDBG_CAPS, 0);

	if (!features)
		features = &none;
	if (!hints)
		hints = &none;
	c->hv->cpuid = (struct hv_cpuid){
		.enabled = interface && interface->eax == HV_INTERFACE_SIGNATURE,
		.enforced = c->hv->cpuid.enforced,
		.features_eax = features->eax,
		.features_ebx = features->ebx,
		.features_edx = features->edx,
		.enlightenments_eax = hints->eax,
		.enlightenments_ebx = hints->ebx,
		.syndbg_eax = syndbg ? syndbg->eax : 0,
	};
}
