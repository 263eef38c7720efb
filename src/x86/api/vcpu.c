/* SPDX-License-Identifier: MIT */
/* A vCPU: its life, MP state, and the vCPU ioctls that fit nowhere else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/arch.h"
#include "api/memslot.h"
#include "trace/trace.h"
#include "util/guard.h"
#include "x86/api/api.h"
#include "x86/api/clock.h"
#include "x86/api/cpuid_table.h"
#include "x86/cpu/event.h"
#include "x86/cpu/pmu.h"
#include "x86/cpu/translator.h"
#include "x86/decode/block.h"
#include "x86/hyperv/hyperv.h"
#include "x86/jit/engine.h"
#include "x86/jit/jit.h"
#include "x86/mmu/mmu.h"
#include "x86/native/native.h"
#include "x86/xen/xen.h"

#define LATCHED_SIPI	BIT(1)

/* -- Life ---------------------------------------------------------------------------------- */

static bool is_bsp(const struct cpu *c)
{
	return c->vcpu->id == cpu_arch_vm(c)->boot_cpu_id;
}

static void cpu_free(struct cpu *c)
{
	hv_vcpu_destroy(c);
	if (c->lapic)
		lapic_destroy(c->lapic);
	block_cache_destroy(c);
	if (c->native)
		native_destroy(c->native);
	TRANSLATOR(c, destroy);
	if (c->mmu)
		mmu_destroy(c);
	msrs_destroy(c);
	xen_vcpu_destroy(c);
	pmu_destroy(c);
	free(c->pvclock);
	free(c->features);
	free(c->cpuid);
	mmu_cpu_free(c);
}

/* Said once: what runs natively stops the guest then (op_unimplemented). */
static void warn_no_native(void)
{
	static bool said;

	if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		log_error("the host refuses executable memory (%s): a guest that uses "
			  "x87, MMX, SSE or AVX will stop; see sysctl vm.memfd_noexec",
			  strerror(errno));
}

/* Want of memory or descriptors can pass; a policy does not. */
static int attach_native(struct cpu *c)
{
	c->native = native_create();
	if (c->native)
		return 0;
	if (errno == ENOMEM || errno == EMFILE || errno == ENFILE)
		return -errno;
	warn_no_native();
	return 0;
}

/* Without one the guest is interpreted. */
static int attach_translator(struct cpu *c)
{
	int err;

	if (engine_used == ENGINE_INTERP)
		return 0;
	err = jit_create(c);
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE ? err : 0;
}

/* Everything that needs memory; cpu_free() undoes whatever was reached. */
static int cpu_alloc(struct cpu *c)
{
	int err;

	if (mmu_create(c))
		return -ENOMEM;
	c->features = calloc(1, sizeof(*c->features));
	c->pvclock = calloc(1, sizeof(*c->pvclock));
	if (!c->features || !c->pvclock)
		return -ENOMEM;
	err = msrs_create(c);
	if (!err)
		err = hv_vcpu_create(c);
	if (!err)
		err = xen_vcpu_create(c);
	if (!err)
		err = pmu_create(c);
	if (!err)
		err = attach_native(c);
	if (!err)
		err = block_cache_create(c);
	return err ?: attach_translator(c);
}

static int attach_lapic(struct cpu *c)
{
	if (!arch_irqchip_in_kernel(c->vcpu->vm))
		return 0;
	c->lapic = lapic_create(c, c->vcpu->id);
	return c->lapic ? 0 : -ENOMEM;
}

static void power_on(struct cpu *c)
{
	c->tsc_ratio = 1ull << 32;
	c->maxphyaddr = 36;
	cpu_reset(c, false);
	c->apic_base = APIC_DEFAULT_ADDR | APIC_BASE_EN | (is_bsp(c) ? APIC_BASE_BSP : 0);
	if (c->lapic)
		lapic_set_base(c->lapic, c->apic_base);
	c->mp_state = is_bsp(c) || !c->lapic ? KVM_MP_STATE_RUNNABLE :
					       KVM_MP_STATE_UNINITIALIZED;
}

int arch_vcpu_create(struct vcpu *vcpu)
{
	struct cpu *c = mmu_cpu_alloc();
	int err;

	if (!c)
		return -ENOMEM;
	c->vcpu = vcpu;
	vcpu->cpu = c;
	vcpu->requests = &c->requests;
	vcpu->kick = &c->jit_limit;
	err = cpu_alloc(c);
	if (!err)
		err = attach_lapic(c);
	if (err) {
		vcpu->cpu = NULL;
		vcpu->requests = NULL;
		vcpu->kick = NULL;
		cpu_free(c);
		return err;
	}
	power_on(c);
	return 0;
}

void arch_vcpu_created(struct vcpu *vcpu)
{
	tsc_create(vcpu->cpu);
}

