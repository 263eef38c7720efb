/* SPDX-License-Identifier: MIT */
/*
 * What the files of x86/api share: the state ioctls as plain functions, for
 * KVM_RUN's synchronised registers and for tests.  All run under vcpu->mutex.
 */
#ifndef ANYKVM_X86_API_API_H
#define ANYKVM_X86_API_API_H

#include "api/dispatch.h"
#include "api/kvm.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/features.h"
#include "x86/x86.h"

static inline struct cpu *kfile_cpu(struct kfile *f)
{
	return f->vcpu->cpu;
}

static inline struct arch_vm *cpu_arch_vm(const struct cpu *c)
{
	return c->vcpu->vm->arch;
}

/* 0 if some vCPU exists; KVM orders several VM ioctls before the first. */
static inline bool vm_has_vcpus(struct vm *vm)
{
	return __atomic_load_n(&vm->nr_vcpus, __ATOMIC_ACQUIRE) != 0;
}

/* -- vcpu.c ------------------------------------------------------------------ */

/* State was set: derived state, TLB and pending events are looked at again. */
void vcpu_state_changed(struct cpu *c);

/* The same without a flush of the TLB: general registers, events. */
void vcpu_events_changed(struct cpu *c);

/*
 * Guest memory for an ioctl, as the guest would see it: the vCPU enters the
 * guest for the duration of @fn, which may touch memory through gpa_*() and
 * mmu_*().  False if it faulted in host memory.
 */
bool vcpu_with_memory(struct cpu *c, void (*fn)(struct cpu *c, void *ctx), void *ctx);

/* Are the bytes in memslots that may be written?  At most two pages. */
bool vcpu_gpa_is_writable(struct cpu *c, gpa_t gpa, u32 n);

/* -- regs.c, sregs.c, events.c ------------------------------------------------- */

void regs_get(struct cpu *c, struct kvm_regs *r);
void regs_set(struct cpu *c, const struct kvm_regs *r);
void sregs_get(struct cpu *c, struct kvm_sregs *s);
int sregs_set(struct cpu *c, const struct kvm_sregs *s);
void events_get(struct cpu *c, struct kvm_vcpu_events *e);
int events_set(struct cpu *c, const struct kvm_vcpu_events *e);

/* APIC_BASE written by userspace or guest: -EINVAL or 0. */
int apic_base_set(struct cpu *c, u64 v, bool host);

/* EFER written by userspace outside SET_SREGS: -EINVAL or 0. */
int efer_set_host(struct cpu *c, u64 v);

/* Bits of EFER that exist for any guest. */
u64 efer_supported(void);

/* -- xsave.c ------------------------------------------------------------------- */

/* Is @v a legal XCR0 for this guest (SDM vol. 1 13.3)? */
bool xcr0_valid(const struct cpu *c, u64 v);

/* XCR0 components this guest's CPUID has. */
u64 guest_xcr0(const struct cpu *c);

/* Size of the XSAVE area for components @mask. */
u32 xsave_size(u64 mask, bool compacted);

/* Bytes of KVM_GET_XSAVE2. */
u32 xsave2_size(void);

/* -- mce.c ---------------------------------------------------------------------- */

#define MCG_BANKS_MAX		32
#define MCG_CTL_P		BIT_ULL(8)
#define MCG_SER_P		BIT_ULL(24)
#define MCE_CAP_SUPPORTED	(MCG_CTL_P | MCG_SER_P)

#endif
