/* SPDX-License-Identifier: MIT */
/*
 * Instructions whose result userspace gives: RDMSR and WRMSR that were
 * refused, and VMCALL.  The exit leaves RIP on the instruction; when KVM_RUN
 * comes back it is executed again and takes the answer from here.
 */
#include "x86/api/msr.h"
#include "x86/api/run_state.h"

void user_reply_wait(struct cpu *c, u32 exit, u32 index)
{
	c->msrs->reply = (struct user_reply){
		.state = REPLY_WAITING, .exit = exit, .index = index, .rip = c->rip,
	};
}

/* True, once, if the answer for this very instruction is there. */
bool user_reply_take(struct cpu *c, u32 exit, u32 index, struct user_reply *r)
{
	struct user_reply *have = &c->msrs->reply;

	if (likely(have->state == REPLY_NONE))
		return false;
	*r = *have;
	have->state = REPLY_NONE;
	return r->state == REPLY_READY && r->exit == exit && r->index == index &&
	       r->rip == c->rip;
}

void user_reply_complete(struct cpu *c)
{
	struct user_reply *r = &c->msrs->reply;
	struct kvm_run *run = c->vcpu->run;

	if (r->state != REPLY_WAITING)
		return;
	switch (r->exit) {
	case KVM_EXIT_HYPERCALL:
		r->data = READ_ONCE(run->hypercall.ret);
		break;
	case KVM_EXIT_HYPERV:
		r->data = READ_ONCE(run->hyperv.u.hcall.result);
		break;
	case KVM_EXIT_XEN:
		r->data = READ_ONCE(run->xen.u.hcall.result);
		break;
	default:
		r->data = READ_ONCE(run->msr.data);
		r->error = READ_ONCE(run->msr.error);
	}
	r->state = REPLY_READY;
}

bool user_reply_pending(const struct cpu *c)
{
	return c->msrs->reply.state != REPLY_NONE;
}

void user_reply_drop(struct cpu *c)
{
	c->msrs->reply.state = REPLY_NONE;
}
