/* SPDX-License-Identifier: MIT */
/*
 * Events between instructions: interrupts, NMI, SMI, INIT, SIPI, requests of
 * other threads, and sleeping while there are none (SDM vol. 3A 6.9).
 */
#ifndef ANYKVM_X86_CPU_EVENT_H
#define ANYKVM_X86_CPU_EVENT_H

#include "x86/cpu/cpu.h"

enum event_result {
	EVENT_RUN,		/* nothing in the way of the next instruction */
	EVENT_RUN_ONE,		/* run one instruction, then ask again */
	EVENT_EXIT,		/* kvm_run is filled in */
	EVENT_EINTR,
};

/* Acts on posted requests and on everything that is due. */
enum event_result event_process(struct cpu *c);

/*
 * Once event_process() has returned, and until there is a request, these bits
 * of RFLAGS are all that may make something due; IF only if anything waits for it.
 */
static inline u64 event_watched_flags(const struct cpu *c)
{
	return X86_EFLAGS_TF | X86_EFLAGS_VM | (c->irq_waits ? X86_EFLAGS_IF : 0);
}

/* Nothing is due, and no instruction has to be run by itself; no false yes. */
bool event_quiet(const struct cpu *c);

/*
 * Delivers the exception in cpu->exc, raised by an instruction, at once.
 * STEP_JUMP: its handler is next.  STEP_END: event_process() is to go on with
 * it.  STEP_EXIT: kvm_run is filled in.
 */
enum step event_deliver_fault(struct cpu *c);

/*
 * No instruction is executed while the dirty ring is over its limit (api.rst
 * 8.29): true, and kvm_run says so.
 */
bool event_ring_full_exit(struct cpu *c);

/* Latched INIT and SIPI take effect (KVM_GET_MP_STATE does this, too). */
void event_accept_init(struct cpu *c);

/* KVM: what ends a HLT ends AP_RESET_HOLD, too. */
bool event_mp_halted(const struct cpu *c);

/* Can a vCPU that sleeps in HLT go on? */
bool event_wakes(struct cpu *c);

/* Latches an NMI, SMI: KVM_NMI, KVM_SMI and the LAPIC.  Any thread. */
void event_post_nmi(struct cpu *c);
void event_post_smi(struct cpu *c);

/*
 * The exception in cpu->exc, raised by an instruction: an exit to the debugger
 * (true, kvm_run is filled in), or queued for delivery.
 */
bool event_exception(struct cpu *c);

/* The same of a trap after an instruction that exits itself: that exit stays. */
void event_exception_at_exit(struct cpu *c);

/* KVM_EXIT_DEBUG for the debugger in userspace (KVM_SET_GUEST_DEBUG). */
void event_debug_exit(struct cpu *c, u8 vector, u64 dr6);

#endif
