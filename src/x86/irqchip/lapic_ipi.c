/* SPDX-License-Identifier: MIT */
/*
 * Interrupt messages: who they are for, and sending them (SDM vol. 3A 11.6).
 *
 * A physical destination is found through apic_bus.by_id; a cluster of x2APIC
 * IDs is 16 look-ups.  Every other form asks each LAPIC.  No lock is taken:
 * vCPUs are only ever added to a VM.
 */
#include "x86/irqchip/lapic.h"

#include <errno.h>
#include <linux/kvm_para.h>
#include <stdlib.h>

#include "x86/x86.h"

struct apic_bus *apic_bus_create(void)
{
	struct apic_bus *bus = calloc(1, sizeof(*bus));

	if (bus)
		pthread_mutex_init(&bus->scan_lock, NULL);
	return bus;
}

void apic_bus_destroy(struct apic_bus *bus)
{
	if (!bus)
		return;
	pthread_mutex_destroy(&bus->scan_lock);
	free(bus);
}

struct lapic *apic_bus_find(struct vm *vm, u32 id)
{
	struct apic_bus *bus = vm_irqchip(vm)->bus;
	struct lapic *l;
	struct vcpu *v;
	u32 i;

	if (id >= KVM_MAX_VCPU_IDS)
		return NULL;
	l = __atomic_load_n(&bus->by_id[id], __ATOMIC_ACQUIRE);
	if (l)
		return l;
	vm_for_each_vcpu(vm, i, v) {
		if (v->id != id || !v->cpu->lapic)
			continue;
		__atomic_store_n(&bus->by_id[id], v->cpu->lapic, __ATOMIC_RELEASE);
		return v->cpu->lapic;
	}
	return NULL;
}

/* -- Destinations -------------------------------------------------------------------- */

static bool lapic_is_broadcast(const struct lapic *l, u32 mda)
{
	return mda == (lapic_x2apic(l) ? X2APIC_BROADCAST : XAPIC_BROADCAST);
}

static bool lapic_matches_physical(const struct lapic *l, u32 mda)
{
	if (lapic_x2apic(l))
		return mda == l->id;
	/* KVM: IDs above 255 name an APIC that is not yet in x2APIC mode, too. */
	if (l->id > XAPIC_BROADCAST)
		return mda == l->id;
	return mda == lapic_reg(l, LAPIC_ID) >> 24;
}

static bool lapic_matches_logical(const struct lapic *l, u32 mda)
{
	u32 ldr = lapic_reg(l, LAPIC_LDR);

	if (lapic_x2apic(l))
		return ldr >> 16 == mda >> 16 && (ldr & mda & 0xffff);
	ldr >>= 24;
	if (lapic_reg(l, LAPIC_DFR) >> 28 == DFR_FLAT)
		return ldr & mda;
	if (lapic_reg(l, LAPIC_DFR) >> 28 == 0)
		return ldr >> 4 == mda >> 4 && (ldr & mda & 0xf);
	return false;
}

/*
 * KVM's quirk: destination FFh of an MSI or IOAPIC is a broadcast to x2APICs
 * as well, unless KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK was set.
 */
static u32 lapic_mda(const struct lapic *l, const struct lapic *source, u32 dest)
{
	if (!source && dest == XAPIC_BROADCAST && lapic_x2apic(l) &&
	    !l->ic->x2apic_no_broadcast_quirk)
		return X2APIC_BROADCAST;
	return dest;
}

bool lapic_matches(const struct lapic *l, const struct lapic *source,
		   const struct apic_msg *m)
{
	u32 mda = lapic_mda(l, source, m->dest);

	switch (m->shorthand) {
	case APIC_SHORTHAND_SELF:
		return l == source;
	case APIC_SHORTHAND_ALL:
		return true;
	case APIC_SHORTHAND_OTHERS:
		return l != source;
	default:
		return lapic_is_broadcast(l, mda) ||
		       (m->logical ? lapic_matches_logical(l, mda) :
				     lapic_matches_physical(l, mda));
	}
}

/* -- Sending ------------------------------------------------------------------------- */

struct delivery {
	const struct apic_msg *m;
	const struct lapic *source;
	bool lowest;
	struct lapic *chosen;	/* lowest priority: best so far */
	int result;
};

/* KVM: the LAPIC that was chosen least often. */
static void delivery_arbitrate(struct delivery *d, struct lapic *l)
{
	if (!lapic_sw_enabled(l))
		return;
	if (!d->chosen || (s32)(READ_ONCE(l->arb_prio) - READ_ONCE(d->chosen->arb_prio)) < 0)
		d->chosen = l;
}

static int delivery_accept(const struct apic_msg *m, struct lapic *l)
{
	int ret = lapic_accept(l, m->mode, m->vector, m->assert, m->level);

	if (unlikely(m->rtc) && ret && (m->mode == APIC_MODE_FIXED || m->mode == APIC_MODE_LOWEST))
		WRITE_ONCE(l->rtc_vector, m->vector);
	return ret;
}

