// SPDX-License-Identifier: MIT
#include "probe.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "x86/cpu/state.h"

#define CODE		((u8 *)0x48000000)
#define NOWHERE		0x000020006000fff0ull	/* its low word is no selector */

enum {
	CODE_SIZE = 4096,
	/* Linux: selectors of 32-bit and 64-bit code, and of data. */
	USER32_CS = 0x23, USER_DS = 0x2b, USER_CS = 0x33,
	LDT_CS = 0x07,
	PF_FETCH = BIT(4),
};

/* Popped by probe_enter in this order. */
struct entry {
	u64 gpr[15];
	u64 rip, cs, rflags, rsp, ss;
};

struct entry probe_entry;
u64 probe_host_rsp;
void probe_enter(void);
extern const u8 probe_leave[];

asm(".text\n"
    "probe_enter:\n\t"
    "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
    "mov %rsp, probe_host_rsp(%rip)\n\t"
    "lea probe_entry(%rip), %rsp\n\t"
    "pop %rax\n\tpop %rcx\n\tpop %rdx\n\tpop %rbx\n\tpop %rbp\n\tpop %rsi\n\tpop %rdi\n\t"
    "pop %r8\n\tpop %r9\n\tpop %r10\n\tpop %r11\n\tpop %r12\n\tpop %r13\n\tpop %r14\n\tpop %r15\n\t"
    "iretq\n"
    "probe_leave:\n\t"
    "emms\n\t"
    "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\tret\n");

static struct {
	volatile bool running;
	u64 trap, error, address, rip;
} outcome;
static u64 host_fs, count;
static bool has_16bit;

/* -- The host's faults ------------------------------------------------------------- */

static u64 current_fs(void)
{
	u64 fs;

	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
	return fs;
}

/* The bytes may have changed FS: nothing of libc before it is back. */
__attribute__((no_stack_protector))
static void restore_fs(void)
{
	long ret;

	asm volatile("syscall" : "=a"(ret)
		     : "a"(SYS_arch_prctl), "D"(ARCH_SET_FS), "S"(host_fs)
		     : "rcx", "r11", "memory");
}

__attribute__((no_stack_protector))
static void on_signal(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	restore_fs();
	if (!outcome.running) {
		signal(sig, SIG_DFL);
		return;
	}
	outcome.running = false;
	outcome.trap = r[REG_TRAPNO];
	outcome.error = r[REG_ERR];
	outcome.address = r[REG_CR2];
	outcome.rip = r[REG_RIP];
	r[REG_RIP] = (greg_t)probe_leave;
	r[REG_RSP] = (greg_t)probe_host_rsp;
	r[REG_EFL] = X86_EFLAGS_IF | X86_EFLAGS_FIXED;
	r[REG_CSGSFS] = (r[REG_CSGSFS] & ~0xffffll & ~(0xffffll << 48)) |
			USER_CS | (greg_t)USER_DS << 48;
}

void probe_take_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP };
	static u8 stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_ONSTACK | SA_SIGINFO,
	};
	size_t i;

	sigaltstack(&ss, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

/* -- One probe ----------------------------------------------------------------------- */

static bool create_ldt(void)
{
	struct user_desc code = {
		.base_addr = (u32)(u64)CODE, .limit = 0xffff,
		.contents = MODIFY_LDT_CONTENTS_CODE,
	};

	return !syscall(SYS_modify_ldt, 0x11, &code, sizeof(code));
}

bool probe_create(void)
{
	u8 *p = mmap(CODE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != CODE) {
		if (p != MAP_FAILED)
			munmap(p, CODE_SIZE);
		return false;
	}
	has_16bit = create_ldt();
	host_fs = current_fs();
	/* Null selectors, as in 64-bit code, would fault in 32-bit code. */
	asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(USER_DS));
	return true;
}

void probe_destroy(void)
{
	munmap(CODE, CODE_SIZE);
}

bool probe_has_mode(u8 code_size)
{
	return code_size != 2 || has_16bit;
}

static enum probe_result result(u64 start)
{
	switch (outcome.trap) {
	case EXC_UD:
		return PROBE_UD;
	case EXC_GP:
		return PROBE_GP;
	case EXC_PF:
		return outcome.error & PF_FETCH && outcome.rip == start &&
		       outcome.address == (u64)CODE + CODE_SIZE ? PROBE_FETCH : PROBE_EXECUTED;
	default:
		return PROBE_EXECUTED;
	}
}

enum probe_result probe_run(const u8 *bytes, u32 avail, u8 code_size)
{
	u64 offset = CODE_SIZE - avail, start;
	int i;

	start = code_size == 2 ? offset : (u64)CODE + offset;
	memcpy(CODE + offset, bytes, avail);
	for (i = 0; i < 15; i++)
		probe_entry.gpr[i] = NOWHERE;
	probe_entry.rip = start;
	probe_entry.cs = code_size == 8 ? USER_CS : code_size == 4 ? USER32_CS : LDT_CS;
	probe_entry.rflags = X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_FIXED;
	probe_entry.rsp = code_size == 8 ? NOWHERE : (u32)NOWHERE;
	probe_entry.ss = USER_DS;
	outcome.running = true;
	probe_enter();
	count++;
	return result(start);
}

u64 probe_count(void)
{
	return count;
}
