/* SPDX-License-Identifier: MIT */
/* KVM_GET/SET_SREGS and SREGS2 (api.rst 4.13, 4.14, 4.131, 4.132). */
#include <errno.h>
#include <string.h>

#include "x86/api/api.h"
#include "x86/mmu/mmu.h"

/* The two structures agree up to here. */
#define COMMON_SIZE	offsetof(struct kvm_sregs, interrupt_bitmap)
_Static_assert(COMMON_SIZE == offsetof(struct kvm_sregs2, flags), "SREGS2 extends SREGS");

/* -- Segments --------------------------------------------------------------------------- */

static void segment_get(const struct segment *s, struct kvm_segment *k)
{
	memset(k, 0, sizeof(*k));
	k->base = s->base;
	k->limit = s->limit;
	k->selector = s->selector;
	k->type = s->attr & SEG_ATTR_TYPE;
	k->s = !!(s->attr & SEG_ATTR_S);
	k->dpl = (s->attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
	k->present = !!(s->attr & SEG_ATTR_P);
	k->avl = !!(s->attr & SEG_ATTR_AVL);
	k->l = !!(s->attr & SEG_ATTR_L);
	k->db = !!(s->attr & SEG_ATTR_DB);
	k->g = !!(s->attr & SEG_ATTR_G);
	k->unusable = !!(s->attr & SEG_ATTR_UNUSABLE);
}

/* KVM: unusable and not present are one and the same. */
static void segment_set(struct segment *s, const struct kvm_segment *k)
{
	bool usable = k->present && !k->unusable;

	s->base = k->base;
	s->limit = k->limit;
	s->selector = k->selector;
	s->attr = (k->type & SEG_ATTR_TYPE) | (k->s ? SEG_ATTR_S : 0) |
		  (k->dpl << SEG_ATTR_DPL_SHIFT & SEG_ATTR_DPL) |
		  (usable ? SEG_ATTR_P : SEG_ATTR_UNUSABLE) |
		  (k->avl ? SEG_ATTR_AVL : 0) | (k->l ? SEG_ATTR_L : 0) |
		  (k->db ? SEG_ATTR_DB : 0) | (k->g ? SEG_ATTR_G : 0);
}

static void dtable_get(const struct dtable *d, struct kvm_dtable *k)
{
	memset(k, 0, sizeof(*k));
	k->base = d->base;
	k->limit = d->limit;
}

static void dtable_set(struct dtable *d, const struct kvm_dtable *k)
{
	d->base = k->base;
	d->limit = k->limit;
}

static const struct { u8 seg; u16 offset; } segments[] = {
	{ ES, offsetof(struct kvm_sregs, es) }, { CS, offsetof(struct kvm_sregs, cs) },
	{ SS, offsetof(struct kvm_sregs, ss) }, { DS, offsetof(struct kvm_sregs, ds) },
	{ FS, offsetof(struct kvm_sregs, fs) }, { GS, offsetof(struct kvm_sregs, gs) },
	{ LDTR, offsetof(struct kvm_sregs, ldt) }, { TR, offsetof(struct kvm_sregs, tr) },
};

static struct kvm_segment *segment_of(const struct kvm_sregs *s, u32 i)
{
	return (struct kvm_segment *)((u8 *)s + segments[i].offset);
}

/* -- Reading ----------------------------------------------------------------------------- */

void sregs_get(struct cpu *c, struct kvm_sregs *s)
{
	memset(s, 0, sizeof(*s));
	for (u32 i = 0; i < ARRAY_SIZE(segments); i++)
		segment_get(&c->seg[segments[i].seg], segment_of(s, i));
	dtable_get(&c->gdtr, &s->gdt);
	dtable_get(&c->idtr, &s->idt);
	s->cr0 = c->cr0;
	s->cr2 = c->cr2;
	s->cr3 = c->cr3;
	s->cr4 = c->cr4;
	s->cr8 = c->lapic ? lapic_get_cr8(c->lapic) : c->cr8;
	s->efer = c->efer;
	s->apic_base = c->apic_base;
	if (c->ev.irq_injected && !c->ev.irq_soft)
		s->interrupt_bitmap[c->ev.irq_vector / 64] |= BIT_ULL(c->ev.irq_vector % 64);
}

long vcpu_get_sregs(struct kfile *f, void *arg)
{
	sregs_get(kfile_cpu(f), arg);
	return 0;
}

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return cr0 & X86_CR0_PG && cr4 & X86_CR4_PAE && !(efer & EFER_LMA);
}

long vcpu_get_sregs2(struct kfile *f, void *arg)
{
	struct cpu *c = kfile_cpu(f);
	struct kvm_sregs2 *out = arg;
	struct kvm_sregs s;

	sregs_get(c, &s);
	memcpy(out, &s, COMMON_SIZE);
	if (pae_paging(c->cr0, c->cr4, c->efer)) {
		memcpy(out->pdptrs, c->pdpte, sizeof(out->pdptrs));
		out->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	}
	return 0;
}

/* -- Checks ------------------------------------------------------------------------------- */

