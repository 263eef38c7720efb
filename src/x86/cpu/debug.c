/* SPDX-License-Identifier: MIT */
/* Breakpoints: the guest's own, or the debugger's of KVM_SET_GUEST_DEBUG. */
#include "x86/cpu/cpu.h"

enum { DR7_RW_EXEC = 0, DR7_RW_WRITE = 1, DR7_RW_IO = 2, DR7_RW_ACCESS = 3 };

struct breakpoints {
	const u64 *dr;
	u64 dr7;
};

static struct breakpoints breakpoints(const struct cpu *c)
{
	const u32 hw = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;

	if ((c->guest_debug & hw) == hw)
		return (struct breakpoints){ c->debug_dr, c->debug_dr7 };
	return (struct breakpoints){ c->dr, c->dr7 };
}

u64 cpu_effective_dr7(const struct cpu *c)
{
	return breakpoints(c).dr7;
}

static bool bp_enabled(u64 dr7, u32 i)
{
	return dr7 >> (i * 2) & 3;
}

static u32 bp_rw(u64 dr7, u32 i)
{
	return dr7 >> (16 + i * 4) & 3;
}

static u32 bp_len(u64 dr7, u32 i)
{
	static const u8 len[] = { 1, 2, 8, 4 };

	return len[dr7 >> (18 + i * 4) & 3];
}

bool cpu_vmm_debugs(const struct cpu *c)
{
	const u32 step = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;

	return (breakpoints(c).dr7 & 0xff) || (c->guest_debug & step) == step;
}

bool cpu_insn_breakpoint(struct cpu *c, u64 linear, u64 *dr6)
{
	struct breakpoints bp = breakpoints(c);

	*dr6 = 0;
	for (u32 i = 0; i < 4; i++)
		if (bp_enabled(bp.dr7, i) && bp_rw(bp.dr7, i) == DR7_RW_EXEC &&
		    bp.dr[i] == linear)
			*dr6 |= BIT_ULL(i);
	return *dr6;
}

/* Does [at, at + n) meet breakpoint @i?  Either may end with the address space. */
static bool bp_meets(const struct breakpoints *bp, u32 i, u64 at, u32 n)
{
	u32 len = bp_len(bp->dr7, i);
	u64 start = bp->dr[i] & ~(u64)(len - 1);

	return at - start < len || start - at < n;
}

u64 cpu_data_breakpoints(struct cpu *c, u64 lin, u32 n, bool write)
{
	struct breakpoints bp = breakpoints(c);
	u64 hits = 0;

	for (u32 i = 0; i < 4; i++) {
		u32 rw = bp_rw(bp.dr7, i);

		if (!bp_enabled(bp.dr7, i))
			continue;
		if (rw != DR7_RW_ACCESS && !(rw == DR7_RW_WRITE && write))
			continue;
		if (bp_meets(&bp, i, lin, n))
			hits |= BIT_ULL(i);
	}
	return hits;
}

u64 cpu_io_breakpoints(const struct cpu *c, u16 port, u8 size)
{
	struct breakpoints bp = breakpoints(c);
	u64 hits = 0;

	if (likely(!(bp.dr7 & 0xff)) || !(c->cr4 & X86_CR4_DE))
		return 0;
	for (u32 i = 0; i < 4; i++)
		if (bp_enabled(bp.dr7, i) && bp_rw(bp.dr7, i) == DR7_RW_IO &&
		    bp_meets(&bp, i, port, size))
			hits |= BIT_ULL(i);
	return hits;
}
