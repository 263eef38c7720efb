/* SPDX-License-Identifier: MIT */
/*
 * The linker leads each call of hostcalls.def here (--wrap), from the engine
 * as well as from the test; one by the test counts too, only it is not armed
 * while it makes any.
 */
#include "inject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/types.h>

static u32 armed, countdown;
static const char *failed_name;
static int failed_errno;
static long blocks, mapped;

static __thread u32 one_in;
static __thread u64 random_state;

void inject_arm(u32 nth)
{
	failed_name = NULL;
	failed_errno = 0;
	countdown = nth;
	__atomic_store_n(&armed, nth != 0, __ATOMIC_SEQ_CST);
}

const char *inject_disarm(int *err)
{
	__atomic_store_n(&armed, 0, __ATOMIC_SEQ_CST);
	*err = failed_errno;
	return failed_name;
}

void inject_random(u32 n, u64 rng)
{
	one_in = n;
	random_state = rng;
}

static bool fails_by_chance(const char *name, int err)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	if ((random_state >> 33) % one_in || !strncmp(name, "inotify_", 8))
		return false;
	errno = err;
	return true;
}

static bool fails(const char *name, int err)
{
	if (one_in)
		return fails_by_chance(name, err);
	if (!__atomic_load_n(&armed, __ATOMIC_SEQ_CST) ||
	    __atomic_sub_fetch(&countdown, 1, __ATOMIC_SEQ_CST))
		return false;
	failed_name = name;
	failed_errno = errno = err;
	return true;
}

#define COUNTED(name)
#define SAFE(name)
#define FAILS(type, name, parameters, arguments, result, err)	\
	type __real_##name parameters;				\
	type __wrap_##name parameters;				\
	type __wrap_##name parameters				\
	{							\
		if (fails(#name, err))				\
			return result;				\
		return __real_##name arguments;			\
	}
#include "hostcalls.def"

/* -- Memory --------------------------------------------------------------------- */

#define WRAPPED(type, name, ...)			\
	type __real_##name(__VA_ARGS__);		\
	type __wrap_##name(__VA_ARGS__);		\
	type __wrap_##name(__VA_ARGS__)

static void *counted(void *p)
{
	if (p)
		__atomic_add_fetch(&blocks, 1, __ATOMIC_RELAXED);
	return p;
}

WRAPPED(void *, malloc, size_t n)
{
	return fails("malloc", ENOMEM) ? NULL : counted(__real_malloc(n));
}

WRAPPED(void *, calloc, size_t n, size_t size)
{
	return fails("calloc", ENOMEM) ? NULL : counted(__real_calloc(n, size));
}

WRAPPED(void *, aligned_alloc, size_t align, size_t n)
{
	return fails("aligned_alloc", ENOMEM) ? NULL :
						counted(__real_aligned_alloc(align, n));
}

WRAPPED(void *, realloc, void *p, size_t n)
{
	if (fails("realloc", ENOMEM))
		return NULL;
	return p ? __real_realloc(p, n) : counted(__real_realloc(p, n));
}

WRAPPED(void, free, void *p)
{
	if (p)
		__atomic_sub_fetch(&blocks, 1, __ATOMIC_RELAXED);
	__real_free(p);
}

WRAPPED(void *, mmap64, void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	void *p;

	if (fails("mmap", ENOMEM))
		return MAP_FAILED;
	p = __real_mmap64(at, n, prot, flags, fd, offset);
	if (p != MAP_FAILED && !(flags & MAP_FIXED))
		__atomic_add_fetch(&mapped, n, __ATOMIC_RELAXED);
	return p;
}

WRAPPED(int, munmap, void *p, size_t n)
{
	int ret = __real_munmap(p, n);

	if (!ret)
		__atomic_sub_fetch(&mapped, n, __ATOMIC_RELAXED);
	return ret;
}

/* -- Others ------------------------------------------------------------------------ */

WRAPPED(int, open64, const char *path, int flags, ...)
{
	const char *name = strstr(path, "schedstat") ? "open(schedstat)" : "open";

	return fails(name, EMFILE) ? -1 : __real_open64(path, flags);
}

WRAPPED(int, fcntl64, int fd, int op, ...)
{
	va_list ap;
	long arg;

	va_start(ap, op);
	arg = va_arg(ap, long);
	va_end(ap);
	/* Of the others none needs anything. */
	if ((op == F_DUPFD || op == F_DUPFD_CLOEXEC) && fails("fcntl(F_DUPFD)", EMFILE))
		return -1;
	return __real_fcntl64(fd, op, arg);
}

WRAPPED(int, epoll_ctl, int fd, int op, int which, struct epoll_event *ev)
{
	if (op == EPOLL_CTL_ADD && fails("epoll_ctl(ADD)", ENOMEM))
		return -1;
	return __real_epoll_ctl(fd, op, which, ev);
}

WRAPPED(int, pthread_create, pthread_t *t, const pthread_attr_t *a,
	void *(*fn)(void *), void *arg)
{
	return fails("pthread_create", EAGAIN) ? EAGAIN :
						 __real_pthread_create(t, a, fn, arg);
}

struct held inject_held(void)
{
	struct held h = { .blocks = blocks, .mapped = mapped };
	DIR *d = opendir("/proc/self/fd");

	while (readdir(d))
		h.fds++;
	closedir(d);
	return h;
}
