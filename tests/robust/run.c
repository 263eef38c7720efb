/* SPDX-License-Identifier: MIT */
/* KVM_RUN: what the VMM writes before, what it finds after. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

static bool is_documented(const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO: case KVM_EXIT_MMIO: case KVM_EXIT_HLT: case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_DEBUG: case KVM_EXIT_SET_TPR: case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_IOAPIC_EOI: case KVM_EXIT_HYPERCALL: case KVM_EXIT_HYPERV:
	case KVM_EXIT_X86_RDMSR: case KVM_EXIT_X86_WRMSR: case KVM_EXIT_SYSTEM_EVENT:
	case KVM_EXIT_DIRTY_RING_FULL: case KVM_EXIT_XEN: case KVM_EXIT_NOTIFY:
	case KVM_EXIT_X86_BUS_LOCK: case KVM_EXIT_TPR_ACCESS:
		return true;
	case KVM_EXIT_INTERNAL_ERROR:
		return run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION;
	}
	return false;
}

static bool is_run_errno(int err)
{
	return err == EINTR || err == EAGAIN || err == EFAULT || err == EINVAL ||
	       err == EIO || err == EBADF || err == ENOTTY || err == ENOMEM;
}

static void before(struct thread *t, struct vm_slot *vm, u32 i)
{
	struct kvm_run *run = vm->run[i];

	run->immediate_exit = one_in(t, 16);
	run->request_interrupt_window = one_in(t, 16);
	run->kvm_valid_regs = one_in(t, 16) ? word(t) : one_in(t, 4) ? pick(t, 8) : 0;
	run->kvm_dirty_regs = 0;
	if (one_in(t, 8))
		run->cr8 = word(t);
	if (one_in(t, 64))
		run->kvm_dirty_regs = word(t);
	if (one_in(t, 64))
		fill(t, &run->s, sizeof(run->s));
}

/* The VMM's answer: data of a read, the result of a hypercall or MSR. */
static void after(struct thread *t, struct vm_slot *vm, u32 i)
{
	struct kvm_run *run = vm->run[i];
	u8 *pio = (u8 *)run + 4096;

	switch (READ_ONCE(run->exit_reason)) {
	case KVM_EXIT_MMIO:
		fill(t, run->mmio.data, sizeof(run->mmio.data));
		break;
	case KVM_EXIT_IO:
		fill(t, pio, 64);
		break;
	case KVM_EXIT_X86_RDMSR: case KVM_EXIT_X86_WRMSR:
		run->msr.error = one_in(t, 4);
		run->msr.data = word(t);
		break;
	case KVM_EXIT_HYPERCALL:
		run->hypercall.ret = word(t);
	}
	if (one_in(t, 200))
		fill(t, (u8 *)run + 32, 256);
}

static bool run_once(struct thread *t, struct vm_slot *vm, u32 i)
{
	int ret;

	before(t, vm, i);
	ret = call(t, READ_ONCE(vm->vcpu[i]), SCOPE_VCPU, KVM_RUN, NULL);
	if (ret < 0 && !is_run_errno(errno))
		finding("KVM_RUN: errno %d", errno);
	if (ret < 0)
		return errno == EINTR && one_in(t, 2);
	if (!options.hostile && options.threads == 1 && !is_documented(vm->run[i]))
		finding("KVM_RUN: exit %u/%u", vm->run[i]->exit_reason,
			vm->run[i]->internal.suberror);
	after(t, vm, i);
	return vm->run[i]->exit_reason != KVM_EXIT_INTERNAL_ERROR;
}

void step_of_run(struct thread *t)
{
	struct vm_slot *vm = any_vm(t);
	u32 i = pick(t, NR_VCPUS);

	if (!one_in(t, 3))
		program_load(t, vm, i);
	for (u32 n = 1 + pick(t, 12); n; n--) {
		if (!run_once(t, vm, i))
			return;
	}
}
