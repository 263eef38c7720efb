/* SPDX-License-Identifier: MIT */
/*
 * The one helper thread of the process: timers, event descriptors, and the
 * ends of descriptors' lives.  It runs with every signal blocked, never runs
 * guest code, and exists from the first anykvm_open() on.
 */
#ifndef ANYKVM_API_WORKER_H
#define ANYKVM_API_WORKER_H

#include <sys/epoll.h>

#include "util/types.h"

/* Starts the thread; idempotent.  -errno. */
int worker_start(void);

/* In a forked child: nothing of the parent's remains; worker_start() again. */
void worker_reinit_child(void);

/* -- Timers --------------------------------------------------------------- */

/*
 * A one-shot timer on CLOCK_MONOTONIC.  @fn runs on the worker, without locks
 * of the worker held; it may re-arm.  The struct belongs to its user, who must
 * call worker_timer_cancel() before freeing it.
 */
struct worker_timer {
	void (*fn)(struct worker_timer *t);
	u64 deadline_ns;		/* 0: not armed */
	struct worker_timer *child, *next, *prev;	/* see worker.c */
	bool running;
};

void worker_timer_init(struct worker_timer *t, void (*fn)(struct worker_timer *t));

/* Any thread.  A deadline in the past fires at once; 0 disarms. */
void worker_timer_arm(struct worker_timer *t, u64 deadline_ns);

/* Disarms and waits for a callback under way; not from the callback itself. */
void worker_timer_cancel(struct worker_timer *t);

/* CLOCK_MONOTONIC in nanoseconds. */
u64 worker_now_ns(void);

/* -- Descriptors ---------------------------------------------------------- */

/* @fn runs on the worker with the epoll events of @fd. */
struct worker_watch {
	void (*fn)(struct worker_watch *w, u32 events);
	int fd;
};

int worker_watch_add(struct worker_watch *w, u32 events);

/* After it returns, @fn is not running and will not run. Any thread but fn. */
void worker_watch_remove(struct worker_watch *w);

#endif
