/* SPDX-License-Identifier: MIT */
/*
 * Those who watch what a VMM does: --trace writes it down, --stats counts it,
 * --check looks for misuse.  Each is one struct watcher, added before the first
 * descriptor exists if the environment asks for it.  With none, what is watched
 * pays one predictable branch.
 *
 * A watcher is called on the thread that acts, with no lock of the engine held
 * but the vCPU's own during an interrupt.  It must not call the API, changes
 * neither errno nor anything of the guest, and reads the VMM's memory with
 * copy_from_user() alone.  Several threads may be in it at once.
 */
#ifndef ANYKVM_WATCH_WATCH_H
#define ANYKVM_WATCH_WATCH_H

#include "api/dispatch.h"
#include "api/kvm.h"

/* One ioctl; lives on the stack of the thread that makes it. */
struct watch_call {
	int fd;
	struct kfile *file;
	const struct ioctl_desc *desc;	/* NULL: no such request in this scope */
	u32 cmd;
	uintptr_t arg;			/* as the VMM gave it */
	u64 start, end;			/* ns, CLOCK_MONOTONIC */
	long ret;			/* or -errno; set in after() */
};

/* Any function may be NULL. */
struct watcher {
	const char *name;
	void (*before)(struct watch_call *call);
	void (*after)(struct watch_call *call);

	/* A request on @fd, which is none of ours and not open. */
	void (*stray)(int fd, u32 cmd);

	/* Descriptor @fd (or -errno) for @file, NULL if there is none; its end. */
	void (*opened)(int fd, const struct kfile *file);
	void (*ended)(const struct kfile *file);

	/* mmap of one of ours: the address or MAP_FAILED, and the errno. */
	void (*mapped)(int fd, const struct kfile *file, void *map, size_t length,
		       off_t offset, int err);

	/* This is a forked child, which has just noticed. */
	void (*forked)(void);

	/* @cpu takes interrupt or exception @vector (see enum watch_event). */
	void (*event)(struct vcpu *vcpu, int event, u8 vector);

	/* Asked for by REQ_TICK: on the vCPU's own thread, in guest. */
	void (*tick)(struct vcpu *vcpu);

	/* At exit of the process, and when it execs nothing any more. */
	void (*finish)(void);
};

enum watch_event { WATCH_INTERRUPT, WATCH_NMI, WATCH_SMI, WATCH_EXCEPTION };

enum { MAX_WATCHERS = 4 };

extern u32 nr_watchers;
#define watched()	unlikely(nr_watchers)

/* Adds those whom the environment asks for; once. */
void watch_init(void);

/* Before the first descriptor is made; @w is not copied. */
void watch_add(const struct watcher *w);

/* The clock of struct watch_call: CLOCK_MONOTONIC, give or take some nanoseconds. */
u64 watch_now(void);

void watch_before(struct watch_call *call);
void watch_after(struct watch_call *call);
void watch_stray(int fd, u32 cmd);
void watch_opened(int fd, const struct kfile *file);
void watch_ended(const struct kfile *file);
void watch_mapped(int fd, const struct kfile *file, void *map, size_t length,
		  off_t offset, int err);
void watch_forked(void);
void watch_event(struct vcpu *vcpu, enum watch_event event, u8 vector);
void watch_tick(struct vcpu *vcpu);

#endif
