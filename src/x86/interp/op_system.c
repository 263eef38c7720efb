/* SPDX-License-Identifier: MIT */
/* HLT, CPUID, MSRs, TSC, caches, TLB and other instructions of the system. */
#include "api/stats.h"
#include "x86/cpu/event.h"
#include "x86/cpu/pmu.h"
#include "x86/cpu/protect.h"
#include "x86/interp/exec.h"
#include "x86/interp/ops.h"
#include "x86/interp/system.h"
#include "x86/mmu/access.h"
#include "x86/x86.h"

#define MWAIT_NS	50000

enum step exec_hlt(struct cpu *c, const struct insn *in)
{
	return cpu_halt(c);
}

enum step op_cpuid(struct cpu *c, const struct insn *in)
{
	struct cpuid_regs r;

	if (unlikely(c->cpl) && c->misc_features & MISC_FEATURES_CPUID_FAULT)
		return cpu_raise_gp0(c);
	cpu_cpuid(c, (u32)c->gpr[RAX], (u32)c->gpr[RCX], &r);
	c->gpr[RAX] = r.eax;
	c->gpr[RBX] = r.ebx;
	c->gpr[RCX] = r.ecx;
	c->gpr[RDX] = r.edx;
	return STEP_NEXT;
}

/* -- MSRs and counters -------------------------------------------------------------- */

static void set_edx_eax(struct cpu *c, u64 v)
{
	c->gpr[RAX] = (u32)v;
	c->gpr[RDX] = v >> 32;
}

static u64 edx_eax(const struct cpu *c)
{
	return (u32)c->gpr[RAX] | c->gpr[RDX] << 32;
}

enum step exec_rdmsr(struct cpu *c, const struct insn *in)
{
	u64 v = 0;

	TRY(cpu_rdmsr(c, (u32)c->gpr[RCX], &v));
	set_edx_eax(c, v);
	return STEP_NEXT;
}

enum step exec_wrmsr(struct cpu *c, const struct insn *in)
{
	TRY(cpu_wrmsr(c, (u32)c->gpr[RCX], edx_eax(c)));
	return STEP_END;
}

enum step exec_rdtsc(struct cpu *c, const struct insn *in)
{
	set_edx_eax(c, cpu_read_tsc(c));
	return STEP_NEXT;
}

enum step exec_rdtscp(struct cpu *c, const struct insn *in)
{
	__builtin_ia32_lfence();	/* it waits for what precedes it (SDM vol. 2B) */
	set_edx_eax(c, cpu_read_tsc(c));
	c->gpr[RCX] = (u32)c->tsc_aux;
	return STEP_NEXT;
}

enum step exec_rdpid(struct cpu *c, const struct insn *in)
{
	*gpr64(c, in->rm) = (u32)c->tsc_aux;
	return STEP_NEXT;
}

/* AMD64 APM vol. 3, RDPMC; KVM: bit 31 of the index asks for 32 bits. */
enum step op_rdpmc(struct cpu *c, const struct insn *in)
{
	u32 index = (u32)c->gpr[RCX], i = index & ~(BIT(30) | BIT(31));
	u64 v;

	if (i >= pmu_nr_counters(c))
		return cpu_raise_gp0(c);
	if (!(c->cr4 & X86_CR4_PCE) && c->cpl && cpu_protected(c))
		return cpu_raise_gp0(c);
	v = pmu_read(c, i);
	set_edx_eax(c, index & BIT(31) ? (u32)v : v);
	return STEP_NEXT;
}

enum step exec_xsetbv(struct cpu *c, const struct insn *in)
{
	TRY(cpu_write_xcr(c, (u32)c->gpr[RCX], edx_eax(c)));
	return STEP_END;
}

/* -- Protection keys ------------------------------------------------------------------ */

