/* SPDX-License-Identifier: MIT */
#include "watch/watch.h"

#include <errno.h>
#include <stdlib.h>

#include "watch/output.h"

u32 nr_watchers;
static const struct watcher *watchers[MAX_WATCHERS];

#define for_each_watcher(w, fn)						\
	for (u32 i = 0; i < nr_watchers; i++)				\
		if (((w) = watchers[i])->fn)

static void finish_all(void)
{
	const struct watcher *w;

	for_each_watcher(w, finish)
		w->finish();
	output_flush();
}

void watch_add(const struct watcher *w)
{
	if (!nr_watchers)
		atexit(finish_all);
	watchers[nr_watchers++] = w;
}

void watch_before(struct watch_call *call)
{
	const struct watcher *w;
	int err = errno;

	for_each_watcher(w, before)
		w->before(call);
	call->start = watch_now();
	errno = err;
}

void watch_after(struct watch_call *call)
{
	const struct watcher *w;
	int err = errno;

	/* The counting of two readings may differ by nanoseconds. */
	call->end = MAX(watch_now(), call->start);
	for_each_watcher(w, after)
		w->after(call);
	errno = err;
}

void watch_stray(int fd, u32 cmd)
{
	const struct watcher *w;
	int err = errno;

	for_each_watcher(w, stray)
		w->stray(fd, cmd);
	errno = err;
}

void watch_opened(int fd, const struct kfile *file)
{
	const struct watcher *w;
	int err = errno;

	for_each_watcher(w, opened)
		w->opened(fd, file);
	errno = err;
}

void watch_ended(const struct kfile *file)
{
	const struct watcher *w;
	int err = errno;

	for_each_watcher(w, ended)
		w->ended(file);
	errno = err;
}

void watch_mapped(int fd, const struct kfile *file, void *map, size_t length,
		  off_t offset, int mmap_errno)
{
	const struct watcher *w;
	int err = errno;

	for_each_watcher(w, mapped)
		w->mapped(fd, file, map, length, offset, mmap_errno);
	errno = err;
}

void watch_forked(void)
{
	const struct watcher *w;
	int err = errno;

	output_forked();
	for_each_watcher(w, forked)
		w->forked();
	errno = err;
}

void watch_event(struct vcpu *vcpu, enum watch_event event, u8 vector)
{
	const struct watcher *w;
	int err = errno;

	for_each_watcher(w, event)
		w->event(vcpu, event, vector);
	errno = err;
}

void watch_tick(struct vcpu *vcpu)
{
	const struct watcher *w;
	int err = errno;

	for_each_watcher(w, tick)
		w->tick(vcpu);
	errno = err;
}
