/* SPDX-License-Identifier: MIT */
/* What both sides came to, and how it is shown. */
#include "silicon.h"

#include <stdio.h>
#include <string.h>

bool compare_undefined;

enum { EXC_SS = 12, EXC_GP = 13, EXC_PF = 14, EXC_XM = 19, PF_PRESENT = 1, PF_USER = 4 };
enum { MXCSR_OE = 8, MXCSR_UE = 0x10, MXCSR_PE = 0x20, MXCSR_FLAGS = 0x3f };
#define TASK_SIZE_MAX	0x7ffffffff000ull

/* Components in their initial state may be left out of the image. */
static void complete(struct fpu *f)
{
	if (!(f->xstate_bv & 1)) {
		memset(f->fx, 0, 24);
		memset(f->fx + FPU_ST, 0, 128);
		f->fx[0] = 0x7f;
		f->fx[1] = 3;
	}
	if (!(f->xstate_bv & 2))
		memset(f->fx + FPU_XMM, 0, 256);
	if (!(f->xstate_bv & 4))
		memset(f->ymm_high, 0, sizeof(f->ymm_high));
}

/* What the sequence leaves undefined where it ended. */
static u32 undefined_at_end(const struct sequence *s, u64 rip)
{
	u32 flags = 0;

	for (u32 i = 0; i < s->nr && sequence_address(s, i) < rip; i++)
		flags = s->insn[i].undefined;
	return compare_undefined ? 0 : flags;
}

/* The instruction that faulted, or NULL. */
static const struct insn *insn_at(const struct sequence *s, u64 rip)
{
	for (u32 i = 0; i < s->nr; i++)
		if (sequence_address(s, i) == rip)
			return &s->insn[i];
	return NULL;
}

/*
 * What of CR2 is certain.  In which order the parts of these operands are read
 * is the processor's own business; Zen 4 has CMPS's destination first, but not
 * of REPE CMPSB.
 */
static u64 cr2_mask(const struct insn *in)
{
	switch (in ? in->mnemonic : ZYDIS_MNEMONIC_INVALID) {
	case ZYDIS_MNEMONIC_FLDENV: case ZYDIS_MNEMONIC_FRSTOR:
		return ~(u64)(PAGE - 1);
	case ZYDIS_MNEMONIC_CMPSB: case ZYDIS_MNEMONIC_CMPSW:
	case ZYDIS_MNEMONIC_CMPSD: case ZYDIS_MNEMONIC_CMPSQ:
		return 0;
	default:
		return ~0ull;
	}
}

/*
 * Operands in parts, of which each has a fault of its own.  And a misaligned
 * vector that leaves the segment: #GP for the one or #SS for the other, whose
 * order the manuals leave open (SDM vol. 3A 6.9).
 */
static bool is_either_fault(const struct sequence *s, const struct outcome *host,
			    const struct outcome *guest)
{
	const struct insn *in = insn_at(s, host->end.rip);

	if (cr2_mask(in) != ~0ull)
		return host->vector >= EXC_SS && host->vector <= EXC_PF &&
		       guest->vector >= EXC_SS && guest->vector <= EXC_PF;
	return !s->wide && in && in->vector_operand &&
	       host->vector == EXC_GP && guest->vector == EXC_SS;
}

static const char *page_fault_differs(const struct sequence *s, const struct outcome *host,
				      const struct outcome *guest)
{
	u64 mask = cr2_mask(insn_at(s, host->end.rip));
	u32 error = host->error, ours = guest->error;

	if ((host->cr2 ^ guest->cr2) & mask)
		return "CR2";
	if (!s->user)
		error &= ~PF_USER;
	/* Linux says so of all addresses that are not the user's. */
	if (host->cr2 >= TASK_SIZE_MAX)
		ours |= PF_PRESENT;
	return mask && error != ours ? "error code" : NULL;
}