static enum step need_pkru(struct cpu *c)
{
	if (!(c->cr4 & X86_CR4_PKE))
		return cpu_raise_ud(c);
	return (u32)c->gpr[RCX] ? cpu_raise_gp0(c) : STEP_NEXT;
}

enum step op_rdpkru(struct cpu *c, const struct insn *in)
{
	TRY(need_pkru(c));
	set_edx_eax(c, c->fpu.pkru);
	return STEP_NEXT;
}

enum step op_wrpkru(struct cpu *c, const struct insn *in)
{
	u32 old = c->fpu.pkru;

	TRY(need_pkru(c));
	if ((u32)c->gpr[RDX])
		return cpu_raise_gp0(c);
	c->fpu.pkru = (u32)c->gpr[RAX];
	mmu_pkru_changed(c, old);
	return STEP_NEXT;
}

/* -- Random numbers ------------------------------------------------------------------ */

/* All flags but CF are cleared, and the destination is 0 if CF is. */
static void set_random(struct cpu *c, const struct insn *in, u64 v, bool ok)
{
	reg_set(c, in->rm, in->osz, ok ? v : 0);
	c->status = ok ? X86_EFLAGS_CF : 0;
}

enum step exec_rdrand(struct cpu *c, const struct insn *in)
{
	bool ok;
	u64 v;

	__asm__ volatile("rdrand %0" : "=r"(v), "=@ccc"(ok));
	set_random(c, in, v, ok);
	return STEP_NEXT;
}

enum step exec_rdseed(struct cpu *c, const struct insn *in)
{
	bool ok;
	u64 v;

	__asm__ volatile("rdseed %0" : "=r"(v), "=@ccc"(ok));
	set_random(c, in, v, ok);
	return STEP_NEXT;
}

/* -- TLB --------------------------------------------------------------------------------- */

/* INVLPG looks at no limit and no rights, only at the address. */
static u64 invlpg_linear(struct cpu *c, const struct insn *in)
{
	u64 off = insn_offset(c, in);

	if (!cpu_code64(c))
		return (u32)(c->seg[in->seg].base + off);
	return off + (in->seg == FS || in->seg == GS ? c->seg[in->seg].base : 0);
}

enum step exec_invlpg(struct cpu *c, const struct insn *in)
{
	u64 lin = invlpg_linear(c, in);

	stat_inc(c->vcpu, invlpg);
	if (is_canonical(lin))
		mmu_flush_page(c, lin);
	return STEP_END;
}

enum { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL_GLOBAL, INVPCID_ALL };

static enum step invpcid_check(struct cpu *c, u64 type, const u64 *d)
{
	if (type > INVPCID_ALL || d[0] >> 12)
		return cpu_raise_gp0(c);
	if (type == INVPCID_ADDRESS && !is_canonical(d[1]))
		return cpu_raise_gp0(c);
	if (type <= INVPCID_CONTEXT && d[0] && !(c->cr4 & X86_CR4_PCIDE))
		return cpu_raise_gp0(c);
	return STEP_NEXT;
}

/* The TLB holds the current PCID only: others have nothing to flush. */
enum step exec_invpcid(struct cpu *c, const struct insn *in)
{
	u64 type = reg_get(c, in->reg, cpu_code64(c) ? 8 : 4), lin, d[2];

	TRY(insn_linear(c, in, sizeof(d), false, &lin));
	TRY(mem_read(c, lin, d, sizeof(d)));
	TRY(invpcid_check(c, type, d));
	if (type == INVPCID_ADDRESS)
		mmu_flush_page(c, d[1]);
	else if (type == INVPCID_ALL_GLOBAL)
		mmu_flush_all(c);
	else
		mmu_flush_nonglobal(c);
	return STEP_END;
}

/* -- Caches: coherent always, so nothing to do but the checks ------------------------------- */

enum step exec_wbinvd(struct cpu *c, const struct insn *in)
{
	return STEP_NEXT;
}

