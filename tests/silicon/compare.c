/* SPDX-License-Identifier: MIT */
/* What both sides came to. */
#include "silicon.h"

#include <string.h>

bool compare_undefined;

enum { EXC_SS = 12, EXC_GP = 13, EXC_PF = 14, EXC_AC = 17, EXC_XM = 19, PF_PRESENT = 1, PF_USER = 4 };
enum { MXCSR_OE = 8, MXCSR_UE = 0x10, MXCSR_PE = 0x20, MXCSR_FLAGS = 0x3f };
#define TASK_SIZE_MAX	0x7ffffffff000ull

void fpu_complete(struct fpu *f)
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

static u64 linear_rip(const struct outcome *o)
{
	return o->end.rip + segment_base(o->end.sel[CS]);
}

/* What the sequence leaves undefined where it ended. */
static u32 undefined_at_end(const struct sequence *s, u64 linear)
{
	u32 flags = 0;

	for (u32 i = 0; i < s->nr && sequence_address(s, i) < linear; i++)
		flags = s->insn[i].undefined;
	return compare_undefined ? 0 : flags;
}

/* The instruction that faulted, or NULL. */
static const struct insn *last_insn(const struct sequence *s, const struct outcome *o)
{
	for (u32 i = 0; i < s->nr; i++)
		if (sequence_address(s, i) == linear_rip(o))
			return &s->insn[i];
	return NULL;
}

/*
 * What of CR2 is certain.  In which order the parts of these operands are read
 * is the processor's own business: Zen 4 has the end of a saved state first,
 * and CMPS's destination first, but not of REPE CMPSB.
 */
static u64 cr2_mask(const struct insn *in)
{
	if (in && in->family == SAVE)
		return 0;
	switch (in ? in->mnemonic : ZYDIS_MNEMONIC_INVALID) {
	case ZYDIS_MNEMONIC_CMPSB: case ZYDIS_MNEMONIC_CMPSW:
	case ZYDIS_MNEMONIC_CMPSD: case ZYDIS_MNEMONIC_CMPSQ:
		return 0;
	default:
		return ~0ull;
	}
}

static bool is_of_memory(u32 vector)
{
	return (vector >= EXC_SS && vector <= EXC_PF) || vector == EXC_AC;
}

/*
 * In the last line of either half of the address space Zen 4 raises #GP for
 * vectors of 32 bytes behind FS or GS, even if they end before it does.
 */
static bool is_in_last_line(const struct outcome *o)
{
	u64 line = o->cr2 | 63;

	return o->vector == EXC_PF && (line == ~0ull || line == TASK_SIZE_MAX + PAGE - 1);
}

/*
 * Operands in parts, of which each has a fault of its own.  And a misaligned
 * vector that leaves the segment: #GP for the one or #SS for the other, whose
 * order the manuals leave open (SDM vol. 3A 6.9).
 */
static bool is_either_fault(const struct sequence *s, const struct outcome *host,
			    const struct outcome *guest)
{
	const struct insn *in = last_insn(s, host);

	if (cr2_mask(in) != ~0ull)
		return is_of_memory(host->vector) && is_of_memory(guest->vector);
	if (s->code == CODE64)
		return in && in->vector_operand && host->vector == EXC_GP &&
		       is_in_last_line(guest);
	return in && in->vector_operand &&
	       host->vector == EXC_GP && guest->vector == EXC_SS;
}

static const char *page_fault_differs(const struct sequence *s, const struct outcome *host,
				      const struct outcome *guest)
{
	u64 mask = cr2_mask(last_insn(s, host));
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

/* Of null ones the host's kernel clears the RPL on its way back to user mode. */
static const char *segments_differ(const struct state *a, const struct state *b)
{
	for (u32 i = 0; i < NR_SEGS; i++)
		if (a->sel[i] != b->sel[i] && (a->sel[i] | b->sel[i]) > 3)
			return "selector";
	if (segments_available && (a->fs_base != b->fs_base || a->gs_base != b->gs_base))
		return "FS or GS base";
	return NULL;
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
	if (host->single_step != guest->single_step)
		return "DR6.BS";
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
	if (host->vector == EXC_XM && has_steps(last_insn(s, host)))
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
	bool wide = s->code == CODE64 && segment_is_code(host->end.sel[CS], CODE64);
	u64 mask = wide ? ~0ull : 0xffffffff;
	u32 flags;

	if (why || host->vector == NEVER_ENDS)
		return why;
	if (segments_available && s->user)
		why = segments_differ(&host->end, &guest->end);
	if (why)
		return why;
	if (host->end.rip != guest->end.rip)
		return "RIP";
	for (u32 i = 0; i < (s->code == CODE64 ? 16 : 8); i++)
		if ((host->end.gpr[i] ^ guest->end.gpr[i]) & mask)
			return "general register";
	flags = FLAGS_COMPARED & ~undefined_at_end(s, linear_rip(host));
	if ((host->end.flags ^ guest->end.flags) & flags)
		return "flags";
	if (memcmp(host->memory, guest->memory, MEM_BYTES))
		return "memory";
	fpu_complete(&a);
	fpu_complete(&b);
	forgive_range(s, host, &a, &b);
	return fpu_differs(&a, &b);
}
