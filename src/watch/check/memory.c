/* SPDX-License-Identifier: MIT */
/* Memory slots and dirty logs. */
#include <errno.h>
#include <sys/mman.h>

#include "watch/check/check.h"

/* A walk over the mappings, which does nothing to them. */
static bool is_mapped(u64 hva, u64 size)
{
	return !msync((void *)hva, size, MS_ASYNC) || errno != ENOMEM;
}

static void judge_overlap(struct check_call *c, const struct kvm_userspace_memory_region *r)
{
	u32 as = r->slot >> 16, id = r->slot & 0xffff;

	for (u32 i = 0; as < KVM_ADDRESS_SPACES && i < c->vm->nr_slots[as]; i++) {
		const struct check_slot *s = state_slot(c->vm, as, i);

		if (!s || i == id || s->gpa >= r->guest_phys_addr + r->memory_size ||
		    r->guest_phys_addr >= s->gpa + s->size)
			continue;
		check_found(c, RULE_SLOT_OVERLAP, NULL,
			    "%u (0x%llx, 0x%llx bytes) and %u (0x%llx, 0x%llx bytes)",
			    id, r->guest_phys_addr, r->memory_size, i,
			    (unsigned long long)s->gpa, (unsigned long long)s->size);
		return;
	}
}

static void judge_refused(struct check_call *c, const struct kvm_userspace_memory_region *r)
{
	const struct check_slot *s = state_slot(c->vm, r->slot >> 16, r->slot & 0xffff);
	const u64 low = PAGE_SIZE - 1;
	const char *what = r->guest_phys_addr & low ? "guest_phys_addr" :
			   r->memory_size & low ? "memory_size" :
			   r->userspace_addr & low ? "userspace_addr" : NULL;

	if (what) {
		check_found(c, RULE_SLOT_MISALIGNED, NULL, "%s", what);
		return;
	}
	if (!s || !r->memory_size)
		return;
	what = s->size != r->memory_size ? "the size" :
	       s->hva != r->userspace_addr ? "the memory" :
	       (s->flags ^ r->flags) & KVM_MEM_READONLY ? "KVM_MEM_READONLY" : NULL;
	if (what)
		check_found(c, RULE_SLOT_CHANGED, NULL, "%s", what);
}

static void judge_slot(struct check_call *c)
{
	const struct kvm_userspace_memory_region *r =
		check_arg(c, struct kvm_userspace_memory_region);

	if (!r)
		return;
	if (c->ret == -EEXIST)
		judge_overlap(c, r);
	else if (c->ret == -EINVAL && !c->nr_found)
		judge_refused(c, r);
	else if (!c->ret && r->memory_size && !is_mapped(r->userspace_addr, r->memory_size))
		check_found(c, RULE_SLOT_UNMAPPED, NULL, "%u", r->slot);
}

static void judge_log(struct check_call *c)
{
	const struct kvm_dirty_log *log = check_arg(c, struct kvm_dirty_log);
	const char *section = c->cmd == (u32)KVM_GET_DIRTY_LOG ? "4.8" : "4.117";

	if (!log)
		return;
	if (c->ret == -ENXIO)
		check_found(c, RULE_DIRTY_LOG_RING, NULL, "%s", "");
	else if (c->ret == -ENOENT)
		check_found(c, RULE_DIRTY_LOG_OFF, section, "%u", log->slot);
}

void judge_memory(struct check_call *c)
{
	if (!c->vm || c->file->scope != SCOPE_VM)
		return;
	if (c->cmd == (u32)KVM_SET_USER_MEMORY_REGION)
		judge_slot(c);
	else if (c->cmd == (u32)KVM_GET_DIRTY_LOG || c->cmd == (u32)KVM_CLEAR_DIRTY_LOG)
		judge_log(c);
}

void judge_run_fault(struct check_call *c)
{
	for (u32 as = 0; as < KVM_ADDRESS_SPACES; as++) {
		for (u32 i = 0; i < c->vm->nr_slots[as]; i++) {
			const struct check_slot *s = state_slot(c->vm, as, i);

			if (!s || is_mapped(s->hva, s->size))
				continue;
			check_found(c, RULE_SLOT_GONE, NULL,
				    "memory of slot %u (0x%llx, 0x%llx bytes) is not mapped any more",
				    as << 16 | i, (unsigned long long)s->gpa,
				    (unsigned long long)s->size);
			return;
		}
	}
	check_found(c, RULE_SLOT_GONE, NULL, "memory of a slot cannot be accessed");
}
