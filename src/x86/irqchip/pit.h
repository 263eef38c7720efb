/* SPDX-License-Identifier: MIT */
/* Private: the 8254 interval timer and port 61h. */
#ifndef ANYKVM_X86_IRQCHIP_PIT_H
#define ANYKVM_X86_IRQCHIP_PIT_H

#include "x86/irqchip/irqchip.h"

#define PIT_HZ		1193182u
#define PIT_CHANNELS	3u

struct pit *pit_create(struct vm *vm, u32 flags);
void pit_stop(struct pit *p);
void pit_destroy(struct pit *p);

/* The VM's PIT, or NULL.  Any thread. */
struct pit *irqchip_pit(struct irqchip *ic);

/*
 * An end of interrupt at a pin, and a pin that was unmasked: nothing unless
 * GSI 0, the PIT's, is routed there.  Callers hold no chip's lock.
 */
void pit_ack_pin(struct irqchip *ic, u32 chip, u32 pin);
void pit_pin_unmasked(struct irqchip *ic, u32 chip, u32 pin);
/* Looks again where GSI 0 goes. */
void pit_routes_changed(struct pit *p);

bool pit_pio_read(struct pit *p, u16 port, u8 size, u32 *val);
bool pit_pio_write(struct pit *p, u16 port, u8 size, u32 val);

void pit_get_state(struct pit *p, struct kvm_pit_state2 *out);
void pit_set_state(struct pit *p, const struct kvm_pit_state2 *in);
/* KVM_SET_PIT: the channels alone. */
void pit_set_channels(struct pit *p, const struct kvm_pit_state *in);
void pit_set_reinject(struct pit *p, bool on);

#endif
