/* SPDX-License-Identifier: MIT */
/*
 * What instruction handlers and ioctls call on a vCPU's state.  Everything
 * here runs on the vCPU's thread or under vcpu->mutex, unless marked.
 */
#ifndef ANYKVM_X86_CPU_CPU_H
#define ANYKVM_X86_CPU_CPU_H

#include "x86/cpu/state.h"

/* -- exception.c: raising and delivering (SDM vol. 3A chapter 6) ----------- */

/* Record an exception in cpu->exc and return STEP_FAULT. */
enum step cpu_raise(struct cpu *c, u8 vector);
enum step cpu_raise_error(struct cpu *c, u8 vector, u32 error);
enum step cpu_raise_pf(struct cpu *c, u64 cr2, u32 error);
enum step cpu_raise_db(struct cpu *c, u64 dr6_bits);	/* a trap-class #DB too */
#define cpu_raise_ud(c)	cpu_raise(c, EXC_UD)
#define cpu_raise_gp0(c) cpu_raise_error(c, EXC_GP, 0)

/*
 * Delivers an event through the IDT or IVT: pushes the frame, switches stack,
 * loads CS:RIP.  For faults cpu->rip is the faulting instruction; for traps
 * and interrupts it is already the next one.  STEP_JUMP, or STEP_FAULT if
 * delivery itself faulted (state unchanged), or STEP_EXIT on MMIO.
 */
enum step cpu_deliver(struct cpu *c, const struct exception *e);
enum step cpu_deliver_interrupt(struct cpu *c, u8 vector);	/* external or NMI */

/*
 * The exception in cpu->exc becomes ev.exc, combined with one whose delivery
 * it interrupted (SDM vol. 3A table 6-5): #DF, or ev.triple_fault.
 */
void cpu_queue_exception(struct cpu *c);

/* -- segment.c (SDM vol. 3A chapters 3 and 5) ------------------------------ */

/* MOV/POP/LxS to a segment register: all checks. CS is not allowed. */
enum step cpu_load_seg(struct cpu *c, enum seg seg, u16 selector);
/* Real and VM86 mode: base = selector << 4, limits kept. */
void cpu_load_seg_real(struct cpu *c, enum seg seg, u16 selector);
enum step cpu_load_ldtr(struct cpu *c, u16 selector);
enum step cpu_load_tr(struct cpu *c, u16 selector);

/*
 * Linear address of seg:off for @size bytes; limit, type and canonical
 * checks.  #GP(0), or #SS(0) for SS.  Inline fast path: mmu/access.h.
 */
enum step cpu_seg_linear(struct cpu *c, enum seg seg, u64 off, u32 size,
			 bool write, u64 *lin);

/*
 * Recomputes what is derived from control state: code_size, stack_size, cpl
 * (from SS.DPL or VM), LMA-dependent things, the TLB's access class.  Called
 * after any change to CR0, CR4, EFER, RFLAGS.VM/AC, CS, SS.
 */
void cpu_mode_changed(struct cpu *c);

/* -- transfer.c: far transfers of control ---------------------------------- */

enum step cpu_far_jump(struct cpu *c, u16 sel, u64 off, u8 osz, u64 rip_next);
enum step cpu_far_call(struct cpu *c, u16 sel, u64 off, u8 osz, u64 rip_next);
enum step cpu_far_return(struct cpu *c, u16 pop_bytes, u8 osz);
enum step cpu_iret(struct cpu *c, u8 osz, u64 rip_next);
/* INT n, INT3, INTO, INT1; rip_next is where it returns to. */
enum step cpu_soft_int(struct cpu *c, u8 vector, u64 rip_next);
enum step cpu_syscall(struct cpu *c, u64 rip_next);
enum step cpu_sysret(struct cpu *c, u8 osz);
enum step cpu_sysenter(struct cpu *c);
enum step cpu_sysexit(struct cpu *c, u8 osz);

/* taskswitch.c (SDM vol. 3A chapter 7). */
enum task_reason { TASK_JMP, TASK_CALL, TASK_IRET, TASK_GATE };
enum step cpu_task_switch(struct cpu *c, u16 selector, enum task_reason why,
			  bool has_error, u32 error, u64 rip_next);

/* -- control.c: control and debug registers, mode changes -------------------- */

enum step cpu_write_cr(struct cpu *c, u32 n, u64 v);	/* guest: all checks */
u64 cpu_read_cr(struct cpu *c, u32 n);
enum step cpu_write_dr(struct cpu *c, u32 n, u64 v);
enum step cpu_read_dr(struct cpu *c, u32 n, u64 *v);
enum step cpu_write_xcr(struct cpu *c, u32 n, u64 v);
u64 cpu_cr4_allowed(const struct cpu *c);	/* bits guest CPUID permits */
/* WRMSR of EFER: checks, and the change of mode it makes. */
enum step cpu_write_efer(struct cpu *c, u64 v);
bool cpu_efer_valid(const struct cpu *c, u64 v);

/* Power-on, RESET or INIT (SDM vol. 3A table 10-1); INIT keeps some state. */
void cpu_reset(struct cpu *c, bool init);
void cpu_sipi(struct cpu *c, u8 vector);

/* smm.c (SDM vol. 3C chapter 32, AMD64 save map). */
enum step cpu_enter_smm(struct cpu *c);
enum step cpu_rsm(struct cpu *c);

/* -- debug.c: breakpoints -------------------------------------------------- */

