/* SPDX-License-Identifier: MIT */
/*
 * The IOAPIC (82093AA): 24 pins, each with a redirection table entry that says
 * which message an interrupt becomes.
 *
 * @irr remembers asserted pins.  For an edge pin it is the line itself, so
 * that a second assertion without a de-assertion is coalesced; @irr_delivered
 * marks those already sent, which saved state leaves out.
 */
#include "x86/irqchip/ioapic.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/arch.h"
#include "api/eventfd.h"
#include "api/worker.h"
#include "x86/irqchip/lapic.h"
#include "x86/irqchip/pit.h"
#include "x86/x86.h"

/* Registers behind the window (82093AA 3.2). */
enum ioapic_reg {
	IOAPIC_REG_ID = 0x00, IOAPIC_REG_VERSION = 0x01, IOAPIC_REG_ARB = 0x02,
	IOAPIC_REG_RTE0 = 0x10,
};

/* Memory-mapped registers (82093AA 3.1). */
enum ioapic_mmio { IOAPIC_IOREGSEL = 0x00, IOAPIC_IOWIN = 0x10 };

#define IOAPIC_VERSION		0x11u

/* Redirection table entry (82093AA 3.2.4). */
#define RTE_VECTOR		0xffull
#define RTE_MODE		(7ull << 8)
#define RTE_LOGICAL		BIT_ULL(11)
#define RTE_STATUS		BIT_ULL(12)
#define RTE_REMOTE_IRR		BIT_ULL(14)
#define RTE_LEVEL		BIT_ULL(15)
#define RTE_MASKED		BIT_ULL(16)
#define RTE_DEST_SHIFT		56

struct ioapic {
	pthread_mutex_t lock;
	struct vm *vm;
	struct irqchip *ic;
	u64 base;
	u32 ioregsel;
	u32 id;
	u32 irr;
	u32 irr_delivered;
	u64 rte[IOAPIC_PINS];
	u32 levels[IOAPIC_PINS];	/* one bit a source */
	u64 vectors[4];			/* read without the lock */

	/*
	 * KVM: the RTC's interrupt, if userspace looks at the result, is
	 * coalesced until all that got the last one have ended it.
	 */
	u8 rtc_vector;
	u32 rtc_pending;

	/*
	 * KVM: a level interrupt that is there again at each of many ends is a
	 * storm; the guest is given a pause from it.
	 */
	u32 successive[IOAPIC_PINS];
	struct worker_timer storm_timer;
	bool stopped;
};

#define RTC_PIN			8
#define STORM_COUNT		10000
#define STORM_PAUSE_NS		10000000ull

/* Those whose EOI matters: of every RTE, and of an RTE that was changed meanwhile. */
static void ioapic_update_vectors_locked(struct ioapic *s)
{
	u64 map[4] = { 0 };

	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		map[(s->rte[pin] & RTE_VECTOR) / 64] |= BIT_ULL(s->rte[pin] & 63);
	if (s->rtc_pending)
		map[s->rtc_vector / 64] |= BIT_ULL(s->rtc_vector % 64);
	for (u32 i = 0; i < ARRAY_SIZE(map); i++)
		__atomic_store_n(&s->vectors[i], map[i], __ATOMIC_RELEASE);
}

/* -- Delivery ---------------------------------------------------------------------- */

/* Returns as apic_bus_send(); caller holds s->lock, as for all _locked here. */
static int ioapic_service_locked(struct ioapic *s, u32 pin)
{
	u64 rte = s->rte[pin];
	struct apic_msg m = {
		.vector = rte & RTE_VECTOR,
		.mode = rte & RTE_MODE,
		.logical = rte & RTE_LOGICAL,
		.level = rte & RTE_LEVEL,
		.assert = true,
		.dest = rte >> RTE_DEST_SHIFT,
	};
	int ret;

	if ((rte & RTE_MASKED) || ((rte & RTE_LEVEL) && (rte & RTE_REMOTE_IRR)))
		return -1;
	if (!m.level)
		s->irr_delivered |= BIT(pin);
	ret = apic_bus_send(s->vm, NULL, &m);
	if (ret && m.level)
		s->rte[pin] |= RTE_REMOTE_IRR;
	return ret;
}

