/* SPDX-License-Identifier: MIT */
/*
 * Hyper-V as KVM shows it to guests that ask for it by CPUID: its MSRs,
 * hypercalls, reference time, synthetic interrupt controller and timers.
 *
 * A guest sees them once its leaf 40000001H says "Hv#1"; userspace reaches the
 * MSRs always.  Nothing of it is reset by INIT: it is state of the partition.
 */
#ifndef ANYKVM_X86_HYPERV_HYPERV_H
#define ANYKVM_X86_HYPERV_HYPERV_H

#include "api/worker.h"
#include "x86/cpu/cpu.h"
#include "x86/hyperv/tlfs.h"

/* -- Per VM -------------------------------------------------------------------------- */

/* Of the reference TSC page; see tsc_page.c. */
enum hv_tsc_status {
	HV_TSC_UNSET,
	HV_TSC_GUEST_CHANGED,	/* to be written, at the guest's wish */
	HV_TSC_HOST_CHANGED,	/* to be written, because time has moved */
	HV_TSC_SET,
	HV_TSC_BROKEN,		/* not writable, or the rate does not fit */
};

struct hv_syndbg {
	u64 control, status, send_page, recv_page, pending_page, options;
};

struct hv_connections;		/* eventfd.c */

struct hv_vm {
	u64 guest_os_id, hypercall;
	u64 crash_ctl, crash_param[HV_NR_CRASH_PARAMS];
	u64 reenlightenment, tsc_emulation_control, tsc_emulation_status;
	struct hv_syndbg syndbg;

	pthread_mutex_t tsc_lock;	/* the next four */
	u64 tsc_msr;
	enum hv_tsc_status tsc_status;
	u32 tsc_changes;		/* of the status; says if it is still the same */
	struct hv_tsc_page tsc_page;

	pthread_mutex_t route_lock;	/* hv_synic.gsi of all vCPUs */
	struct hv_connections *connections;
};

int hv_vm_create(struct vm *vm);
void hv_vm_destroy(struct vm *vm);

/* -- Per vCPU ------------------------------------------------------------------------- */

/* The leaves that grant something, as KVM_SET_CPUID2 had them. */
struct hv_cpuid {
	bool enabled;
	bool enforced;			/* KVM_CAP_HYPERV_ENFORCE_CPUID */
	u32 features_eax, features_ebx, features_edx;
	u32 enlightenments_eax, enlightenments_ebx;
	u32 syndbg_eax;
};

struct hv_synic {
	bool active;			/* read by any thread */
	bool keep_pages;		/* KVM_CAP_HYPERV_SYNIC2: not zeroed */
	u64 control, version, event_page, message_page;
	u64 sint[HV_NR_SINTS];		/* read by any thread */
	s32 gsi[HV_NR_SINTS];		/* routed here, or -1; written by any thread */
};

struct hv_stimer {
	struct worker_timer wt;
	struct hv_vcpu *hv;
	u32 index;
	u64 config, count;
	u64 expiration;			/* reference time; 0: not started */
	bool message_due;		/* expired, but its slot was not free */
};

/* Exits due at the end of the instruction, in KVM's order. */
enum { HV_EXIT_CRASH = BIT(0), HV_EXIT_RESET = BIT(1), HV_EXIT_MSR = BIT(2) };

struct hv_vcpu {
	struct cpu *cpu;
	u32 vp_index;			/* read by any thread */
	struct hv_cpuid cpuid;
	u64 assist_page;
	u64 runtime_offset;
	struct hv_synic synic;
	struct hv_stimer stimer[HV_NR_STIMERS];
	u32 stimers_due;		/* bits; set by the worker too: atomic */
	u8 exits;			/* HV_EXIT_* */
	bool syndbg_waits;		/* for userspace's status */
	struct kvm_hyperv_exit exit;	/* HV_EXIT_MSR's */
};

int hv_vcpu_create(struct cpu *c);
void hv_vcpu_stop(struct cpu *c);	/* timers off, callbacks not running */
void hv_vcpu_destroy(struct cpu *c);

/* KVM_SET_CPUID2. */
void hv_cpuid_changed(struct cpu *c);

/* -- For KVM_RUN ------------------------------------------------------------------------ */

/* At entry: what userspace answered to a KVM_EXIT_HYPERV. */
void hv_run_enter(struct cpu *c);

/* REQ_STIMER: starts, expires and restarts timers.  In guest. */
void hv_stimers_process(struct cpu *c);

/* True if an exit is due: kvm_run is filled in. */
bool hv_exit(struct cpu *c);

/* VMCALL and VMMCALL are Hyper-V's: the guest has said who it is. */
bool hv_hypercall_enabled(const struct cpu *c);
enum step hv_hypercall(struct cpu *c);

/* -- Reference time ----------------------------------------------------------------------- */

/* Units of 100 ns since the VM was made (TLFS, Reference Counter).  Any thread. */
u64 hv_reference_time(struct vm *vm);

/* kvmclock or the first vCPU's TSC has moved: the page is written anew. */
void hv_tsc_page_stale(struct vm *vm);

/* Writes the page if it is due.  In guest, by the first vCPU alone. */
void hv_tsc_page_update(struct cpu *c);

/* -- SynIC ----------------------------------------------------------------------------------- */

/* KVM_CAP_HYPERV_SYNIC(2) of a vCPU.  -EINVAL without a LAPIC. */
int hv_synic_activate(struct cpu *c, bool keep_pages);

/* KVM_IRQ_ROUTING_HV_SINT.  As arch_set_irq(). */
int hv_synic_set_sint(struct vm *vm, u32 vp_index, u32 sint);

/* The LAPIC has ended an interrupt of a vector some SINT uses. */
void hv_synic_eoi(struct cpu *c, u8 vector);

/* The routing table has changed. */
void hv_routes_changed(struct vm *vm);

#endif
