/* SPDX-License-Identifier: MIT */
/* Hyper-V's MSRs but for time's page, the SynIC and its timers (TLFS appendix B). */
#include "x86/hyperv/msr.h"

#include <string.h>
#include <time.h>

#include "x86/hyperv/internal.h"
#include "x86/xen/xen.h"

#define FEATURES_EAX(c)	((c)->hv->cpuid.features_eax)
#define FEATURES_EDX(c)	((c)->hv->cpuid.features_edx)

#define NSEC_PER_SEC	1000000000ull
#define APIC_BUS_HZ	1000000000ull

enum { X2APIC_TPR = 0x808, X2APIC_EOI = 0x80b, X2APIC_ICR = 0x830 };

/* -- Of the partition: the first writer's value, any vCPU may change it ------------------ */

static enum msr_result read_word(struct cpu *c, struct msr_access *a, u32 have, u32 bit,
				 const u64 *word)
{
	if (!hv_permits(c, a, have, bit))
		return MSR_REFUSED;
	a->data = READ_ONCE(*word);
	return MSR_DONE;
}

static enum msr_result write_word(struct cpu *c, struct msr_access *a, u32 have, u32 bit,
				  u64 *word)
{
	if (!hv_permits(c, a, have, bit))
		return MSR_REFUSED;
	WRITE_ONCE(*word, a->data);
	return MSR_DONE;
}

MSR_READ(hv_hypercall)
{
	const struct hv_vm *hv = cpu_hv_vm(c);

	return read_word(c, a, FEATURES_EAX(c), HV_ACCESS_HYPERCALL,
			 a->index == HV_MSR_HYPERCALL ? &hv->hypercall : &hv->guest_os_id);
}

/* Without an identity there is no hypercall page (TLFS 3.13). */
MSR_WRITE(hv_guest_os_id)
{
	struct hv_vm *hv = cpu_hv_vm(c);
	enum msr_result r = write_word(c, a, FEATURES_EAX(c), HV_ACCESS_HYPERCALL,
				       &hv->guest_os_id);

	if (r == MSR_DONE && !a->data)
		__atomic_fetch_and(&hv->hypercall, ~HV_MSR_ENABLE, __ATOMIC_SEQ_CST);
	return r;
}

/*
 * The page holds the hypercall instruction of this guest's processor, and RET.
 * Where Xen's hypercalls are intercepted, bit 31 of EAX tells the two apart.
 */
static bool write_hypercall_page(struct cpu *c, const struct msr_access *a)
{
	static const u8 mark[] = { 0x0d, 0x00, 0x00, 0x00, 0x80 };	/* OR to EAX */
	u8 code[sizeof(mark) + HYPERCALL_INSN_SIZE + 1];
	u32 n = 0;

	if (xen_hypercall_enabled(c->vcpu->vm)) {
		memcpy(code, mark, sizeof(mark));
		n = sizeof(mark);
	}
	memcpy(code + n, cpu_hypercall_insn(c), HYPERCALL_INSN_SIZE);
	n += HYPERCALL_INSN_SIZE;
	code[n++] = 0xc3;
	return hv_write_memory(c, a->host, a->data & HV_MSR_PAGE, code, n);
}

MSR_WRITE(hv_hypercall)
{
	struct hv_vm *hv = cpu_hv_vm(c);

	if (!hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_HYPERCALL))
		return MSR_REFUSED;
	if (!READ_ONCE(hv->guest_os_id))
		return MSR_DONE;
	if (a->data & HV_MSR_ENABLE && !write_hypercall_page(c, a))
		return MSR_REFUSED;
	WRITE_ONCE(hv->hypercall, a->data);
	return MSR_DONE;
}

MSR_READ(hv_reset)
{
	a->data = 0;
	return hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_RESET) ? MSR_DONE : MSR_REFUSED;
}

MSR_WRITE(hv_reset)
{
	if (!hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_RESET))
		return MSR_REFUSED;
	if (a->data == 1)
		hv_exit_later(c, HV_EXIT_RESET);
	return MSR_DONE;
}

static u64 *crash_word(struct hv_vm *hv, u32 index)
{
	return index == HV_MSR_CRASH_CTL ? &hv->crash_ctl :
					   &hv->crash_param[index - HV_MSR_CRASH_P0];
}

MSR_READ(hv_crash)
{
	return read_word(c, a, FEATURES_EDX(c), HV_CRASH_MSRS,
			 crash_word(cpu_hv_vm(c), a->index));
}

