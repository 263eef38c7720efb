/* SPDX-License-Identifier: MIT */
/*
 * The interpreter's main loop.
 *
 * A block runs without looking up.  Between blocks one comparison each asks
 * whether another thread has posted a request, and whether RFLAGS has changed
 * in a way that matters (TF, VM, and IF if something waits for it): only then
 * are events considered.
 */
#include <errno.h>

#include <Zydis/Zydis.h>

#include "api/stats.h"
#include "x86/cpu/branch.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/event.h"
#include "x86/cpu/pmu.h"
#include "x86/cpu/protect.h"
#include "x86/cpu/translator.h"
#include "x86/decode/block.h"
#include "x86/interp/ops.h"
#include "x86/mmu/access.h"
#include "x86/x86.h"

#define INSN_BYTES	15

_Static_assert(sizeof(((struct kvm_run *)0)->emulation_failure.insn_bytes) == INSN_BYTES &&
	       offsetof(struct kvm_run, emulation_failure.flags) ==
	       offsetof(struct kvm_run, internal.data), "layout of the ABI");

/* The last instruction of a block has returned @st: RIP behind it, if it is done. */
static inline enum step last_insn(struct cpu *c, const struct insn *in, enum step st)
{
	if (st == STEP_END || st == STEP_EXIT_DONE) {
		c->rip += in->len;
	} else if (st == STEP_AGAIN || st == STEP_EXIT_AGAIN) {
		/* Its breakpoint is behind it (SDM vol. 3B 17.3.1.1); so is its MMIO. */
		c->rflags |= X86_EFLAGS_RF;
		st = st == STEP_AGAIN ? STEP_NEXT : st;
	}
	return st;
}

/* Runs up to @max instructions of a block; what the last one returned. */
static inline enum step run_insns(struct cpu *c, const struct block *b, u32 max)
{
	const struct insn *in = b->insn, *end = in + MIN(max, b->count);
	const u64 start = c->rip;
	enum step st;

	/* RF covers one instruction; IRET may set it for the next. */
	c->rflags &= ~X86_EFLAGS_RF;
	do {
		c->insn = in;
		st = in->op(c, in);
		if (st != STEP_NEXT)
			break;
		c->rip = start + in->end;
		in++;
	} while (in != end && !c->stop_block);
	return last_insn(c, in, st);
}

enum step cpu_run_block(struct cpu *c, const struct block *b)
{
	return run_insns(c, b, BLOCK_MAX_INSNS);
}

/* The same while a performance counter counts. */
static enum step run_insns_counted(struct cpu *c, const struct block *b, u32 max)
{
	const u64 start = c->rip;
	enum step st;

	pmu_block_begin(c, b);
	st = run_insns(c, b, max);
	pmu_block_end(c, b, start, st);
	return st;
}

/* The block's instructions up to the one that ended it. */
static void count_insns(struct cpu *c, const struct block *b)
{
	c->insns += c->insn - b->insn + 1;
}

/* An exit whose part of the instruction is done. */
static inline bool exit_done(enum step st)
{
	return st == STEP_EXIT_DONE || st == STEP_EXIT_AGAIN;
}

/* After a block: what the instruction left behind, and the wrap of EIP. */
static inline void settle(struct cpu *c)
{
	c->insn = NULL;
	c->stop_block = false;
	if (unlikely(c->mmio.count))
		mmio_retire(c);
	if (unlikely(c->code_size != 8))
		c->rip = (u32)c->rip;
}

/* -- One instruction at a time: TF, shadows, breakpoints ---------------------- */

static bool single_step_exit(struct cpu *c)
{
	u32 step = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;

	if ((c->guest_debug & step) != step)
		return false;
	event_debug_exit(c, EXC_DB, DR6_BS);
	return true;
}

static bool after_mov_ss(const struct cpu *c)
{
	return c->ev.shadow & KVM_X86_SHADOW_INT_MOV_SS;
}

/*
 * Instruction breakpoints come before the instruction; on Intel's processors
 * there are none right after MOV SS or POP SS (SDM vol. 3B 17.3.1.1).
 */
static bool insn_breakpoint(struct cpu *c)
{
	u64 dr6 = 0;

	if ((c->rflags & X86_EFLAGS_RF) || !cpu_debug_active(c) ||
	    (after_mov_ss(c) && !cpu_amd_like(c)) ||
	    !cpu_insn_breakpoint(c, cpu_linear_rip(c), &dr6))
		return false;
	cpu_raise_db(c, dr6);
	return true;
}

/*
 * Trap-class #DB: single step and data breakpoints (SDM vol. 3B 17.3.1.2-4).
 * MOV SS and POP SS put the latter off, and are not stepped (SDM vol. 3A 6.8.3).
 */