static int ioapic_assert_locked(struct ioapic *s, u32 pin, bool status)
{
	bool rtc = status && pin == RTC_PIN, was = s->irr & BIT(pin);
	int ret;

	if (rtc && s->rtc_pending)
		return 0;

	s->irr |= BIT(pin);
	if (!(s->rte[pin] & RTE_LEVEL)) {
		s->irr_delivered &= ~BIT(pin);
		if (was)
			return 0;
	}
	ret = ioapic_service_locked(s, pin);
	if (rtc) {
		s->rtc_vector = s->rte[pin] & RTE_VECTOR;
		s->rtc_pending = MAX(ret, 0);
		ioapic_update_vectors_locked(s);
	}
	return ret;
}

int ioapic_set_pin(struct ioapic *s, u32 pin, int source, int level)
{
	bool status = source == IRQ_SOURCE_STATUS;
	int ret = 1;

	if (pin >= IOAPIC_PINS)
		return -1;
	if (status)
		source = IRQ_SOURCE_USERSPACE;
	pthread_mutex_lock(&s->lock);
	if (level)
		s->levels[pin] |= BIT(source);
	else
		s->levels[pin] &= ~BIT(source);
	if (s->levels[pin])
		ret = ioapic_assert_locked(s, pin, status);
	else
		s->irr &= ~BIT(pin);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* -- End of interrupt ----------------------------------------------------------------- */

static void ioapic_eoi_pin_locked(struct ioapic *s, u32 pin, bool level)
{
	pthread_mutex_unlock(&s->lock);
	irqfd_notify_ack(s->vm, KVM_IRQCHIP_IOAPIC, pin);
	pit_ack_pin(s->ic, KVM_IRQCHIP_IOAPIC, pin);
	pthread_mutex_lock(&s->lock);

	if (!level || !(s->rte[pin] & RTE_LEVEL))
		return;
	s->rte[pin] &= ~RTE_REMOTE_IRR;
	if ((s->rte[pin] & RTE_MASKED) || !(s->irr & BIT(pin))) {
		s->successive[pin] = 0;
	} else if (++s->successive[pin] < STORM_COUNT) {
		ioapic_service_locked(s, pin);
	} else {
		s->successive[pin] = 0;
		if (!s->stopped)
			worker_timer_arm(&s->storm_timer, worker_now_ns() + STORM_PAUSE_NS);
	}
}

static void ioapic_after_storm(struct worker_timer *t)
{
	struct ioapic *s = container_of(t, struct ioapic, storm_timer);

	pthread_mutex_lock(&s->lock);
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		if ((s->rte[pin] & RTE_LEVEL) && (s->irr & BIT(pin)))
			ioapic_service_locked(s, pin);
	pthread_mutex_unlock(&s->lock);
}

void ioapic_eoi(struct ioapic *s, u8 vector, bool level)
{
	if (!(__atomic_load_n(&s->vectors[vector / 64], __ATOMIC_ACQUIRE) &
	      BIT_ULL(vector % 64)))
		return;
	pthread_mutex_lock(&s->lock);
	if (s->rtc_pending && vector == s->rtc_vector)
		s->rtc_pending--;
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		if ((s->rte[pin] & RTE_VECTOR) == vector)
			ioapic_eoi_pin_locked(s, pin, level);
	pthread_mutex_unlock(&s->lock);
}

/* -- Registers --------------------------------------------------------------------------- */

static u32 ioapic_read_window_locked(const struct ioapic *s)
{
	u32 reg = s->ioregsel, pin = (reg - IOAPIC_REG_RTE0) / 2;

	switch (reg) {
	case IOAPIC_REG_ID:
	case IOAPIC_REG_ARB:	/* KVM: no arbitration, it mirrors the ID */
		return (s->id & 0xf) << 24;
	case IOAPIC_REG_VERSION:
		return (IOAPIC_PINS - 1) << 16 | IOAPIC_VERSION;
	}
	if (reg < IOAPIC_REG_RTE0 || pin >= IOAPIC_PINS)
		return UINT32_MAX;
	return reg & 1 ? s->rte[pin] >> 32 : s->rte[pin];
}

/* True if the pin became unmasked. */
static bool ioapic_write_rte_locked(struct ioapic *s, u32 pin, bool high, u32 v)
{
	const u64 ro = RTE_REMOTE_IRR | RTE_STATUS;
	u64 old = s->rte[pin], rte;

	if (high)
		rte = (u32)old | (u64)v << 32;
	else
		rte = (old & ~(u64)UINT32_MAX) | v;
	rte = (rte & ~ro) | (old & ro);
	/* Linux and Xen: making an entry edge-triggered resets its remote IRR. */
	if (!(rte & RTE_LEVEL))
		rte &= ~RTE_REMOTE_IRR;
	s->rte[pin] = rte;
	ioapic_update_vectors_locked(s);
	if ((rte & RTE_LEVEL) && (s->irr & BIT(pin)))
		ioapic_service_locked(s, pin);
	return (old & RTE_MASKED) && !(rte & RTE_MASKED);
}

static void ioapic_write_window(struct ioapic *s, u32 v)
{
	bool unmasked = false;
	u32 reg, pin;

	pthread_mutex_lock(&s->lock);
	reg = s->ioregsel;
	pin = (reg - IOAPIC_REG_RTE0) / 2;
	if (reg == IOAPIC_REG_ID)
		s->id = v >> 24 & 0xf;
	else if (reg >= IOAPIC_REG_RTE0 && pin < IOAPIC_PINS)
		unmasked = ioapic_write_rte_locked(s, pin, reg & 1, v);
	pthread_mutex_unlock(&s->lock);
	if (unmasked)
		pit_pin_unmasked(s->ic, KVM_IRQCHIP_IOAPIC, pin);
}

static bool ioapic_in_range(const struct ioapic *s, gpa_t gpa)
{
	return gpa - READ_ONCE(s->base) < IOAPIC_SIZE;
}

bool ioapic_mmio_read(struct ioapic *s, gpa_t gpa, u32 len, void *data)
{
	u64 v = 0;

	if (!ioapic_in_range(s, gpa))
		return false;
	pthread_mutex_lock(&s->lock);
	switch (gpa & 0xff) {
	case IOAPIC_IOREGSEL:
		v = s->ioregsel;
		break;
	case IOAPIC_IOWIN:
		v = ioapic_read_window_locked(s);
		break;
	}
	pthread_mutex_unlock(&s->lock);
	memset(data, 0, len);
	memcpy(data, &v, MIN(len, sizeof(v)));
	return true;
}

bool ioapic_mmio_write(struct ioapic *s, gpa_t gpa, u32 len, const void *data)
{
	u32 v = 0;

	if (!ioapic_in_range(s, gpa))
		return false;
	memcpy(&v, data, MIN(len, sizeof(v)));
	switch (gpa & 0xff) {
	case IOAPIC_IOREGSEL:
		pthread_mutex_lock(&s->lock);
		s->ioregsel = v & 0xff;
		pthread_mutex_unlock(&s->lock);
		break;
	case IOAPIC_IOWIN:
		ioapic_write_window(s, v);
		break;
	}
	return true;
}

/* -- Life and saved state ------------------------------------------------------------------ */

void ioapic_get_state(struct ioapic *s, struct kvm_ioapic_state *out)
{
	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&s->lock);
	out->base_address = s->base;
	out->ioregsel = s->ioregsel;
	out->id = s->id;
	out->irr = s->irr & ~s->irr_delivered;
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		out->redirtbl[pin].bits = s->rte[pin];
	pthread_mutex_unlock(&s->lock);
}

