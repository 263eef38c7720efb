/* SPDX-License-Identifier: MIT */
/* What KVM_GET_SUPPORTED_CPUID offers, by the names of cpuid.def. */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "doctor/features.h"

#define REG(reg)	offsetof(struct kvm_cpuid_entry2, reg)
#define REG_EAX		REG(eax)
#define REG_EBX		REG(ebx)
#define REG_ECX		REG(ecx)
#define REG_EDX		REG(edx)
#define LEAF_BRAND	0x80000002u

enum feature {
#define CPUID(leaf, subleaf, reg, bit, name, how) FEATURE_##name,
#include "x86/api/cpuid.def"
	NR_FEATURES
};

static const struct {
	__u32 leaf, subleaf;
	unsigned short reg;
	unsigned char bit;
	const char *name;
} features[NR_FEATURES] = {
#define CPUID(leaf, subleaf, reg, bit, name, how) \
	{ leaf, subleaf, REG_##reg, bit, #name },
#include "x86/api/cpuid.def"
};

static const struct kvm_cpuid_entry2 *find_leaf(const struct trial *t, __u32 leaf,
						__u32 subleaf)
{
	for (unsigned int i = 0; i < t->nr_cpuid && i < TRIAL_CPUID; i++)
		if (t->cpuid[i].function == leaf && t->cpuid[i].index == subleaf)
			return &t->cpuid[i];
	return NULL;
}

static bool has(const struct trial *t, enum feature f)
{
	const struct kvm_cpuid_entry2 *e = find_leaf(t, features[f].leaf,
						     features[f].subleaf);
	__u32 word;

	if (!e)
		return false;
	memcpy(&word, (const char *)e + features[f].reg, sizeof(word));
	return word >> features[f].bit & 1;
}

const char *feature_next(const struct trial *t, unsigned int *i, char name[32])
{
	while (*i < NR_FEATURES && !has(t, *i))
		(*i)++;
	if (*i == NR_FEATURES)
		return NULL;
	strncpy(name, features[(*i)++].name, 31);
	name[31] = '\0';
	for (char *c = name; *c; c++)
		*c = (char)tolower(*c);
	return name;
}

static bool has_all(const struct trial *t, const enum feature *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!has(t, list[i]))
			return false;
	return true;
}

/* The levels of the x86-64 psABI, 3.1.1. */
const char *feature_level(const struct trial *t)
{
	static const enum feature v2[] = {
		FEATURE_CX16, FEATURE_LAHF_LM, FEATURE_POPCNT, FEATURE_SSE3,
		FEATURE_SSE4_1, FEATURE_SSE4_2, FEATURE_SSSE3,
	};
	static const enum feature v3[] = {
		FEATURE_AVX, FEATURE_AVX2, FEATURE_BMI1, FEATURE_BMI2,
		FEATURE_F16C, FEATURE_FMA, FEATURE_ABM, FEATURE_MOVBE,
		FEATURE_XSAVE,
	};

	if (!t->nr_cpuid)
		return NULL;
	if (!has_all(t, v2, sizeof(v2) / sizeof(v2[0])))
		return "x86-64";
	return has_all(t, v3, sizeof(v3) / sizeof(v3[0])) ? "x86-64-v3" : "x86-64-v2";
}

const char *feature_processor(const struct trial *t, char name[49])
{
	for (int i = 0; i < 3; i++) {
		const struct kvm_cpuid_entry2 *e = find_leaf(t, LEAF_BRAND + i, 0);

		if (!e)
			return NULL;
		memcpy(name + 16 * i, &e->eax, 4);
		memcpy(name + 16 * i + 4, &e->ebx, 4);
		memcpy(name + 16 * i + 8, &e->ecx, 4);
		memcpy(name + 16 * i + 12, &e->edx, 4);
	}
	name[48] = '\0';
	while (*name == ' ')
		name++;
	return *name ? name : NULL;
}
