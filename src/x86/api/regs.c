/* SPDX-License-Identifier: MIT */
/* KVM_GET/SET_REGS, FPU, DEBUGREGS, TRANSLATE (api.rst 4.11-4.34). */
#include <errno.h>
#include <string.h>

#include "x86/api/api.h"
#include "x86/api/run_state.h"
#include "x86/cpu/xsave.h"
#include "x86/mmu/mmu.h"

/* -- General registers -------------------------------------------------------------------- */

static void gprs_to(const u64 *g, struct kvm_regs *r)
{
	r->rax = g[RAX];
	r->rbx = g[RBX];
	r->rcx = g[RCX];
	r->rdx = g[RDX];
	r->rsi = g[RSI];
	r->rdi = g[RDI];
	r->rsp = g[RSP];
	r->rbp = g[RBP];
	memcpy(&r->r8, &g[R8], 8 * sizeof(u64));
}

static void gprs_from(u64 *g, const struct kvm_regs *r)
{
	g[RAX] = r->rax;
	g[RBX] = r->rbx;
	g[RCX] = r->rcx;
	g[RDX] = r->rdx;
	g[RSI] = r->rsi;
	g[RDI] = r->rdi;
	g[RSP] = r->rsp;
	g[RBP] = r->rbp;
	memcpy(&g[R8], &r->r8, 8 * sizeof(u64));
}

void regs_get(struct cpu *c, struct kvm_regs *r)
{
	gprs_to(c->gpr, r);
	r->rip = c->rip;
	r->rflags = cpu_rflags(c);
}

void regs_set(struct cpu *c, const struct kvm_regs *r)
{
	gprs_from(c->gpr, r);
	if (r->rip != c->rip) {
		/* What is half-way belongs to an instruction that is left. */
		mmio_retire(c);
		user_reply_drop(c);
	}
	c->rip = r->rip;
	cpu_set_rflags(c, r->rflags & X86_EFLAGS_ALL);
	c->ev.exc_pending = false;
	cpu_mode_changed(c);
	vcpu_events_changed(c);
}

long vcpu_get_regs(struct kfile *f, void *arg)
{
	regs_get(kfile_cpu(f), arg);
	return 0;
}

long vcpu_set_regs(struct kfile *f, void *arg)
{
	regs_set(kfile_cpu(f), arg);
	return 0;
}

/* -- FPU: the FXSAVE64 image (SDM vol. 1 table 10-2) ----------------------------------------- */

enum {
	FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_FOP = 6, FX_FIP = 8, FX_FDP = 16, FX_ST = 32,
};

long vcpu_get_fpu(struct kfile *f, void *arg)
{
	const struct fpu *fpu = &kfile_cpu(f)->fpu;
	struct kvm_fpu *out = arg;

	memcpy(out->fpr, fpu->fxsave + FX_ST, sizeof(out->fpr));
	memcpy(&out->fcw, fpu->fxsave + FX_FCW, 2);
	memcpy(&out->fsw, fpu->fxsave + FX_FSW, 2);
	out->ftwx = fpu->fxsave[FX_FTW];
	memcpy(&out->last_opcode, fpu->fxsave + FX_FOP, 2);
	memcpy(&out->last_ip, fpu->fxsave + FX_FIP, 8);
	memcpy(&out->last_dp, fpu->fxsave + FX_FDP, 8);
	for (u32 i = 0; i < 16; i++)
		memcpy(out->xmm[i], fpu->vec[i], 16);
	return 0;
}

long vcpu_set_fpu(struct kfile *f, void *arg)
{
	struct fpu *fpu = &kfile_cpu(f)->fpu;
	const struct kvm_fpu *in = arg;

	memcpy(fpu->fxsave + FX_ST, in->fpr, sizeof(in->fpr));
	memcpy(fpu->fxsave + FX_FCW, &in->fcw, 2);
	memcpy(fpu->fxsave + FX_FSW, &in->fsw, 2);
	fpu->fxsave[FX_FTW] = in->ftwx;
	memcpy(fpu->fxsave + FX_FOP, &in->last_opcode, 2);
	memcpy(fpu->fxsave + FX_FIP, &in->last_ip, 8);
	memcpy(fpu->fxsave + FX_FDP, &in->last_dp, 8);
	/* An ES that does not follow the flags would let the host raise #MF. */
	fpu_update_es(fpu);
	for (u32 i = 0; i < 16; i++)
		memcpy(fpu->vec[i], in->xmm[i], 16);
	fpu->xinuse |= XFEATURE_X87 | XFEATURE_SSE;
	return 0;
}

/* -- Debug registers ------------------------------------------------------------------------- */

long vcpu_get_debugregs(struct kfile *f, void *arg)
{
	const struct cpu *c = kfile_cpu(f);
	struct kvm_debugregs *d = arg;

	memcpy(d->db, c->dr, sizeof(d->db));
	d->dr6 = c->dr6;
	d->dr7 = c->dr7;
	return 0;
}

long vcpu_set_debugregs(struct kfile *f, void *arg)
{
	const struct kvm_debugregs *d = arg;
	struct cpu *c = kfile_cpu(f);

	if (d->flags || d->dr6 >> 32 || d->dr7 >> 32)
		return -EINVAL;
	memcpy(c->dr, d->db, sizeof(c->dr));
	c->dr6 = d->dr6;
	c->dr7 = d->dr7;
	cpu_mode_changed(c);
	vcpu_events_changed(c);
	return 0;
}

/* -- KVM_TRANSLATE ----------------------------------------------------------------------------- */

/*
 * KVM: a read by the supervisor, which SMAP may refuse and which leaves
 * accessed bits behind; an address that is not canonical is walked all the same.
 */
static void translate(struct cpu *c, void *ctx)
{
	enum tlb_class class = cpu_rflags(c) & X86_EFLAGS_AC ? TLB_KERNEL_AC : TLB_KERNEL;
	struct kvm_translation *t = ctx;
	struct walk w;

	if (mmu_walk(c, t->linear_address, ACCESS_READ, class, true, &w) != STEP_NEXT)
		return;
	t->physical_address = w.gpa;
	t->valid = 1;
}

long vcpu_translate(struct kfile *f, void *arg)
{
	struct kvm_translation *t = arg;

	t->physical_address = ~0ull;
	t->valid = 0;
	t->writeable = 1;
	t->usermode = 0;
	vcpu_with_memory(kfile_cpu(f), translate, t);
	return 0;
}
