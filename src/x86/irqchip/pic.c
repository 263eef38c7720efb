/* SPDX-License-Identifier: MIT */
/*
 * Two cascaded 8259A (Intel 231468), with the ELCRs of the PIIX.
 *
 * Ends of interrupt are collected in @acks under the lock and told to irqfd
 * and the PIT by pic_unlock(), which may raise lines again.
 */
#include "x86/irqchip/pic.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/eventfd.h"
#include "x86/irqchip/lapic.h"
#include "x86/irqchip/pit.h"
#include "x86/x86.h"

#define PIC_CASCADE	2u	/* the master's pin that the slave drives */
#define PIC_NONE	8u	/* no priority level */

/* Command words (8259A, figures 7 and 8). */
#define ICW1_SELECT	0x10u
#define ICW1_IC4	0x01u
#define ICW4_SFNM	0x10u
#define ICW4_AEOI	0x02u
#define OCW3_SELECT	0x08u
#define OCW3_RIS	0x01u
#define OCW3_RR		0x02u
#define OCW3_POLL	0x04u
#define OCW3_SMM	0x20u
#define OCW3_ESMM	0x40u
enum ocw2 {
	OCW2_CLEAR_ROTATE_AEOI, OCW2_EOI, OCW2_NOP, OCW2_SPECIFIC_EOI,
	OCW2_SET_ROTATE_AEOI, OCW2_ROTATE_EOI, OCW2_SET_PRIORITY,
	OCW2_ROTATE_SPECIFIC_EOI,
};

/* kvm_pic_state.init_state: which word the odd port expects. */
enum { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4 };

enum pic_port {
	PIC_MASTER_CMD = 0x20, PIC_MASTER_DATA = 0x21,
	PIC_SLAVE_CMD = 0xa0, PIC_SLAVE_DATA = 0xa1,
	PIC_ELCR_MASTER = 0x4d0, PIC_ELCR_SLAVE = 0x4d1,
};
#define ELCR_MASK_MASTER	0xf8u
#define ELCR_MASK_SLAVE		0xdeu

struct pic {
	pthread_mutex_t lock;
	struct vm *vm;
	u32 output;
	bool wake;			/* output rose under this lock */
	u16 acks;			/* ended under this lock */
	u16 unmasked;
	struct kvm_pic_state chip[2];
	u32 levels[2 * PIC_PINS];	/* one bit a source */
};

/* -- Locking ------------------------------------------------------------------------ */

static void pic_lock(struct pic *s)
{
	pthread_mutex_lock(&s->lock);
}

static void pic_wake_vcpus(struct vm *vm)
{
	struct vcpu *v;
	u32 i;

	vm_for_each_vcpu(vm, i, v)
		if (v->cpu->lapic && lapic_accepts_extint(v->cpu->lapic))
			irqchip_ops->interrupt(v->cpu);
}

static void pic_notify(struct pic *s, u16 acks, u16 unmasked)
{
	struct irqchip *ic = vm_irqchip(s->vm);

	for (; acks; acks &= acks - 1) {
		u32 irq = __builtin_ctz(acks);

		irqfd_notify_ack(s->vm, irq / PIC_PINS, irq % PIC_PINS);
		pit_ack_pin(ic, irq / PIC_PINS, irq % PIC_PINS);
	}
	for (; unmasked; unmasked &= unmasked - 1) {
		u32 irq = __builtin_ctz(unmasked);

		pit_pin_unmasked(ic, irq / PIC_PINS, irq % PIC_PINS);
	}
}

static void pic_unlock(struct pic *s)
{
	u16 acks = s->acks, unmasked = s->unmasked;
	bool wake = s->wake;

	s->acks = 0;
	s->unmasked = 0;
	s->wake = false;
	pthread_mutex_unlock(&s->lock);
	if (wake)
		pic_wake_vcpus(s->vm);
	pic_notify(s, acks, unmasked);
}

/* -- Requests and priorities (8259A, "Fully nested mode") ------------------------------ */

