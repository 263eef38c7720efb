/* SPDX-License-Identifier: MIT */
/* ioeventfd (api.rst 4.59) and irqfd (4.75). */
#ifndef ANYKVM_API_EVENTFD_H
#define ANYKVM_API_EVENTFD_H

#include "api/kvm.h"

int eventfds_create(struct vm *vm);
void eventfds_destroy(struct vm *vm);

/*
 * A guest write of @len bytes: signals the ioeventfd that matches.  True if
 * there is one, so that no exit happens.  Hot: no lock, called in guest.
 */
bool ioeventfd_write(struct vm *vm, bool pio, gpa_t addr, u32 len, u64 data);

/* An end of interrupt at (@irqchip, @pin): fires the resample eventfds. */
void irqfd_notify_ack(struct vm *vm, u32 irqchip, u32 pin);

#endif
