/* SPDX-License-Identifier: MIT */
/*
 * The host's CPU.  Two signals a case: the handler of our own INT3 leaves
 * through sigreturn with the registers of the case; that of its fault, or of
 * the INT3 behind it, finds them in its frame and goes back in the same way.
 */
#include "silicon.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "anykvm.h"

enum { MAX_TICKS = 2 };

volatile u32 ticks;
static enum { IDLE, ENTER, RUNNING } phase;
static const struct sequence *current;
static struct outcome *result;
static gregset_t saved_gregs;
static struct fpu saved_fpu;
static u8 *code, *memory;	/* writable aliases */

/* Of the program, and of the case; they are not in the kernel's frame. */
static u64 host_fs_base, host_gs_base, fs_base, gs_base;
static u16 sel[NR_SEGS];

static const u8 gpr_index[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* The frame's FXSAVE area ends with the kernel's description of the frame. */
static void put_fpu(void *frame, const struct fpu *f)
{
	memcpy(frame, f->fx, 416);
	memcpy((u8 *)frame + 512, &f->xstate_bv, 8);
	memcpy((u8 *)frame + 576, f->ymm_high, sizeof(f->ymm_high));
}

static void get_fpu(const void *frame, struct fpu *f)
{
	memcpy(f->fx, frame, 416);
	memcpy(&f->xstate_bv, (const u8 *)frame + 512, 8);
	memcpy(f->ymm_high, (const u8 *)frame + 576, sizeof(f->ymm_high));
}

/* -- Segments ------------------------------------------------------------------------- */

/* Nothing may use FS, where the program's threads are, until it has its base again. */
static void swap_segments_out(void)
{
	asm volatile("mov %%es, %0\n\tmov %%ds, %1" : "=m"(sel[ES]), "=m"(sel[DS]));
	asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(USER_DS));
	if (!segments_available)
		return;
	asm volatile("mov %%fs, %0\n\tmov %%gs, %1" : "=m"(sel[FS]), "=m"(sel[GS]));
	asm volatile("rdfsbase %0\n\trdgsbase %1" : "=r"(fs_base), "=r"(gs_base));
	asm volatile("mov %0, %%fs\n\tmov %0, %%gs" : : "r"(0));
	asm volatile("wrfsbase %0\n\twrgsbase %1" : : "r"(host_fs_base), "r"(host_gs_base));
}

static void swap_segments_in(const struct state *s, bool wide)
{
	asm volatile("mov %0, %%es\n\tmov %1, %%ds" : : "m"(s->sel[ES]), "m"(s->sel[DS]));
	if (!segments_available)
		return;
	asm volatile("mov %0, %%fs\n\tmov %1, %%gs" : : "m"(s->sel[FS]), "m"(s->sel[GS]));
	if (wide)
		asm volatile("wrfsbase %0\n\twrgsbase %1"
			     : : "r"(s->fs_base), "r"(s->gs_base));
}

/* -- Two signals a case ----------------------------------------------------------------- */

static void enter(mcontext_t *m)
{
	const struct state *s = &current->start;

	memcpy(saved_gregs, m->gregs, sizeof(saved_gregs));
	get_fpu(m->fpregs, &saved_fpu);
	for (u32 i = 0; i < 16; i++)
		m->gregs[gpr_index[i]] = s->gpr[i];
	m->gregs[REG_RIP] = s->rip;
	m->gregs[REG_EFL] = s->flags;
	m->gregs[REG_CSGSFS] = s->sel[CS] | (u64)s->sel[SS] << 48;
	put_fpu(m->fpregs, &s->fpu);
	phase = RUNNING;
	swap_segments_in(s, current->code == CODE64);
}

