/* SPDX-License-Identifier: MIT */
/*
 * The architectural state of one vCPU, and what the engine keeps beside it.
 * Only the vCPU's own thread touches it (or an ioctl that holds vcpu->mutex),
 * except where a comment says otherwise.
 *
 * The fields an instruction touches come first: a pointer to the middle of
 * them reaches all with an 8-bit displacement.
 */
#ifndef ANYKVM_X86_CPU_STATE_H
#define ANYKVM_X86_CPU_STATE_H

#include "api/kvm.h"
#include "util/types.h"
#include "x86/cpu/fpu.h"
#include "x86/cpu/step.h"
#include "x86/cpu/x86_defs.h"

struct block;
struct block_cache;
struct hv_vcpu;
struct insn;
struct jit;
struct lapic;
struct tlb;
struct translator_ops;
struct translator_tables;

/* General registers, in encoding order. */
enum gpr {
	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
	R8, R9, R10, R11, R12, R13, R14, R15,
	NR_GPRS,
};

enum { NR_WINDOWS = 4 };

/* Segment registers, in encoding order; the system ones after them. */
enum seg { ES, CS, SS, DS, FS, GS, LDTR, TR, NR_SEGS, SEG_NONE = 0xff };

/* Segments of 32-bit protected-mode code that need no look at each access. */
enum flat {
	FLAT_CODE	= BIT(0),	/* CS, SS, DS, ES: all of 4 GiB, at 0 */
	FLAT_FS		= BIT(1),	/* all of 4 GiB, wherever it begins */
	FLAT_GS		= BIT(2),
};

/*
 * A segment register with its hidden part.  @attr has the layout of the
 * VMCS access-rights field (SDM vol. 3C 25.4.1): SEG_ATTR_* in x86_defs.h.
 */
struct segment {
	u64 base;
	u32 limit;		/* in bytes, granularity applied */
	u32 attr;
	u16 selector;
};

struct dtable {
	u64 base;
	u16 limit;
};

/* An exception on its way (SDM vol. 3A 6.4). */
struct exception {
	u8 vector;
	bool has_error;
	bool has_payload;	/* #PF: cr2, #DB: dr6 bits */
	bool soft;		/* userspace's INT3, INTO: RIP is on the instruction */
	u32 error;
	u64 payload;
};

/* Events being recognised or delivered: KVM_GET_VCPU_EVENTS shows them. */
struct events {
	bool exc_pending;	/* to be delivered; payload not yet applied */
	bool exc_injected;	/* delivery was started or set by userspace */
	struct exception exc;
	bool irq_injected;	/* an external interrupt vector to deliver */
	bool irq_soft;
	u8 irq_vector;
	bool nmi_injected;
	bool nmi_masked;	/* until IRET */
	bool smm_inside_nmi;	/* RSM leaves NMIs masked */
	u8 nmi_pending;		/* latched NMIs, at most 2; atomic */
	bool smi_pending;	/* atomic */
	bool triple_fault;	/* pending, KVM_CAP_X86_TRIPLE_FAULT_EVENT */
	u8 shadow;		/* KVM_X86_SHADOW_INT_*: no interrupt after this insn */
	bool pv_unhalted;	/* KVM_HC_KICK_CPU came: the next HLT does not sleep */
	u8 sipi_vector;
	u8 latched;		/* BIT(0) INIT, BIT(1) SIPI; atomic */
};

/*
 * MMIO of the instruction under way.  An instruction that touches MMIO is
 * executed from its start each time userspace has completed one fragment;
 * accesses that are done are replayed from this log, so that each happens
 * exactly once (api.rst 5, kvm_run.mmio: at most 8 bytes each).  See mmu/mmio.c.
 */
struct mmio_fragment {
	gpa_t gpa;
	u8 len;
	bool is_write;
	u8 data[8];
};
enum { MMIO_LOG_MAX = 128 };	/* XRSTOR of all that CPUID offers takes 105 */
struct mmio_log {
	u8 count;		/* fragments done */
	u8 cursor;		/* next to replay */
	bool waiting;		/* the last one is at userspace: KVM_EXIT_MMIO */
	bool delivery;		/* not of an instruction, but of an event's delivery */
	struct mmio_fragment frag[MMIO_LOG_MAX];
};

