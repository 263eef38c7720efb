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
/* The same of what @gsi names. */
void irqfd_notify_ack_gsi(struct vm *vm, u32 gsi);

/* -- eventfds of the VMM's ---------------------------------------------------- */

/*
 * Our own descriptor of the eventfd @fd: -EBADF, -EINVAL if it is something
 * else.  @id identifies the eventfd whatever its number (fdinfo, Linux 5.2).
 */
int eventfd_take(int fd, u32 *id);
int eventfd_identify(int fd, u32 *id);

/*
 * One to be fired.  A write to an eventfd that is not EFD_NONBLOCK waits for
 * room in its counter, which KVM never does.
 */
struct eventfd_out {
	int fd;		/* our own; -1: none */
	bool waits;
};

/* As eventfd_take(): 0 or -errno. */
int eventfd_take_out(struct eventfd_out *out, int fd, u32 *id);

/* Adds 1, if there is room. */
void eventfd_fire(const struct eventfd_out *out);

#endif