static u32 chip_index(const struct pic *s, const struct kvm_pic_state *c)
{
	return c == &s->chip[1];
}

/* Latches a pin's level: >0 new, 0 was pending already, -1 masked. */
static int chip_set_irq(struct kvm_pic_state *c, u32 pin, bool level)
{
	u8 bit = BIT(pin);
	int ret = 1;

	if (!level) {
		c->last_irr &= ~bit;
		if (c->elcr & bit)
			c->irr &= ~bit;
	} else {
		if ((c->elcr & bit) || !(c->last_irr & bit)) {
			ret = !(c->irr & bit);
			c->irr |= bit;
		}
		c->last_irr |= bit;
	}
	return c->imr & bit ? -1 : ret;
}

/* Distance of the best set bit from the top priority, or PIC_NONE. */
static u32 chip_priority(const struct kvm_pic_state *c, u8 mask)
{
	u32 p = 0;

	if (!mask)
		return PIC_NONE;
	while (!(mask & BIT((p + c->priority_add) & 7)))
		p++;
	return p;
}

/* The pin to be serviced next, or -1. */
static int chip_get_irq(const struct pic *s, const struct kvm_pic_state *c)
{
	u32 p = chip_priority(c, c->irr & ~c->imr);
	u8 serving = c->isr;

	if (p == PIC_NONE)
		return -1;
	/* Special mask mode: levels that are masked block nobody. */
	if (c->special_mask)
		serving &= ~c->imr;
	/* Special fully nested: the slave may interrupt its own service. */
	if (c->special_fully_nested_mode && c == &s->chip[0])
		serving &= ~BIT(PIC_CASCADE);
	if (p >= chip_priority(c, serving))
		return -1;
	return (p + c->priority_add) & 7;
}

static void pic_update(struct pic *s)
{
	u32 level;

	/* A pulse: the master's cascade pin is edge-triggered. */
	if (chip_get_irq(s, &s->chip[1]) >= 0) {
		chip_set_irq(&s->chip[0], PIC_CASCADE, true);
		chip_set_irq(&s->chip[0], PIC_CASCADE, false);
	}
	level = chip_get_irq(s, &s->chip[0]) >= 0;
	if (level && !s->output)
		s->wake = true;
	__atomic_store_n(&s->output, level, __ATOMIC_SEQ_CST);
}

int pic_set_pin(struct pic *s, u32 chip, u32 pin, int source, int level)
{
	u32 irq = chip * PIC_PINS + pin;
	int ret;

	if (chip > 1 || pin >= PIC_PINS)
		return -1;
	pic_lock(s);
	if (level)
		s->levels[irq] |= BIT(source);
	else
		s->levels[irq] &= ~BIT(source);
	ret = chip_set_irq(&s->chip[chip], pin, s->levels[irq]);
	pic_update(s);
	pic_unlock(s);
	return ret;
}

/* -- INTA and EOI ------------------------------------------------------------------------ */

static void chip_clear_isr(struct pic *s, struct kvm_pic_state *c, u32 pin)
{
	c->isr &= ~BIT(pin);
	s->acks |= BIT(chip_index(s, c) * PIC_PINS + pin);
}

static void chip_inta(struct pic *s, struct kvm_pic_state *c, u32 pin)
{
	c->isr |= BIT(pin);
	if (!(c->elcr & BIT(pin)))
		c->irr &= ~BIT(pin);
	if (!c->auto_eoi)
		return;
	if (c->rotate_on_auto_eoi)
		c->priority_add = (pin + 1) & 7;
	chip_clear_isr(s, c, pin);
}

/* The request went away before INTA: IRQ 7, and no ISR bit (8259A, "IR7"). */
static u8 chip_inta_or_spurious(struct pic *s, struct kvm_pic_state *c)
{
	int irq = chip_get_irq(s, c);

	if (irq < 0)
		irq = 7;
	else
		chip_inta(s, c, irq);
	return irq;
}

