/* SPDX-License-Identifier: MIT */
/*
 * The synthetic interrupt controller (TLFS, of that name): sixteen SINTs, each
 * with a vector of the LAPIC, a slot of the message page and the bits of the
 * event page that userspace sets.
 */
#include <errno.h>
#include <string.h>

#include "api/arch.h"
#include "api/eventfd.h"
#include "api/routing.h"
#include "util/guard.h"
#include "x86/hyperv/internal.h"
#include "x86/hyperv/msr.h"
#include "x86/mmu/mmu.h"

void hv_synic_init(struct hv_synic *s)
{
	s->version = HV_SYNIC_VERSION;
	for (u32 i = 0; i < HV_NR_SINTS; i++) {
		s->sint[i] = HV_SINT_MASKED;
		s->gsi[i] = -1;
	}
}

int hv_synic_activate(struct cpu *c, bool keep_pages)
{
	struct hv_synic *s = &c->hv->synic;

	if (!c->lapic)
		return -EINVAL;
	s->keep_pages = keep_pages;
	s->control = HV_SCONTROL_ENABLE;
	__atomic_store_n(&s->active, true, __ATOMIC_RELEASE);
	hv_synic_find_routes(c);
	return 0;
}

static bool active(const struct hv_synic *s)
{
	return __atomic_load_n(&s->active, __ATOMIC_ACQUIRE);
}

/* -- Interrupts -------------------------------------------------------------------------- */

/* The vector of SINT @i, or -1 while it is masked. */
static int sint_vector(const struct hv_synic *s, u32 i)
{
	u64 sint = READ_ONCE(s->sint[i]);

	return sint & HV_SINT_MASKED ? -1 : (int)(sint & HV_SINT_VECTOR);
}

/* >0 interrupted, 0 the LAPIC is off, -ENOENT while the SINT is masked. */
static int raise_sint(struct cpu *c, u32 sint)
{
	int vector = sint_vector(&c->hv->synic, sint);

	return vector < 0 ? -ENOENT : lapic_post(c->lapic, vector);
}

int hv_synic_set_sint(struct vm *vm, u32 vp_index, u32 sint)
{
	struct vcpu *v = hv_find_vp(vm, vp_index);

	if (!v || sint >= HV_NR_SINTS || !active(&v->cpu->hv->synic))
		return -1;
	return raise_sint(v->cpu, sint);
}

/* Two SINTs may share a vector: what holds for it is found anew. */
static void vector_changed(struct cpu *c, u32 vector)
{
	const struct hv_synic *s = &c->hv->synic;
	bool used = false, auto_eoi = false;

	if (vector < HV_SINT_VECTOR_MIN || !c->lapic)
		return;
	for (u32 i = 0; i < HV_NR_SINTS; i++) {
		if (sint_vector(s, i) != (int)vector)
			continue;
		used = true;
		auto_eoi |= !!(s->sint[i] & HV_SINT_AUTO_EOI);
	}
	lapic_set_synic(c->lapic, vector, used, auto_eoi);
}

/* KVM: a masked SINT may hold any vector, nested Hyper-V writes 0. */
static enum msr_result set_sint(struct cpu *c, u32 i, const struct msr_access *a)
{
	struct hv_synic *s = &c->hv->synic;
	u32 vector = a->data & HV_SINT_VECTOR, before = s->sint[i] & HV_SINT_VECTOR;

	if (vector < HV_SINT_VECTOR_MIN && !a->host && !(a->data & HV_SINT_MASKED))
		return MSR_REFUSED;
	WRITE_ONCE(s->sint[i], a->data);
	vector_changed(c, before);
	vector_changed(c, vector);
	return MSR_DONE;
}

/* The guest has read SINT @i's message, or ended its interrupt. */
static void acknowledge(struct cpu *c, u32 i)
{
	s32 gsi = READ_ONCE(c->hv->synic.gsi[i]);

	hv_stimers_retry(c->hv, i);
	if (gsi >= 0)
		irqfd_notify_ack_gsi(c->vcpu->vm, gsi);
}

void hv_synic_eoi(struct cpu *c, u8 vector)
{
	for (u32 i = 0; i < HV_NR_SINTS; i++)
		if (sint_vector(&c->hv->synic, i) == vector)
			acknowledge(c, i);
}

/* -- Routes --------------------------------------------------------------------------------- */

struct route_scan { u32 vp_index; s32 gsi[HV_NR_SINTS]; };

static void scan_route(const struct kvm_irq_routing_entry *e, void *ctx)
{
	struct route_scan *scan = ctx;

	if (e->type == KVM_IRQ_ROUTING_HV_SINT && e->u.hv_sint.vcpu == scan->vp_index &&
	    e->u.hv_sint.sint < HV_NR_SINTS)
		scan->gsi[e->u.hv_sint.sint] = e->gsi;
}

void hv_synic_find_routes(struct cpu *c)
{
	struct route_scan scan = { .vp_index = hv_vp_index(c->vcpu) };
	struct hv_vm *hv = cpu_hv_vm(c);

	if (!active(&c->hv->synic))
		return;
	memset(scan.gsi, 0xff, sizeof(scan.gsi));
	/* Whoever has looked last has seen the latest table. */
	pthread_mutex_lock(&hv->route_lock);
	routing_for_each(c->vcpu->vm, scan_route, &scan);
	for (u32 i = 0; i < HV_NR_SINTS; i++)
		WRITE_ONCE(c->hv->synic.gsi[i], scan.gsi[i]);
	pthread_mutex_unlock(&hv->route_lock);
}