/* Port I/O at userspace: KVM_EXIT_IO (api.rst 5, kvm_run.io). */
struct pio {
	bool waiting;
	bool in;
	bool string;
	u8 size;
	u32 count;		/* elements at userspace */
	u32 done;		/* INS: elements stored already */
	u16 port;
	u64 linear_rip;		/* completion does nothing unless still here */
	u8 insn_len;
	u8 asz;			/* INS: address size */
	bool rep;		/* INS */
};

/* KVM_TPR_ACCESS_REPORTING: the exit waits for the end of its instruction. */
struct tpr_report {
	bool enabled;
	bool due;
	bool is_write;
	u64 rip;
};

enum { PAUSE_SPINS = 4096 };

struct cpu {
	u64 gpr[NR_GPRS];
	u64 gpr_none;		/* always 0: an absent base or index register */
	u64 rip;		/* of the instruction being executed */
	/*
	 * RFLAGS in two parts.  @status: CF PF AF ZF SF OF as PUSHF left them,
	 * other bits are noise.  @rflags: all the others; its status bits are
	 * noise.  Use cpu_rflags(), cpu_set_rflags().
	 */
	u64 status;
	u64 rflags;
	u32 requests;		/* REQ_*; atomic; polled at the end of blocks */
	u8 code_size;		/* bytes: 2, 4 or 8: default size of CS */
	u8 stack_size;		/* bytes: 2, 4 or 8: width of the stack pointer */
	u8 cpl;
	bool stop_block;	/* the loop ends the block after this insn */
	struct tlb *tlb;	/* of the current access class, see mmu/tlb.h */
	const struct insn *insn;	/* under way; NULL outside handlers */
	const u8 *code;		/* where its block begins in host memory */

	/* While translated code runs (x86/jit/): */
	u64 jit_flags;		/* LAHF's AH, SETO's AL */
	u64 jit_window[NR_WINDOWS];	/* addends: x86/jit/window.c */
	u64 jit_rsp;		/* bottom of what it has on the host's stack */
	u64 jit_limit;		/* the deepest CALL; all ones: there is a request */
	u64 jit_target;		/* of an indirect CALL under way, or what PUSH has read */
	u64 jit_ret;		/* the RET that did not come to its CALL */
	struct {
		u64 fip, fdp;	/* the guest's */
		u32 fop;
		u32 fcw;	/* the host's */
		u32 scratch;
		u64 r10;
	} jit_x87;
	u32 jit_vec;		/* the host's registers are the guest's: enum vec_need */
	u32 jit_skip;		/* the interpreter does the next block, once */
	u32 jit_mxcsr;		/* the host's own */
	bool irq_waits;		/* something may be due as soon as IF is set */
	u8 flat;		/* enum flat; 0 in other code */
	u64 insns;		/* arch_vcpu_insns() */

	struct segment seg[NR_SEGS];
	struct dtable gdtr, idtr;

	u64 cr0, cr2, cr3, cr4, cr8;
	u64 efer, xcr0, xss;
	u64 dr[4], dr6, dr7;
	u64 pdpte[4];		/* PAE: loaded with CR3 (SDM 4.4.1) */

	struct fpu fpu;

	/* -- MSRs: msr.def says which is which ----------------------------- */
	u64 star, lstar, cstar, fmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 tsc_aux, pat, apic_base, misc_enable, misc_features, smbase;
	u64 spec_ctrl, tsc_deadline_msr;
	struct x86_msrs *msrs;	/* the rest: x86/api/msr.c */

	/* -- Time ----------------------------------------------------------- */
	u64 tsc_offset;		/* guest TSC = scaled host TSC + offset */
	u64 tsc_adjust;
	u64 tsc_ratio;		/* 32.32 fixed point; 1 << 32 when not scaled */
	u32 tsc_khz;
	struct pvclock *pvclock;	/* x86/api/clock.c: kvmclock, steal time */
	struct xen_vcpu *xen;		/* x86/xen/ */

