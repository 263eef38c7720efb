/* SPDX-License-Identifier: MIT */
/*
 * Runstate: how long a vCPU has been running, runnable, blocked and offline,
 * for the guest (api.rst 4.128).  KVM enters running and runnable itself: a
 * vCPU that is out of KVM_RUN, or in HLT, counts as running until userspace
 * says otherwise.
 */
#include <errno.h>

#include "x86/mmu/mmu.h"
#include "x86/xen/internal.h"

u32 xen_runstate_size(const struct vm *vm)
{
	return READ_ONCE(vm_xen(vm)->long_mode) ? RUNSTATE_SIZE64 : RUNSTATE_SIZE32;
}

/*
 * The top byte of state_entry_time says that the rest is not consistent.  The
 * structure may cross a page; gpa_write() marks both dirty.
 */
static void write_guest(struct cpu *c)
{
	const struct xen_vcpu *x = c->xen;
	const bool long_mode = READ_ONCE(vm_xen(c->vcpu->vm)->long_mode);
	const gpa_t gpa = x->runstate;
	const gpa_t entry = gpa + (long_mode ? RUNSTATE_ENTRY64 : RUNSTATE_ENTRY32);
	u64 body[1 + NR_RUNSTATES] = { x->state_entry | RUNSTATE_UPDATE };
	u8 top = body[0] >> 56, final = x->state_entry >> 56;

	for (u32 i = 0; i < NR_RUNSTATES; i++)
		body[1 + i] = x->state_time[i];
	if (gpa == XEN_NO_GPA || !gpa_write(c, entry + 7, &top, sizeof(top)))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	gpa_write(c, gpa, &x->state, sizeof(x->state));
	gpa_write(c, entry, body, sizeof(body));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	gpa_write(c, entry + 7, &final, sizeof(final));
}

/* Ends the present state now; what was stolen from running was runnable. */
static void enter_state(struct cpu *c, u32 state)
{
	struct xen_vcpu *x = c->xen;
	u64 now = xen_now(c->vcpu->vm);
	u64 delta = now - x->state_entry;
	u64 stolen = steal_time_stolen(c->pvclock);

	if (!x->state_entry)
		x->state = RUNSTATE_OFFLINE;
	if (x->state == RUNSTATE_RUNNING) {
		stolen = MIN(stolen, delta);
		x->state_time[RUNSTATE_RUNNABLE] += stolen;
		delta -= stolen;
	}
	x->state_time[x->state] += delta;
	x->state = state;
	x->state_entry = now;
}

void xen_runstate_run(struct cpu *c)
{
	enter_state(c, RUNSTATE_RUNNING);
	write_guest(c);
}

/* -- KVM_XEN_VCPU_SET_ATTR and GET_ATTR -------------------------------------------------------- */

static u64 sum_of_times(const struct kvm_xen_vcpu_attr *a)
{
	return a->u.runstate.time_running + a->u.runstate.time_runnable +
	       a->u.runstate.time_blocked + a->u.runstate.time_offline;
}

static void add_times(struct xen_vcpu *x, const struct kvm_xen_vcpu_attr *a)
{
	x->state_entry += a->u.runstate.state_entry_time;
	x->state_time[RUNSTATE_RUNNING] += a->u.runstate.time_running;
	x->state_time[RUNSTATE_RUNNABLE] += a->u.runstate.time_runnable;
	x->state_time[RUNSTATE_BLOCKED] += a->u.runstate.time_blocked;
	x->state_time[RUNSTATE_OFFLINE] += a->u.runstate.time_offline;
}

static long set_data(struct cpu *c, const struct kvm_xen_vcpu_attr *a)
{
	struct xen_vcpu *x = c->xen;

	if (a->u.runstate.state > RUNSTATE_OFFLINE ||
	    a->u.runstate.state_entry_time != sum_of_times(a) ||
	    a->u.runstate.state_entry_time > xen_now(c->vcpu->vm))
		return -EINVAL;
	x->state = a->u.runstate.state;
	x->state_entry = 0;
	for (u32 i = 0; i < NR_RUNSTATES; i++)
		x->state_time[i] = 0;
	add_times(x, a);
	steal_time_stolen(c->pvclock);
	return 0;
}

static long adjust(struct cpu *c, const struct kvm_xen_vcpu_attr *a)
{
	struct xen_vcpu *x = c->xen;
	const u64 state = a->u.runstate.state;

	if ((state > RUNSTATE_OFFLINE && state != ~0ull) ||
	    a->u.runstate.state_entry_time != sum_of_times(a) ||
	    x->state_entry + a->u.runstate.state_entry_time > xen_now(c->vcpu->vm))
		return -EINVAL;
	add_times(x, a);
	if (state <= RUNSTATE_OFFLINE)
		enter_state(c, state);
	return 0;
}

long xen_runstate_set(struct cpu *c, const struct kvm_xen_vcpu_attr *a)
{
	switch (a->type) {
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT:
		if (a->u.runstate.state > RUNSTATE_OFFLINE)
			return -EINVAL;
		enter_state(c, a->u.runstate.state);
		return 0;
	case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA:
		return set_data(c, a);
	default:
		return adjust(c, a);
	}
}

void xen_runstate_get(struct cpu *c, struct kvm_xen_vcpu_attr *a)
{
	const struct xen_vcpu *x = c->xen;

	a->u.runstate.state = x->state;
	if (a->type == KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT)
		return;
	a->u.runstate.state_entry_time = x->state_entry;
	a->u.runstate.time_running = x->state_time[RUNSTATE_RUNNING];
	a->u.runstate.time_runnable = x->state_time[RUNSTATE_RUNNABLE];
	a->u.runstate.time_blocked = x->state_time[RUNSTATE_BLOCKED];
	a->u.runstate.time_offline = x->state_time[RUNSTATE_OFFLINE];
}
