/* SPDX-License-Identifier: MIT */
/* --stats in the VMM: the watcher that counts, and what it says at exit. */
#ifndef ANYKVM_WATCH_STATS_STATS_H
#define ANYKVM_WATCH_STATS_STATS_H

#include "watch/stats/page.h"

struct vcpu;
struct vm;

/* Adds the watcher if ANYKVM_STATS asks for it.  Before any vCPU exists. */
void stats_init(void);

/* -- slots.c: who counts where --------------------------------------------- */

/* What is known of a vCPU besides the page; vcpu->tally. */
struct tally {
	struct vcpu *vcpu;		/* NULL: it has ended */
	struct stats_vcpu *slot;
	bool shared;			/* the slot is */
	bool running;			/* in KVM_RUN */
	u32 published;			/* times, modulo 2^32 */
	u64 since, counted;		/* of this KVM_RUN: guest_ns has it up to there */
	u64 last_end;			/* of KVM_RUN */
	struct stats_exit *last_exit;
	struct stats_pc *last_pc;
};

/* The page of this process; NULL if there is none. */
extern struct stats_page *stats_page;

bool slots_init(void);
void slots_forked(void);
void slots_add_vm(const struct vm *vm);
void slots_end_vm(const struct vm *vm);
void slots_add(struct vcpu *vcpu);
void slots_end(struct vcpu *vcpu);

/* On the vCPU's thread: its numbers go to the page. */
void slots_tick(struct vcpu *vcpu);
/* At exit: those of all vCPUs do, as far as they still answer. */
void slots_publish_all(void);

#endif