/* The host says what it supports, the guest that it has crashed. */
static void write_crash_ctl(struct cpu *c, const struct msr_access *a)
{
	if (a->host)
		WRITE_ONCE(cpu_hv_vm(c)->crash_ctl, a->data & HV_CRASH_NOTIFY);
	else if (a->data & HV_CRASH_NOTIFY)
		hv_exit_later(c, HV_EXIT_CRASH);
}

MSR_WRITE(hv_crash)
{
	if (a->index != HV_MSR_CRASH_CTL)
		return write_word(c, a, FEATURES_EDX(c), HV_CRASH_MSRS,
				  crash_word(cpu_hv_vm(c), a->index));
	if (!hv_permits(c, a, FEATURES_EDX(c), HV_CRASH_MSRS))
		return MSR_REFUSED;
	write_crash_ctl(c, a);
	return MSR_DONE;
}

/* -- Re-enlightenment: nothing migrates behind the guest's back, so only kept ------------ */

MSR_READ(hv_reenlightenment)
{
	return read_word(c, a, FEATURES_EAX(c), HV_ACCESS_REENLIGHTENMENT,
			 &cpu_hv_vm(c)->reenlightenment);
}

MSR_WRITE(hv_reenlightenment)
{
	return write_word(c, a, FEATURES_EAX(c), HV_ACCESS_REENLIGHTENMENT,
			  &cpu_hv_vm(c)->reenlightenment);
}

MSR_READ(hv_tsc_emulation_control)
{
	return read_word(c, a, FEATURES_EAX(c), HV_ACCESS_REENLIGHTENMENT,
			 &cpu_hv_vm(c)->tsc_emulation_control);
}

MSR_WRITE(hv_tsc_emulation_control)
{
	return write_word(c, a, FEATURES_EAX(c), HV_ACCESS_REENLIGHTENMENT,
			  &cpu_hv_vm(c)->tsc_emulation_control);
}

MSR_READ(hv_tsc_emulation_status)
{
	return read_word(c, a, FEATURES_EAX(c), HV_ACCESS_REENLIGHTENMENT,
			 &cpu_hv_vm(c)->tsc_emulation_status);
}

/* A guest may only clear it. */
MSR_WRITE(hv_tsc_emulation_status)
{
	if (a->data && !a->host)
		return MSR_REFUSED;
	return write_word(c, a, FEATURES_EAX(c), HV_ACCESS_REENLIGHTENMENT,
			  &cpu_hv_vm(c)->tsc_emulation_status);
}

/* -- Time ----------------------------------------------------------------------------------- */

/* A VMM restores what it saved; the value stays what it is. */
MSR_WRITE(hv_read_only)
{
	return a->host ? MSR_DONE : MSR_REFUSED;
}

MSR_READ(hv_time_ref_count)
{
	if (!hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_TIME_REF_COUNT))
		return MSR_REFUSED;
	a->data = hv_reference_time(c->vcpu->vm);
	return MSR_DONE;
}

MSR_READ(hv_reference_tsc)
{
	if (!hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_REFERENCE_TSC))
		return MSR_REFUSED;
	a->data = hv_tsc_page_get(cpu_hv_vm(c));
	return MSR_DONE;
}

MSR_WRITE(hv_reference_tsc)
{
	if (!hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_REFERENCE_TSC))
		return MSR_REFUSED;
	hv_tsc_page_set(c, a->data, a->host);
	return MSR_DONE;
}

MSR_READ(hv_tsc_frequency)
{
	a->data = (u64)c->tsc_khz * 1000;
	return hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_FREQUENCY) ? MSR_DONE : MSR_REFUSED;
}

MSR_READ(hv_apic_frequency)
{
	a->data = APIC_BUS_HZ;
	return hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_FREQUENCY) ? MSR_DONE : MSR_REFUSED;
}

/* KVM: the CPU time of the thread that asks, in 100 ns. */
static u64 thread_runtime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec) / 100;
}

MSR_READ(hv_vp_runtime)
{
	a->data = thread_runtime() + c->hv->runtime_offset;
	return hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_VP_RUNTIME) ? MSR_DONE : MSR_REFUSED;
}

MSR_WRITE(hv_vp_runtime)
{
	if (!a->host)
		return MSR_REFUSED;
	c->hv->runtime_offset = a->data - thread_runtime();
	return MSR_DONE;
}

/* -- Of the vCPU -------------------------------------------------------------------------------- */