static const char *fault_differs(const struct sequence *s, const struct outcome *host,
				 const struct outcome *guest)
{
	if (host->vector != guest->vector && !is_either_fault(s, host, guest))
		return "exception";
	if (host->vector != guest->vector)
		return NULL;
	if (host->vector == EXC_PF)
		return page_fault_differs(s, host, guest);
	return host->error != guest->error ? "error code" : NULL;
}

/* Several additions and multiplications: which were made before the exception? */
static bool has_steps(const struct insn *in)
{
	switch (in ? in->mnemonic : ZYDIS_MNEMONIC_INVALID) {
	case ZYDIS_MNEMONIC_DPPS: case ZYDIS_MNEMONIC_DPPD:
	case ZYDIS_MNEMONIC_VDPPS: case ZYDIS_MNEMONIC_VDPPD:
		return true;
	default:
		return false;
	}
}

/*
 * An unmasked overflow or underflow: whether the result would have been
 * inexact, too, only the processor knows (docs/quirks.md, cpu-sse-range).
 */
static void forgive_range(const struct sequence *s, const struct outcome *host,
			  const struct fpu *a, struct fpu *b)
{
	u32 theirs, ours, forgiven = 0;

	memcpy(&theirs, a->fx + FPU_MXCSR, 4);
	memcpy(&ours, b->fx + FPU_MXCSR, 4);
	if (host->vector == EXC_XM && has_steps(insn_at(s, host->end.rip)))
		forgiven = MXCSR_FLAGS;
	else if (host->vector == EXC_XM && theirs & ~(theirs >> 7) & (MXCSR_OE | MXCSR_UE))
		forgiven = MXCSR_PE;
	ours = (ours & ~forgiven) | (theirs & forgiven);
	memcpy(b->fx + FPU_MXCSR, &ours, 4);
}

static const char *fpu_differs(const struct fpu *a, const struct fpu *b)
{
	if (memcmp(a->fx, b->fx, 5))
		return "x87 control, status or tags";
	for (u32 i = 0; i < 8; i++)
		if (memcmp(a->fx + FPU_ST + 16 * i, b->fx + FPU_ST + 16 * i, 10))
			return "x87 register";
	if (memcmp(a->fx + FPU_MXCSR, b->fx + FPU_MXCSR, 4))
		return "MXCSR";
	if (memcmp(a->fx + FPU_XMM, b->fx + FPU_XMM, 256) ||
	    memcmp(a->ymm_high, b->ymm_high, sizeof(a->ymm_high)))
		return "vector register";
	return NULL;
}

const char *difference(const struct sequence *s, const struct outcome *host,
		       const struct outcome *guest)
{
	struct fpu a = host->end.fpu, b = guest->end.fpu;
	const char *why = fault_differs(s, host, guest);
	u64 mask = s->wide ? ~0ull : 0xffffffff;
	u32 flags;

	if (why)
		return why;
	if (host->end.rip != guest->end.rip)
		return "RIP";
	for (u32 i = 0; i < (s->wide ? 16 : 8); i++)
		if ((host->end.gpr[i] ^ guest->end.gpr[i]) & mask)
			return "general register";
	flags = FLAGS_COMPARED & ~undefined_at_end(s, host->end.rip);
	if ((host->end.flags ^ guest->end.flags) & flags)
		return "flags";
	if (memcmp(host->memory, guest->memory, MEM_BYTES))
		return "memory";
	complete(&a);
	complete(&b);
	forgive_range(s, host, &a, &b);
	return fpu_differs(&a, &b);
}

/* -- Showing -------------------------------------------------------------------------- */

static const char *const gpr_names[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

static void print_bytes(const char *name, const u8 *p, u32 n)
{
	printf("%s", name);
	while (n--)
		printf("%02x", p[n]);
}

static void print_insn(const struct sequence *s, u32 i, const u8 *bytes, u32 n)
{
	ZydisFormatter formatter;
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u64 at = sequence_address(s, i);
	char text[128] = "?";

	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder_of(s->wide), bytes, n, &zi, ops)))
		ZydisFormatterFormatInstruction(&formatter, &zi, ops, zi.operand_count_visible,
						text, sizeof(text), at, NULL);
	printf("  %08llx ", (long long)at);
	for (u32 j = 0; j < MAX_LEN; j++)
		printf(j < n ? " %02x" : "   ", j < n ? bytes[j] : 0);
	printf("  %s\n", text);
}

