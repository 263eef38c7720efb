// SPDX-License-Identifier: MIT
/*
 * How fast are decoded instructions executed?  A loop of typical code, run by
 * the least that a loop can do; and what decoding costs.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "fakes.h"
#include "x86/interp/flags.h"

static const u8 code[] = {
	0x48, 0x8b, 0x06,			/* mov (%rsi),%rax */
	0x48, 0x01, 0xc2,			/* add %rax,%rdx */
	0x48, 0x83, 0xc6, 0x08,			/* add $8,%rsi */
	0x48, 0x8d, 0x4c, 0x42, 0x01,		/* lea 1(%rdx,%rax,2),%rcx */
	0x48, 0x89, 0x4f, 0x08,			/* mov %rcx,8(%rdi) */
	0x85, 0xc0,				/* test %eax,%eax */
	0x78, 0x00,				/* js next */
	0x44, 0x0f, 0xb6, 0xc1,			/* movzbl %cl,%r8d */
	0x49, 0xc1, 0xe0, 0x03,			/* shl $3,%r8 */
	0x48, 0x83, 0xee, 0x08,			/* sub $8,%rsi */
	0x50,					/* push %rax */
	0x5b,					/* pop %rbx */
	0x48, 0x39, 0xd9,			/* cmp %rbx,%rcx */
	0x49, 0xff, 0xc1,			/* inc %r9 */
	0x31, 0xc0,				/* xor %eax,%eax */
	0x49, 0xff, 0xca,			/* dec %r10 */
	0x75, 0xce,				/* jnz 1b */
};

/* CPU time: other load does not count. */
static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static u64 run(struct cpu *c, const struct insn *block, u32 count, u64 start)
{
	u64 retired = 0;
	u32 i;

	for (;;) {
		for (i = 0; i < count; i++) {
			enum step step = block[i].op(c, &block[i]);

			if (unlikely(step != STEP_NEXT)) {
				if (step != STEP_JUMP)
					return 0;
				break;
			}
			c->rip += block[i].len;
		}
		retired += i + (i < count);
		if (i == count)
			return retired;
		if (c->rip != start)
			return 0;
	}
}

static void bench_decode(void)
{
	u32 off, n = 0, r;
	double t = now();
	struct insn in;

	for (r = 0; r < 20000; r++)
		for (off = 0; off < sizeof(code); off += in.len, n++)
			decode_insn(NULL, code + off, sizeof(code) - off, 8, &in);
	printf("decode: %.0f ns per instruction\n", (now() - t) / n * 1e9);
}

int main(void)
{
	enum { SIZE = 65536, LOOPS = 4000000 };
	u8 *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct cpu *c = machine_create(8);
	struct insn block[32];
	u32 count = 0, off;
	u64 retired;
	double t;

	machine_map((u64)mem, (u64)mem + SIZE, true);
	for (off = 0; off < sizeof(code); off += block[count++].len)
		if (decode_insn(NULL, code + off, sizeof(code) - off, 8, &block[count]))
			return 1;
	c->gpr[RSI] = (u64)mem;
	c->gpr[RDI] = (u64)mem + 4096;
	c->gpr[RSP] = (u64)mem + 3 * 4096;
	c->gpr[R10] = LOOPS;
	c->rip = 0x1000;
	t = now();
	retired = run(c, block, count, 0x1000);
	t = now() - t;
	printf("interpreter: %.0f MIPS, %.2f ns per instruction (%llu)\n",
	       (double)retired / t * 1e-6, t / (double)retired * 1e9,
	       (unsigned long long)retired);
	bench_decode();
	machine_destroy();
	return 0;
}
