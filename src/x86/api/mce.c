/* SPDX-License-Identifier: MIT */
/* Machine checks: banks as MSRs and KVM_X86_SETUP_MCE, SET_MCE (api.rst 4.104-4.106). */
#include <errno.h>
#include <string.h>

#include "x86/api/msr_handlers.h"

#define MCG_BANK_CNT		0xffull
#define MCG_EXT_CNT		0xff0000ull
#define MCG_STATUS_MCIP		BIT_ULL(2)
#define MCI_STATUS_VAL		BIT_ULL(63)
#define MCI_STATUS_OVER		BIT_ULL(62)
#define MCI_STATUS_UC		BIT_ULL(61)
#define MCI_STATUS_PCC		BIT_ULL(57)
#define MCI_STATUS_S		BIT_ULL(56)
#define MCI_STATUS_AR		BIT_ULL(55)

enum { MSR_MCG_CAP = 0x179, MSR_MCG_STATUS = 0x17a, MSR_MCG_CTL = 0x17b, MSR_MC0_CTL = 0x400 };
enum bank_reg { MCI_CTL, MCI_STATUS, MCI_ADDR, MCI_MISC };

/* -- MSRs (SDM vol. 3B 15.3) ------------------------------------------------------------------ */

void mce_reset(struct cpu *c)
{
	c->msrs->mcg_cap = MCG_BANKS_MAX;
}

static u64 *bank_reg(struct cpu *c, u32 index)
{
	u32 n = (index - MSR_MC0_CTL) / 4;

	if (n >= (c->msrs->mcg_cap & MCG_BANK_CNT))
		return NULL;
	return &c->msrs->bank[n][index % 4];
}

enum msr_result mce_read(struct cpu *c, struct msr_access *a)
{
	const struct x86_msrs *m = c->msrs;
	u64 *reg;

	switch (a->index) {
	case MSR_MCG_CAP:
		a->data = m->mcg_cap;
		return MSR_DONE;
	case MSR_MCG_STATUS:
		a->data = m->mcg_status;
		return MSR_DONE;
	case MSR_MCG_CTL:
		a->data = m->mcg_ctl;
		return m->mcg_cap & MCG_CTL_P || a->host ? MSR_DONE : MSR_REFUSED;
	}
	reg = bank_reg(c, a->index);
	if (!reg)
		return MSR_REFUSED;
	a->data = *reg;
	return MSR_DONE;
}

static enum msr_result write_mcg_ctl(struct cpu *c, const struct msr_access *a)
{
	if (!(c->msrs->mcg_cap & MCG_CTL_P) && (a->data || !a->host))
		return MSR_REFUSED;
	if (a->data && a->data != ~0ull)
		return MSR_REFUSED;
	c->msrs->mcg_ctl = a->data;
	return MSR_DONE;
}

/* Linux leaves bit 10 of bank 4 (AMD) or bit 0 (Intel) clear: KVM lets it. */
static bool bank_ctl_valid(u64 v)
{
	return !v || (v | BIT_ULL(10) | BIT_ULL(0)) == ~0ull;
}

static enum msr_result write_bank(struct cpu *c, const struct msr_access *a)
{
	u64 *reg = bank_reg(c, a->index);

	if (!reg)
		return MSR_REFUSED;
	if (a->index % 4 == MCI_CTL && !bank_ctl_valid(a->data))
		return MSR_REFUSED;
	if (a->index % 4 == MCI_STATUS && !a->host && a->data &&
	    !(MSR_VALUE(c, HWCR) & HWCR_MC_STATUS_WR_EN))
		return MSR_REFUSED;
	*reg = a->data;
	return MSR_DONE;
}

enum msr_result mce_write(struct cpu *c, struct msr_access *a)
{
	switch (a->index) {
	case MSR_MCG_CAP:
		return MSR_REFUSED;
	case MSR_MCG_STATUS:
		c->msrs->mcg_status = a->data;
		return MSR_DONE;
	case MSR_MCG_CTL:
		return write_mcg_ctl(c, a);
	default:
		return write_bank(c, a);
	}
}

