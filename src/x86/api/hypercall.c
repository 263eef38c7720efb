/* SPDX-License-Identifier: MIT */
/*
 * VMCALL and VMMCALL (Linux Documentation/virt/kvm/x86/hypercalls.rst): number
 * in RAX, arguments in RBX RCX RDX RSI, result in RAX.
 */
#include <errno.h>
#include <linux/kvm_para.h>
#include <sched.h>
#include <string.h>

#include "api/stats.h"
#include "x86/api/clock.h"
#include "x86/api/cpuid_table.h"
#include "x86/api/msr.h"
#include "x86/cpu/protect.h"
#include "x86/hyperv/hyperv.h"
#include "x86/mmu/mmu.h"
#include "x86/xen/xen.h"

struct hypercall {
	u64 nr, arg[4];
	bool mode64;
};

/* PV spinlocks: the waiter may not have halted yet, so the request stays. */
static u64 kick_cpu(struct cpu *c, const struct hypercall *h)
{
	struct vcpu *v = vm_vcpu_by_id(c->vcpu->vm, h->arg[1]);

	if (v)
		vcpu_request(v, REQ_UNHALT);
	return 0;
}

/* The host's time of day, and the guest's TSC at the same moment. */
static u64 clock_pairing(struct cpu *c, gpa_t gpa, u64 type)
{
	struct kvm_clock_pairing p = { 0 };
	struct timespec now;

	if (type != KVM_CLOCK_PAIRING_WALLCLOCK || !host_tsc_stable())
		return -KVM_EOPNOTSUPP;
	p.tsc = tsc_realtime(c, &now);
	p.sec = now.tv_sec;
	p.nsec = now.tv_nsec;
	return gpa_write(c, gpa, &p, sizeof(p)) ? 0 : -KVM_EFAULT;
}

static u64 send_ipi(struct cpu *c, const struct hypercall *h)
{
	if (!c->lapic)
		return -KVM_ENOSYS;
	return lapic_send_pv_ipi(c->vcpu->vm, h->arg[0], h->arg[1], h->arg[2], h->arg[3],
				 h->mode64);
}

static bool map_gpa_range_valid(const struct hypercall *h)
{
	u64 gfn = h->arg[0] >> PAGE_SHIFT, n = h->arg[1];

	return !(h->arg[0] & ~PAGE_MASK) && n && gfn + n > gfn;
}

/* Userspace decides: KVM_EXIT_HYPERCALL, and its answer is the result. */
static enum step map_gpa_range(struct cpu *c, const struct hypercall *h, u64 *ret)
{
	struct kvm_run *run = c->vcpu->run;
	struct user_reply reply;

	*ret = -KVM_ENOSYS;
	if (!(READ_ONCE(cpu_arch_vm(c)->hypercall_exits) & BIT_ULL(KVM_HC_MAP_GPA_RANGE)))
		return STEP_NEXT;
	*ret = -KVM_EINVAL;
	if (!map_gpa_range_valid(h))
		return STEP_NEXT;
	if (user_reply_take(c, KVM_EXIT_HYPERCALL, h->nr, &reply)) {
		*ret = reply.data;
		return STEP_NEXT;
	}
	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof(run->hypercall));
	run->hypercall.nr = h->nr;
	memcpy(run->hypercall.args, h->arg, 3 * sizeof(u64));
	run->hypercall.longmode = h->mode64;
	user_reply_wait(c, KVM_EXIT_HYPERCALL, h->nr);
	return STEP_EXIT;
}

static enum step hypercall_do(struct cpu *c, const struct hypercall *h, u64 *ret)
{
	*ret = -KVM_ENOSYS;
	switch (h->nr) {
	case KVM_HC_VAPIC_POLL_IRQ:
		/* The guest has lowered its TPR in memory. */
		vcpu_events_changed(c);
		*ret = 0;
		break;
	case KVM_HC_KICK_CPU:
		if (cpuid_pv_allowed(c, FEATURE_KVM_PV_UNHALT))
			*ret = kick_cpu(c, h);
		break;
	case KVM_HC_SEND_IPI:
		if (cpuid_pv_allowed(c, FEATURE_KVM_PV_SEND_IPI))
			*ret = send_ipi(c, h);
		break;
	case KVM_HC_SCHED_YIELD:
		if (cpuid_pv_allowed(c, FEATURE_KVM_PV_SCHED_YIELD)) {
			stat_inc(c->vcpu, directed_yield_attempted);
			sched_yield();
			*ret = 0;
		}
		break;
	case KVM_HC_CLOCK_PAIRING:
		*ret = clock_pairing(c, h->arg[0], h->arg[1]);
		break;
	case KVM_HC_MAP_GPA_RANGE:
		return map_gpa_range(c, h, ret);
	}
	return STEP_NEXT;
}

static struct hypercall hypercall_args(const struct cpu *c)
{
	u64 mask = cpu_code64(c) ? ~0ull : 0xffffffff;

	return (struct hypercall){
		.nr = c->gpr[RAX] & mask,
		.arg = { c->gpr[RBX] & mask, c->gpr[RCX] & mask,
			 c->gpr[RDX] & mask, c->gpr[RSI] & mask },
		.mode64 = cpu_code64(c),
	};
}

const u8 *cpu_hypercall_insn(const struct cpu *c)
{
	static const u8 vmcall[HYPERCALL_INSN_SIZE] = { 0x0f, 0x01, 0xc1 };
	static const u8 vmmcall[HYPERCALL_INSN_SIZE] = { 0x0f, 0x01, 0xd9 };

	return cpu_amd_like(c) ? vmmcall : vmcall;
}

/* Beside Xen's, Hyper-V's page marks its calls with bit 31 of EAX. */
static bool is_hv_hypercall(const struct cpu *c)
{
	return hv_hypercall_enabled(c) &&
	       (!xen_hypercall_enabled(c->vcpu->vm) || c->gpr[RAX] & BIT(31));
}

enum step cpu_hypercall(struct cpu *c)
{
	struct hypercall h = hypercall_args(c);
	u64 ret = -KVM_EPERM;

	if (is_hv_hypercall(c))
		return hv_hypercall(c);
	if (xen_hypercall_enabled(c->vcpu->vm))
		return xen_hypercall(c);
	if (c->cpl == 0)
		TRY(hypercall_do(c, &h, &ret));
	stat_inc(c->vcpu, hypercalls);
	stat_inc(c->vcpu, exits);
	c->gpr[RAX] = h.mode64 ? ret : (u32)ret;
	return STEP_NEXT;
}