u8 pic_inta(struct pic *s)
{
	struct kvm_pic_state *master = &s->chip[0], *slave = &s->chip[1];
	bool any;
	u8 irq, v;

	pic_lock(s);
	any = chip_get_irq(s, master) >= 0;
	irq = chip_inta_or_spurious(s, master);
	v = master->irq_base + irq;
	if (any && irq == PIC_CASCADE)
		v = slave->irq_base + chip_inta_or_spurious(s, slave);
	pic_update(s);
	pic_unlock(s);
	return v;
}

/* -- Command words ------------------------------------------------------------------------- */

/* ICW1 forgets edges seen, service and the mask; level requests stay. */
static void chip_write_icw1(struct pic *s, struct kvm_pic_state *c, u8 v)
{
	u8 gone = (c->irr & ~c->elcr) | c->isr;

	c->init4 = v & ICW1_IC4;
	c->last_irr = 0;
	c->irr &= c->elcr;
	c->imr = 0;
	c->isr = 0;
	c->priority_add = 0;
	c->special_mask = 0;
	c->read_reg_select = 0;
	c->poll = 0;
	if (!c->init4) {
		c->special_fully_nested_mode = 0;
		c->auto_eoi = 0;
	}
	c->init_state = INIT_ICW2;
	s->acks |= gone << chip_index(s, c) * PIC_PINS;
	pic_update(s);
}

static void chip_write_ocw3(struct kvm_pic_state *c, u8 v)
{
	if (v & OCW3_POLL)
		c->poll = 1;
	if (v & OCW3_RR)
		c->read_reg_select = v & OCW3_RIS;
	if (v & OCW3_ESMM)
		c->special_mask = !!(v & OCW3_SMM);
}

static void chip_nonspecific_eoi(struct pic *s, struct kvm_pic_state *c, bool rotate)
{
	u8 serving = c->special_mask ? c->isr & ~c->imr : c->isr;
	u32 p = chip_priority(c, serving), pin;

	if (p == PIC_NONE)
		return;
	pin = (p + c->priority_add) & 7;
	if (rotate)
		c->priority_add = (pin + 1) & 7;
	chip_clear_isr(s, c, pin);
}

static void chip_write_ocw2(struct pic *s, struct kvm_pic_state *c, u8 v)
{
	enum ocw2 cmd = v >> 5;
	u32 pin = v & 7;

	switch (cmd) {
	case OCW2_CLEAR_ROTATE_AEOI:
	case OCW2_SET_ROTATE_AEOI:
		c->rotate_on_auto_eoi = cmd == OCW2_SET_ROTATE_AEOI;
		break;
	case OCW2_EOI:
	case OCW2_ROTATE_EOI:
		chip_nonspecific_eoi(s, c, cmd == OCW2_ROTATE_EOI);
		break;
	case OCW2_SPECIFIC_EOI:
		chip_clear_isr(s, c, pin);
		break;
	case OCW2_SET_PRIORITY:
		c->priority_add = (pin + 1) & 7;
		break;
	case OCW2_ROTATE_SPECIFIC_EOI:
		c->priority_add = (pin + 1) & 7;
		chip_clear_isr(s, c, pin);
		break;
	case OCW2_NOP:
		break;
	}
	pic_update(s);
}

static void chip_write_cmd(struct pic *s, struct kvm_pic_state *c, u8 v)
{
	if (v & ICW1_SELECT)
		chip_write_icw1(s, c, v);
	else if (v & OCW3_SELECT)
		chip_write_ocw3(c, v);
	else
		chip_write_ocw2(s, c, v);
}

static void chip_write_ocw1(struct pic *s, struct kvm_pic_state *c, u8 v)
{
	s->unmasked |= (u8)(c->imr & ~v) << chip_index(s, c) * PIC_PINS;
	c->imr = v;
	pic_update(s);
}