	/* -- Events --------------------------------------------------------- */
	struct exception exc;	/* valid after STEP_FAULT, from cpu_raise() */
	struct events ev;
	u32 mp_state;		/* KVM_MP_STATE_*; written by its own thread */
	bool smm;
	bool halted;		/* in a HLT that does not exit; mp_state is RUNNABLE */
	bool plain_entry;	/* no feature of the VM has KVM_RUN look at memory first */
	struct lapic *lapic;	/* NULL without an in-kernel irqchip */
	struct hv_vcpu *hv;	/* x86/hyperv/ */

	/* -- Userspace exits ------------------------------------------------ */
	struct mmio_log mmio;
	struct pio pio;
	u32 guest_debug;	/* KVM_GUESTDBG_* */
	u64 debug_dr[4], debug_dr7;	/* KVM_SET_GUEST_DEBUG's */
	u64 debugctl, last_branch[4];	/* x86/cpu/branch.c */
	u64 pending_db;		/* DR6 bits of a trap due after this instruction */
	struct tpr_report tpr_report;
	u64 vapic_gpa;		/* KVM_SET_VAPIC_ADDR; 0: none (x86/api/vapic.h) */
	bool eoi_due;		/* KVM_EXIT_IOAPIC_EOI, of these vectors */
	u64 eoi_vectors[4];

	/* -- CPUID: x86/api/cpuid.c ------------------------------------------ */
	struct kvm_cpuid_entry2 *cpuid;	/* as set by userspace */
	u32 nr_cpuid;
	struct cpu_features *features;	/* decoded from it: x86/cpu/features.h */
	u8 maxphyaddr;
	bool has_run;

	/* -- Engine ----------------------------------------------------------- */
	struct vcpu *vcpu;
	struct mmu *mmu;		/* x86/mmu/ */
	struct block_cache *blocks;	/* x86/decode/block.c */
	struct native *native;		/* x86/native/: executable thunks */
	const struct translator_ops *translator;	/* NULL: all is interpreted */
	struct translator_tables *tables;
	struct jit *jit;		/* x86/jit/ */
	struct pmu *pmu;		/* x86/cpu/pmu.c: performance counters */
	bool pmu_active;		/* one of them counts */
	u32 pauses;			/* PAUSEs executed; each PAUSE_SPINS give the CPU away */
};

_Static_assert(offsetof(struct cpu, gpr) == 0, "register operands are byte offsets");
_Static_assert(offsetof(struct cpu, stop_block) < 256, "hot state within disp8 of its middle");

static inline u64 cpu_rflags(const struct cpu *c)
{
	return (c->rflags & ~X86_EFLAGS_STATUS) | (c->status & X86_EFLAGS_STATUS);
}

/* No checks.  Takes effect at once; bit 1 is forced. */
static inline void cpu_set_rflags(struct cpu *c, u64 v)
{
	c->status = v;
	c->rflags = v | X86_EFLAGS_FIXED;
}

static inline bool cpu_long_mode(const struct cpu *c)	/* EFER.LMA */
{
	return c->efer & EFER_LMA;
}

static inline bool cpu_code64(const struct cpu *c)
{
	return c->code_size == 8;
}

/* Linear address of the instruction: CS.base counts outside 64-bit code only. */
static inline u64 cpu_linear_rip(const struct cpu *c)
{
	return cpu_code64(c) ? c->rip : (u32)(c->rip + c->seg[CS].base);
}

static inline bool cpu_protected(const struct cpu *c)
{
	return c->cr0 & X86_CR0_PE;
}

static inline bool cpu_vm86(const struct cpu *c)
{
	return c->rflags & X86_EFLAGS_VM;
}

static inline u32 cpu_iopl(const struct cpu *c)
{
	return (c->rflags >> 12) & 3;
}

static inline bool is_canonical(u64 lin)
{
	return (u64)((s64)(lin << 16) >> 16) == lin;
}

/* The lower @size (2, 4, 8) bytes of an offset or a count. */
static inline u64 cut_to(u64 v, u8 size)
{
	return size == 8 ? v : size == 4 ? (u32)v : (u16)v;
}

#endif