static bool cr0_valid(u64 cr0)
{
	if (cr0 >> 32)
		return false;
	if (cr0 & X86_CR0_NW && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || cr0 & X86_CR0_PE;
}

static bool long_mode_valid(const struct cpu *c, const struct kvm_sregs *s)
{
	if (!(s->efer & EFER_LME) || !(s->cr0 & X86_CR0_PG))
		return !(s->efer & EFER_LMA) && !s->cs.l;
	/* Bit 63 of CR3 is an operand of the instruction, never state. */
	return s->cr4 & X86_CR4_PAE && s->efer & EFER_LMA && !(s->cr3 >> c->maxphyaddr);
}

static bool sregs_valid(const struct cpu *c, const struct kvm_sregs *s)
{
	return long_mode_valid(c, s) && !(s->cr4 & ~cpu_cr4_allowed(c)) && cr0_valid(s->cr0);
}

/* -- Writing -------------------------------------------------------------------------------- */

u64 efer_supported(void)
{
	return EFER_SCE | EFER_LME | EFER_LMA | EFER_NX |
	       (host_has(FEATURE_FXSR_OPT) ? EFER_FFXSR : 0);
}

int efer_set_host(struct cpu *c, u64 v)
{
	u64 old = c->efer;

	if (v & ~efer_supported())
		return -EINVAL;
	c->efer = (v & ~EFER_LMA) | (old & EFER_LMA);
	vcpu_state_changed(c);
	return 0;
}

/* KVM: mode changes that only a reset can make are open to the host. */
int apic_base_set(struct cpu *c, u64 v, bool host)
{
	const u64 mode = APIC_BASE_EN | APIC_BASE_EXTD;
	u64 old = c->apic_base & mode, new = v & mode;
	u64 reserved = 0x2ff | ~0ull << c->maxphyaddr |
		       (cpu_has(c, FEATURE_X2APIC) ? 0 : APIC_BASE_EXTD);

	if (v & reserved || new == APIC_BASE_EXTD)
		return -EINVAL;
	if (!host && ((old == mode && new == APIC_BASE_EN) || (!old && new == mode)))
		return -EINVAL;
	if (c->lapic)
		lapic_set_base(c->lapic, v);
	c->apic_base = v;
	return 0;
}

static void set_control(struct cpu *c, const struct kvm_sregs *s)
{
	c->cr0 = s->cr0;
	c->cr2 = s->cr2;
	c->cr3 = s->cr3;
	c->cr4 = s->cr4;
	c->efer = s->efer & efer_supported();
	if (s->cr8 >> 4)
		return;
	c->cr8 = s->cr8;
	if (c->lapic)
		lapic_set_cr8(c->lapic, s->cr8);
}

/* VMMs older than KVM_SET_MP_STATE reset the boot processor, which says so, like this. */
static void unhalt_after_reset(struct cpu *c)
{
	const struct segment *cs = &c->seg[CS];

	if (c->apic_base & APIC_BASE_BSP && c->rip == 0xfff0 &&
	    cs->selector == 0xf000 && cs->base == 0xffff0000 && !cpu_protected(c))
		c->mp_state = KVM_MP_STATE_RUNNABLE;
}

static int sregs_set_common(struct cpu *c, const struct kvm_sregs *s)
{
	if (!sregs_valid(c, s))
		return -EINVAL;
	if (apic_base_set(c, s->apic_base, true))
		return -EINVAL;
	for (u32 i = 0; i < ARRAY_SIZE(segments); i++)
		segment_set(&c->seg[segments[i].seg], segment_of(s, i));
	dtable_set(&c->gdtr, &s->gdt);
	dtable_set(&c->idtr, &s->idt);
	set_control(c, s);
	unhalt_after_reset(c);
	vcpu_state_changed(c);
	return 0;
}

/* A failure leaves the old entries, as KVM does. */
static void load_pdptes(struct cpu *c, void *ctx)
{
	mmu_load_pdptes(c, c->cr3);
}

static void inject_bitmap(struct cpu *c, const __u64 *bitmap)
{
	for (u32 i = 0; i < KVM_NR_INTERRUPTS / 64; i++) {
		if (!bitmap[i])
			continue;
		c->ev.irq_injected = true;
		c->ev.irq_soft = false;
		c->ev.irq_vector = i * 64 + __builtin_ctzll(bitmap[i]);
		return;
	}
}

int sregs_set(struct cpu *c, const struct kvm_sregs *s)
{
	u64 cr3 = c->cr3;
	bool was_pae = pae_paging(c->cr0, c->cr4, c->efer);
	int err = sregs_set_common(c, s);

	if (err)
		return err;
	if (pae_paging(c->cr0, c->cr4, c->efer) && (!was_pae || cr3 != c->cr3))
		vcpu_with_memory(c, load_pdptes, NULL);
	inject_bitmap(c, s->interrupt_bitmap);
	return 0;
}

long vcpu_set_sregs(struct kfile *f, void *arg)
{
	return sregs_set(kfile_cpu(f), arg);
}

long vcpu_set_sregs2(struct kfile *f, void *arg)
{
	const struct kvm_sregs2 *in = arg;
	bool valid = in->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	struct cpu *c = kfile_cpu(f);
	struct kvm_sregs s = { 0 };
	int err;

	if (in->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if (valid && !pae_paging(in->cr0, in->cr4, in->efer))
		return -EINVAL;
	memcpy(&s, in, COMMON_SIZE);
	if (!valid)
		return sregs_set(c, &s);
	err = sregs_set_common(c, &s);
	if (!err)
		memcpy(c->pdpte, in->pdptrs, sizeof(c->pdpte));
	return err;
}