static bool trap_after(struct cpu *c, bool tf, bool branched)
{
	bool stepped = tf && (branched || !(c->debugctl & DEBUGCTL_BTF));
	u64 dr6 = c->pending_db | (stepped ? DR6_BS : 0);

	if (after_mov_ss(c))
		return false;
	c->pending_db = 0;
	if (!dr6)
		return false;
	/* Nor does the frame between two iterations have it on AMD's processors. */
	if (cpu_amd_like(c))
		c->rflags &= ~X86_EFLAGS_RF;
	cpu_raise_db(c, dr6);
	return true;
}

enum step cpu_insn_completed(struct cpu *c)
{
	if (unlikely(c->pmu_active))
		pmu_insn_completed(c);
	if (trap_after(c, c->rflags & X86_EFLAGS_TF, false))
		return STEP_FAULT;
	return single_step_exit(c) ? STEP_EXIT : STEP_JUMP;
}

enum step cpu_iteration_completed(struct cpu *c)
{
	c->rflags |= X86_EFLAGS_RF;
	if (trap_after(c, c->rflags & X86_EFLAGS_TF, false))
		return STEP_FAULT;
	return single_step_exit(c) ? STEP_EXIT : STEP_AGAIN;
}

enum one_result { ONE_DONE, ONE_EXIT };

/* These clear TF on their way into a handler: it is not stepped (17.3.1.4). */
static bool enters_handler(const struct insn *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_INT:
	case ZYDIS_MNEMONIC_INT1:
	case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_INTO:
	case ZYDIS_MNEMONIC_SYSCALL:
	case ZYDIS_MNEMONIC_SYSENTER:
		return true;
	default:
		return false;
	}
}

/* ...but for MOV SS and POP SS on AMD's processors. */
static bool renews_shadow(const struct cpu *c)
{
	const struct insn *in = c->insn;

	return cpu_amd_like(c) && in && in->sub == SS &&
	       (in->op == op_mov_to_seg || in->op == op_pop_seg);
}

static enum one_result step_one(struct cpu *c)
{
	u64 rf = c->rflags & X86_EFLAGS_RF;
	bool tf = c->rflags & X86_EFLAGS_TF;
	u8 shadow = c->ev.shadow;
	const u64 from = c->rip;
	const struct block *b;
	bool branched;
	enum step st;

	if (insn_breakpoint(c))
		return event_exception(c) ? ONE_EXIT : ONE_DONE;

	st = block_get(c, &b);
	if (st == STEP_NEXT) {
		st = c->pmu_active ? run_insns_counted(c, b, 1) : run_insns(c, b, 1);
		c->insns++;
	}
	if (st == STEP_EXIT) {
		c->rflags |= rf;	/* for its second execution */
		return ONE_EXIT;
	}
	branched = st == STEP_JUMP && insn_is_branch(c->insn);
	if (branched && enters_handler(c->insn))
		tf = c->rflags & X86_EFLAGS_TF;

	/* The shadow covers one instruction, and one that asks anew is ignored... */
	if (!renews_shadow(c))
		c->ev.shadow &= ~shadow;
	if (st == STEP_FAULT) {
		settle(c);
		/* Not accessed after all; MOV SS's are lost (SDM vol. 3C 26.7.3). */
		c->pending_db = 0;
		return event_exception(c) ? ONE_EXIT : ONE_DONE;
	}
	settle(c);
	if (branched)
		branch_record(c, from);
	if (trap_after(c, tf, branched)) {
		if (exit_done(st))
			event_exception_at_exit(c);
		else if (event_exception(c))
			return ONE_EXIT;
	}
	if (exit_done(st))
		return ONE_EXIT;
	return single_step_exit(c) ? ONE_EXIT : ONE_DONE;
}

/* Nothing but @in, which is known to be at RIP, is to be looked at. */
static bool finish_quietly(struct cpu *c, const struct insn *in)
{
	enum step st;

	c->rflags &= ~X86_EFLAGS_RF;
	c->insn = in;
	st = in->op(c, in);
	if (st == STEP_NEXT)
		c->rip += in->len;
	st = last_insn(c, in, st);
	if (st == STEP_EXIT)
		return true;
	settle(c);
	return st == STEP_FAULT ? event_exception(c) : exit_done(st);
}

bool cpu_finish_insn(struct cpu *c)
{
	const struct insn *in = NULL;

	if (c->mmio.delivery)
		return false;
	if (c->translator && event_quiet(c))
		in = c->translator->waiting(c);
	if (in)
		return finish_quietly(c, in);
	do {
		if (step_one(c) == ONE_EXIT)
			return true;
	} while (c->mmio.count);
	return false;
}

/* -- The loop ----------------------------------------------------------------- */