void hv_routes_changed(struct vm *vm)
{
	struct vcpu *v;
	u32 i;

	vm_for_each_vcpu(vm, i, v)
		hv_synic_find_routes(v->cpu);
}

/* -- Messages ---------------------------------------------------------------------------------- */

/* The slot's owner is the guest from the moment its type is not 0. */
static int put_message(struct cpu *c, u32 sint, const struct hv_message_header *msg, bool drop)
{
	struct hv_synic *s = &c->hv->synic;
	gpa_t slot = (s->message_page & HV_MSR_PAGE) + sint * HV_MESSAGE_SIZE;
	u32 n = sizeof(*msg) + msg->payload_size;
	struct hv_message_header old;

	if (!(s->message_page & HV_MSR_ENABLE))
		return -ENOENT;
	if (!gpa_read(c, slot, &old, sizeof(old)))
		return -EFAULT;
	if (old.type == HV_MESSAGE_NONE)
		return gpa_write(c, slot, msg, n) ? 0 : -EFAULT;
	if (drop)
		return 1;
	old.flags |= HV_MESSAGE_PENDING;
	return gpa_write(c, slot + offsetof(struct hv_message_header, flags), &old.flags,
			 sizeof(old.flags)) ? -EAGAIN : -EFAULT;
}

/* KVM: where the page's memory has gone that is no error of KVM_RUN. */
static int put_guarded(struct cpu *c, u32 sint, const struct hv_message_header *msg, bool drop)
{
	struct guard g;
	int r;

	if (guard_enter(&g))
		return -EFAULT;
	r = put_message(c, sint, msg, drop);
	guard_leave(&g);
	return r;
}

int hv_synic_send(struct cpu *c, u32 sint, const struct hv_message_header *msg, bool drop)
{
	int r = put_guarded(c, sint, msg, drop);

	if (r)
		return MIN(r, 0);
	r = raise_sint(c, sint);
	return r > 0 ? 0 : r < 0 ? r : -EFAULT;
}

/* -- MSRs ------------------------------------------------------------------------------------------ */

/* Userspace keeps the two pages in mind for its own messages and events. */
static void synic_exit(struct cpu *c, u32 msr)
{
	const struct hv_synic *s = &c->hv->synic;

	c->hv->exit = (struct kvm_hyperv_exit){
		.type = KVM_EXIT_HYPERV_SYNIC,
		.u.synic = {
			.msr = msr,
			.control = s->control,
			.evt_page = s->event_page,
			.msg_page = s->message_page,
		},
	};
	hv_exit_later(c, HV_EXIT_MSR);
}

static enum msr_result set_control(struct cpu *c, const struct msr_access *a)
{
	c->hv->synic.control = a->data;
	if (!a->host)
		synic_exit(c, a->index);
	return MSR_DONE;
}

static enum msr_result set_page(struct cpu *c, u64 *page, const struct msr_access *a)
{
	static const u8 zeros[PAGE_SIZE];

	if (!a->host && a->data & HV_MSR_ENABLE && !c->hv->synic.keep_pages &&
	    !hv_write_memory(c, false, a->data & HV_MSR_PAGE, zeros, sizeof(zeros)))
		return MSR_REFUSED;
	*page = a->data;
	if (!a->host)
		synic_exit(c, a->index);
	return MSR_DONE;
}

static enum msr_result end_of_message(struct cpu *c)
{
	for (u32 i = 0; active(&c->hv->synic) && i < HV_NR_SINTS; i++)
		acknowledge(c, i);
	return MSR_DONE;
}

MSR_WRITE(hv_synic)
{
	struct hv_synic *s = &c->hv->synic;

	if (!hv_permits(c, a, c->hv->cpuid.features_eax, HV_ACCESS_SYNIC))
		return MSR_REFUSED;
	if (!active(s) && (!a->host || a->data))
		return MSR_REFUSED;
	switch (a->index) {
	case HV_MSR_SCONTROL:
		return set_control(c, a);
	case HV_MSR_SVERSION:
		if (!a->host)
			return MSR_REFUSED;
		s->version = a->data;
		return MSR_DONE;
	case HV_MSR_SIEFP:
		return set_page(c, &s->event_page, a);
	case HV_MSR_SIMP:
		return set_page(c, &s->message_page, a);
	case HV_MSR_EOM:
		return end_of_message(c);
	default:
		return set_sint(c, a->index - HV_MSR_SINT0, a);
	}
}

static u64 get_register(const struct hv_synic *s, u32 index)
{
	switch (index) {
	case HV_MSR_SCONTROL:
		return s->control;
	case HV_MSR_SVERSION:
		return s->version;
	case HV_MSR_SIEFP:
		return s->event_page;
	case HV_MSR_SIMP:
		return s->message_page;
	case HV_MSR_EOM:
		return 0;
	default:
		return s->sint[index - HV_MSR_SINT0];
	}
}

MSR_READ(hv_synic)
{
	if (!hv_permits(c, a, c->hv->cpuid.features_eax, HV_ACCESS_SYNIC) ||
	    (!active(&c->hv->synic) && !a->host))
		return MSR_REFUSED;
	a->data = get_register(&c->hv->synic, a->index);
	return MSR_DONE;
}
