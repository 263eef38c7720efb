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

/* -- The calls -------------------------------------------------------------------------------- */

/* Not a status of the TLFS: userspace has to say (KVM_EXIT_HYPERV_HCALL). */
#define ASK_USERSPACE	(~0ull)

static u64 spin_wait(struct cpu *c, const struct hv_hypercall *h)
{
	sched_yield();
	return HV_STATUS_SUCCESS;
}

static u64 post_message(struct cpu *c, const struct hv_hypercall *h)
{
	return c->hv->synic.active ? ASK_USERSPACE : HV_STATUS_INVALID_HYPERCALL_INPUT;
}

/* A connection that no eventfd was registered for may be userspace's. */
static u64 signal_event(struct cpu *c, const struct hv_hypercall *h)
{
	u64 status = hv_signal_event(c, h);

	return status == HV_STATUS_INVALID_PORT_ID ? post_message(c, h) : status;
}

static bool syndbg_enabled(const struct cpu *c)
{
	return c->hv->cpuid.syndbg_eax & HV_SYNDBG_KERNEL_DEBUGGING;
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

/* What the input may look like. */
enum {
	TAKES_XMM	= BIT(0),	/* continues in XMM0-5 when it is fast */
	TAKES_HEADER	= BIT(1),	/* has a variable header */
	TAKES_LIST	= BIT(2),	/* is a list */
	TAKES_ANY	= BIT(3),	/* is not looked at */
};

/* Whose bits a VMM that enforces CPUID has to have set, all of them. */
enum grant { FEATURES_EBX, ENLIGHTENMENTS_EAX, SPINS, DEBUGGING };

#define FLUSH		ENLIGHTENMENTS_EAX, HV_REMOTE_TLB_FLUSH
#define FLUSH_EX	ENLIGHTENMENTS_EAX, HV_REMOTE_TLB_FLUSH | HV_EX_PROCESSOR_MASKS
#define IPI		ENLIGHTENMENTS_EAX, HV_CLUSTER_IPI
#define IPI_EX		ENLIGHTENMENTS_EAX, HV_CLUSTER_IPI | HV_EX_PROCESSOR_MASKS
#define DEBUG		DEBUGGING, HV_DEBUGGING

static const struct call {
	u16 code;
	u8 shape;
	u8 grant;
	u32 bits;
	u64 (*fn)(struct cpu *c, const struct hv_hypercall *h);
} calls[] = {
	{ HV_FLUSH_VIRTUAL_ADDRESS_SPACE, TAKES_XMM, FLUSH, hv_flush_tlb },
	{ HV_FLUSH_VIRTUAL_ADDRESS_LIST, TAKES_XMM | TAKES_LIST, FLUSH, hv_flush_tlb },
	{ HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX, TAKES_XMM | TAKES_HEADER, FLUSH_EX, hv_flush_tlb },
	{ HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX, TAKES_XMM | TAKES_HEADER | TAKES_LIST, FLUSH_EX,
	  hv_flush_tlb },
	{ HV_NOTIFY_LONG_SPIN_WAIT, 0, SPINS, 0, spin_wait },
	{ HV_SEND_IPI, 0, IPI, hv_send_ipi },
	{ HV_SEND_IPI_EX, TAKES_XMM | TAKES_HEADER, IPI_EX, hv_send_ipi },
	{ HV_POST_MESSAGE, 0, FEATURES_EBX, HV_POST_MESSAGES, post_message },
	{ HV_SIGNAL_EVENT, 0, FEATURES_EBX, HV_SIGNAL_EVENTS, signal_event },
	{ HV_POST_DEBUG_DATA, TAKES_ANY, DEBUG, debug_call },
	{ HV_RETRIEVE_DEBUG_DATA, TAKES_ANY, DEBUG, debug_call },
	{ HV_RESET_DEBUG_SESSION, TAKES_ANY, DEBUG, debug_call },
};

static const struct call *find_call(u16 code)
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].code == code)
			return &calls[i];
	return NULL;
}

/* KVM_CAP_HYPERV_ENFORCE_CPUID. */
static bool is_granted(const struct cpu *c, const struct call *call)
{
	const struct hv_cpuid *id = &c->hv->cpuid;

	if (!id->enforced)
		return true;
	switch ((enum grant)call->grant) {
	case ENLIGHTENMENTS_EAX:
		return (id->enlightenments_eax & call->bits) == call->bits;
	case SPINS:
		return id->enlightenments_ebx && id->enlightenments_ebx != ~0u;
	case DEBUGGING:
		/* Without debugging they do not exist, which is another status. */
		if (!syndbg_enabled(c))
			return true;
		/* fall through */
	case FEATURES_EBX:
		return id->features_ebx & call->bits;
	}
	return false;
}

static bool xmm_permitted(const struct cpu *c)
{
	return !c->hv->cpuid.enforced || c->hv->cpuid.features_edx & HV_XMM_INPUT;
}

/* A list is flushed whole, so it cannot be under way; other calls have none. */
static bool shape_valid(const struct call *call, const struct hv_hypercall *h)
{
	if (call->shape & TAKES_ANY)
		return true;
	if (h->var_count && !(call->shape & TAKES_HEADER))
		return false;
	return call->shape & TAKES_LIST ? h->rep_count && !h->rep_start : !h->rep;
}

static u64 dispatch(struct cpu *c, const struct call *call, const struct hv_hypercall *h)
{
	if (!call)
		return HV_STATUS_INVALID_HYPERCALL_CODE;
	return shape_valid(call, h) ? call->fn(c, h) : HV_STATUS_INVALID_HYPERCALL_INPUT;
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
	const struct call *call = find_call(h.code);
	struct user_reply reply;
	u64 result;

	if (c->cpl || !(c->cr0 & X86_CR0_PE))
		return cpu_raise_ud(c);
	if (user_reply_take(c, KVM_EXIT_HYPERV, h.code, &reply))
		return finish(c, reply.data);
	if (call && !is_granted(c, call))
		return finish(c, HV_STATUS_ACCESS_DENIED);
	if (h.input & HV_CALL_RESERVED)
		return finish(c, HV_STATUS_INVALID_HYPERCALL_INPUT);
	if (h.fast && call && call->shape & TAKES_XMM) {
		if (!xmm_permitted(c))
			return cpu_raise_ud(c);
		read_xmm(c, &h);
	}
	result = dispatch(c, call, &h);
	return result == ASK_USERSPACE ? ask_userspace(c, &h) : finish(c, result);
}
