/* SPDX-License-Identifier: MIT */
/* Inside x86/hyperv. */
#ifndef ANYKVM_X86_HYPERV_INTERNAL_H
#define ANYKVM_X86_HYPERV_INTERNAL_H

#include "x86/api/msr.h"
#include "x86/hyperv/hyperv.h"
#include "x86/x86.h"

static inline struct hv_vm *cpu_hv_vm(const struct cpu *c)
{
	return cpu_arch_vm(c)->hv;
}

/*
 * May this access be made?  By userspace always; by a guest that has Hyper-V,
 * and if the VMM enforces CPUID, only with @bit in the leaf's register @have.
 */
bool hv_permits(const struct cpu *c, const struct msr_access *a, u32 have, u32 bit);

/* Writes guest memory for an MSR, on behalf of userspace or in guest. */
bool hv_write_memory(struct cpu *c, bool host, gpa_t gpa, const void *buf, u32 n);

/* An exit after this instruction: HV_EXIT_*. */
void hv_exit_later(struct cpu *c, u8 exit);

/* The vCPU whose VP index that is, or NULL.  Any thread. */
struct vcpu *hv_find_vp(struct vm *vm, u32 vp_index);

static inline u32 hv_vp_index(const struct vcpu *v)
{
	return READ_ONCE(v->cpu->hv->vp_index);
}

/* -- Hypercalls (hypercall.c, vp_set.c, eventfd.c) ------------------------------------------ */

struct hv_hypercall {
	u64 input;		/* the input value as a whole */
	u64 param, output;	/* GPAs, or the values themselves if fast */
	u16 code;
	bool fast, rep;
	u16 var_count;		/* 8-byte words of a variable header */
	u16 rep_count, rep_start;
	u64 xmm[2 * HV_CALL_NR_XMM];	/* halves; only if fast */
};

/* Each returns the result value; the first two reach other vCPUs. */
u64 hv_flush_tlb(struct cpu *c, const struct hv_hypercall *h);
u64 hv_send_ipi(struct cpu *c, const struct hv_hypercall *h);
u64 hv_signal_event(struct cpu *c, const struct hv_hypercall *h);

int hv_connections_create(struct hv_vm *hv);
void hv_connections_destroy(struct hv_vm *hv);

/* -- Time ------------------------------------------------------------------------------------- */

void hv_tsc_page_set(struct cpu *c, u64 msr, bool host);
u64 hv_tsc_page_get(struct hv_vm *hv);
/* hv_tsc_page_update() of this vCPU would write. */
bool hv_tsc_page_is_due(const struct cpu *c);

/* -- SynIC and timers --------------------------------------------------------------------------- */

void hv_synic_init(struct hv_synic *s);
/* Looks for the GSIs routed to this vCPU's SINTs. */
void hv_synic_find_routes(struct cpu *c);
/*
 * Puts @msg into the SINT's slot and interrupts.  -EAGAIN: the slot is taken,
 * the guest will write EOM; with @drop that is success.
 */
int hv_synic_send(struct cpu *c, u32 sint, const struct hv_message_header *msg, bool drop);

void hv_stimers_init(struct hv_vcpu *hv);
void hv_stimers_cancel(struct hv_vcpu *hv);
/* Timers whose message found SINT @sint's slot taken try again. */
void hv_stimers_retry(struct hv_vcpu *hv, u32 sint);

#endif
