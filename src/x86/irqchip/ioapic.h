/* SPDX-License-Identifier: MIT */
/* Private: the IOAPIC, an 82093AA with 24 pins.  All functions take its lock. */
#ifndef ANYKVM_X86_IRQCHIP_IOAPIC_H
#define ANYKVM_X86_IRQCHIP_IOAPIC_H

#include "x86/irqchip/irqchip.h"

#define IOAPIC_PINS		KVM_IOAPIC_NUM_PINS
#define IOAPIC_DEFAULT_ADDR	0xfec00000ull
#define IOAPIC_SIZE		0x100u

struct ioapic *ioapic_create(struct vm *vm);
void ioapic_stop(struct ioapic *s);	/* no timer calls back afterwards */
void ioapic_destroy(struct ioapic *s);

/* >0 delivered, 0 coalesced, -1 masked or nobody there. */
int ioapic_set_pin(struct ioapic *s, u32 pin, int source, int level);

/*
 * @l has ended @vector.  Calls irqfd_notify_ack() and pit_ack() without
 * the lock: they may change the pins' levels.
 */
void ioapic_eoi(struct ioapic *s, struct lapic *l, u8 vector, bool level);

/* @l's registers were set: has it an interrupt of the RTC still to end? */
void ioapic_track_rtc(struct ioapic *s, struct lapic *l);

bool ioapic_mmio_read(struct ioapic *s, gpa_t gpa, u32 len, void *data);
bool ioapic_mmio_write(struct ioapic *s, gpa_t gpa, u32 len, const void *data);

void ioapic_get_state(struct ioapic *s, struct kvm_ioapic_state *out);
void ioapic_set_state(struct ioapic *s, const struct kvm_ioapic_state *in);

#endif
