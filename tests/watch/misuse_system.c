/* SPDX-License-Identifier: MIT */
#include <sys/wait.h>

#include "misuse.h"

MISUSE(API_VERSION)
{
	int sys = kvm_open(O_RDWR);

	if (!bad)
		assert_int_equal(kvm_ioctl_val(sys, KVM_GET_API_VERSION, 0), 12);
	assert_true(kvm_ioctl_val(sys, KVM_CREATE_VM, 0) >= 0);
}

MISUSE(BAD_DESCRIPTOR)
{
	struct vmm v;

	vmm_open(&v);
	/* No VM is of that type. */
	v.vm = kvm_ioctl_val(v.sys, KVM_CREATE_VM, bad ? 77 : 0);
	if (bad)
		assert_errno(EBADF, kvm_ioctl_val(v.vm, KVM_CREATE_VCPU, 0));
	else
		assert_ok(kvm_ioctl_val(v.vm, KVM_CREATE_VCPU, 0));
}

MISUSE(WRONG_DESCRIPTOR)
{
	struct vmm v;

	vmm_vm(&v, 0);
	if (bad)
		assert_errno(EINVAL, kvm_ioctl_val(v.sys, KVM_CREATE_VCPU, 0));
	else
		assert_ok(kvm_ioctl_val(v.vm, KVM_CREATE_VCPU, 0));
}

MISUSE(ARGUMENT)
{
	struct vmm v;
	int ret;

	vmm_start(&v, 0);
	ret = kvm_ioctl_val(v.vcpu[0], KVM_RUN, bad ? 0x1234 : 0);
	assert_int_equal(ret, bad ? -1 : 0);
}

MISUSE(CAP_UNCHECKED)
{
	int sys = kvm_open(O_RDWR), vm;
	struct kvm_clock_data clock;

	assert_int_equal(kvm_ioctl_val(sys, KVM_GET_API_VERSION, 0), 12);
	vm = kvm_ioctl_val(sys, KVM_CREATE_VM, 0);
	if (!bad)
		kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_ADJUST_CLOCK);
	assert_ok(kvm_ioctl(vm, KVM_GET_CLOCK, &clock));
}

MISUSE(CAP_DISABLED)
{
	struct vmm v;

	vmm_vm(&v, bad ? 0 : VMM_RING);
	assert_int_equal(kvm_ioctl_val(v.vm, KVM_RESET_DIRTY_RINGS, 0), bad ? -1 : 0);
}

MISUSE(CAP_LATE)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct vmm v;

	vmm_vm(&v, 0);
	if (bad)
		vmm_vcpu(&v);
	assert_int_equal(kvm_ioctl(v.vm, KVM_ENABLE_CAP, &split), bad ? -1 : 0);
}

MISUSE(RESULT_IGNORED)
{
	struct kvm_sregs s;
	struct vmm v;

	vmm_start(&v, 0);
	assert_ok(kvm_ioctl(v.vcpu[0], KVM_GET_SREGS, &s));
	s.cr0 |= 1ull << 40;
	assert_errno(EINVAL, kvm_ioctl(v.vcpu[0], KVM_SET_SREGS, &s));
	if (!bad)
		vmm_reset(&v, 0);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
}

MISUSE(UNDEFINED_FLAGS)
{
	struct kvm_debugregs d;
	struct vmm v;

	vmm_start(&v, 0);
	assert_ok(kvm_ioctl(v.vcpu[0], KVM_GET_DEBUGREGS, &d));
	d.flags = bad;
	assert_int_equal(kvm_ioctl(v.vcpu[0], KVM_SET_DEBUGREGS, &d), bad ? -1 : 0);
}

MISUSE(PADDING)
{
	struct kvm_sregs s;
	struct vmm v;

	vmm_start(&v, 0);
	assert_ok(kvm_ioctl(v.vcpu[0], KVM_GET_SREGS, &s));
	s.gdt.padding[1] = bad;
	assert_ok(kvm_ioctl(v.vcpu[0], KVM_SET_SREGS, &s));
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
}

/* -- More than one process --------------------------------------------------------- */

static void wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

MISUSE(FORK_USE)
{
	struct vmm v, own;
	pid_t pid;

	vmm_start(&v, 0);
	pid = fork();
	if (pid) {
		wait_for(pid);
		assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
		return;
	}
	if (bad)
		assert_errno(EIO, kvm_ioctl_val(v.vcpu[0], KVM_RUN, 0));
	else
		vmm_start(&own, 0);
	_exit(0);
}

MISUSE(FORK_KEEP)
{
	struct vmm v;
	pid_t pid;

	vmm_start(&v, 0);
	pid = fork();
	if (pid) {
		wait_for(pid);
		return;
	}
	if (!bad)
		vmm_close(&v);
	exit(0);
}

MISUSE(VM_KEPT)
{
	struct vmm v;

	vmm_start(&v, 0);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
	if (bad)
		close(v.vm);
	else
		vmm_close(&v);
	usleep(200000);		/* the end of a descriptor is noticed a little later */
}

/* -- What has to come first ---------------------------------------------------------- */

MISUSE(IRQCHIP_LATE)
{
	struct vmm v;

	vmm_vm(&v, 0);
	if (bad)
		vmm_vcpu(&v);
	assert_int_equal(kvm_ioctl_val(v.vm, KVM_CREATE_IRQCHIP, 0), bad ? -1 : 0);
}

MISUSE(IDENTITY_MAP_LATE)
{
	u64 address = 0xfffbc000;
	struct vmm v;

	vmm_vm(&v, 0);
	if (bad)
		vmm_vcpu(&v);
	assert_int_equal(kvm_ioctl(v.vm, KVM_SET_IDENTITY_MAP_ADDR, &address), bad ? -1 : 0);
}

MISUSE(BOOT_CPU_LATE)
{
	struct vmm v;

	vmm_vm(&v, 0);
	if (bad)
		vmm_vcpu(&v);
	assert_int_equal(kvm_ioctl_val(v.vm, KVM_SET_BOOT_CPU_ID, 0), bad ? -1 : 0);
}

MISUSE(VCPU_TWICE)
{
	struct vmm v;

	vmm_vm(&v, 0);
	close(new_vcpu(v.vm, 0));
	assert_int_equal(kvm_ioctl_val(v.vm, KVM_CREATE_VCPU, !bad) >= 0, !bad);
}

MISUSE(TSS_ADDR_MISSING)
{
	struct vmm v;

	vmm_start(&v, bad ? VMM_NO_TSS : 0);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
}

MISUSE(TSS_ADDR_OVERLAP)
{
	struct vmm v;

	vmm_start(&v, 0);
	assert_ok(set_region(v.vm, 1, 0, bad ? 0xfeffe000 : 0xff000000, PG, guest_ram(PG)));
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
}