/* Without MCG_CMCI_P, which AMD has not: zeroes that userspace may restore. */
static bool has_ctl2(const struct cpu *c, const struct msr_access *a)
{
	return a->host && a->index - a->desc->first < (c->msrs->mcg_cap & MCG_BANK_CNT);
}

enum msr_result mce_read_ctl2(struct cpu *c, struct msr_access *a)
{
	a->data = 0;
	return has_ctl2(c, a) ? MSR_DONE : MSR_REFUSED;
}

enum msr_result mce_write_ctl2(struct cpu *c, struct msr_access *a)
{
	return has_ctl2(c, a) && !a->data ? MSR_DONE : MSR_REFUSED;
}

/* -- ioctls -------------------------------------------------------------------------------------- */

long system_x86_get_mce_cap_supported(struct kfile *f, void *arg)
{
	((struct u64_arg *)arg)->value = MCE_CAP_SUPPORTED;
	return 0;
}

long vcpu_x86_setup_mce(struct kfile *f, void *arg)
{
	struct x86_msrs *m = kfile_cpu(f)->msrs;
	u64 cap = ((const struct u64_arg *)arg)->value;
	u32 banks = cap & MCG_BANK_CNT;

	if (!banks || banks > MCG_BANKS_MAX)
		return -EINVAL;
	if (cap & ~(MCE_CAP_SUPPORTED | MCG_BANK_CNT | MCG_EXT_CNT))
		return -EINVAL;
	m->mcg_cap = cap;
	if (cap & MCG_CTL_P)
		m->mcg_ctl = ~0ull;
	for (u32 i = 0; i < banks; i++)
		m->bank[i][MCI_CTL] = ~0ull;
	return 0;
}

static void bank_record(u64 *bank, const struct kvm_x86_mce *mce, u64 status)
{
	bank[MCI_STATUS] = status;
	bank[MCI_ADDR] = mce->addr;
	bank[MCI_MISC] = mce->misc;
}

/* Uncorrected, no action required (SDM vol. 3B 15.6.3). */
static bool is_ucna(const struct kvm_x86_mce *mce)
{
	const u64 action = MCI_STATUS_PCC | MCI_STATUS_S | MCI_STATUS_AR;

	return mce->status & MCI_STATUS_UC && !(mce->status & action) && !mce->mcg_status;
}

static void uncorrected(struct cpu *c, const struct kvm_x86_mce *mce, u64 *bank)
{
	struct x86_msrs *m = c->msrs;

	if (m->mcg_cap & MCG_CTL_P && m->mcg_ctl != ~0ull)
		return;
	if (bank[MCI_CTL] != ~0ull)
		return;
	if (m->mcg_status & MCG_STATUS_MCIP || !(c->cr4 & X86_CR4_MCE)) {
		c->ev.triple_fault = true;
	} else {
		bank_record(bank, mce, mce->status |
			    (bank[MCI_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0));
		m->mcg_status = mce->mcg_status;
		c->ev.exc_pending = true;
		c->ev.exc_injected = false;
		c->ev.exc = (struct exception){ .vector = EXC_MC };
	}
	vcpu_events_changed(c);
}

long vcpu_x86_set_mce(struct kfile *f, void *arg)
{
	const struct kvm_x86_mce *mce = arg;
	struct cpu *c = kfile_cpu(f);
	u64 *bank;

	if (mce->bank >= (c->msrs->mcg_cap & MCG_BANK_CNT) || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = c->msrs->bank[mce->bank];
	if (is_ucna(mce)) {
		bank_record(bank, mce, mce->status);	/* CMCI is not offered */
		c->msrs->mcg_status = 0;
	} else if (mce->status & MCI_STATUS_UC) {
		uncorrected(c, mce, bank);
	} else if (!(bank[MCI_STATUS] & MCI_STATUS_VAL) || !(bank[MCI_STATUS] & MCI_STATUS_UC)) {
		bank_record(bank, mce, mce->status |
			    (bank[MCI_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0));
	} else {
		bank[MCI_STATUS] |= MCI_STATUS_OVER;
	}
	return 0;
}
