/* SPDX-License-Identifier: MIT */
/* The PIT's state, shared by pit.c and pit_tick.c. */
#ifndef ANYKVM_X86_IRQCHIP_PIT_INTERNAL_H
#define ANYKVM_X86_IRQCHIP_PIT_INTERNAL_H

#include <pthread.h>

#include "api/worker.h"
#include "x86/irqchip/pit.h"

#define PIT_COUNT_MAX	0x10000u	/* what a count of 0 stands for */
#define PIT_MODE_NONE	0xffu		/* after reset: not programmed */

struct pit {
	pthread_mutex_t lock;
	struct vm *vm;
	struct kvm_pit_channel_state channel[PIT_CHANNELS];
	u32 flags;			/* KVM_PIT_FLAGS_* */
	bool speaker;			/* port 61h is ours */

	/* -- pit_tick.c --------------------------------------------------- */
	struct worker_timer tick;	/* channel 0 */
	struct worker_timer again;	/* an acknowledged tick has successors */
	u64 target_ns;			/* of the coming tick; 0: none */
	u64 period_ns;			/* 0: one-shot */
	u64 pending;			/* ticks not yet acknowledged */
	bool acked;			/* the last pulse was acknowledged */
	bool reinject;
	bool stopped;
	u32 pins[KVM_NR_IRQCHIPS];	/* where GSI 0 goes, per chip; atomic */
};

/* Starts or stops channel 0's ticks after its count or mode was set. */
void pit_tick_start_locked(struct pit *p);
void pit_tick_init(struct pit *p);

void pit_load_count_locked(struct pit *p, u32 channel, u32 count);

#endif
