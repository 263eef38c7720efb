/* SPDX-License-Identifier: MIT */
/* KVM_SET_CPUID(2), GET_CPUID2, GET_SUPPORTED_CPUID, GET_EMULATED_CPUID. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/guard.h"
#include "x86/api/api.h"
#include "x86/api/cpuid_table.h"

#define ENTRIES(user)	((u8 *)(user) + sizeof(struct kvm_cpuid2))

/* -- KVM_SET_CPUID2 ------------------------------------------------------------------ */

/* The linear address width is 48 or 57 bits, or not said. */
static bool linear_width_valid(const struct kvm_cpuid_entry2 *e, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		u32 width = e[i].eax >> 8 & 0xff;

		if (e[i].function == 0x80000008)
			return width == 0 || width == 48 || width == 57;
	}
	return true;
}

/* After the first KVM_RUN only the same CPUID may be set again (api.rst 4.20). */
static bool same_as_current(const struct cpu *c, const struct kvm_cpuid_entry2 *e, u32 n)
{
	if (n != c->nr_cpuid)
		return false;
	for (u32 i = 0; i < n; i++) {
		struct kvm_cpuid_entry2 a = e[i], b = c->cpuid[i];

		cpuid_patch(c, &a);
		cpuid_patch(c, &b);
		if (a.function != b.function || a.index != b.index || a.flags != b.flags ||
		    memcmp(&a.eax, &b.eax, 4 * sizeof(u32)))
			return false;
	}
	return true;
}

/* Takes @e over. */
static long set_entries(struct cpu *c, struct kvm_cpuid_entry2 *e, u32 n)
{
	if (c->has_run) {
		bool same = same_as_current(c, e, n);

		free(e);
		return same ? 0 : -EINVAL;
	}
	if (!linear_width_valid(e, n)) {
		free(e);
		return -EINVAL;
	}
	cpuid_install(c, e, n);
	vcpu_state_changed(c);
	return 0;
}

long vcpu_set_cpuid2(struct kfile *f, void *arg)
{
	struct kvm_cpuid_entry2 *e;
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nent > KVM_MAX_CPUID_ENTRIES)
		return -E2BIG;
	e = calloc(MAX(head.nent, 1), sizeof(*e));
	if (!e)
		return -ENOMEM;
	if (copy_from_user(e, ENTRIES(arg), head.nent * sizeof(*e))) {
		free(e);
		return -EFAULT;
	}
	return set_entries(kfile_cpu(f), e, head.nent);
}

long vcpu_set_cpuid(struct kfile *f, void *arg)
{
	struct kvm_cpuid_entry old[KVM_MAX_CPUID_ENTRIES];
	struct kvm_cpuid_entry2 *e;
	struct kvm_cpuid head;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nent > KVM_MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (copy_from_user(old, (u8 *)arg + sizeof(head), head.nent * sizeof(old[0])))
		return -EFAULT;
	e = calloc(MAX(head.nent, 1), sizeof(*e));
	if (!e)
		return -ENOMEM;
	for (u32 i = 0; i < head.nent; i++) {
		e[i].function = old[i].function;
		memcpy(&e[i].eax, &old[i].eax, 4 * sizeof(u32));
	}
	return set_entries(kfile_cpu(f), e, head.nent);
}

/* -- Lists to userspace ------------------------------------------------------------------ */

/* The head is written last, and @told is the count in it. */
static long put_entries(void *arg, const struct kvm_cpuid_entry2 *e, u32 n, u32 room, u32 told)
{
	if (n > room)
		return -E2BIG;
	if (copy_to_user(ENTRIES(arg), e, n * sizeof(*e)) ||
	    copy_to_user(arg, &told, sizeof(told)))
		return -EFAULT;
	return 0;
}

static long put_list(void *arg, const struct kvm_cpuid_entry2 *e, u32 n, u32 room)
{
	return put_entries(arg, e, n, room, n);
}

/* Linux 6.1 does not tell how many there are: docs/kernel-versions.md. */
long vcpu_get_cpuid2(struct kfile *f, void *arg)
{
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES];
	struct cpu *c = kfile_cpu(f);
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	for (u32 i = 0; i < c->nr_cpuid; i++) {
		e[i] = c->cpuid[i];
		cpuid_patch(c, &e[i]);
	}
	return put_entries(arg, e, c->nr_cpuid, head.nent, head.nent);
}

long system_get_supported_cpuid(struct kfile *f, void *arg)
{
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES];
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (!head.nent)
		return -E2BIG;
	return put_list(arg, e, cpuid_supported(e, KVM_MAX_CPUID_ENTRIES),
			MIN(head.nent, KVM_MAX_CPUID_ENTRIES));
}

/* KVM: entries the caller means to pass must be there and have zero padding. */
static bool padding_valid(void *arg, u32 nent)
{
	struct kvm_cpuid_entry2 e;

	for (u32 i = 0; i < nent; i++) {
		if (copy_from_user(&e, ENTRIES(arg) + i * sizeof(e), sizeof(e)) ||
		    e.padding[0] || e.padding[1] || e.padding[2])
			return false;
	}
	return true;
}

/* What runs although the host's CPUID does not offer it. */
long system_get_emulated_cpuid(struct kfile *f, void *arg)
{
	struct kvm_cpuid_entry2 e[3] = {
		{ .function = 0, .eax = 7 },
		{ .function = 1, .ecx = BIT(cpuid_bits[FEATURE_MOVBE].bit) },
		{ .function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		  .ecx = BIT(cpuid_bits[FEATURE_RDPID].bit) },
	};
	struct kvm_cpuid2 head;
	u32 nent;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (!head.nent)
		return -E2BIG;
	nent = MIN(head.nent, KVM_MAX_CPUID_ENTRIES);
	if (!padding_valid(arg, nent))
		return -EINVAL;
	/* KVM wants room for one more when it looks for further ranges. */
	return put_list(arg, e, ARRAY_SIZE(e), nent - 1);
}
