// SPDX-License-Identifier: MIT
#include "oracle.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	INSN_OFFSET = 0x200, ENTRY32_OFFSET = 0x800, INSN32_OFFSET = 0xa00,
	NR_PAGES = 4, REG_SP = 4,
	/* Linux: selectors of 32-bit and 64-bit code, and of data. */
	USER32_CS = 0x23, USER_DS = 0x2b, USER_CS = 0x33,
	NOTE_LEN = 8,	/* the MOV that notes a taken branch */
};

static sigjmp_buf escape;
static volatile bool running;

static void on_signal(int sig)
{
	if (!running) {
		signal(sig, SIG_DFL);
		return;
	}
	/* The instruction may have set it. */
	asm volatile("cld");
	siglongjmp(escape, sig);
}

void oracle_take_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGFPE, SIGILL, SIGBUS };
	static u8 stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = {
		.sa_handler = on_signal,
		.sa_flags = SA_ONSTACK | SA_NODEFER,
	};
	size_t i;

	sigaltstack(&ss, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

/* -- The stub ---------------------------------------------------------------------- */

static u8 *emit(u8 *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

#define EMIT(p, ...) emit(p, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* opcode with [disp32] absolute and @reg in ModRM.reg. */
static u8 *emit_abs(u8 *p, bool wide, u8 opcode, u8 reg, const void *addr)
{
	u32 disp = (u32)(u64)addr;

	if (wide)
		p = EMIT(p, 0x48 | (reg >> 3) << 2);
	p = EMIT(p, opcode, (reg & 7) << 3 | 4, 0x25);
	return emit(p, &disp, 4);
}

static u8 *emit_jmp(u8 *p, const u8 *target)
{
	s32 rel = (s32)(target - (p + 5));

	p = EMIT(p, 0xe9);
	return emit(p, &rel, 4);
}

static void emit_entry(struct oracle *o, u8 *p, bool compat)
{
	struct oracle_state *s = o->state;
	int i;

	p = EMIT(p, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57);
	p = emit_abs(p, true, 0x89, REG_SP, &s->host_rsp);
	p = emit_abs(p, false, 0xff, 6, &s->flags);	/* PUSH */
	p = EMIT(p, 0x9d);				/* POPFQ */
	for (i = 0; i < 16; i++)
		p = emit_abs(p, true, 0x8b, i, &s->gpr[i]);
	if (compat)
		emit_abs(p, false, 0xff, 5, &s->compat);	/* JMP FAR */
	else
		emit_jmp(p, o->insn);
}

/* JMP FAR from 32-bit back to 64-bit code. */
static void emit_return(u8 *p, const u8 *target)
{
	u32 offset = (u32)(u64)target;

	p = EMIT(p, 0xea);
	p = emit(p, &offset, 4);
	EMIT(p, USER_CS, 0);
}

static void emit_exit(struct oracle *o)
{
	struct oracle_state *s = o->state;
	u8 *p = o->insn + ORACLE_TAKEN_DISP;
	int i;

	p = emit_abs(p, false, 0xc6, 0, &s->taken);	/* MOV byte, 1 */
	p = EMIT(p, 1);
	for (i = 0; i < 16; i++)
		p = emit_abs(p, true, 0x89, i, &s->gpr[i]);
	p = emit_abs(p, true, 0x8b, REG_SP, &s->host_rsp);
	p = EMIT(p, 0x9c);				/* PUSHFQ */
	p = emit_abs(p, false, 0x8f, 0, &s->flags);	/* POP */
	EMIT(p, 0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
}

bool oracle_create(struct oracle *o)
{
	u8 *p = mmap(NULL, NR_PAGES * 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		return false;
	o->code = p;
	o->insn = p + INSN_OFFSET;
	o->mem = p + 4096;
	o->state = (struct oracle_state *)(p + 3 * 4096);
	o->insn32 = p + INSN32_OFFSET;
	o->state->compat.offset = (u32)(u64)o->insn32;
	o->state->compat.selector = USER32_CS;
	emit_entry(o, o->code, false);
	emit_entry(o, o->code + ENTRY32_OFFSET, true);
	emit_exit(o);
	emit_return(o->insn32 + ORACLE_TAKEN_DISP, o->insn + ORACLE_TAKEN_DISP);
	/* Null selectors, as in 64-bit code, would fault in 32-bit code. */
	asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(USER_DS));
	return true;
}

void oracle_destroy(struct oracle *o)
{
	munmap(o->code, NR_PAGES * 4096);
}

int oracle_run(struct oracle *o, const u8 *bytes, u32 len, bool compat)
{
	const u8 *not_taken = o->insn + ORACLE_TAKEN_DISP + NOTE_LEN;
	u8 *slot = compat ? o->insn32 : o->insn;
	int sig;

	o->state->taken = 0;
	memcpy(slot, bytes, len);
	if (compat)
		emit_return(slot + len, not_taken);
	else
		emit_jmp(slot + len, not_taken);
	sig = sigsetjmp(escape, 0);
	if (!sig) {
		running = true;
		((void (*)(void))(u64)(o->code + (compat ? ENTRY32_OFFSET : 0)))();
	}
	running = false;
	return sig;
}