void arch_vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->cpu)
		cpu_free(vcpu->cpu);
	vcpu->cpu = NULL;
}

/* -- Helpers of the state ioctls --------------------------------------------------------------- */

void vcpu_events_changed(struct cpu *c)
{
	__atomic_fetch_or(&c->requests, REQ_EVENT, __ATOMIC_RELEASE);
}

void vcpu_state_changed(struct cpu *c)
{
	cpu_mode_changed(c);
	mmu_flush_all(c);
	vcpu_events_changed(c);
}

bool vcpu_with_memory(struct cpu *c, void (*fn)(struct cpu *c, void *ctx), void *ctx)
{
	struct guard g;
	volatile bool ok = false;

	if (vcpu_enter_guest(c->vcpu))
		mmu_flush_all(c);
	if (guard_enter(&g) == 0) {
		fn(c, ctx);
		guard_leave(&g);
		ok = true;
	}
	vcpu_leave_guest(c->vcpu);
	return ok;
}

struct gpa_query {
	gpa_t gpa;
	u32 n;
	bool writable;
};

static bool in_writable_slot(struct cpu *c, gpa_t gpa)
{
	const struct memslot *s = memslot_find(cpu_slots(c), gpa >> PAGE_SHIFT);

	return s && !(s->flags & KVM_MEM_READONLY);
}

static void find_slots(struct cpu *c, void *ctx)
{
	struct gpa_query *q = ctx;

	q->writable = in_writable_slot(c, q->gpa) && in_writable_slot(c, q->gpa + q->n - 1);
}

bool vcpu_gpa_is_writable(struct cpu *c, gpa_t gpa, u32 n)
{
	struct gpa_query q = { .gpa = gpa, .n = n };

	if (c->vcpu->in_guest)
		find_slots(c, &q);
	else
		vcpu_with_memory(c, find_slots, &q);
	return q.writable;
}

/* -- MP state (api.rst 4.38, 4.39; SDM vol. 3A 8.4) ----------------------------------------------- */

long vcpu_get_mp_state(struct kfile *f, void *arg)
{
	struct cpu *c = kfile_cpu(f);
	struct kvm_mp_state *out = arg;

	event_accept_init(c);
	if (event_mp_halted(c) &&
	    (c->ev.pv_unhalted || __atomic_load_n(&c->requests, __ATOMIC_ACQUIRE) & REQ_UNHALT))
		out->mp_state = KVM_MP_STATE_RUNNABLE;
	else
		out->mp_state = c->mp_state;
	return 0;
}

static bool mp_state_valid(u32 s)
{
	return s <= KVM_MP_STATE_SIPI_RECEIVED || s == KVM_MP_STATE_AP_RESET_HOLD;
}

long vcpu_set_mp_state(struct kfile *f, void *arg)
{
	u32 s = ((struct kvm_mp_state *)arg)->mp_state;
	struct cpu *c = kfile_cpu(f);

	if (!c->lapic && s != KVM_MP_STATE_RUNNABLE)
		return -EINVAL;
	if (!mp_state_valid(s))
		return -EINVAL;
	if ((c->smm || READ_ONCE(c->ev.smi_pending)) &&
	    (s == KVM_MP_STATE_INIT_RECEIVED || s == KVM_MP_STATE_SIPI_RECEIVED))
		return -EINVAL;
	if (s == KVM_MP_STATE_SIPI_RECEIVED) {
		c->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		__atomic_fetch_or(&c->ev.latched, LATCHED_SIPI, __ATOMIC_RELEASE);
	} else {
		c->mp_state = s;
	}
	vcpu_events_changed(c);
	return 0;
}

/* -- KVM_ENABLE_CAP of a vCPU (api.rst 4.37) --------------------------------------------------------- */

long vcpu_enable_cap(struct kfile *f, void *arg)
{
	const struct kvm_enable_cap *cap = arg;
	struct cpu *c = kfile_cpu(f);

	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_ENFORCE_PV_FEATURE_CPUID:
		c->msrs->pv_enforce = cap->args[0];
		return 0;
	case KVM_CAP_HYPERV_SYNIC2:
		if (cap->args[0])
			return -EINVAL;
		return hv_synic_activate(c, true);
	case KVM_CAP_HYPERV_SYNIC:
		return hv_synic_activate(c, false);
	case KVM_CAP_HYPERV_ENFORCE_CPUID:
		c->hv->cpuid.enforced = cap->args[0];
		return 0;
	/* For nested hypervisors on Intel's and Microsoft's own. */
	case KVM_CAP_HYPERV_ENLIGHTENED_VMCS:
	case KVM_CAP_HYPERV_DIRECT_TLBFLUSH:
		return -ENOTTY;
	default:
		return -EINVAL;
	}
}
