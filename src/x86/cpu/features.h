/* SPDX-License-Identifier: MIT */
/*
 * CPUID bits: what the host has, what we offer, what the guest was given.
 * One row of x86/api/cpuid.def per feature.
 */
#ifndef ANYKVM_X86_CPU_FEATURES_H
#define ANYKVM_X86_CPU_FEATURES_H

#include "util/types.h"

struct cpu;

enum feature {
#define CPUID(leaf, subleaf, reg, bit, name, how) FEATURE_##name,
#include "x86/api/cpuid.def"
	NR_FEATURES
};

struct cpu_features {
	bool has[NR_FEATURES];
	bool amd_like;		/* vendor AuthenticAMD or HygonGenuine */
	u32 kvm_leaf;		/* where KVM's features are: 0x40000001 or later; 0: nowhere */
};

/* Does the guest's CPUID have @f? */
bool cpu_has(const struct cpu *c, enum feature f);

/* Does the host have @f, and do we execute it? */
bool host_has(enum feature f);

#endif
