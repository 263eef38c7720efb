/* SPDX-License-Identifier: MIT */
/*
 * What the generic half asks of the architecture (Linux: kvm_arch_*).
 * Errors are negative errno values.
 */
#ifndef ANYKVM_API_ARCH_H
#define ANYKVM_API_ARCH_H

#include "api/kvm.h"

/* Once per process, before the first descriptor: probe the host. */
int arch_init(void);
const char *arch_engine(void);	/* anykvm_engine() */

/*
 * Fills vm->arch, or undoes it.  arch_vm_stop() comes first at the end of a
 * VM: after it returns, no timer or event source of the VM calls back.
 */
int arch_vm_create(struct vm *vm);
void arch_vm_stop(struct vm *vm);
void arch_vm_destroy(struct vm *vm);

/*
 * Fills vcpu->cpu and vcpu->requests.  Caller holds vm->lock; the vCPU is not
 * yet in vm->vcpus.  arch_vcpu_created() is called once it is.
 */
int arch_vcpu_create(struct vcpu *vcpu);
void arch_vcpu_created(struct vcpu *vcpu);
void arch_vcpu_destroy(struct vcpu *vcpu);

/*
 * The architecture's part of KVM_RUN, called on the VMM's thread with the
 * mutex held and the signal mask installed: completes pending I/O, runs the
 * guest, fills vcpu->run.  @immediate_exit was sampled at entry.
 * 0: an exit for the VMM.  -EINTR, -EAGAIN, -EFAULT, -EINVAL, -EIO.
 */
int arch_vcpu_run(struct vcpu *vcpu, bool immediate_exit);

/* Called around arch_vcpu_run() failing with -EINTR: sets exit_reason. */
void arch_vcpu_interrupted(struct vcpu *vcpu);

/* Linear address of its next instruction.  Outside KVM_RUN. */
u64 arch_vcpu_pc(const struct vcpu *vcpu);

/*
 * Instructions executed since stats_count_insns was set, before the first vCPU:
 * nearly.  One that exits, faults or is interrupted may count twice, or not.
 */
u64 arch_vcpu_insns(const struct vcpu *vcpu);

/* Where the guest's system calls enter its kernel; 0: not known.  For --symbols. */
u64 arch_vcpu_syscall_entry(const struct vcpu *vcpu);

/* KVM_CHECK_EXTENSION for what caps.def calls ARCH; @vm may be NULL. */
int arch_check_extension(struct vm *vm, long cap);

/* KVM_ENABLE_CAP for capabilities that are not generic; -EINVAL if unknown. */
int arch_vm_enable_cap(struct vm *vm, const struct kvm_enable_cap *cap);

/* Highest guest physical address plus one that a memslot may reach. */
gpa_t arch_max_gpa(void);

/* -- Interrupts ----------------------------------------------------------- */

/* Some in-kernel interrupt controller exists (KVM: irqchip_in_kernel()). */
bool arch_irqchip_in_kernel(struct vm *vm);
/* The full one exists, not only split mode's LAPICs. */
bool arch_irqchip_full(struct vm *vm);

/*
 * Delivers @level to what the routing entry names (an irqchip pin or an MSI).
 * @source tells interrupt sources apart whose levels are OR-ed.
 * >0 delivered, 0 coalesced, -1 masked or nobody there (KVM's convention).
 */
enum {
	IRQ_SOURCE_USERSPACE, IRQ_SOURCE_PIT, IRQ_SOURCE_RESAMPLE,
	IRQ_SOURCE_STATUS,	/* userspace, which looks at the result */
};
int arch_set_irq(struct vm *vm, const struct kvm_irq_routing_entry *route,
		 int source, int level);

/* 0 if the entry is well formed for this VM, else -EINVAL. */
int arch_check_route(struct vm *vm, const struct kvm_irq_routing_entry *route);

/* The routing table of a new irqchip.  Returns the number of entries. */
u32 arch_default_routes(const struct kvm_irq_routing_entry **routes);

/* The routing table has changed (split mode rescans its EOI vectors). */
void arch_routes_changed(struct vm *vm);

#endif