static void print_state(const struct state *s, bool wide)
{
	const u8 *fx = s->fpu.fx;

	for (u32 i = 0; i < (wide ? 16 : 8); i++)
		printf("  %-3s %016llx%s", gpr_names[i], (long long)s->gpr[i],
		       i % 4 == 3 ? "\n" : "");
	printf("  flags %llx, MXCSR %x, FCW %04x, FSW %04x, FTW %02x\n", (long long)s->flags,
	       *(u32 *)(fx + FPU_MXCSR), *(u16 *)fx, *(u16 *)(fx + 2), fx[4]);
}

static void print_vectors(const struct fpu *f)
{
	for (u32 i = 0; i < 8; i++) {
		printf("  st%u ", i);
		print_bytes("", f->fx + FPU_ST + 16 * i, 10);
	}
	printf("\n");
	for (u32 i = 0; i < 16; i++) {
		printf("  ymm%-2u ", i);
		print_bytes("", f->ymm_high[i], 16);
		print_bytes("_", f->fx + FPU_XMM + 16 * i, 16);
		printf(i & 1 ? "\n" : "");
	}
}

void print_sequence(const struct sequence *s)
{
	static u8 code[CODE_PAGES * PAGE];
	u32 n = sequence_layout(s, code), at = 0;

	printf("%s-bit code at CPL %u:\n", s->wide ? "64" : "32", s->user ? 3 : 0);
	for (u32 i = 0; i < s->nr && at < n; at += s->insn[i++].len)
		print_insn(s, i, code + s->at + at, s->insn[i].len);
	printf("from:\n");
	print_state(&s->start, s->wide);
	print_vectors(&s->start.fpu);
}

static void print_end(const char *name, const struct sequence *s, const struct outcome *o)
{
	printf("%s: vector %u, error %x, cr2 %llx, at %llx\n", name, o->vector, o->error,
	       o->vector == EXC_PF ? (long long)o->cr2 : 0, (long long)o->end.rip);
	print_state(&o->end, s->wide);
}

static void print_fpu_differences(const struct fpu *a, const struct fpu *b)
{
	for (u32 i = 0; i < 8; i++)
		if (memcmp(a->fx + FPU_ST + 16 * i, b->fx + FPU_ST + 16 * i, 10)) {
			printf("  st%u: ", i);
			print_bytes("", a->fx + FPU_ST + 16 * i, 10);
			print_bytes(" guest ", b->fx + FPU_ST + 16 * i, 10);
			printf("\n");
		}
	for (u32 i = 0; i < 16; i++)
		if (memcmp(a->fx + FPU_XMM + 16 * i, b->fx + FPU_XMM + 16 * i, 16) ||
		    memcmp(a->ymm_high[i], b->ymm_high[i], 16)) {
			printf("  ymm%u: ", i);
			print_bytes("", a->ymm_high[i], 16);
			print_bytes("_", a->fx + FPU_XMM + 16 * i, 16);
			print_bytes(" guest ", b->ymm_high[i], 16);
			print_bytes("_", b->fx + FPU_XMM + 16 * i, 16);
			printf("\n");
		}
}

void print_outcomes(const struct sequence *s, const struct outcome *host,
		    const struct outcome *guest)
{
	struct fpu a = host->end.fpu, b = guest->end.fpu;
	u32 shown = 0;

	print_end("host", s, host);
	print_end("guest", s, guest);
	complete(&a);
	complete(&b);
	print_fpu_differences(&a, &b);
	for (u32 i = 0; i < MEM_BYTES && shown < 16; i++)
		if (host->memory[i] != guest->memory[i] && shown++ < 16)
			printf("  [%llx]: %02x, host %02x, guest %02x\n", (long long)mem_address(i),
			       s->memory[i], host->memory[i], guest->memory[i]);
}