static void leave(mcontext_t *m)
{
	struct state *s = &result->end;

	for (u32 i = 0; i < 16; i++)
		s->gpr[i] = m->gregs[gpr_index[i]];
	s->rip = m->gregs[REG_RIP];
	s->flags = m->gregs[REG_EFL];
	memcpy(s->sel, sel, sizeof(sel));
	s->sel[CS] = m->gregs[REG_CSGSFS];
	s->sel[SS] = (u64)m->gregs[REG_CSGSFS] >> 48;
	s->fs_base = fs_base;
	s->gs_base = gs_base;
	get_fpu(m->fpregs, &s->fpu);
	result->vector = m->gregs[REG_TRAPNO];
	result->error = m->gregs[REG_ERR];
	result->cr2 = m->gregs[REG_CR2];
	memcpy(m->gregs, saved_gregs, sizeof(saved_gregs));
	put_fpu(m->fpregs, &saved_fpu);
	phase = IDLE;
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
	mcontext_t *m = &((ucontext_t *)ucontext)->uc_mcontext;

	/* The case may have left them, and the kernel does. */
	asm volatile("sub $128, %%rsp\n\tpushfq\n\tandl %0, (%%rsp)\n\t"
		     "popfq\n\tadd $128, %%rsp"
		     : : "i"(~(FLAG_AC | FLAG_NT | FLAG_ID)) : "memory", "cc");
	if (phase == RUNNING) {
		swap_segments_out();
		result->single_step = sig == SIGTRAP && info->si_code == TRAP_TRACE;
		leave(m);
	} else if (phase == ENTER) {
		enter(m);
	} else if (!anykvm_fault(sig, info, ucontext))
		signal(sig, SIG_DFL);
}

/* A case that jumps to itself. */
static void on_alarm(int sig, siginfo_t *info, void *ucontext)
{
	mcontext_t *m = &((ucontext_t *)ucontext)->uc_mcontext;

	ticks++;
	if (phase == RUNNING) {
		if (ticks < MAX_TICKS)
			return;
		swap_segments_out();
		leave(m);
		result->vector = NEVER_ENDS;
	} else if (!anykvm_signal_is_masked(sig)) {
		anykvm_signalled(sig);
	}
}

static void start_clock(void)
{
	const struct itimerval second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	struct sigaction sa = {
		.sa_sigaction = on_alarm,
		.sa_flags = SA_ONSTACK | SA_SIGINFO | SA_RESTART,
	};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &second, NULL);
}

static void take_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP };
	static u8 stack[1 << 17];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_ONSTACK | SA_NODEFER | SA_SIGINFO,
	};

	sigaltstack(&ss, NULL);
	sigaddset(&sa.sa_mask, SIGALRM);
	for (u32 i = 0; i < COUNT(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

static bool map_alias(int fd, u64 at, u32 offset, u32 bytes, int prot)
{
	return mmap((void *)at, bytes, prot,
		    MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, offset) != MAP_FAILED;
}

/* The pages of the window, whose neighbours stay absent. */
static bool map_window(int fd)
{
	u32 offset = CODE_PAGES * PAGE;

	if (!map_alias(fd, CODE, 0, CODE_PAGES * PAGE, PROT_READ | PROT_EXEC))
		return false;
	for (u32 i = 0; i < DATA_PAGES; i++) {
		int prot = data_access[i] == READ_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;

		if (data_access[i] == ABSENT)
			continue;
		if (!map_alias(fd, DATA + i * PAGE, offset, PAGE, prot))
			return false;
		offset += PAGE;
	}
	return true;
}

bool host_create(void)
{
	const u32 bytes = CODE_PAGES * PAGE + MEM_BYTES;
	int fd = memfd_create("silicon", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, bytes))
		return false;
	code = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (code == MAP_FAILED || !map_window(fd))
		return false;
	close(fd);
	memory = code + CODE_PAGES * PAGE;
	memset(code, 0xcc, CODE_PAGES * PAGE);
	/* Null selectors, as in 64-bit code, would fault in 32-bit code. */
	asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(USER_DS));
	if (segments_available)
		asm volatile("rdfsbase %0\n\trdgsbase %1" : "=r"(host_fs_base), "=r"(host_gs_base));
	take_signals();
	start_clock();
	return true;
}

void host_run(const struct sequence *s, struct outcome *out)
{
	u32 n = sequence_layout(s, code);

	memcpy(memory, s->memory, MEM_BYTES);
	current = s;
	result = out;
	ticks = 0;
	segments_follow_cpu();
	phase = ENTER;
	asm volatile("int3" : : : "memory");
	memset(code + s->at, 0xcc, n);
	out->memory = memory;
}