static void delivery_offer(struct delivery *d, struct lapic *l)
{
	const struct apic_msg *m = d->m;

	if (!l || !lapic_hw_enabled(l) || !lapic_matches(l, d->source, m))
		return;
	if (d->lowest) {
		delivery_arbitrate(d, l);
		return;
	}
	if (d->result < 0)
		d->result = 0;
	d->result += delivery_accept(m, l);
}

static int delivery_finish(struct delivery *d)
{
	const struct apic_msg *m = d->m;

	if (!d->lowest || !d->chosen)
		return d->result;
	if (m->mode != APIC_MODE_LOWEST)
		__atomic_fetch_add(&d->chosen->arb_prio, 1, __ATOMIC_RELAXED);
	return delivery_accept(m, d->chosen);
}

/* The destination is some and not all. */
static bool msg_is_directed(const struct apic_msg *m)
{
	return m->shorthand == APIC_SHORTHAND_NONE &&
	       m->dest != XAPIC_BROADCAST && m->dest != X2APIC_BROADCAST;
}

/* True if at most the LAPIC whose vCPU has id @m->dest can match. */
static bool msg_is_unicast(const struct apic_bus *bus, const struct apic_msg *m)
{
	return msg_is_directed(m) && !m->logical &&
	       !__atomic_load_n(&bus->nr_moved, __ATOMIC_SEQ_CST);
}

/* True if only the 16 IDs of an x2APIC cluster can match. */
static bool msg_is_x2_cluster(const struct apic_bus *bus, const struct apic_msg *m)
{
	return msg_is_directed(m) && m->logical &&
	       !__atomic_load_n(&bus->nr_xapic, __ATOMIC_SEQ_CST);
}

static void delivery_offer_cluster(struct delivery *d, struct vm *vm)
{
	u32 first = (d->m->dest >> 16) << 4;

	for (u32 mask = d->m->dest & 0xffff; mask; mask &= mask - 1)
		delivery_offer(d, apic_bus_find(vm, first + __builtin_ctz(mask)));
}

int apic_bus_send(struct vm *vm, struct lapic *source, const struct apic_msg *m)
{
	struct apic_bus *bus = vm_irqchip(vm)->bus;
	struct delivery d = { .m = m, .source = source, .result = -1 };
	struct vcpu *v;
	u32 i;

	if (!bus)
		return -1;
	/* KVM looks it up in a map that is there from the first vCPU on. */
	if (msg_is_directed(m) && __atomic_load_n(&vm->nr_vcpus, __ATOMIC_ACQUIRE))
		d.result = 0;
	d.lowest = m->mode == APIC_MODE_LOWEST || m->redir_hint;
	/*
	 * SDM vol. 3A 11.6.2.1: a physical broadcast is never lowest priority;
	 * KVM does not arbitrate for a single physical destination either.
	 */
	if (!m->logical && m->shorthand == APIC_SHORTHAND_NONE && m->dest != X2APIC_BROADCAST)
		d.lowest = false;

	if (m->shorthand == APIC_SHORTHAND_SELF) {
		delivery_offer(&d, source);
	} else if (msg_is_unicast(bus, m)) {
		delivery_offer(&d, apic_bus_find(vm, m->dest));
	} else if (msg_is_x2_cluster(bus, m)) {
		delivery_offer_cluster(&d, vm);
	} else {
		vm_for_each_vcpu(vm, i, v)
			delivery_offer(&d, v->cpu->lapic);
	}
	return delivery_finish(&d);
}

void lapic_send_ipi(struct lapic *l, u32 icr, u32 icr2)
{
	struct apic_msg m = {
		.vector = icr & APIC_VECTOR,
		.mode = icr & APIC_MODE,
		.logical = icr & APIC_DEST_LOGICAL,
		.assert = icr & APIC_ASSERT,
		.level = icr & APIC_LEVEL,
		.shorthand = icr & APIC_SHORTHAND,
		.dest = lapic_x2apic(l) ? icr2 : icr2 >> 24,
	};

	apic_bus_send(l->vm, l, &m);
}

/* -- KVM_HC_SEND_IPI ------------------------------------------------------------------- */

static int pv_ipi_half(struct vm *vm, u64 mask, u32 min, u32 icr)
{
	int count = 0;

	for (; mask; mask &= mask - 1) {
		u64 id = (u64)min + __builtin_ctzll(mask);
		struct lapic *l = id < KVM_MAX_VCPU_IDS ? apic_bus_find(vm, id) : NULL;

		if (l && lapic_hw_enabled(l))
			count += lapic_accept(l, icr & APIC_MODE, icr & APIC_VECTOR,
					      icr & APIC_ASSERT, icr & APIC_LEVEL);
	}
	return count;
}

int lapic_send_pv_ipi(struct vm *vm, u64 low, u64 high, u32 min, u32 icr, bool mode64)
{
	u64 second = (u64)min + (mode64 ? 64 : 32);
	int count;

	if (!vm_irqchip(vm)->bus || (icr & (APIC_DEST_LOGICAL | APIC_SHORTHAND)))
		return -KVM_EINVAL;
	if (!mode64) {
		low = (u32)low;
		high = (u32)high;
	}
	count = pv_ipi_half(vm, low, min, icr);
	if (second < KVM_MAX_VCPU_IDS)
		count += pv_ipi_half(vm, high, second, icr);
	return count;
}
