/* SPDX-License-Identifier: MIT */
/* A vCPU's CPUID: the guest's instruction and what is derived from the leaves. */
#include "x86/api/cpuid_table.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "x86/api/msr.h"
#include "x86/hyperv/hyperv.h"

/* -- Look-up ---------------------------------------------------------------------- */

struct kvm_cpuid_entry2 *cpuid_find(const struct cpu *c, u32 leaf, u32 subleaf)
{
	for (u32 i = 0; i < c->nr_cpuid; i++) {
		struct kvm_cpuid_entry2 *e = &c->cpuid[i];

		if (e->function == leaf &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == subleaf))
			return e;
	}
	return NULL;
}

static bool has_leaf(const struct cpu *c, u32 leaf)
{
	for (u32 i = 0; i < c->nr_cpuid; i++)
		if (c->cpuid[i].function == leaf)
			return true;
	return false;
}

/*
 * A leaf above its class's maximum: zeroes on AMD, the highest basic leaf on
 * Intel (SDM vol. 2A, CPUID).
 */
static const struct kvm_cpuid_entry2 *out_of_range(const struct cpu *c, u32 *leaf, u32 subleaf)
{
	const struct kvm_cpuid_entry2 *basic = cpuid_find(c, 0, 0);
	const struct kvm_cpuid_entry2 *class;

	if (!basic || c->features->amd_like)
		return NULL;
	if (*leaf >= 0x40000000 && *leaf <= 0x4fffffff)
		class = cpuid_find(c, *leaf & 0xffffff00, 0);
	else if (*leaf >= 0xc0000000)
		class = cpuid_find(c, 0xc0000000, 0);
	else
		class = cpuid_find(c, *leaf & 0x80000000, 0);
	if (class && *leaf <= class->eax)
		return NULL;
	*leaf = basic->eax;
	return cpuid_find(c, basic->eax, subleaf);
}

/* Subleaves of a topology leaf past its end still name the x2APIC ID. */
static void topology_tail(const struct cpu *c, u32 leaf, u32 subleaf, struct cpuid_regs *out)
{
	const struct kvm_cpuid_entry2 *e;

	if (leaf != 0xb && leaf != 0x1f)
		return;
	e = cpuid_find(c, leaf, 1);
	if (!e)
		return;
	out->ecx = subleaf & 0xff;
	out->edx = e->edx;
}

void cpu_cpuid(struct cpu *c, u32 leaf, u32 subleaf, struct cpuid_regs *out)
{
	const struct kvm_cpuid_entry2 *found = cpuid_find(c, leaf, subleaf);
	struct kvm_cpuid_entry2 e;

	memset(out, 0, sizeof(*out));
	if (!found && !has_leaf(c, leaf))
		found = out_of_range(c, &leaf, subleaf);
	if (!found) {
		topology_tail(c, leaf, subleaf, out);
		return;
	}
	e = *found;
	cpuid_patch(c, &e);
	*out = (struct cpuid_regs){ e.eax, e.ebx, e.ecx, e.edx };
}

/* -- Bits that follow state -------------------------------------------------------- */

static void put_bit(u32 *reg, enum feature f, bool on)
{
	u32 bit = BIT(cpuid_bits[f].bit);

	*reg = on ? *reg | bit : *reg & ~bit;
}

