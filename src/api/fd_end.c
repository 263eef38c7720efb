/* SPDX-License-Identifier: MIT */
/*
 * Ends of descriptors: what inotify says about an inode.
 *   - System and VM descriptors are never mapped by us.  When their inode goes
 *     (IN_IGNORED), no descriptor or mapping is left in any process.
 *   - We map a vCPU's pages ourselves, so its inode stays.  The VMM gets
 *     another open file of the inode instead, made through /proc: the final
 *     close of that file is reported (IN_CLOSE_WRITE); what we do with the
 *     memfd as created is not (recent kernels), or happens before the watch.
 *   - Of statistics we map the inode too, and the VMM may have many open files
 *     of it (IN_CLOSE_NOWRITE), as of rings it may have many mappings, each of
 *     an open file (IN_CLOSE_WRITE).  Equal events are merged, so they cannot be
 *     counted.  But each of these files holds a read lock on the whole of it:
 *     when none is left, all are closed.  A lock goes a little later than its
 *     event comes, hence the timer.
 */
#include "api/fd_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "api/fd.h"
#include "api/worker.h"
#include "trace/trace.h"

#define NR_BUCKETS	1024

/* When to look again after a close that seems to leave a reader. */
#define RECHECK_FIRST_NS	1000000ull
#define RECHECK_LAST_NS		4000000000ull

static struct kfile *by_watch[NR_BUCKETS];
static int inotify_fd = -1;
static struct worker_watch inotify_watch;
static struct worker_timer recheck;
static u64 recheck_ns;

void fd_unwatch_locked(struct kfile *f)
{
	struct kfile **at;

	if (f->watch < 0)
		return;
	at = &by_watch[f->watch % NR_BUCKETS];
	while (*at && *at != f)
		at = &(*at)->next_watch;
	if (*at)
		*at = f->next_watch;
	f->watch = -1;
}

/* One of several open files of the inode. */
static bool is_shared(const struct kfile *f)
{
	return f->memfd >= 0;
}

/* Such an open file is left somewhere, as far as we know. */
static bool has_readers(const struct kfile *f)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(f->memfd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static bool has_ended(const struct kfile *f, u32 events)
{
	if (events & IN_IGNORED)
		return true;
	if (is_shared(f))
		return (events & IN_CLOSE) && !has_readers(f);
	return f->scope == SCOPE_VCPU && (events & IN_CLOSE_WRITE);
}

/*
 * Of the shared there may be another descriptor in a moment, which is then
 * another object: this one must not be found.
 */
static void end_locked(struct kfile *f)
{
	if (is_shared(f))
		fd_forget_locked(f);
	else
		fd_unwatch_locked(f);
}

static struct kfile *take_ended(const struct inotify_event *ev, bool *some_left)
{
	struct kfile *f;

	*some_left = false;
	pthread_mutex_lock(&fd_lock);
	for (f = by_watch[(u32)ev->wd % NR_BUCKETS]; f; f = f->next_watch) {
		if (f->watch != ev->wd)
			continue;
		if (has_ended(f, ev->mask))
			break;
		*some_left |= is_shared(f);
	}
	if (f)
		end_locked(f);
	pthread_mutex_unlock(&fd_lock);
	return f;
}

static void on_event(const struct inotify_event *ev)
{
	struct kfile *f;
	bool some_left;

	while ((f = take_ended(ev, &some_left)))
		kfile_put(f);
	if (some_left) {
		recheck_ns = RECHECK_FIRST_NS;
		worker_timer_arm(&recheck, worker_now_ns() + recheck_ns);
	}
}

/* One that has no readers left, already ended, or NULL. */
static struct kfile *take_unread(void)
{
	struct kfile *f = NULL;

	pthread_mutex_lock(&fd_lock);
	for (u32 i = 0; i < NR_BUCKETS && !f; i++) {
		for (f = by_watch[i]; f; f = f->next_watch) {
			if (is_shared(f) && !has_readers(f))
				break;
		}
	}
	if (f)
		end_locked(f);
	pthread_mutex_unlock(&fd_lock);
	return f;
}

static void on_recheck(struct worker_timer *t)
{
	struct kfile *f;

	while ((f = take_unread()))
		kfile_put(f);
	recheck_ns *= 4;
	if (recheck_ns <= RECHECK_LAST_NS)
		worker_timer_arm(t, worker_now_ns() + recheck_ns);
}

static void on_inotify(struct worker_watch *w, u32 events)
{
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n = read(w->fd, buf, sizeof(buf));

	for (ssize_t pos = 0; pos < n;) {
		const struct inotify_event *ev = (void *)(buf + pos);

		pos += sizeof(*ev) + ev->len;
		if (ev->mask & IN_Q_OVERFLOW)
			log_warn("inotify queue overflow: some VMs stay until exit");
		else
			on_event(ev);
	}
}

static int inotify_start_locked(void)
{
	int fd, ret;

	if (inotify_fd >= 0)
		return 0;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	worker_timer_init(&recheck, on_recheck);
	inotify_watch = (struct worker_watch){ .fn = on_inotify, .fd = fd };
	ret = worker_watch_add(&inotify_watch, EPOLLIN);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	inotify_fd = fd;
	return 0;
}

/*
 * Without inotify (its per-user limit, no /proc) an object stays until the
 * process exits: a leak, but nothing is torn down too early.  Want of memory
 * may pass, and is reported.
 */
int fd_watch_locked(struct kfile *f, int fd)
{
	char path[PROC_PATH_MAX];
	int ret = inotify_start_locked();

	if (!ret) {
		fd_proc_path(path, fd);
		f->watch = inotify_add_watch(inotify_fd, path,
					     (is_shared(f) ? IN_CLOSE : IN_CLOSE_WRITE) |
					     IN_DELETE_SELF);
		if (f->watch < 0)
			ret = -errno;
	}
	if (ret == -ENOMEM)
		return ret;
	if (ret < 0) {
		log_warn("descriptors cannot be watched: %s", strerror(-ret));
		return 0;
	}
	f->next_watch = by_watch[f->watch % NR_BUCKETS];
	by_watch[f->watch % NR_BUCKETS] = f;
	return 0;
}

void fd_watches_reinit_child(void)
{
	/* Shared with the parent: reading it would steal the parent's events. */
	inotify_fd = -1;
	memset(by_watch, 0, sizeof(by_watch));
}
