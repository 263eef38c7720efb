/* SPDX-License-Identifier: MIT */
/* KVM_GET/SET_VCPU_EVENTS, NMI, SMI (api.rst 4.31, 4.32, 4.64, 4.96). */
#include <errno.h>
#include <string.h>

#include "x86/api/api.h"
#include "x86/cpu/event.h"
#include "x86/mmu/mmu.h"

#define LATCHED_INIT	BIT(0)
#define ALWAYS_VALID	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW | \
			 KVM_VCPUEVENT_VALID_SMM)
#define ALL_VALID	(ALWAYS_VALID | KVM_VCPUEVENT_VALID_SIPI_VECTOR | \
			 KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT)

/* INT3 and INTO: raised again when the instruction is executed again. */
static bool is_soft(u8 vector)
{
	return vector == EXC_BP || vector == EXC_OF;
}

/* -- Reading ------------------------------------------------------------------------------- */

/* What the exception carries goes to CR2 or DR6 (SDM vol. 3A 6.15). */
static void apply_payload(struct cpu *c)
{
	struct exception *e = &c->ev.exc;

	if (e->vector == EXC_PF)
		c->cr2 = e->payload;
	else if (e->vector == EXC_DB)
		c->dr6 = (c->dr6 & ~0xfull) | e->payload;
	e->has_payload = false;
	e->payload = 0;
}

static void exception_get(struct cpu *c, struct kvm_vcpu_events *e)
{
	bool separate = READ_ONCE(cpu_arch_vm(c)->exception_payload);
	const struct exception *x = &c->ev.exc;

	if (!separate && c->ev.exc_pending && x->has_payload)
		apply_payload(c);
	e->exception.nr = x->vector;
	e->exception.has_error_code = x->has_error;
	e->exception.error_code = x->error;
	e->exception_has_payload = x->has_payload;
	e->exception_payload = x->payload;
	if (is_soft(x->vector))
		return;
	e->exception.pending = c->ev.exc_pending;
	e->exception.injected = c->ev.exc_injected || (!separate && c->ev.exc_pending);
}

void events_get(struct cpu *c, struct kvm_vcpu_events *e)
{
	const struct arch_vm *vm = cpu_arch_vm(c);

	memset(e, 0, sizeof(*e));
	exception_get(c, e);
	e->interrupt.injected = c->ev.irq_injected && !c->ev.irq_soft;
	e->interrupt.nr = c->ev.irq_vector;
	e->interrupt.shadow = c->ev.shadow;
	e->nmi.injected = c->ev.nmi_injected;
	e->nmi.pending = __atomic_load_n(&c->ev.nmi_pending, __ATOMIC_RELAXED) != 0;
	e->nmi.masked = c->ev.nmi_masked;
	e->smi.smm = c->smm;
	e->smi.pending = __atomic_load_n(&c->ev.smi_pending, __ATOMIC_RELAXED);
	e->smi.smm_inside_nmi = c->ev.smm_inside_nmi;
	e->smi.latched_init = c->lapic && READ_ONCE(c->ev.latched) & LATCHED_INIT;
	e->flags = ALWAYS_VALID;
	if (READ_ONCE(vm->exception_payload))
		e->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (READ_ONCE(vm->triple_fault_event)) {
		e->triple_fault.pending = c->ev.triple_fault;
		e->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
}

long vcpu_get_vcpu_events(struct kfile *f, void *arg)
{
	events_get(kfile_cpu(f), arg);
	return 0;
}

/* -- Writing --------------------------------------------------------------------------------- */

static int events_check(const struct cpu *c, const struct kvm_vcpu_events *e)
{
	bool payload = e->flags & KVM_VCPUEVENT_VALID_PAYLOAD;
	bool raised = e->exception.injected || (payload && e->exception.pending);

	if (e->flags & ~ALL_VALID)
		return -EINVAL;
	if (payload && !READ_ONCE(cpu_arch_vm(c)->exception_payload))
		return -EINVAL;
	if (raised && (e->exception.nr > 31 || e->exception.nr == EXC_NMI))
		return -EINVAL;
	if (e->flags & KVM_VCPUEVENT_VALID_SMM && (e->smi.smm || e->smi.pending) &&
	    c->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		return -EINVAL;
	return 0;
}

static void exception_set(struct cpu *c, const struct kvm_vcpu_events *e)
{
	bool payload = e->flags & KVM_VCPUEVENT_VALID_PAYLOAD;
	struct events *ev = &c->ev;

	ev->exc_pending = payload && e->exception.pending;
	ev->exc_injected = e->exception.injected && !ev->exc_pending;
	ev->exc = (struct exception){
		.vector = e->exception.nr,
		.has_error = e->exception.has_error_code,
		.error = e->exception.error_code,
		.has_payload = ev->exc_pending && e->exception_has_payload,
		.payload = e->exception_payload,
	};
	/* A debugger's INT3 that is the guest's own. */
	ev->exc.soft = is_soft(ev->exc.vector);
}

static void smm_set(struct cpu *c, const struct kvm_vcpu_events *e)
{
	__atomic_store_n(&c->ev.smi_pending, e->smi.pending, __ATOMIC_RELAXED);
	if (c->smm != !!e->smi.smm) {
		c->smm = e->smi.smm;	/* another address space: api.rst 4.35 */
		cpu_mode_changed(c);
		mmu_flush_all(c);
	}
	c->ev.smm_inside_nmi = e->smi.smm && e->smi.smm_inside_nmi;
	if (!c->lapic)
		return;
	if (e->smi.latched_init)
		__atomic_fetch_or(&c->ev.latched, LATCHED_INIT, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&c->ev.latched, (u8)~LATCHED_INIT, __ATOMIC_RELAXED);
}

int events_set(struct cpu *c, const struct kvm_vcpu_events *e)
{
	struct events *ev = &c->ev;
	int err = events_check(c, e);

	if (err)
		return err;
	exception_set(c, e);
	ev->irq_injected = e->interrupt.injected;
	ev->irq_vector = e->interrupt.nr;
	ev->irq_soft = e->interrupt.soft;
	if (e->flags & KVM_VCPUEVENT_VALID_SHADOW)
		ev->shadow = e->interrupt.shadow &
			     (KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI);
	WRITE_ONCE(ev->nmi_injected, e->nmi.injected);
	if (e->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		__atomic_store_n(&ev->nmi_pending, MIN(e->nmi.pending, 2), __ATOMIC_RELAXED);
	WRITE_ONCE(ev->nmi_masked, e->nmi.masked);
	if (e->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR && c->lapic)
		WRITE_ONCE(ev->sipi_vector, e->sipi_vector);
	if (e->flags & KVM_VCPUEVENT_VALID_SMM)
		smm_set(c, e);
	vcpu_events_changed(c);
	if (e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (!READ_ONCE(cpu_arch_vm(c)->triple_fault_event))
			return -EINVAL;
		ev->triple_fault = e->triple_fault.pending;
	}
	return 0;
}

long vcpu_set_vcpu_events(struct kfile *f, void *arg)
{
	return events_set(kfile_cpu(f), arg);
}

/* -- NMI and SMI --------------------------------------------------------------------------- */

/* One is kept while another is being handled, else two (AMD64 APM vol. 2 8.2.3). */
long vcpu_nmi(struct kfile *f, void *arg)
{
	event_post_nmi(kfile_cpu(f));
	return 0;
}

long vcpu_smi(struct kfile *f, void *arg)
{
	struct cpu *c = kfile_cpu(f);

	__atomic_store_n(&c->ev.smi_pending, true, __ATOMIC_RELAXED);
	vcpu_events_changed(c);
	return 0;
}
