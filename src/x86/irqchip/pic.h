/* SPDX-License-Identifier: MIT */
/* Private: the pair of 8259A interrupt controllers.  All functions lock it. */
#ifndef ANYKVM_X86_IRQCHIP_PIC_H
#define ANYKVM_X86_IRQCHIP_PIC_H

#include "x86/irqchip/irqchip.h"

#define PIC_PINS	8u	/* of one chip */

struct pic *pic_create(struct vm *vm);
void pic_destroy(struct pic *s);

/* The INT output of the master: 0 or 1, read without the lock. */
const u32 *pic_output(const struct pic *s);

/* @chip 0 master, 1 slave.  >0 delivered, 0 coalesced, -1 masked. */
int pic_set_pin(struct pic *s, u32 chip, u32 pin, int source, int level);

/* The INTA cycle: always a vector, the spurious IRQ 7's if nothing is there. */
u8 pic_inta(struct pic *s);

/* False: not one of its ports. */
bool pic_pio_read(struct pic *s, u16 port, u8 size, u32 *val);
bool pic_pio_write(struct pic *s, u16 port, u8 size, u32 val);

void pic_get_state(struct pic *s, u32 chip, struct kvm_pic_state *out);
void pic_set_state(struct pic *s, u32 chip, const struct kvm_pic_state *in);

#endif
