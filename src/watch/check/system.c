/* SPDX-License-Identifier: MIT */
/* Descriptors, the version of the API, capabilities. */
#include <errno.h>

#include "watch/check/check.h"

static const struct {
	enum scope scope;
	u32 cmd, cap;
	const char *name, *section;
} needs[] = {
#define NEEDS(scope, cmd, cap, section) { SCOPE_##scope, (u32)cmd, cap, #cap, section },
#include "watch/check/needs.def"
};

static const char *const scopes[] = {
	[SCOPE_SYSTEM] = "/dev/kvm", [SCOPE_VM] = "a VM", [SCOPE_VCPU] = "a vCPU",
	[SCOPE_DEVICE] = "a device", [SCOPE_STATS] = "statistics",
	[SCOPE_MAPPING] = "a mapping",
};

static const struct ioctl_desc *find_anywhere(u32 cmd)
{
	const struct ioctl_desc *d = NULL;

	for (enum scope s = SCOPE_SYSTEM; s <= SCOPE_DEVICE && !d; s++)
		d = ioctl_find(s, cmd);
	return d;
}

const char *request_name(u32 cmd)
{
	const struct ioctl_desc *d = find_anywhere(cmd);

	return d ? d->name : "an unknown request";
}

static void judge_descriptor(struct check_call *c)
{
	const struct ioctl_desc *d;

	if (c->ret == -EIO && c->file->vm && READ_ONCE(c->file->vm->dead)) {
		if (!c->vm || c->vm->inherited)
			check_found(c, RULE_FORK_USE, NULL, "%s", scopes[c->file->scope]);
		return;
	}
	d = c->call->desc ? NULL : find_anywhere(c->cmd);
	if (!d)
		return;
	c->what = d->name;
	check_found(c, RULE_WRONG_DESCRIPTOR, NULL, "%s is a request for %s, not for %s",
		    d->name, scopes[d->scope], scopes[c->file->scope]);
}

static void judge_need(struct check_call *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (needs[i].cmd == c->cmd && needs[i].scope == c->file->scope &&
		    !cap_was_asked(needs[i].cap))
			check_found(c, RULE_CAP_UNCHECKED, needs[i].section, "%s needs %s",
				    c->what, needs[i].name);
}

static void judge_events(struct check_call *c)
{
	const struct kvm_vcpu_events *e = check_arg(c, struct kvm_vcpu_events);

	if (!e)
		return;
	if ((e->flags & KVM_VCPUEVENT_VALID_PAYLOAD) &&
	    !cap_is_enabled(c->vm, KVM_CAP_EXCEPTION_PAYLOAD))
		check_found(c, RULE_CAP_DISABLED, "4.32",
			    "KVM_VCPUEVENT_VALID_PAYLOAD needs KVM_CAP_EXCEPTION_PAYLOAD");
	if ((e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) &&
	    !cap_is_enabled(c->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT))
		check_found(c, RULE_CAP_DISABLED, "4.32",
			    "KVM_VCPUEVENT_VALID_TRIPLE_FAULT needs KVM_CAP_X86_TRIPLE_FAULT_EVENT");
}

static bool has_rings(const struct check_vm *vm)
{
	return cap_is_enabled(vm, KVM_CAP_DIRTY_LOG_RING) ||
	       cap_is_enabled(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
}

static void judge_enabled(struct check_call *c)
{
	switch (c->cmd) {
	case (u32)KVM_CLEAR_DIRTY_LOG:
		if (!cap_is_enabled(c->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &&
		    !has_rings(c->vm))
			check_found(c, RULE_CAP_DISABLED, "4.117",
				    "KVM_CLEAR_DIRTY_LOG is for KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
		return;
	case (u32)KVM_RESET_DIRTY_RINGS:
		if (!has_rings(c->vm))
			check_found(c, RULE_CAP_DISABLED, "8.29",
				    "KVM_RESET_DIRTY_RINGS needs KVM_CAP_DIRTY_LOG_RING");
		return;
	case (u32)KVM_SET_VCPU_EVENTS:
		judge_events(c);
		return;
	}
}

void judge_system(struct check_call *c)
{
	const struct ioctl_desc *d = c->call->desc;

	judge_descriptor(c);
	if (!d || c->nr_found)
		return;
	if (d->kind == ARG_ZERO && c->call->arg)
		check_found(c, RULE_ARGUMENT, NULL, "%s", d->name);
	if (c->cmd == (u32)KVM_RUN)
		return;
	if (c->cmd == (u32)KVM_CREATE_VM && !check_process.version_asked)
		check_found(c, RULE_API_VERSION, NULL, "%s", "");
	judge_need(c);
	if (c->vm)
		judge_enabled(c);
}
