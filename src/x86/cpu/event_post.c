/* SPDX-License-Identifier: MIT */
/* Events that other threads send a vCPU, and its answer to INIT and SIPI. */
#include "x86/api/vapic.h"
#include "x86/cpu/event.h"
#include "x86/hyperv/hyperv.h"
#include "x86/irqchip/irqchip.h"
#include "x86/x86.h"
#include "x86/xen/xen.h"

enum { LATCHED_INIT = BIT(0), LATCHED_SIPI = BIT(1) };

/* -- From any thread -------------------------------------------------------- */

static void event_interrupt(struct cpu *c)
{
	vcpu_request(c->vcpu, REQ_EVENT);
}

void event_post_nmi(struct cpu *c)
{
	u8 limit = READ_ONCE(c->ev.nmi_masked) || READ_ONCE(c->ev.nmi_injected) ? 1 : 2;
	u8 n = __atomic_load_n(&c->ev.nmi_pending, __ATOMIC_RELAXED);

	/* KVM: one NMI may wait behind one in progress (api.rst 4.64). */
	do {
		if (n >= limit)
			break;
	} while (!__atomic_compare_exchange_n(&c->ev.nmi_pending, &n, n + 1, false,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	vcpu_request(c->vcpu, REQ_EVENT);
}

void event_post_smi(struct cpu *c)
{
	__atomic_store_n(&c->ev.smi_pending, true, __ATOMIC_RELEASE);
	vcpu_request(c->vcpu, REQ_EVENT);
}

static void event_post_init(struct cpu *c)
{
	/* A SIPI latched before this INIT is void (SDM vol. 3A 8.4.2). */
	__atomic_store_n(&c->ev.latched, LATCHED_INIT, __ATOMIC_RELEASE);
	vcpu_request(c->vcpu, REQ_EVENT);
}

static void event_post_sipi(struct cpu *c, u8 vector)
{
	WRITE_ONCE(c->ev.sipi_vector, vector);
	__atomic_fetch_or(&c->ev.latched, LATCHED_SIPI, __ATOMIC_RELEASE);
	vcpu_request(c->vcpu, REQ_EVENT);
}

static void event_tpr_changed(struct cpu *c)
{
	if (vapic_active(c) && c->vcpu->in_guest)
		vapic_store(c);
	vcpu_request(c->vcpu, REQ_EVENT);
}

static void event_tpr_refresh(struct cpu *c)
{
	if (vapic_active(c) && c->vcpu->in_guest)
		vapic_load(c);
}

static void event_unhalt(struct cpu *c)
{
	vcpu_request(c->vcpu, REQ_UNHALT);
}

static void event_eoi_exit(struct cpu *c, u8 vector)
{
	c->eoi_vectors[vector / 64] |= BIT_ULL(vector % 64);
	c->eoi_due = true;
	c->stop_block = true;		/* a second EOI must not overtake it */
	vcpu_request(c->vcpu, REQ_EVENT);
}

static const struct irqchip_ops ops = {
	.interrupt	= event_interrupt,
	.nmi		= event_post_nmi,
	.smi		= event_post_smi,
	.init		= event_post_init,
	.sipi		= event_post_sipi,
	.unhalt		= event_unhalt,
	.tpr_changed	= event_tpr_changed,
	.tpr_refresh	= event_tpr_refresh,
	.tpr_access	= vapic_report,
	.tsc		= cpu_read_tsc,
	.tsc_to_ns	= cpu_tsc_to_ns,
	.eoi_exit	= event_eoi_exit,
	.synic_eoi	= hv_synic_eoi,
};
const struct irqchip_ops *irqchip_ops = &ops;

/* -- INIT and SIPI (SDM vol. 3A 8.4) ------------------------------------------ */

static bool is_bsp(const struct cpu *c)
{
	return c->apic_base & APIC_BASE_BSP;
}

void event_accept_init(struct cpu *c)
{
	u8 latched = __atomic_load_n(&c->ev.latched, __ATOMIC_ACQUIRE);

	/* In SMM INIT waits (SDM vol. 3C 31.3.1); nobody there waits for a SIPI. */
	if (c->smm) {
		__atomic_fetch_and(&c->ev.latched, (u8)~LATCHED_SIPI, __ATOMIC_ACQ_REL);
		return;
	}
	if (latched & LATCHED_INIT) {
		__atomic_fetch_and(&c->ev.latched, (u8)~LATCHED_INIT, __ATOMIC_ACQ_REL);
		cpu_reset(c, true);
		xen_poll_end(c);
		c->mp_state = is_bsp(c) ? KVM_MP_STATE_RUNNABLE :
					  KVM_MP_STATE_INIT_RECEIVED;
	}
	if (latched & LATCHED_SIPI) {
		__atomic_fetch_and(&c->ev.latched, (u8)~LATCHED_SIPI, __ATOMIC_ACQ_REL);
		if (c->mp_state != KVM_MP_STATE_INIT_RECEIVED)
			return;
		cpu_sipi(c, READ_ONCE(c->ev.sipi_vector));
		c->mp_state = KVM_MP_STATE_RUNNABLE;
	}
}
