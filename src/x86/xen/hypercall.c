/* SPDX-License-Identifier: MIT */
/* Xen's hypercalls: their page, those answered here, KVM_EXIT_XEN for the rest. */
#include <errno.h>
#include <string.h>

#include "x86/hyperv/hyperv.h"
#include "x86/mmu/mmu.h"
#include "x86/xen/internal.h"

/* -- The hypercall page (api.rst 4.28) --------------------------------------------------------- */

enum { HYPERCALL_STRIDE = 32 };

/* MOV imm32 to EAX; VMCALL or VMMCALL; RET; INT3 to the next. */
static void generate_page(const struct cpu *c, u8 *page)
{
	memset(page, 0xcc, PAGE_SIZE);
	for (u32 nr = 0; nr < PAGE_SIZE / HYPERCALL_STRIDE; nr++) {
		u8 *p = page + nr * HYPERCALL_STRIDE;

		p[0] = 0xb8;
		memcpy(p + 1, &nr, sizeof(nr));
		memcpy(p + 5, cpu_hypercall_insn(c), HYPERCALL_INSN_SIZE);
		p[8] = 0xc3;
	}
}

bool xen_is_hypercall_msr(const struct vm *vm, u32 index)
{
	return index && READ_ONCE(vm_xen(vm)->config.msr) == index;
}

/* A blob that is not there ends KVM_RUN with EFAULT, as in KVM. */
__attribute__((noinline, no_sanitize("undefined")))
static void copy_blob(u8 *page, u64 blob)
{
	memcpy(page, (const void *)blob, PAGE_SIZE);
}

struct hypercall_page {
	u64 data;
	enum msr_result result;
};

/* The value is the page's address, and in its low bits which page of the blob. */
static void write_page(struct cpu *c, void *ctx)
{
	struct hypercall_page *h = ctx;
	struct xen_vm *x = vm_xen(c->vcpu->vm);
	const bool long_mode = cpu_long_mode(c);
	const u32 nr = h->data & ~PAGE_MASK;
	struct kvm_xen_hvm_config config;
	u8 page[PAGE_SIZE];

	pthread_rwlock_wrlock(&x->lock);
	WRITE_ONCE(x->long_mode, long_mode);
	config = x->config;
	pthread_rwlock_unlock(&x->lock);

	if (config.flags & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL) {
		if (nr)
			return;
		generate_page(c, page);
	} else {
		u64 blob = long_mode ? config.blob_addr_64 : config.blob_addr_32;

		if (nr >= (long_mode ? config.blob_size_64 : config.blob_size_32))
			return;
		copy_blob(page, blob + nr * PAGE_SIZE);
	}
	if (gpa_write(c, h->data & PAGE_MASK, page, PAGE_SIZE))
		h->result = MSR_DONE;
}

enum msr_result xen_write_hypercall_page(struct cpu *c, u64 data, bool host)
{
	struct hypercall_page h = { .data = data, .result = MSR_REFUSED };

	if (host)
		vcpu_with_memory(c, write_page, &h);
	else
		write_page(c, &h);
	return h.result;
}

/* -- Hypercalls ----------------------------------------------------------------------------------- */

struct hypercall {
	u64 nr, arg[6];
	bool mode64;
};

static struct hypercall arguments(const struct cpu *c)
{
	static const u8 in64[] = { RDI, RSI, RDX, R10, R8, R9 };
	static const u8 in32[] = { RBX, RCX, RDX, RSI, RDI, RBP };
	struct hypercall h = { .nr = c->gpr[RAX], .mode64 = cpu_code64(c) };

	for (u32 i = 0; i < ARRAY_SIZE(h.arg); i++)
		h.arg[i] = h.mode64 ? c->gpr[in64[i]] : (u32)c->gpr[in32[i]];
	return h;
}

static bool xen_version(const struct cpu *c, u64 op, u64 *ret)
{
	u32 version = READ_ONCE(vm_xen(c->vcpu->vm)->version);

	*ret = version;
	return op == XENVER_VERSION && version;
}

static bool event_channel_op(struct cpu *c, u64 op, u64 arg, u64 *ret)
{
	u32 port;

	if (op != EVTCHNOP_SEND)
		return false;
	*ret = -EFAULT;
	if (!xen_read_linear(c, arg, &port, sizeof(port)))
		return true;
	*ret = 0;
	return xen_outbound_send(c, port);
}

/* True: done, with result. */
static bool handle(struct cpu *c, const struct hypercall *h, u64 *ret)
{
	switch (h->nr) {
	case XEN_HC_XEN_VERSION:
		return xen_version(c, h->arg[0], ret);
	case XEN_HC_EVENT_CHANNEL_OP:
		return event_channel_op(c, h->arg[0], h->arg[1], ret);
	case XEN_HC_SCHED_OP:
		return xen_sched_op(c, h->mode64, h->arg[0], h->arg[1], ret);
	case XEN_HC_VCPU_OP:
		return xen_vcpu_op(c, h->mode64, h->arg[0], h->arg[1], h->arg[2], ret);
	case XEN_HC_SET_TIMER_OP:
		return xen_set_timer_op(c, h->mode64 ? h->arg[0] : h->arg[1] << 32 | h->arg[0],
					ret);
	default:
		return false;
	}
}

static enum step exit_to_user(struct cpu *c, const struct hypercall *h)
{
	struct kvm_run *run = c->vcpu->run;

	run->exit_reason = KVM_EXIT_XEN;
	memset(&run->xen, 0, sizeof(run->xen));
	run->xen.type = KVM_EXIT_XEN_HCALL;
	run->xen.u.hcall.longmode = h->mode64;
	run->xen.u.hcall.cpl = c->cpl;
	run->xen.u.hcall.input = h->nr;
	memcpy(run->xen.u.hcall.params, h->arg, sizeof(h->arg));
	user_reply_wait(c, KVM_EXIT_XEN, 0);
	return STEP_EXIT;
}

enum step xen_hypercall(struct cpu *c)
{
	struct hypercall h = arguments(c);
	struct user_reply reply;
	u64 ret;

	/* The mark of Hyper-V's hypercall page in such a guest. */
	if ((h.nr & BIT(31)) && hv_hypercall_enabled(c))
		return hv_hypercall(c);
	if (user_reply_take(c, KVM_EXIT_XEN, 0, &reply))
		ret = reply.data;
	else if (c->cpl || !handle(c, &h, &ret))	/* PV user space: userspace's too */
		return exit_to_user(c, &h);
	c->gpr[RAX] = ret;
	return STEP_NEXT;
}
