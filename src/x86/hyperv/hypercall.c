/* SPDX-License-Identifier: MIT */
/* Hyper-V's hypercalls (TLFS, Hypercall Interface): input, access, dispatch and result. */
#include <sched.h>
#include <string.h>

#include "x86/hyperv/internal.h"

/* -- Input and result ------------------------------------------------------------------------- */

static u64 pair(u64 high, u64 low)
{
	return high << 32 | (u32)low;
}

static void read_xmm(const struct cpu *c, struct hv_hypercall *h)
{
	for (u32 i = 0; i < HV_CALL_NR_XMM; i++)
		memcpy(&h->xmm[2 * i], c->fpu.vec[i], 2 * sizeof(u64));
}

static struct hv_hypercall read_input(const struct cpu *c)
{
	const u64 *r = c->gpr;
	struct hv_hypercall h = { 0 };

	if (cpu_code64(c)) {
		h.input = r[RCX];
		h.param = r[RDX];
		h.output = r[R8];
	} else {
		h.input = pair(r[RDX], r[RAX]);
		h.param = pair(r[RBX], r[RCX]);
		h.output = pair(r[RDI], r[RSI]);
	}
	h.code = h.input & HV_CALL_CODE;
	h.fast = h.input & HV_CALL_FAST;
	h.var_count = h.input >> HV_CALL_VAR_SHIFT & HV_CALL_VAR_MASK;
	h.rep_count = h.input >> HV_CALL_REP_SHIFT & HV_CALL_REP_MASK;
	h.rep_start = h.input >> HV_CALL_START_SHIFT & HV_CALL_REP_MASK;
	h.rep = h.rep_count || h.rep_start;
	return h;
}

/* Other vCPUs may have asked this one to flush its TLB: STEP_END has it look. */
static enum step finish(struct cpu *c, u64 result)
{
	if (cpu_code64(c)) {
		c->gpr[RAX] = result;
	} else {
		c->gpr[RAX] = (u32)result;
		c->gpr[RDX] = result >> 32;
	}
	return STEP_END;
}

/* -- Access: KVM_CAP_HYPERV_ENFORCE_CPUID ----------------------------------------------------- */

static bool syndbg_enabled(const struct cpu *c)
{
	return c->hv->cpuid.syndbg_eax & HV_SYNDBG_KERNEL_DEBUGGING;
}

static bool all_of(u32 have, u32 bits)
{
	return (have & bits) == bits;
}

static bool call_permitted(const struct cpu *c, u16 code)
{
	const struct hv_cpuid *id = &c->hv->cpuid;

	if (!id->enforced)
		return true;
	switch (code) {
	case HV_NOTIFY_LONG_SPIN_WAIT:
		return id->enlightenments_ebx && id->enlightenments_ebx != ~0u;
	case HV_POST_MESSAGE:
		return id->features_ebx & HV_POST_MESSAGES;
	case HV_SIGNAL_EVENT:
		return id->features_ebx & HV_SIGNAL_EVENTS;
	case HV_POST_DEBUG_DATA:
	case HV_RETRIEVE_DEBUG_DATA:
	case HV_RESET_DEBUG_SESSION:
		/* Without debugging they do not exist, which is another status. */
		return !syndbg_enabled(c) || id->features_ebx & HV_DEBUGGING;
	case HV_FLUSH_VIRTUAL_ADDRESS_SPACE:
	case HV_FLUSH_VIRTUAL_ADDRESS_LIST:
		return id->enlightenments_eax & HV_REMOTE_TLB_FLUSH;
	case HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX:
	case HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX:
		return all_of(id->enlightenments_eax, HV_REMOTE_TLB_FLUSH | HV_EX_PROCESSOR_MASKS);
	case HV_SEND_IPI:
		return id->enlightenments_eax & HV_CLUSTER_IPI;
	case HV_SEND_IPI_EX:
		return all_of(id->enlightenments_eax, HV_CLUSTER_IPI | HV_EX_PROCESSOR_MASKS);
	default:
		return true;
	}
}

/* Calls whose input continues in XMM0-5 when it is fast (TLFS, XMM Fast Hypercall Input). */
static bool takes_xmm(u16 code)
{
	switch (code) {
	case HV_FLUSH_VIRTUAL_ADDRESS_SPACE:
	case HV_FLUSH_VIRTUAL_ADDRESS_LIST:
	case HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX:
	case HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX:
	case HV_SEND_IPI_EX:
		return true;
	default:
		return false;
	}
}

static bool xmm_permitted(const struct cpu *c)
{
	return !c->hv->cpuid.enforced || c->hv->cpuid.features_edx & HV_XMM_INPUT;
}

/* -- Dispatch ------------------------------------------------------------------------------------ */

/* Not a status of the TLFS: userspace has to say (KVM_EXIT_HYPERV_HCALL). */
#define ASK_USERSPACE	(~0ull)

