/* SPDX-License-Identifier: MIT */
/* CPUID and MSRs. */
#include <errno.h>

#include "util/guard.h"
#include "watch/check/check.h"

#define X2APIC		BIT(21)		/* leaf 1, ECX */
#define TSC_DEADLINE	BIT(24)
#define OSXSAVE		BIT(27)
#define OSPKE		BIT(4)		/* leaf 7, ECX */
#define PV_UNHALT	BIT(7)		/* leaf 0x40000001, EAX */
#define PV_FEATURES	0x40000001

enum { MAX_ENTRIES = 256 };

static void mix(struct cpuid_digest *d, u32 word)
{
	d->features = (d->features ^ word) * 0x100000001b3ull;
}

static void take_entry(struct cpuid_digest *d, u32 function, u32 index, const u32 r[4])
{
	switch (function) {
	case 1:
		d->has_leaf1 = true;
		d->apic_id = r[1] >> 24;
		d->leaf1_ecx = r[2];
		mix(d, r[0]);
		mix(d, r[2] & ~OSXSAVE);
		mix(d, r[3]);
		return;
	case 7:
		if (index)
			return;
		mix(d, r[1]);
		mix(d, r[2] & ~OSPKE);
		mix(d, r[3]);
		return;
	case 0xb:
		/* A leaf of zeroes is none. */
		d->has_topology |= r[1] & 0xffff;
		d->topology_id = r[3];
		return;
	case PV_FEATURES:
		d->pv_features = r[0];
		return;
	case 0x80000001:
		mix(d, r[2]);
		mix(d, r[3]);
		return;
	}
}

void cpuid_digest(struct cpuid_digest *d, uintptr_t arg, bool has_subleaves)
{
	const u32 size = has_subleaves ? sizeof(struct kvm_cpuid_entry2) :
					 sizeof(struct kvm_cpuid_entry);
	struct kvm_cpuid2 head;
	union {
		struct kvm_cpuid_entry old;
		struct kvm_cpuid_entry2 new;
	} e;

	if (copy_from_user(&head, arg, sizeof(head)) || head.nent > MAX_ENTRIES)
		return;
	for (u32 i = 0; i < head.nent; i++) {
		if (copy_from_user(&e, arg + sizeof(head) + i * size, size))
			return;
		if (has_subleaves)
			take_entry(d, e.new.function, e.new.index,
				   (u32[]){ e.new.eax, e.new.ebx, e.new.ecx, e.new.edx });
		else
			take_entry(d, e.old.function, 0,
				   (u32[]){ e.old.eax, e.old.ebx, e.old.ecx, e.old.edx });
	}
	d->valid = true;
}

static void judge_apic_id(struct check_call *c)
{
	const struct cpuid_digest *d = &c->cpuid;
	u32 id = c->vcpu->id;

	if (d->has_leaf1 && d->apic_id != (id & 0xff))
		check_found(c, RULE_CPUID_APIC_ID, NULL,
			    "leaf 1 has APIC ID %u, the vCPU is %u", d->apic_id, id);
	else if (d->has_topology && d->topology_id != id)
		check_found(c, RULE_CPUID_APIC_ID, NULL,
			    "leaf 0xb has x2APIC ID %u, the vCPU is %u", d->topology_id, id);
}

static void judge_no_apic(struct check_call *c)
{
	const char *what = c->cpuid.leaf1_ecx & X2APIC ? "x2APIC" :
			   c->cpuid.leaf1_ecx & TSC_DEADLINE ? "TSC_DEADLINE" :
			   c->cpuid.pv_features & PV_UNHALT ? "KVM_FEATURE_PV_UNHALT" : NULL;

	if (what && c->vm->chip == CHIP_NONE)
		check_found(c, RULE_CPUID_NO_APIC, NULL, "%s", what);
}

static void judge_difference(struct check_call *c)
{
	for (u32 i = 0; i < c->vm->nr_vcpus; i++) {
		const struct check_vcpu *other = c->vm->vcpus[i];

		if (!other || other == c->vcpu || !other->has_cpuid)
			continue;
		if (other->features != c->cpuid.features)
			check_found(c, RULE_CPUID_DIFFERS, NULL,
				    "%u differ from those of vCPU %u", c->vcpu->id, other->id);
		return;
	}
}

void judge_cpuid(struct check_call *c)
{
	if (!c->vcpu || (c->cmd != (u32)KVM_SET_CPUID && c->cmd != (u32)KVM_SET_CPUID2))
		return;
	if (c->ret == -EINVAL && c->vcpu->entered)
		check_found(c, RULE_CPUID_LATE, NULL, "%s", "");
	if (c->ret < 0)
		return;
	if (c->cmd == (u32)KVM_SET_CPUID)
		check_found(c, RULE_CPUID_OBSOLETE, NULL, "%s", "");
	if (check_process.cpuid_refused)
		check_found(c, RULE_RESULT_IGNORED, "4.46",
			    "%s after KVM_GET_SUPPORTED_CPUID has failed", c->what);
	if (!c->cpuid.valid)
		return;
	judge_apic_id(c);
	judge_no_apic(c);
	judge_difference(c);
}
