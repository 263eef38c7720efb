/* SPDX-License-Identifier: MIT */
/* The host's CPUID, and what of it we offer (KVM_GET_SUPPORTED_CPUID). */
#include <cpuid.h>
#include <string.h>

#include "x86/api/cpuid_table.h"
#include "x86/api/api.h"

const struct cpuid_bit cpuid_bits[NR_FEATURES] = {
#define CPUID(leaf, subleaf, reg, bit, name, how) \
	{ leaf, subleaf, CPUID_##reg, bit, CPUID_##how },
#include "x86/api/cpuid.def"
};

static struct {
	u32 leaf, subleaf;
	struct cpuid_regs regs;
} cache[64];
static u32 nr_cached;
static bool has[NR_FEATURES];
static bool host_amd;

#define LEAF_EXTENDED		0x80000000u
#define LEAF_BASIC_MAX		0x1fu
#define LEAF_EXTENDED_MAX	0x80000021u

/* -- Host ------------------------------------------------------------------------ */

void cpuid_host(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	for (u32 i = 0; i < nr_cached; i++) {
		if (cache[i].leaf == leaf && cache[i].subleaf == subleaf) {
			*r = cache[i].regs;
			return;
		}
	}
	__cpuid_count(leaf, subleaf, r->eax, r->ebx, r->ecx, r->edx);
	if (nr_cached == ARRAY_SIZE(cache))
		return;
	cache[nr_cached].leaf = leaf;
	cache[nr_cached].subleaf = subleaf;
	cache[nr_cached++].regs = *r;
}

bool cpuid_host_amd(void)
{
	return host_amd;
}

static bool leaf_exists(u32 leaf)
{
	struct cpuid_regs r;

	cpuid_host(leaf & LEAF_EXTENDED, 0, &r);
	return leaf <= r.eax;
}

static bool host_bit(const struct cpuid_bit *b)
{
	struct cpuid_regs r;

	if (!leaf_exists(b->leaf))
		return false;
	cpuid_host(b->leaf, b->subleaf, &r);
	return (&r.eax)[b->reg] >> b->bit & 1;
}

/* Features that mean nothing, or fault, without the other. */
static const struct { enum feature feature, needs; } needs[] = {
	{ FEATURE_AVX, FEATURE_XSAVE },
	{ FEATURE_FMA, FEATURE_AVX },
	{ FEATURE_F16C, FEATURE_AVX },
	{ FEATURE_AVX2, FEATURE_AVX },
	{ FEATURE_VAES, FEATURE_AVX },
	{ FEATURE_VPCLMULQDQ, FEATURE_AVX },
	{ FEATURE_PKU, FEATURE_XSAVE },
	{ FEATURE_XSAVEOPT, FEATURE_XSAVE },
	{ FEATURE_XSAVEC, FEATURE_XSAVE },
	{ FEATURE_XGETBV1, FEATURE_XSAVE },
	{ FEATURE_XSAVES, FEATURE_XSAVE },
};

void cpuid_init(void)
{
	struct cpuid_regs r;

	cpuid_host(0, 0, &r);
	host_amd = r.ebx == signature_AMD_ebx || r.ebx == SIGNATURE_HYGON_EBX;
	for (u32 i = 0; i < NR_FEATURES; i++)
		has[i] = cpuid_bits[i].how == CPUID_ENGINE ||
			 (cpuid_bits[i].how == CPUID_HOST && host_bit(&cpuid_bits[i]));
	if (!(fpu_supported_xcr0() & XFEATURE_YMM))
		has[FEATURE_AVX] = false;
	if (!(fpu_supported_xcr0() & XFEATURE_PKRU))
		has[FEATURE_PKU] = false;
	for (u32 i = 0; i < ARRAY_SIZE(needs); i++)
		has[needs[i].feature] &= has[needs[i].needs];
}

bool host_has(enum feature f)
{
	return has[f];
}

/* -- KVM_GET_SUPPORTED_CPUID --------------------------------------------------------- */

struct builder {
	struct kvm_cpuid_entry2 *e;
	u32 n, max;
};

static struct kvm_cpuid_entry2 *add(struct builder *b, u32 leaf, u32 subleaf, bool indexed)
{
	static __thread struct kvm_cpuid_entry2 excess;
	struct kvm_cpuid_entry2 *e = b->n < b->max ? &b->e[b->n] : &excess;

	b->n++;
	memset(e, 0, sizeof(*e));
	e->function = leaf;
	e->index = subleaf;
	e->flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
	return e;
}

static struct kvm_cpuid_entry2 *add_host(struct builder *b, u32 leaf, u32 subleaf, bool indexed)
{
	struct kvm_cpuid_entry2 *e = add(b, leaf, subleaf, indexed);
	struct cpuid_regs r;

	cpuid_host(leaf, subleaf, &r);
	e->eax = r.eax;
	e->ebx = r.ebx;
	e->ecx = r.ecx;
	e->edx = r.edx;
	return e;
}

/* A register made of the feature bits we offer, and nothing else. */
static u32 feature_word(u32 leaf, u32 subleaf, enum cpuid_reg reg)
{
	u32 v = 0;

	for (u32 i = 0; i < NR_FEATURES; i++) {
		const struct cpuid_bit *b = &cpuid_bits[i];

		if (has[i] && b->leaf == leaf && b->subleaf == subleaf && b->reg == reg)
			v |= BIT(b->bit);
	}
	return v;
}

static void add_version(struct builder *b)
{
	struct kvm_cpuid_entry2 *e = add_host(b, 1, 0, false);

	e->ecx = feature_word(1, 0, CPUID_ECX);
	e->edx = feature_word(1, 0, CPUID_EDX);
}

static void add_structured(struct builder *b)
{
	struct kvm_cpuid_entry2 *e = add(b, 7, 0, true);

	e->ebx = feature_word(7, 0, CPUID_EBX);
	e->ecx = feature_word(7, 0, CPUID_ECX);
	e->edx = feature_word(7, 0, CPUID_EDX);
}

/* Deterministic cache parameters: 4 (Intel) and 8000001DH (AMD). */
static void add_caches(struct builder *b, u32 leaf)
{
	struct kvm_cpuid_entry2 *e;
	u32 i = 0;

	do {
		e = add_host(b, leaf, i++, true);
	} while (e->eax & 0x1f && i < 16);
}

/* No topology: that is the VMM's. EDX is the x2APIC ID where we run now. */
static void add_topology(struct builder *b, u32 leaf)
{
	struct kvm_cpuid_entry2 *e = add_host(b, leaf, 0, true);

	e->eax = e->ebx = e->ecx = 0;
}

static void add_xsave(struct builder *b)
{
	u64 xcr0 = fpu_supported_xcr0();
	struct kvm_cpuid_entry2 *e = add(b, 0xd, 0, true);

	if (!has[FEATURE_XSAVE])
		return;
	e->eax = xcr0;
	e->edx = xcr0 >> 32;
	e->ebx = e->ecx = xsave_size(xcr0, false);
	e = add(b, 0xd, 1, true);
	e->eax = feature_word(0xd, 1, CPUID_EAX);
	if (has[FEATURE_XSAVES] || has[FEATURE_XSAVEC])
		e->ebx = xsave_size(xcr0, true);
	for (u32 i = 2; i < 63; i++)
		if (xcr0 & BIT_ULL(i))
			add_host(b, 0xd, i, true)->edx = 0;
}

static void add_basic(struct builder *b)
{
	struct kvm_cpuid_entry2 *e = add_host(b, 0, 0, false);
	u32 max = e->eax = MIN(e->eax, LEAF_BASIC_MAX);

	for (u32 leaf = 1; leaf <= max; leaf++) {
		switch (leaf) {
		case 1:
			add_version(b);
			break;
		case 2:
			add_host(b, leaf, 0, false);
			break;
		case 4:
			add_caches(b, leaf);
			break;
		case 6:
			add(b, leaf, 0, false)->eax = feature_word(6, 0, CPUID_EAX);
			break;
		case 7:
			add_structured(b);
			break;
		case 0xb: case 0x1f:
			add_topology(b, leaf);
			break;
		case 0xd:
			add_xsave(b);
			break;
		default:	/* power, performance, SGX, PT, AMX: none */
			add(b, leaf, 0, false);
		}
	}
}

static void add_paravirtual(struct builder *b)
{
	struct kvm_cpuid_entry2 *e = add(b, LEAF_HYPERVISOR, 0, false);

	e->eax = LEAF_KVM_FEATURES;
	memcpy(&e->ebx, SIGNATURE_KVM, 12);
	e = add(b, LEAF_KVM_FEATURES, 0, false);
	e->eax = feature_word(LEAF_KVM_FEATURES, 0, CPUID_EAX);
}

static void add_address_sizes(struct builder *b, u32 leaf)
{
	struct kvm_cpuid_entry2 *e = add_host(b, leaf, 0, false);
	u32 phys = e->eax & 0xff;

	/* Physical and linear width; LA57 is not offered. */
	e->eax = MIN(phys, 52) | 48 << 8;
	e->ebx = feature_word(leaf, 0, CPUID_EBX);
	e->ecx = e->edx = 0;
}

static void add_extended_leaf(struct builder *b, u32 leaf)
{
	struct kvm_cpuid_entry2 *e;

	switch (leaf) {
	case 0x80000001:
		e = add_host(b, leaf, 0, false);
		e->ecx = feature_word(leaf, 0, CPUID_ECX);
		e->edx = feature_word(leaf, 0, CPUID_EDX);
		break;
	case 0x80000002: case 0x80000003: case 0x80000004:	/* brand string */
	case 0x80000005: case 0x80000006:			/* caches and TLBs */
	case 0x80000019: case 0x8000001a:
		add_host(b, leaf, 0, false);
		break;
	case 0x80000007:
		add(b, leaf, 0, false)->edx = feature_word(leaf, 0, CPUID_EDX);
		break;
	case 0x80000008:
		add_address_sizes(b, leaf);
		break;
	case 0x8000001d:
		add_caches(b, leaf);
		break;
	case 0x80000021:
		add(b, leaf, 0, false)->eax = feature_word(leaf, 0, CPUID_EAX);
		break;
	default:	/* SVM, IBS, SEV, topology: none */
		add(b, leaf, 0, false);
	}
}

static void add_extended(struct builder *b)
{
	struct kvm_cpuid_entry2 *e = add_host(b, LEAF_EXTENDED, 0, false);
	u32 max = e->eax = MIN(e->eax, LEAF_EXTENDED_MAX);

	for (u32 leaf = LEAF_EXTENDED + 1; leaf <= max; leaf++)
		add_extended_leaf(b, leaf);
}

u32 cpuid_supported(struct kvm_cpuid_entry2 *e, u32 max)
{
	struct builder b = { e, 0, max };

	add_basic(&b);
	add_paravirtual(&b);
	add_extended(&b);
	return b.n;
}
