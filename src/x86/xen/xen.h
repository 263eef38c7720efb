/* SPDX-License-Identifier: MIT */
/*
 * Xen HVM guests (api.rst 4.28, 4.126-4.129, 4.135, 8.30): the hypercall page,
 * hypercalls, event channels, runstate and timers, as far as KVM has them.
 * For the rest of the engine; x86/xen/internal.h is for the files in here.
 */
#ifndef ANYKVM_X86_XEN_XEN_H
#define ANYKVM_X86_XEN_XEN_H

#include "x86/api/msr.h"
#include "x86/cpu/cpu.h"

/* KVM_CAP_XEN_HVM. */
#define XEN_HVM_FEATURES							\
	(KVM_XEN_HVM_CONFIG_HYPERCALL_MSR | KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL |	\
	 KVM_XEN_HVM_CONFIG_SHARED_INFO | KVM_XEN_HVM_CONFIG_RUNSTATE |		\
	 KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND)

/* -- Life: arch_vm_*, arch_vcpu_* --------------------------------------------------- */

int xen_vm_create(struct vm *vm);
void xen_vm_destroy(struct vm *vm);
int xen_vcpu_create(struct cpu *c);
/* Its timers are off, and not running. */
void xen_vcpu_stop(struct cpu *c);
void xen_vcpu_destroy(struct cpu *c);

/* -- Configuration (KVM_XEN_HVM_CONFIG) ----------------------------------------------- */

/* There is an MSR for the hypercall page: time is accounted Xen's way. */
bool xen_enabled(const struct vm *vm);
/* VMCALL and VMMCALL are Xen's hypercalls. */
bool xen_hypercall_enabled(const struct vm *vm);

/* WRMSR of that MSR fills a page, whatever else the index means. */
bool xen_is_hypercall_msr(const struct vm *vm, u32 index);
enum msr_result xen_write_hypercall_page(struct cpu *c, u64 data, bool host);

/* VMCALL, when xen_hypercall_enabled(). */
enum step xen_hypercall(struct cpu *c);

/* -- Events ------------------------------------------------------------------------------ */

/* KVM_IRQ_ROUTING_XEN_EVTCHN: see arch_set_irq(), arch_check_route(). */
int xen_set_irq(struct vm *vm, const struct kvm_irq_routing_entry *e, int level);
int xen_check_route(struct vm *vm, const struct kvm_irq_routing_entry *e);

/* The vector of an upcall that is pending for this vCPU, or -1.  On its thread. */
int xen_upcall(struct cpu *c);
/* May there be one without a request? */
bool xen_upcall_enabled(const struct cpu *c);

/* In guest, at any request: what other threads left for this vCPU to do. */
void xen_process(struct cpu *c);

/* The vCPU runs on, or was reset: it does not wait in SCHEDOP_poll any more. */
void xen_poll_end(struct cpu *c);
/* KVM_RUN returns to userspace: the hypercall is over, as if woken. */
void xen_poll_interrupt(struct cpu *c);

/* -- Time --------------------------------------------------------------------------------- */

/* Addresses of pvclock structures beside kvmclock's own; how many. */
enum { XEN_TIME_PAGES = 2 };
u32 xen_time_pages(const struct cpu *c, gpa_t gpa[XEN_TIME_PAGES]);

/* The vCPU starts or goes on: it is in state running.  In guest, guarded. */
void xen_runstate_run(struct cpu *c);

#endif
