/* SPDX-License-Identifier: MIT */
/* Runs bytes on the host's CPU with a given register state. */
#include "fakes.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static u8 *page;		/* RWX: tests only */
static u8 *out;
static sigjmp_buf escape;

bool oracle_available(void)
{
	if (!__builtin_cpu_supports("avx"))
		return false;
	if (!page) {
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		page = p == MAP_FAILED ? NULL : p;
	}
	return page;
}

static void put(const void *b, u32 n)
{
	memcpy(out, b, n);
	out += n;
}
#define PUT(...) put((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* opcode [rax + off], with register @n in ModRM.reg. */
static void put_rax(u8 rex, u8 opcode, u8 n, u32 off)
{
	PUT(rex | (n & 8) >> 1, opcode, 0x80 | (n & 7) << 3);
	put(&off, 4);
}

static void put_ymm(u8 opcode, u8 n)
{
	u32 off = offsetof(struct state, ymm) + 32 * n;

	PUT(0xc5, n & 8 ? 0x7c : 0xfc, opcode, 0x80 | (n & 7) << 3);
	put(&off, 4);
}

static void put_state(struct state *s)
{
	PUT(0x48, 0xb8);			/* mov rax, s */
	put(&s, 8);
}

static void put_load(struct state *s)
{
	put_state(s);
	PUT(0x48, 0x0f, 0xae, 0x08);		/* fxrstor64 [rax] */
	for (u8 n = 0; n < 16; n++)
		put_ymm(0x10, n);
	put_rax(0x48, 0xff, 6, offsetof(struct state, flags));	/* push */
	PUT(0x9d);
	for (u8 n = 15; n < 16; n--)		/* rax last */
		if (n != RSP)
			put_rax(0x48, 0x8b, n, offsetof(struct state, gpr) + 8 * n);
}

static void put_save(struct state *s)
{
	u64 *rax = &s->gpr[RAX];

	PUT(0x48, 0xa3);			/* mov [gpr[RAX]], rax */
	put(&rax, 8);
	put_state(s);
	for (u8 n = 1; n < 16; n++)
		if (n != RSP)
			put_rax(0x48, 0x89, n, offsetof(struct state, gpr) + 8 * n);
	PUT(0x9c);
	put_rax(0x48, 0x8f, 0, offsetof(struct state, flags));
	for (u8 n = 0; n < 16; n++)
		put_ymm(0x11, n);
	PUT(0x48, 0x0f, 0xae, 0x00, 0xdb, 0xe3);	/* fxsave64; fninit */
	PUT(0x0f, 0xae, 0x90);				/* ldmxcsr [rax + d] */
	put(&(u32){ offsetof(struct state, host_mxcsr) }, 4);
	PUT(0xc5, 0xf8, 0x77);				/* vzeroupper */
}

static void handler(int sig)
{
	siglongjmp(escape, sig);
}

static const int signals[] = { SIGILL, SIGSEGV, SIGFPE, SIGBUS };

int oracle_run(struct state *s, const u8 *bytes, u32 n)
{
	const struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_NODEFER };
	struct sigaction old[4];
	int sig;

	s->host_mxcsr = 0x1f80;
	out = page;
	PUT(0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57);
	put_load(s);
	put(bytes, n);
	put_save(s);
	PUT(0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
	for (int i = 0; i < 4; i++)
		sigaction(signals[i], &sa, &old[i]);
	sig = sigsetjmp(escape, 1);
	if (!sig)
		((void (*)(void))page)();
	else
		asm volatile("fninit; ldmxcsr %0; vzeroupper" : : "m"(s->host_mxcsr));
	for (int i = 0; i < 4; i++)
		sigaction(signals[i], &old[i], NULL);
	return sig;
}
