/* SPDX-License-Identifier: MIT */
/* The program's signal handlers, and ours in front of them. */
#ifndef ANYKVM_SHIM_SIGNALS_H
#define ANYKVM_SHIM_SIGNALS_H

/* Before engine_loaded is set: makes the table ready to be used. */
void signals_start(void);

/* After engine_loaded is set: goes in front of every handler there is. */
void signals_adopt_all(void);

/*
 * After KVM_SET_SIGNAL_MASK with @mask (struct kvm_signal_mask *, may be
 * NULL).  A signal that the thread blocks and the mask opens must end KVM_RUN
 * and stay pending; without a handler of the program its default action would
 * come first, so ours goes in front of that too.
 */
void signals_cover_mask(const void *mask);

#endif
