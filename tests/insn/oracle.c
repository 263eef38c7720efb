// SPDX-License-Identifier: MIT
#include "oracle.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { INSN_OFFSET = 0x200, NR_PAGES = 4, REG_SP = 4 };

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

static void emit_entry(struct oracle *o)
{
	struct oracle_state *s = o->state;
	u8 *p = o->code;
	int i;

	p = EMIT(p, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57);
	p = emit_abs(p, true, 0x89, REG_SP, &s->host_rsp);
	p = emit_abs(p, false, 0xff, 6, &s->flags);	/* PUSH */
	p = EMIT(p, 0x9d);				/* POPFQ */
	for (i = 0; i < 16; i++)
		p = emit_abs(p, true, 0x8b, i, &s->gpr[i]);
	emit_jmp(p, o->insn);
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
	emit_entry(o);
	emit_exit(o);
	return true;
}

void oracle_destroy(struct oracle *o)
{
	munmap(o->code, NR_PAGES * 4096);
}

int oracle_run(struct oracle *o, const u8 *bytes, u32 len)
{
	const u8 skip = 8;	/* the MOV that notes a taken branch */
	int sig;

	o->state->taken = 0;
	memcpy(o->insn, bytes, len);
	emit_jmp(o->insn + len, o->insn + ORACLE_TAKEN_DISP + skip);
	sig = sigsetjmp(escape, 0);
	if (!sig) {
		running = true;
		((void (*)(void))(u64)o->code)();
	}
	running = false;
	return sig;
}