/* Without the quirk MONITOR and its bit are switched by IA32_MISC_ENABLE. */
bool cpu_has_monitor(const struct cpu *c)
{
	if (READ_ONCE(cpu_arch_vm(c)->disabled_quirks) & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
		return c->misc_enable & MISC_ENABLE_MWAIT;
	return cpu_has(c, FEATURE_MONITOR);
}

static void patch_version(const struct cpu *c, struct kvm_cpuid_entry2 *e)
{
	if (cpu_has(c, FEATURE_XSAVE))
		put_bit(&e->ecx, FEATURE_OSXSAVE, c->cr4 & X86_CR4_OSXSAVE);
	put_bit(&e->edx, FEATURE_APIC, c->apic_base & APIC_BASE_EN);
	put_bit(&e->ecx, FEATURE_MONITOR, cpu_has_monitor(c));
}

static void patch_structured(const struct cpu *c, struct kvm_cpuid_entry2 *e)
{
	if (e->index == 0 && cpu_has(c, FEATURE_PKU))
		put_bit(&e->ecx, FEATURE_OSPKE, c->cr4 & X86_CR4_PKE);
}

static void patch_xsave(const struct cpu *c, struct kvm_cpuid_entry2 *e)
{
	const u32 compacting = BIT(1) | BIT(3);		/* XSAVEC, XSAVES */

	if (e->index == 0)
		e->ebx = xsave_size(c->xcr0, false);
	else if (e->index == 1 && e->eax & compacting)
		e->ebx = xsave_size(c->xcr0 | c->xss, true);
}

void cpuid_patch(const struct cpu *c, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		patch_version(c, e);
		break;
	case 7:
		patch_structured(c, e);
		break;
	case 0xd:
		patch_xsave(c, e);
		break;
	default:
		if (e->function == c->features->kvm_leaf &&
		    READ_ONCE(cpu_arch_vm(c)->disabled_exits) & KVM_X86_DISABLE_EXITS_HLT)
			put_bit(&e->eax, FEATURE_KVM_PV_UNHALT, false);
	}
}

/* -- Derived ------------------------------------------------------------------------- */

bool cpu_has(const struct cpu *c, enum feature f)
{
	return c->features->has[f];
}

bool cpuid_pv_allowed(const struct cpu *c, enum feature f)
{
	return !c->msrs->pv_enforce || cpu_has(c, f);
}

/* The leaf of KVM's features: next to its signature, after another hypervisor's. */
static u32 find_kvm_leaf(const struct cpu *c)
{
	for (u32 leaf = LEAF_HYPERVISOR; leaf < LEAF_HYPERVISOR_END; leaf += 0x100) {
		const struct kvm_cpuid_entry2 *e = cpuid_find(c, leaf, 0);

		if (e && !memcmp(&e->ebx, SIGNATURE_KVM, 12))
			return leaf + (LEAF_KVM_FEATURES - LEAF_HYPERVISOR);
	}
	return 0;
}

static struct kvm_cpuid_entry2 *feature_leaf(const struct cpu *c, const struct cpuid_bit *b)
{
	if (b->leaf != LEAF_KVM_FEATURES)
		return cpuid_find(c, b->leaf, b->subleaf);
	return c->features->kvm_leaf ? cpuid_find(c, c->features->kvm_leaf, 0) : NULL;
}

static void decode_features(struct cpu *c)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(c, 0, 0);

	c->features->amd_like = e && (e->ebx == signature_AMD_ebx ||
				      e->ebx == SIGNATURE_HYGON_EBX);
	c->features->kvm_leaf = find_kvm_leaf(c);
	for (u32 i = 0; i < NR_FEATURES; i++) {
		const struct cpuid_bit *b = &cpuid_bits[i];
		struct kvm_cpuid_entry2 *leaf = feature_leaf(c, b);

		c->features->has[i] = leaf && *cpuid_entry_reg(leaf, b->reg) >> b->bit & 1;
	}
}

static u8 physical_width(const struct cpu *c)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(c, 0x80000000, 0);

	if (e && e->eax >= 0x80000008 && (e = cpuid_find(c, 0x80000008, 0)))
		return MIN(e->eax & 0xff, 52);
	return 36;
}

/* KVM: a CPUID without the leaf leaves the LAPIC as it is. */
static void tell_lapic(struct cpu *c)
{
	if (c->lapic && cpuid_find(c, 1, 0))
		lapic_cpuid_changed(c->lapic, cpu_has(c, FEATURE_TSC_DEADLINE));
}

void cpuid_install(struct cpu *c, struct kvm_cpuid_entry2 *e, u32 n)
{
	free(c->cpuid);
	c->cpuid = e;
	c->nr_cpuid = n;
	decode_features(c);
	hv_cpuid_changed(c);
	tell_lapic(c);
	c->maxphyaddr = physical_width(c);
}