static enum step touch_line(struct cpu *c, const struct insn *in)
{
	const struct segment *s = &c->seg[in->seg];
	u64 lin, off = insn_offset(c, in);

	/* Code that cannot be read can be flushed (SDM vol. 2A, CLFLUSH). */
	if (c->code_size != 8 && attr_is_code(s->attr) && seg_within_limit(s, (u32)off, 1))
		lin = (u32)(s->base + off);
	else
		TRY(insn_linear(c, in, 1, false, &lin));
	return mem_probe(c, lin, 1, false);
}

enum step op_clflush(struct cpu *c, const struct insn *in)
{
	return touch_line(c, in);
}

enum step exec_clflushopt(struct cpu *c, const struct insn *in)
{
	return touch_line(c, in);
}

enum step exec_clwb(struct cpu *c, const struct insn *in)
{
	return touch_line(c, in);
}

/* Zeroes the line of rAX (APM vol. 3, CLZERO). */
enum step exec_clzero(struct cpu *c, const struct insn *in)
{
	static const u8 zero[64];
	u64 off = reg_get(c, GPR_OFF(RAX), in->asz), lin;

	TRY(cpu_seg_linear(c, in->seg, off, 1, true, &lin));
	return mem_write(c, lin & ~63ull, zero, sizeof(zero));
}

/* -- What belongs to virtualization ------------------------------------------------------------ */

/*
 * KVM overwrites the other vendor's hypercall instruction with the guest's own
 * and has it executed again; it is invalid if that quirk is disabled.
 */
static enum step patch_hypercall(struct cpu *c, const struct insn *in)
{
	const u32 n = HYPERCALL_INSN_SIZE;

	if (READ_ONCE(c->vcpu->vm->arch->disabled_quirks) & KVM_X86_QUIRK_FIX_HYPERCALL_INSN)
		return cpu_raise_ud(c);
	TRY(need_cpl0(c));
	TRY(mem_write(c, cpu_linear_rip(c) + in->len - n, cpu_hypercall_insn(c), n));
	return STEP_JUMP;
}

enum step op_vmcall(struct cpu *c, const struct insn *in)
{
	return cpu_amd_like(c) ? patch_hypercall(c, in) : cpu_hypercall(c);
}

enum step op_vmmcall(struct cpu *c, const struct insn *in)
{
	return cpu_amd_like(c) ? cpu_hypercall(c) : patch_hypercall(c, in);
}

/* KVM: MONITOR and MWAIT do nothing, or are invalid without the quirk. */
static enum step need_mwait(struct cpu *c)
{
	const u64 quirk = 1 << 6;	/* KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS */

	if (c->cpl || ((READ_ONCE(c->vcpu->vm->arch->disabled_quirks) & quirk) &&
		       !cpu_has_monitor(c)))
		return cpu_raise_ud(c);
	return STEP_NEXT;
}

static bool mwait_in_guest(const struct cpu *c)
{
	return READ_ONCE(c->vcpu->vm->arch->disabled_exits) & KVM_X86_DISABLE_EXITS_MWAIT;
}

enum step op_monitor(struct cpu *c, const struct insn *in)
{
	if (mwait_in_guest(c))
		return c->cpl ? cpu_raise_ud(c) : STEP_NEXT;
	return need_mwait(c);
}

/*
 * Without exits it waits, but not for long: a store to the monitored line
 * tells nobody.  MWAIT may end for reasons of its own (SDM vol. 2B).
 */
enum step op_mwait(struct cpu *c, const struct insn *in)
{
	if (!mwait_in_guest(c))
		return need_mwait(c);
	if (c->cpl)
		return cpu_raise_ud(c);
	if (!event_wakes(c) && !irqchip_has_interrupt(c))
		vcpu_doze(c->vcpu, MWAIT_NS);
	return STEP_END;
}

enum step exec_rsm(struct cpu *c, const struct insn *in)
{
	return cpu_rsm(c);
}
