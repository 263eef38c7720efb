/* SPDX-License-Identifier: MIT */
/* Inside api/ioeventfd.c and api/irqfd.c: what a VM has of eventfds. */
#ifndef ANYKVM_API_EVENTFDS_H
#define ANYKVM_API_EVENTFDS_H

#include "api/eventfd.h"

struct ioeventfds;		/* ioeventfd.c */
struct ioeventfd_target;
struct irqfd;			/* irqfd.c */

enum io_bus { BUS_MMIO, BUS_PIO, NR_BUSES };

struct eventfds {
	/* Sorted snapshots, replaced under vm->slots_lock. */
	struct ioeventfds *io[NR_BUSES];
	struct ioeventfd_target *targets;	/* under vm->slots_lock */

	pthread_mutex_t irqfd_lock;
	struct irqfd *irqfds;
	u32 nr_resample;	/* read without the lock */
};

void ioeventfds_destroy(struct eventfds *e);

/* Removes every irqfd.  On return none will fire. */
void irqfds_detach(struct vm *vm);

#endif
