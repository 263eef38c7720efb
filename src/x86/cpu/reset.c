/* SPDX-License-Identifier: MIT */
/* Power-on, INIT and SIPI (SDM vol. 3A 9.1, table 9-1; 8.4). */
#include <string.h>

#include "x86/api/run_state.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/pmu.h"
#include "x86/irqchip/irqchip.h"
#include "x86/mmu/mmu.h"
#include "x86/x86.h"

enum {
	ATTR_REAL_DATA	= SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_TYPE_W | SEG_ATTR_TYPE_A,
	ATTR_REAL_CODE	= ATTR_REAL_DATA | SEG_ATTR_TYPE_CODE,
	ATTR_RESET_LDT	= SEG_ATTR_P | 2,
	ATTR_RESET_TSS	= SEG_ATTR_P | 11,
};

#define PAT_RESET		0x0007040600070406ull
#define MISC_ENABLE_RESET	0x1800ull	/* KVM: no BTS, no PEBS */
#define SMBASE_RESET		0x30000ull
#define RDX_UNKNOWN_CPU		0x600ull	/* KVM: family 6 */

static void reset_segments(struct cpu *c)
{
	for (u32 i = 0; i < NR_SEGS; i++)
		c->seg[i] = (struct segment){ .limit = 0xffff, .attr = ATTR_REAL_DATA };
	c->seg[CS].attr = ATTR_REAL_CODE;
	c->seg[CS].selector = 0xf000;
	c->seg[CS].base = 0xffff0000;
	c->seg[LDTR].attr = ATTR_RESET_LDT;
	c->seg[TR].attr = ATTR_RESET_TSS;
	c->gdtr = c->idtr = (struct dtable){ .limit = 0xffff };
}

/* RDX identifies the processor, as CPUID.1:EAX does. */
static u64 reset_rdx(const struct cpu *c)
{
	for (u32 i = 0; i < c->nr_cpuid; i++)
		if (c->cpuid[i].function == 1)
			return c->cpuid[i].eax;
	return RDX_UNKNOWN_CPU;
}

/* ev.latched is other threads' to set: a SIPI right behind the INIT stays. */
static void reset_events(struct cpu *c)
{
	struct events *ev = &c->ev;

	ev->exc_pending = ev->exc_injected = false;
	ev->irq_injected = ev->irq_soft = false;
	WRITE_ONCE(ev->nmi_injected, false);
	WRITE_ONCE(ev->nmi_masked, false);
	ev->smm_inside_nmi = false;
	__atomic_store_n(&ev->nmi_pending, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&ev->smi_pending, false, __ATOMIC_RELEASE);
	ev->triple_fault = false;
	ev->shadow = 0;
	ev->exc = c->exc = (struct exception){ 0 };
	c->smm = c->halted = false;
	c->pending_db = 0;
	mmio_retire(c);
	user_reply_drop(c);
	c->pio.waiting = false;
}

/* What INIT leaves alone: x87 and vectors, XCR0, MSRs, TSC. */
static void reset_power_on(struct cpu *c)
{
	fpu_reset(&c->fpu);
	c->xcr0 = XFEATURE_X87;
	c->pat = PAT_RESET;
	c->misc_enable = MISC_ENABLE_RESET;
	c->misc_features = 0;
	c->debugctl = 0;
	memset(c->last_branch, 0, sizeof(c->last_branch));
	c->smbase = SMBASE_RESET;
	c->star = c->lstar = c->cstar = c->fmask = c->kernel_gs_base = 0;
	c->tsc_aux = c->spec_ctrl = c->tsc_deadline_msr = 0;
	c->apic_base = APIC_DEFAULT_ADDR | APIC_BASE_EN;
	if (c->vcpu && c->vcpu->id == c->vcpu->vm->arch->boot_cpu_id)
		c->apic_base |= APIC_BASE_BSP;
	memset(c->pdpte, 0, sizeof(c->pdpte));
	c->eoi_due = false;
	memset(c->eoi_vectors, 0, sizeof(c->eoi_vectors));
	pmu_reset(c);
	__atomic_store_n(&c->ev.latched, 0, __ATOMIC_RELEASE);
}

void cpu_reset(struct cpu *c, bool init)
{
	const u64 cache = X86_CR0_CD | X86_CR0_NW;

	if (!init)
		reset_power_on(c);
	memset(c->gpr, 0, sizeof(c->gpr));
	c->gpr[RDX] = reset_rdx(c);
	c->rip = 0xfff0;
	cpu_set_rflags(c, X86_EFLAGS_FIXED);
	reset_segments(c);
	c->cr0 = X86_CR0_ET | (init ? c->cr0 & cache : cache);
	c->cr2 = c->cr3 = c->cr4 = c->cr8 = 0;
	c->efer = c->xss = 0;
	c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
	memset(c->dr, 0, sizeof(c->dr));
	c->dr6 = DR6_RESET;
	c->dr7 = DR7_RESET;
	reset_events(c);
	if (c->lapic)
		lapic_reset(c->lapic, init);
	mmu_flush_all(c);
	cpu_mode_changed(c);
}

void cpu_sipi(struct cpu *c, u8 vector)
{
	c->seg[CS].selector = (u16)(vector << 8);
	c->seg[CS].base = (u64)vector << 12;
	c->rip = 0;
	cpu_mode_changed(c);
}