/* Runs blocks until something has to be looked at.  True: an exit. */
static inline __attribute__((always_inline))
bool run_blocks(struct cpu *c, const bool counted, const bool insns,
		const struct translator_ops *tr)
{
	const u64 watched = event_watched_flags(c);
	const u64 rflags = c->rflags & watched;
	const struct block *b;
	enum step st;

	do {
		if (tr && tr->run(c, &st))
			goto ran;
		st = block_get(c, &b);
		if (tr && likely(st == STEP_NEXT) && tr->count(c, b))
			continue;
		if (likely(st == STEP_NEXT)) {
			st = counted ? run_insns_counted(c, b, BLOCK_MAX_INSNS) :
				       run_insns(c, b, BLOCK_MAX_INSNS);
			if (insns)
				count_insns(c, b);
		}
ran:
		if (unlikely(st == STEP_EXIT))
			return true;
		settle(c);
		if (unlikely(st > STEP_JUMP)) {
			if (st == STEP_FAULT)
				return event_exception(c);
			return exit_done(st);
		}
	} while (likely(!READ_ONCE(c->requests) &&
			((c->rflags ^ rflags) & watched) == 0));
	return false;
}

static bool run_blocks_counted(struct cpu *c)
{
	return run_blocks(c, true, true, NULL);
}

static bool run_blocks_translated(struct cpu *c)
{
	return run_blocks(c, false, false, c->translator);
}

/* For --stats. */
static bool run_blocks_noted(struct cpu *c)
{
	return c->translator ? run_blocks(c, false, true, c->translator) :
			       run_blocks(c, false, true, NULL);
}

int cpu_loop(struct cpu *c, bool quiet)
{
	enum event_result r = quiet && event_quiet(c) ? EVENT_RUN : event_process(c);

	for (;; r = event_process(c)) {
		switch (r) {
		case EVENT_EINTR:
			return -EINTR;
		case EVENT_EXIT:
			return 0;
		case EVENT_RUN_ONE:
			if (step_one(c) == ONE_EXIT)
				return 0;
			break;
		case EVENT_RUN:
			if (unlikely(c->pmu_active) ? run_blocks_counted(c) :
			    unlikely(stats_count_insns) ? run_blocks_noted(c) :
			    c->translator ? run_blocks_translated(c) :
					    run_blocks(c, false, false, NULL))
				return 0;
			break;
		}
	}
}

enum step cpu_halt(struct cpu *c)
{
	stat_inc(c->vcpu, halt_exits);
	/* The processor waits, whoever has the LAPIC; nobody is told. */
	if (READ_ONCE(c->vcpu->vm->arch->disabled_exits) & KVM_X86_DISABLE_EXITS_HLT) {
		c->halted = true;
		vcpu_request(c->vcpu, REQ_EVENT);
		return STEP_END;
	}
	if (!c->lapic) {
		c->vcpu->run->exit_reason = KVM_EXIT_HLT;
		return STEP_EXIT_DONE;
	}
	c->mp_state = KVM_MP_STATE_HALTED;
	vcpu_request(c->vcpu, REQ_EVENT);
	return STEP_END;
}

/* The bytes at RIP, as far as they are in memory and in its page; their number. */
static u32 insn_bytes(struct cpu *c, u8 bytes[INSN_BYTES])
{
	u64 lin = cpu_linear_rip(c);
	u32 n = MIN(INSN_BYTES, PAGE_SIZE - (lin & ~PAGE_MASK));
	gpa_t gpa;

	/* Nothing may fault here. */
	return mmu_translate(c, lin, &gpa) && gpa_read(c, gpa, bytes, n) ? n : 0;
}

/*
 * What is ABI are the flags, and size and bytes if there are any; KVM adds five
 * words: exit code, EXITINFO1, EXITINFO2, EXITINTINFO and its error code.
 */
static void emulation_failure_exit(struct cpu *c, u64 exit_code, u64 info1, u64 info2)
{
	const u64 debug[] = { exit_code, info1, info2, 0, 0 };
	struct kvm_run *run = c->vcpu->run;
	u8 bytes[INSN_BYTES];
	u32 n = insn_bytes(c, bytes), words = 1;

	stat_inc(c->vcpu, insn_emulation_fail);
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.flags = 0;
	if (n) {
		words = 3;
		run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = n;
		memset(run->emulation_failure.insn_bytes, 0x90, INSN_BYTES);
		memcpy(run->emulation_failure.insn_bytes, bytes, n);
	}
	memcpy(&run->internal.data[words], debug, sizeof(debug));
	run->emulation_failure.ndata = words + ARRAY_SIZE(debug);
}

/*
 * KVM: a program of the guest gets #UD; in its kernel, userspace is told, and
 * if it goes on nevertheless #UD is what happens.
 */
enum step cpu_emulation_failure(struct cpu *c, u64 exit_code, u64 info1, u64 info2)
{
	bool exit_only = READ_ONCE(c->vcpu->vm->arch->exit_on_emulation_failure);

	if (!exit_only && c->cpl)
		return cpu_raise_ud(c);
	if (!exit_only) {
		cpu_raise_ud(c);
		cpu_queue_exception(c);
	}
	emulation_failure_exit(c, exit_code, info1, info2);
	return STEP_EXIT;
}
