/* SPDX-License-Identifier: MIT */
/* What has to come before the first vCPU, or before the first KVM_RUN. */
#include <errno.h>

#include "watch/check/check.h"

static bool has_vcpus(const struct check_vm *vm)
{
	return vm->nr_vcpus;
}

static void judge_late_cap(struct check_call *c)
{
	const struct kvm_enable_cap *cap = check_arg(c, struct kvm_enable_cap);
	static const struct { u32 cap; const char *name, *section; } early[] = {
		{ KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP", "7.5" },
		{ KVM_CAP_DIRTY_LOG_RING, "KVM_CAP_DIRTY_LOG_RING", "8.29" },
		{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, "KVM_CAP_DIRTY_LOG_RING_ACQ_REL", "8.29" },
		{ KVM_CAP_PMU_CAPABILITY, "KVM_CAP_PMU_CAPABILITY", "8.35" },
	};

	for (size_t i = 0; cap && i < ARRAY_SIZE(early); i++)
		if (cap->cap == early[i].cap)
			check_found(c, RULE_CAP_LATE, early[i].section, "%s", early[i].name);
}

void judge_order(struct check_call *c)
{
	if (!c->vm || c->file->scope != SCOPE_VM || c->ret >= 0 || !has_vcpus(c->vm))
		return;
	switch (c->cmd) {
	case (u32)KVM_CREATE_IRQCHIP:
		if (c->vm->chip == CHIP_NONE)
			check_found(c, RULE_IRQCHIP_LATE, NULL, "%s", "");
		return;
	case (u32)KVM_SET_IDENTITY_MAP_ADDR:
		if (c->ret == -EINVAL)
			check_found(c, RULE_IDENTITY_MAP_LATE, NULL, "%s", "");
		return;
	case (u32)KVM_SET_BOOT_CPU_ID:
		if (c->ret == -EBUSY)
			check_found(c, RULE_BOOT_CPU_LATE, NULL, "%s", "");
		return;
	case (u32)KVM_ENABLE_CAP:
		judge_late_cap(c);
		return;
	case (u32)KVM_CREATE_VCPU:
		if (c->ret == -EEXIST)
			check_found(c, RULE_VCPU_TWICE, NULL, "%u", (u32)c->call->arg);
		return;
	}
}

static void judge_hole(struct check_call *c, const char *what, u64 gpa, u64 size,
		       const char *section)
{
	for (u32 i = 0; i < c->vm->nr_slots[0]; i++) {
		const struct check_slot *s = &c->vm->slots[0][i];

		if (s->size && s->gpa < gpa + size && gpa < s->gpa + s->size) {
			check_found(c, RULE_TSS_ADDR_OVERLAP, section,
				    "slot %u at 0x%llx, %s", i,
				    (unsigned long long)gpa, what);
			return;
		}
	}
}

void judge_first_run(struct check_call *c)
{
	if (!c->vm->has_tss)
		check_found(c, RULE_TSS_ADDR_MISSING, NULL, "%s", "");
	else
		judge_hole(c, "the TSS", c->vm->tss, 3 * PAGE_SIZE, "4.36");
	judge_hole(c, "the identity map", c->vm->identity, PAGE_SIZE, "4.40");
}