MSR_READ(hv_vp_index)
{
	a->data = c->hv->vp_index;
	return hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_VP_INDEX) ? MSR_DONE : MSR_REFUSED;
}

MSR_WRITE(hv_vp_index)
{
	u32 index = a->data;

	if (!a->host || index >= KVM_MAX_VCPUS)
		return MSR_REFUSED;
	WRITE_ONCE(c->hv->vp_index, index);
	hv_synic_find_routes(c);
	return MSR_DONE;
}

static u32 x2apic_msr(const struct msr_access *a)
{
	switch (a->index) {
	case HV_MSR_EOI:
		return X2APIC_EOI;
	case HV_MSR_ICR:
		return X2APIC_ICR;
	default:
		return X2APIC_TPR;
	}
}

MSR_READ(hv_apic)
{
	return hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_APIC) && c->lapic &&
	       lapic_read_any_mode(c->lapic, x2apic_msr(a), &a->data) ? MSR_DONE : MSR_REFUSED;
}

MSR_WRITE(hv_apic)
{
	return hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_APIC) && c->lapic &&
	       lapic_write_any_mode(c->lapic, x2apic_msr(a), a->data) ? MSR_DONE : MSR_REFUSED;
}

MSR_READ(hv_vp_assist_page)
{
	a->data = c->hv->assist_page;
	return hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_APIC) ? MSR_DONE : MSR_REFUSED;
}

/*
 * Its first word would permit the guest to skip an EOI, which the engine never
 * makes use of (docs/quirks.md, pv-unused); the rest is the guest's.
 */
MSR_WRITE(hv_vp_assist_page)
{
	const u32 apic_assist = 0;

	if (!hv_permits(c, a, FEATURES_EAX(c), HV_ACCESS_APIC))
		return MSR_REFUSED;
	if (a->data & HV_MSR_ENABLE &&
	    !hv_write_memory(c, a->host, a->data & HV_MSR_PAGE, &apic_assist, sizeof(apic_assist)))
		return MSR_REFUSED;
	c->hv->assist_page = a->data;
	return MSR_DONE;
}

/* -- Synthetic debugging: userspace does it, by exits or hypercalls ------------------------------- */

static bool syndbg_permits(const struct cpu *c, const struct msr_access *a)
{
	return hv_permits(c, a, FEATURES_EDX(c), HV_DEBUG_MSRS) &&
	       (a->host || c->hv->cpuid.syndbg_eax & HV_SYNDBG_KERNEL_DEBUGGING);
}

static u64 *syndbg_word(struct hv_syndbg *d, u32 index)
{
	switch (index) {
	case HV_MSR_SYNDBG_CONTROL:
		return &d->control;
	case HV_MSR_SYNDBG_STATUS:
		return &d->status;
	case HV_MSR_SYNDBG_SEND:
		return &d->send_page;
	case HV_MSR_SYNDBG_RECV:
		return &d->recv_page;
	case HV_MSR_SYNDBG_PENDING:
		return &d->pending_page;
	default:
		return &d->options;
	}
}

MSR_READ(hv_syndbg)
{
	if (!syndbg_permits(c, a))
		return MSR_REFUSED;
	a->data = READ_ONCE(*syndbg_word(&cpu_hv_vm(c)->syndbg, a->index));
	return MSR_DONE;
}

static void syndbg_exit(struct cpu *c, u32 msr, const struct hv_syndbg *d)
{
	c->hv->exit = (struct kvm_hyperv_exit){
		.type = KVM_EXIT_HYPERV_SYNDBG,
		.u.syndbg = {
			.msr = msr,
			.control = READ_ONCE(d->control),
			.status = READ_ONCE(d->status),
			.send_page = READ_ONCE(d->send_page),
			.recv_page = READ_ONCE(d->recv_page),
			.pending_page = READ_ONCE(d->pending_page),
		},
	};
	hv_exit_later(c, HV_EXIT_MSR);
}

MSR_WRITE(hv_syndbg)
{
	struct hv_syndbg *d = &cpu_hv_vm(c)->syndbg;

	if (!syndbg_permits(c, a))
		return MSR_REFUSED;
	WRITE_ONCE(*syndbg_word(d, a->index), a->data);
	if (!a->host &&
	    (a->index == HV_MSR_SYNDBG_CONTROL || a->index == HV_MSR_SYNDBG_PENDING))
		syndbg_exit(c, a->index, d);
	return MSR_DONE;
}