/* DR7 as it works: the guest's, or the debugger's in its place. */
u64 cpu_effective_dr7(const struct cpu *c);
/* Any of the debugger's breakpoints, or its stepping, if there is one. */
bool cpu_vmm_debugs(const struct cpu *c);
/* True if any data or instruction breakpoint, TF or guest debug is active. */
static inline bool cpu_debug_active(const struct cpu *c)
{
	return (c->rflags & X86_EFLAGS_TF) ||
	       (unlikely(c->guest_debug) ? cpu_vmm_debugs(c) : c->dr7 & 0xff);
}
/* Is there an instruction breakpoint at @linear?  Its DR6 bits in *dr6. */
bool cpu_insn_breakpoint(struct cpu *c, u64 linear, u64 *dr6);
/* DR6 bits of the data breakpoints that an access of @n bytes matches. */
u64 cpu_data_breakpoints(struct cpu *c, u64 lin, u32 n, bool write);
/* The same of ports.  They exist if CR4.DE is set (SDM vol. 3B 17.2.4). */
u64 cpu_io_breakpoints(const struct cpu *c, u16 port, u8 size);

/* -- msr.c (x86/api): RDMSR and WRMSR of the guest --------------------------- */

/* STEP_NEXT, #GP(0), or an exit to userspace (MSR filter). */
enum step cpu_rdmsr(struct cpu *c, u32 index, u64 *data);
enum step cpu_wrmsr(struct cpu *c, u32 index, u64 data);

/* -- cpuid.c (x86/api) ------------------------------------------------------- */

struct cpuid_regs { u32 eax, ebx, ecx, edx; };
void cpu_cpuid(struct cpu *c, u32 leaf, u32 subleaf, struct cpuid_regs *out);
bool cpu_has_monitor(const struct cpu *c);

/* -- clock.c (x86/api) ------------------------------------------------------- */

/* Of tsc_ratio: not scaled. */
#define TSC_RATIO_ONE	(1ull << 32)
u64 cpu_read_tsc(const struct cpu *c);
/* Host CLOCK_MONOTONIC ns at which the guest's TSC will reach @tsc. */
u64 cpu_tsc_to_ns(const struct cpu *c, u64 tsc);

/* -- hypercall.c (x86/api) ---------------------------------------------------- */
enum step cpu_hypercall(struct cpu *c);
/* The bytes of VMCALL or VMMCALL, whichever is this CPU's own. */
enum { HYPERCALL_INSN_SIZE = 3 };
const u8 *cpu_hypercall_insn(const struct cpu *c);

/* -- pio.c: port I/O of instructions and its completion ---------------------- */

/* #GP(0) unless CPL <= IOPL or the TSS bitmap allows (SDM vol. 1 19.5). */
enum step cpu_check_io(struct cpu *c, u16 port, u8 size);
enum step cpu_in(struct cpu *c, u16 port, u8 size, u64 *val);	/* in-kernel devices */
enum step cpu_out(struct cpu *c, u16 port, u8 size, u64 val);

/* -- loop.c ------------------------------------------------------------------ */

/*
 * Runs the guest until an exit: 0, -EINTR, -EFAULT.  kvm_run is filled in.
 * @quiet: nothing is due but what event_quiet() knows.
 */
int cpu_loop(struct cpu *c, bool quiet);
/* What the last instruction of the block returned. */
struct block;
enum step cpu_run_block(struct cpu *c, const struct block *b);

/*
 * Executes the instruction whose MMIO userspace has just completed, or has
 * answered, to its end.  True if it exits again (its next fragment).
 */
bool cpu_finish_insn(struct cpu *c);

/*
 * An instruction has been completed outside the loop.  STEP_FAULT: a trap-class
 * #DB is due.  STEP_EXIT: userspace is stepping.  Otherwise STEP_JUMP.
 */
enum step cpu_insn_completed(struct cpu *c);
/* The same for an iteration of REP that is not the last; STEP_AGAIN. */
enum step cpu_iteration_completed(struct cpu *c);

/* HLT, after its CPL check: sleeps or exits. */
enum step cpu_halt(struct cpu *c);

/*
 * INTERNAL_ERROR/EMULATION exit with the bytes at RIP and what a processor with
 * SVM would have said of the exit.  A nested page fault is at @info2.
 */
enum step cpu_emulation_failure(struct cpu *c, u64 exit_code, u64 info1, u64 info2);

/* -- Requests of x86, posted with vcpu_request() ------------------------------ */
enum {
	REQ_EVENT	= BIT(REQ_ARCH_SHIFT + 0),	/* look for interrupts, NMI, SMI, INIT */
	REQ_TLB_FLUSH	= BIT(REQ_ARCH_SHIFT + 1),	/* the guest's own TLB, from another vCPU */
	REQ_CLOCK	= BIT(REQ_ARCH_SHIFT + 2),	/* rewrite the pvclock page */
	REQ_STEAL	= BIT(REQ_ARCH_SHIFT + 3),	/* update steal time */
	REQ_STIMER	= BIT(REQ_ARCH_SHIFT + 4),	/* Hyper-V's timers are due */
	REQ_PMU		= BIT(REQ_ARCH_SHIFT + 5),	/* the filter of events has changed */
	REQ_SWEEP	= BIT(REQ_ARCH_SHIFT + 7),	/* look for writes from outside */
	REQ_CODE	= BIT(REQ_ARCH_SHIFT + 6),	/* another vCPU writes to translated code */
};

#endif