static void chip_write_data(struct pic *s, struct kvm_pic_state *c, u8 v)
{
	switch (c->init_state) {
	case INIT_DONE:
		chip_write_ocw1(s, c, v);
		break;
	case INIT_ICW2:
		c->irq_base = v & 0xf8;
		c->init_state = INIT_ICW3;
		break;
	case INIT_ICW3:	/* who is the slave is wired */
		c->init_state = c->init4 ? INIT_ICW4 : INIT_DONE;
		break;
	default:
		c->special_fully_nested_mode = !!(v & ICW4_SFNM);
		c->auto_eoi = !!(v & ICW4_AEOI);
		c->init_state = INIT_DONE;
		break;
	}
}

/* The read after OCW3's P bit is an INTA: bit 7 says if there was a request. */
static u8 chip_poll(struct pic *s, struct kvm_pic_state *c)
{
	int irq = chip_get_irq(s, c);

	c->poll = 0;
	if (irq < 0)
		return 0;
	chip_inta(s, c, irq);
	pic_update(s);
	return 0x80 | irq;
}

/* -- Ports ------------------------------------------------------------------------------------ */

static u8 pic_read_port(struct pic *s, u16 port)
{
	struct kvm_pic_state *c = &s->chip[port == PIC_SLAVE_CMD || port == PIC_SLAVE_DATA];

	switch (port) {
	case PIC_ELCR_MASTER:
	case PIC_ELCR_SLAVE:
		return s->chip[port & 1].elcr;
	}
	if (c->poll)
		return chip_poll(s, c);
	if (port & 1)
		return c->imr;
	return c->read_reg_select ? c->isr : c->irr;
}

static void pic_write_port(struct pic *s, u16 port, u8 v)
{
	switch (port) {
	case PIC_MASTER_CMD:
	case PIC_SLAVE_CMD:
		chip_write_cmd(s, &s->chip[port == PIC_SLAVE_CMD], v);
		break;
	case PIC_MASTER_DATA:
	case PIC_SLAVE_DATA:
		chip_write_data(s, &s->chip[port == PIC_SLAVE_DATA], v);
		break;
	default:
		s->chip[port & 1].elcr = v & s->chip[port & 1].elcr_mask;
		pic_update(s);
	}
}

/* Whole accesses only: KVM's bus gives no part of one to a device. */
static bool pic_in_range(u16 port, u8 size)
{
	u32 first = port & ~1u;

	return (first == PIC_MASTER_CMD || first == PIC_SLAVE_CMD ||
		first == PIC_ELCR_MASTER) && port + size <= first + 2;
}

bool pic_pio_read(struct pic *s, u16 port, u8 size, u32 *val)
{
	if (!pic_in_range(port, size))
		return false;
	*val = 0;
	if (size != 1)
		return true;
	pic_lock(s);
	*val = pic_read_port(s, port);
	pic_unlock(s);
	return true;
}

bool pic_pio_write(struct pic *s, u16 port, u8 size, u32 val)
{
	if (!pic_in_range(port, size))
		return false;
	if (size != 1)
		return true;
	pic_lock(s);
	pic_write_port(s, port, val);
	pic_unlock(s);
	return true;
}

/* -- Life and saved state ---------------------------------------------------------------------- */

const u32 *pic_output(const struct pic *s)
{
	return &s->output;
}

void pic_get_state(struct pic *s, u32 chip, struct kvm_pic_state *out)
{
	pic_lock(s);
	*out = s->chip[chip];
	pic_unlock(s);
}

/* KVM: taken as it is.  The rest copes with any of it. */
void pic_set_state(struct pic *s, u32 chip, const struct kvm_pic_state *in)
{
	pic_lock(s);
	s->chip[chip] = *in;
	pic_update(s);
	pic_unlock(s);
}

struct pic *pic_create(struct vm *vm)
{
	struct pic *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->vm = vm;
	s->chip[0].elcr_mask = ELCR_MASK_MASTER;
	s->chip[1].elcr_mask = ELCR_MASK_SLAVE;
	return s;
}

void pic_destroy(struct pic *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}
