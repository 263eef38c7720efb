/* SPDX-License-Identifier: MIT */
/* GSI routing (api.rst 4.52): from a GSI to irqchip pins or an MSI. */
#ifndef ANYKVM_API_ROUTING_H
#define ANYKVM_API_ROUTING_H

#include "api/kvm.h"

int routing_create(struct vm *vm);
void routing_destroy(struct vm *vm);

/* Replaces the table.  Entries were checked.  -ENOMEM. */
int routing_set(struct vm *vm, const struct kvm_irq_routing_entry *e, u32 n);

/*
 * Raises or lowers @gsi at all its destinations: the sum of those results
 * of arch_set_irq() that are not negative, or -1 (as KVM does).  Any thread.
 */
int routing_set_irq(struct vm *vm, u32 gsi, int source, int level);

/* The GSIs routed to a pin of an irqchip: at most @max of them. Any thread. */
u32 routing_gsis_of_pin(struct vm *vm, u32 irqchip, u32 pin, u32 *gsis, u32 max);

/* Calls @fn for each entry under the table's lock. */
void routing_for_each(struct vm *vm,
		      void (*fn)(const struct kvm_irq_routing_entry *e, void *ctx),
		      void *ctx);

#endif