void ioapic_set_state(struct ioapic *s, const struct kvm_ioapic_state *in)
{
	pthread_mutex_lock(&s->lock);
	WRITE_ONCE(s->base, in->base_address);
	s->ioregsel = in->ioregsel & 0xff;
	s->id = in->id;
	s->irr = 0;
	s->irr_delivered = 0;
	s->rtc_pending = 0;
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		s->rte[pin] = in->redirtbl[pin].bits;
	ioapic_update_vectors_locked(s);
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		if (in->irr & BIT(pin))
			ioapic_assert_locked(s, pin, false);
	pthread_mutex_unlock(&s->lock);
}

struct ioapic *ioapic_create(struct vm *vm)
{
	struct ioapic *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	worker_timer_init(&s->storm_timer, ioapic_after_storm);
	s->vm = vm;
	s->ic = vm_irqchip(vm);
	s->base = IOAPIC_DEFAULT_ADDR;
	for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
		s->rte[pin] = RTE_MASKED;
	ioapic_update_vectors_locked(s);
	return s;
}

void ioapic_stop(struct ioapic *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_mutex_unlock(&s->lock);
	worker_timer_cancel(&s->storm_timer);
}

void ioapic_destroy(struct ioapic *s)
{
	if (!s)
		return;
	ioapic_stop(s);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
