/* SPDX-License-Identifier: MIT */
/*
 * Each call of the engine that a host may refuse, tried with the engine's own
 * arguments: tests/robust/hostcalls.def has them all.
 */
#include "doctor/host.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u		/* Linux 6.3; EINVAL before */
#endif

#define CODE_SIZE	(32l << 20)	/* of the larger of the files with code */
#define PAGE		4096

static int try_memfd(void)
{
	int fd = memfd_create("anykvm-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? errno : 0;
}

static int exec_memfd(void)
{
	int fd = memfd_create("anykvm-doctor", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("anykvm-doctor", MFD_CLOEXEC);
	return fd;
}

static int try_exec_memfd(void)
{
	int fd = exec_memfd();

	return fd < 0 || ftruncate(fd, CODE_SIZE) ? errno : 0;
}

static int try_exec_map(void)
{
	int fd = exec_memfd();

	if (fd < 0 || ftruncate(fd, PAGE))
		return errno;
	return mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) ==
	       MAP_FAILED ? errno : 0;
}

static int try_inotify(void)
{
	return inotify_init1(IN_NONBLOCK | IN_CLOEXEC) < 0 ? errno : 0;
}

static int try_inotify_watch(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	return inotify_add_watch(fd, "/", IN_DELETE_SELF) < 0 ? errno : 0;
}

static int try_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC) < 0 ? errno : 0;
}

static int try_timerfd(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC) < 0 ? errno : 0;
}

static int try_wipeonfork(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return errno;
	return madvise(page, PAGE, MADV_WIPEONFORK) ? errno : 0;
}

static void *return_at_once(void *unused)
{
	return unused;
}

static int try_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, return_at_once, NULL);
}

static const struct {
	const char *call;
	int (*try)(void);
} needs[NR_NEEDS] = {
	[NEED_MEMFD] = { "memfd_create", try_memfd },
	[NEED_EXEC_MEMFD] = { "memfd_create", try_exec_memfd },
	[NEED_EXEC_MAP] = { "mmap of executable memory", try_exec_map },
	[NEED_INOTIFY] = { "inotify_init1", try_inotify },
	[NEED_INOTIFY_WATCH] = { "inotify_add_watch", try_inotify_watch },
	[NEED_EPOLL] = { "epoll_create1", try_epoll },
	[NEED_TIMERFD] = { "timerfd_create", try_timerfd },
	[NEED_WIPEONFORK] = { "madvise", try_wipeonfork },
	[NEED_THREAD] = { "clone of a thread", try_thread },
};

/* -- Judgement ------------------------------------------------------------------ */

static void add_number(struct findings *all, enum check check, long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", number);
	finding_add(all, check, text, NULL);
}

static void add_limit(struct findings *all, enum check check, rlim_t limit)
{
	char text[32];

	finding_add(all, check, limit_text(limit, text), NULL);
}

static void judge_threads(const struct limits *l, struct findings *all)
{
	if (l->pids_max >= 0 && l->pids_now >= l->pids_max)
		add_number(all, CHECK_PIDS_LIMIT, l->pids_max);
	else
		add_limit(all, CHECK_THREADS_LIMIT, l->nproc);
}

static void judge_memory(int error, const struct limits *l, struct findings *all)
{
	if (error == ENOMEM && l->as != RLIM_INFINITY)
		add_limit(all, CHECK_ADDRESS_LIMIT, l->as);
	else
		finding_add(all, CHECK_NO_MEMORY, strerror(error), NULL);
}

/* True if it is executable memory that is refused. */
static bool judge_exec(enum need need, int error, const struct limits *l,
		       struct findings *all)
{
	if (error != EACCES && error != EPERM)
		return false;
	if (need == NEED_EXEC_MEMFD && l->memfd_noexec > 1)
		add_number(all, CHECK_MEMFD_NOEXEC, l->memfd_noexec);
	else if (need == NEED_EXEC_MAP)
		finding_add(all, l->selinux ? CHECK_EXEC_SELINUX :
			    CHECK_EXEC_REFUSED, strerror(error), NULL);
	else
		return false;
	return true;
}

static void judge_refusal(enum need need, int error, struct findings *all)
{
	char text[160];

	snprintf(text, sizeof(text), "%s (%s)", needs[need].call, strerror(error));
	finding_add(all, CHECK_CALL_REFUSED, text, NULL);
}

bool host_judge_errno(int error, const struct limits *l, struct findings *all)
{
	switch (error) {
	case EMFILE:
		add_limit(all, CHECK_FILES_LIMIT, l->nofile);
		return true;
	case EFBIG:
		add_limit(all, CHECK_FSIZE_LIMIT, l->fsize);
		return true;
	case EAGAIN:
		judge_threads(l, all);
		return true;
	case ENOMEM:
	case ENOSPC:
		judge_memory(error, l, all);
		return true;
	}
	return false;
}

static void judge_error(enum need need, int error, const struct limits *l,
			struct findings *all)
{
	if (need == NEED_INOTIFY && error == EMFILE)
		add_number(all, CHECK_INOTIFY_INSTANCES, l->inotify_instances);
	else if (need == NEED_INOTIFY_WATCH && error == ENOSPC)
		add_number(all, CHECK_INOTIFY_WATCHES, l->inotify_watches);
	else if (need == NEED_WIPEONFORK && error == EINVAL)
		finding_add(all, CHECK_KERNEL_OLD, l->kernel, NULL);
	else if (!host_judge_errno(error, l, all) &&
		 !judge_exec(need, error, l, all))
		judge_refusal(need, error, all);
}

void host_judge(enum need need, const struct call_result *result,
		const struct limits *l, struct findings *all)
{
	if (result->no_process)
		judge_error(NEED_THREAD, result->no_process, l, all);
	else if (result->signal == SIGXFSZ)
		add_limit(all, CHECK_FSIZE_LIMIT, l->fsize);
	else if (result->signal)
		finding_add(all, CHECK_CALL_KILLS, needs[need].call, NULL);
	else if (result->error)
		judge_error(need, result->error, l, all);
}

/* What cannot be told apart from the failure of an earlier one is not tried. */
static bool follows_from(enum need need, const struct findings *all)
{
	if (findings_have_check(all, CHECK_THREADS_LIMIT) ||
	    findings_have_check(all, CHECK_PIDS_LIMIT) ||
	    findings_have_check(all, CHECK_FILES_LIMIT))
		return true;
	return need == NEED_EXEC_MEMFD || need == NEED_EXEC_MAP ||
	       need == NEED_INOTIFY_WATCH;
}

void host_examine(const struct limits *l, struct findings *all)
{
	unsigned int before = all->n;

	for (enum need need = 0; need < NR_NEEDS; need++) {
		struct call_result result;

		if (all->n > before && follows_from(need, all))
			continue;
		result = call_try(needs[need].try);
		host_judge(need, &result, l, all);
	}
}
