/* SPDX-License-Identifier: MIT */
/* KVM_{HAS,GET,SET}_DEVICE_ATTR of the system and of a vCPU (api.rst 4.79-4.81). */
#include <errno.h>

#include "util/guard.h"
#include "x86/api/clock.h"

/* -- System: KVM_X86_XCOMP_GUEST_SUPP, the XCR0 bits a guest may have ------------------------ */

long system_has_device_attr(struct kfile *f, void *arg)
{
	const struct kvm_device_attr *a = arg;

	return a->group || a->attr != KVM_X86_XCOMP_GUEST_SUPP ? -ENXIO : 0;
}

long system_get_device_attr(struct kfile *f, void *arg)
{
	const struct kvm_device_attr *a = arg;
	u64 xcr0 = fpu_supported_xcr0();
	long err = system_has_device_attr(f, arg);

	return err ? err : copy_to_user(a->addr, &xcr0, sizeof(xcr0));
}

/* -- vCPU: KVM_VCPU_TSC_CTRL (Documentation/virt/kvm/devices/vcpu.rst) ------------------------- */

long vcpu_has_device_attr(struct kfile *f, void *arg)
{
	const struct kvm_device_attr *a = arg;

	return a->group != KVM_VCPU_TSC_CTRL || a->attr != KVM_VCPU_TSC_OFFSET ? -ENXIO : 0;
}

long vcpu_get_device_attr(struct kfile *f, void *arg)
{
	const struct kvm_device_attr *a = arg;
	long err = vcpu_has_device_attr(f, arg);

	return err ? err : copy_to_user(a->addr, &kfile_cpu(f)->tsc_offset, sizeof(u64));
}

long vcpu_set_device_attr(struct kfile *f, void *arg)
{
	const struct kvm_device_attr *a = arg;
	long err = vcpu_has_device_attr(f, arg);
	u64 offset;

	if (err)
		return err;
	if (copy_from_user(&offset, a->addr, sizeof(offset)))
		return -EFAULT;
	tsc_set_offset(kfile_cpu(f), offset);
	return 0;
}
