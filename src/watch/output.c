/* SPDX-License-Identifier: MIT */
/*
 * Two buffers: one is filled while the other is written.  write_lock keeps the
 * order of the writes and is taken before fill_lock, which guards the buffers.
 */
#include "watch/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/worker.h"
#include "trace/trace.h"
#include "watch/output_path.h"

#define BUFFER_SIZE	(1u << 20)
#define HIGH_FD		200	/* where programs do not expect to find theirs */
#define SIGBIT(sig)	(1ull << ((sig) - 1))

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t fill_lock = PTHREAD_MUTEX_INITIALIZER;
static char buffers[2][BUFFER_SIZE];
static u32 filling;		/* which of them */
static size_t filled;
static struct worker_timer timer;

static const char *pattern;	/* NULL: standard error */
static char path[PATH_MAX];
static int output_fd = -1;
static struct stat opened;	/* what output_fd is, unless the program reused it */
static bool works;

bool output_works(void)
{
	return READ_ONCE(works);
}

static void fail(int err)
{
	WRITE_ONCE(works, false);
	if (pattern)
		log_error("cannot write %s: %s; nothing more is written to it",
			  *path ? path : pattern, strerror(err));
}

/* -- The descriptor ---------------------------------------------------------------- */

/* Programs count on low numbers, and close what they do not know of. */
static int move_up(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);

	return high < 0 ? fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : high;
}

static int open_file(void)
{
	int low, high;

	if (!output_path(path, sizeof(path), pattern)) {
		*path = 0;
		errno = EINVAL;
		return -1;
	}
	low = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
	if (low < 0)
		return -1;
	high = move_up(low);
	if (high < 0)
		return low;
	close(low);
	return high;
}

static bool open_output(void)
{
	output_fd = pattern ? open_file() : move_up(STDERR_FILENO);
	if (output_fd >= 0 && !fstat(output_fd, &opened)) {
		WRITE_ONCE(works, true);
		return true;
	}
	fail(errno);
	return false;
}

static bool is_still_ours(void)
{
	struct stat now;

	return !fstat(output_fd, &now) && now.st_dev == opened.st_dev &&
	       now.st_ino == opened.st_ino;
}

/* -- Writing ----------------------------------------------------------------------- */

/* 0 or an errno.  The program may have made standard error non-blocking. */
static int write_all(const char *data, size_t n)
{
	while (n) {
		struct pollfd p = { .fd = output_fd, .events = POLLOUT };
		ssize_t written = write(output_fd, data, n);

		if (written < 0 && errno == EAGAIN)
			poll(&p, 1, -1);
		else if (written < 0 && errno != EINTR)
			return errno;
		if (written > 0) {
			data += written;
			n -= written;
		}
	}
	return 0;
}

static void change_mask(int how, const u64 *set, u64 *old)
{
	syscall(SYS_rt_sigprocmask, how, set, old, sizeof(*set));
}

/* A pipe without reader and a limit of size are errors, not the program's end. */
static int write_quietly(const char *data, size_t n)
{
	const u64 quiet = SIGBIT(SIGPIPE) | SIGBIT(SIGXFSZ);
	const struct timespec now = { 0 };
	u64 before = 0, old, raised;
	int err;

	change_mask(SIG_BLOCK, &quiet, &old);
	syscall(SYS_rt_sigpending, &before, sizeof(before));
	err = write_all(data, n);
	raised = quiet & ~before;
	if ((err == EPIPE || err == EFBIG) && raised)
		syscall(SYS_rt_sigtimedwait, &raised, NULL, &now, sizeof(raised));
	change_mask(SIG_SETMASK, &old, NULL);
	return err;
}

/* Caller holds write_lock. */
static void write_out(const char *data, size_t n)
{
	int err = 0;

	if (!n || !output_works())
		return;
	if (!is_still_ours()) {
		if (pattern && !open_output())
			return;
		err = pattern ? 0 : EBADF;
	}
	if (!err)
		err = write_quietly(data, n);
	if (err)
		fail(err);
}

static void flush(void)
{
	const char *data;
	size_t n;

	pthread_mutex_lock(&write_lock);
	pthread_mutex_lock(&fill_lock);
	data = buffers[filling];
	n = filled;
	filling ^= 1;
	filled = 0;
	pthread_mutex_unlock(&fill_lock);
	write_out(data, n);
	pthread_mutex_unlock(&write_lock);
}

static void on_timer(struct worker_timer *t)
{
	flush();
}

static void append(const void *records, size_t n)
{
	bool first, half;

	pthread_mutex_lock(&fill_lock);
	while (filled + n > BUFFER_SIZE) {
		pthread_mutex_unlock(&fill_lock);
		flush();
		pthread_mutex_lock(&fill_lock);
	}
	memcpy(buffers[filling] + filled, records, n);
	first = !filled;
	half = filled < BUFFER_SIZE / 2 && filled + n >= BUFFER_SIZE / 2;
	filled += n;
	pthread_mutex_unlock(&fill_lock);
	/* Better the worker than the thread that runs a guest. */
	if (half)
		worker_timer_arm(&timer, 1);
	else if (first)
		worker_timer_arm(&timer, worker_now_ns() + OUTPUT_DELAY_NS);
}

static void write_through(const void *records, size_t n)
{
	flush();
	pthread_mutex_lock(&write_lock);
	write_out(records, n);
	pthread_mutex_unlock(&write_lock);
}

void output_append(const void *records, size_t n)
{
	int err = errno, cancel;

	if (!output_works())
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (n <= BUFFER_SIZE)
		append(records, n);
	else
		write_through(records, n);
	pthread_setcancelstate(cancel, NULL);
	errno = err;
}

void output_flush(void)
{
	int err = errno, cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	flush();
	pthread_setcancelstate(cancel, NULL);
	errno = err;
}

/* -- Processes --------------------------------------------------------------------- */

static void before_fork(void)
{
	output_flush();
	pthread_mutex_lock(&write_lock);
	pthread_mutex_lock(&fill_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&fill_lock);
	pthread_mutex_unlock(&write_lock);
}

void output_open(void)
{
	static bool begun;
	int err = errno;

	if (!begun) {
		begun = true;
		pattern = getenv("ANYKVM_OUTPUT");
		if (pattern)
			pattern = *pattern ? strdup(pattern) : NULL;
		worker_timer_init(&timer, on_timer);
		pthread_atfork(before_fork, after_fork, after_fork);
		open_output();
	}
	errno = err;
}

/* What the parent had not written is its own; %p is another file here. */
void output_forked(void)
{
	pthread_mutex_init(&write_lock, NULL);
	pthread_mutex_init(&fill_lock, NULL);
	filled = 0;
	worker_timer_init(&timer, on_timer);
	if (works && pattern && strchr(pattern, '%')) {
		close(output_fd);
		open_output();
	}
}