static bool has_variable_header(u16 code)
{
	return code == HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX ||
	       code == HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX || code == HV_SEND_IPI_EX;
}

static bool is_rep_call(u16 code)
{
	return code == HV_FLUSH_VIRTUAL_ADDRESS_LIST ||
	       code == HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX;
}

/* A list is flushed whole, so it cannot be under way; other calls have none. */
static bool shape_valid(const struct hv_hypercall *h)
{
	if (h->var_count && !has_variable_header(h->code))
		return false;
	return is_rep_call(h->code) ? h->rep_count && !h->rep_start : !h->rep;
}

static u64 ask_about_message(const struct cpu *c)
{
	return c->hv->synic.active ? ASK_USERSPACE : HV_STATUS_INVALID_HYPERCALL_INPUT;
}

/* A connection that no eventfd was registered for may be userspace's. */
static u64 signal_event(struct cpu *c, const struct hv_hypercall *h)
{
	u64 status = hv_signal_event(c, h);

	return status == HV_STATUS_INVALID_PORT_ID ? ask_about_message(c) : status;
}

static u64 debug_call(struct cpu *c, const struct hv_hypercall *h)
{
	if (h->fast && h->code != HV_RESET_DEBUG_SESSION)
		return HV_STATUS_INVALID_PARAMETER;
	if (!syndbg_enabled(c))
		return HV_STATUS_INVALID_HYPERCALL_CODE;
	if (!(READ_ONCE(cpu_hv_vm(c)->syndbg.options) & HV_SYNDBG_USE_HCALLS))
		return HV_STATUS_OPERATION_DENIED;
	return ASK_USERSPACE;
}

static u64 dispatch_valid(struct cpu *c, const struct hv_hypercall *h)
{
	switch (h->code) {
	case HV_NOTIFY_LONG_SPIN_WAIT:
		sched_yield();
		return HV_STATUS_SUCCESS;
	case HV_SIGNAL_EVENT:
		return signal_event(c, h);
	case HV_POST_MESSAGE:
		return ask_about_message(c);
	case HV_SEND_IPI:
	case HV_SEND_IPI_EX:
		return hv_send_ipi(c, h);
	default:
		return hv_flush_tlb(c, h);
	}
}

static u64 dispatch(struct cpu *c, const struct hv_hypercall *h)
{
	switch (h->code) {
	case HV_NOTIFY_LONG_SPIN_WAIT:
	case HV_SIGNAL_EVENT:
	case HV_POST_MESSAGE:
	case HV_SEND_IPI:
	case HV_SEND_IPI_EX:
	case HV_FLUSH_VIRTUAL_ADDRESS_SPACE:
	case HV_FLUSH_VIRTUAL_ADDRESS_LIST:
	case HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX:
	case HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX:
		return shape_valid(h) ? dispatch_valid(c, h) : HV_STATUS_INVALID_HYPERCALL_INPUT;
	case HV_POST_DEBUG_DATA:
	case HV_RETRIEVE_DEBUG_DATA:
	case HV_RESET_DEBUG_SESSION:
		return debug_call(c, h);
	default:
		return HV_STATUS_INVALID_HYPERCALL_CODE;
	}
}

/* RIP stays on the instruction: executed again, it finds the answer. */
static enum step ask_userspace(struct cpu *c, const struct hv_hypercall *h)
{
	struct kvm_run *run = c->vcpu->run;

	run->exit_reason = KVM_EXIT_HYPERV;
	memset(&run->hyperv, 0, sizeof(run->hyperv));
	run->hyperv.type = KVM_EXIT_HYPERV_HCALL;
	run->hyperv.u.hcall.input = h->input;
	run->hyperv.u.hcall.params[0] = h->param;
	run->hyperv.u.hcall.params[1] = h->output;
	user_reply_wait(c, KVM_EXIT_HYPERV, h->code);
	return STEP_EXIT;
}

bool hv_hypercall_enabled(const struct cpu *c)
{
	return c->hv->cpuid.enabled && READ_ONCE(cpu_hv_vm(c)->guest_os_id);
}

enum step hv_hypercall(struct cpu *c)
{
	struct hv_hypercall h = read_input(c);
	struct user_reply reply;
	u64 result;

	if (c->cpl || !(c->cr0 & X86_CR0_PE))
		return cpu_raise_ud(c);
	if (user_reply_take(c, KVM_EXIT_HYPERV, h.code, &reply))
		return finish(c, reply.data);
	if (!call_permitted(c, h.code))
		return finish(c, HV_STATUS_ACCESS_DENIED);
	if (h.input & HV_CALL_RESERVED)
		return finish(c, HV_STATUS_INVALID_HYPERCALL_INPUT);
	if (h.fast && takes_xmm(h.code)) {
		if (!xmm_permitted(c))
			return cpu_raise_ud(c);
		read_xmm(c, &h);
	}
	result = dispatch(c, &h);
	return result == ASK_USERSPACE ? ask_userspace(c, &h) : finish(c, result);
}
