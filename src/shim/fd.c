/* SPDX-License-Identifier: MIT */
/*
 * Calls on descriptors: ioctl and mmap go to the engine when the descriptor
 * is its; close and dup only tell it, so that its table stays warm.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>

#include "engine.h"
#include "libc.h"
#include "signals.h"

/* Numbers above this are left for the engine to find stale by itself. */
#define HINT_MAX	65536u

/* A request for KVM whose descriptor is not open is the engine's to refuse, too. */
static bool engine_is_told(int fd, unsigned long request)
{
	if (errno == EBADF)
		return _IOC_TYPE(request) == KVMIO && engine_listens();
	return errno == ENOTTY && engine_has(fd);
}

INTERPOSE int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (_IOC_TYPE(request) != KVMIO || !engine_has(fd)) {
		ret = REAL(ioctl)(fd, request, arg);
		/* KVM has its own answers to what nobody knows. */
		if (ret != -1 || !engine_is_told(fd, request))
			return ret;
	}
	ret = ENGINE_CALL(ioctl(fd, request, arg));
	if (!ret && (unsigned int)request == KVM_SET_SIGNAL_MASK)
		signals_cover_mask(arg);
	return ret;
}

#define DEFINE_MMAP(fn, off_type)					\
INTERPOSE void *fn(void *addr, size_t len, int prot, int flags, int fd,	\
		   off_type offset)					\
{									\
	if (!(flags & MAP_ANONYMOUS) && engine_has(fd))			\
		return ENGINE_CALL(mmap(addr, len, prot, flags, fd,	\
					offset));			\
	return REAL(fn)(addr, len, prot, flags, fd, offset);		\
}

DEFINE_MMAP(mmap, off_t)
DEFINE_MMAP(mmap64, off64_t)

static bool wants_hints(void)
{
	return engine_listens() && engine_own_process();
}

static void tell_closed(unsigned int first, unsigned int last)
{
	int err = errno;

	if (last > HINT_MAX)
		last = HINT_MAX;
	if (wants_hints())
		for (unsigned int fd = first; fd <= last; fd++)
			ENGINE_TELL(fd_closed(fd));
	errno = err;
}

static int tell_duped(int from, int to)
{
	int err = errno;

	if (to >= 0 && from != to && wants_hints())
		ENGINE_TELL(fd_duped(from, to));
	errno = err;
	return to;
}

/*
 * Told after the fact: a late hint only cools an entry down, an early one
 * could be undone by an ioctl on another thread.
 */
INTERPOSE int close(int fd)
{
	int ret = REAL(close)(fd);

	if (fd >= 0)
		tell_closed(fd, fd);
	return ret;
}

INTERPOSE int close_range(unsigned int first, unsigned int last, int flags)
{
	int ret = REAL(close_range)(first, last, flags);

	if (!ret && !(flags & CLOSE_RANGE_CLOEXEC))
		tell_closed(first, last);
	return ret;
}

INTERPOSE int dup(int fd)
{
	return tell_duped(fd, REAL(dup)(fd));
}

INTERPOSE int dup2(int from, int to)
{
	return tell_duped(from, REAL(dup2)(from, to));
}

INTERPOSE int dup3(int from, int to, int flags)
{
	return tell_duped(from, REAL(dup3)(from, to, flags));
}

#define DEFINE_FCNTL(fn)					\
INTERPOSE int fn(int fd, int cmd, ...)				\
{								\
	va_list ap;						\
	void *arg;						\
	int ret;						\
								\
	va_start(ap, cmd);					\
	arg = va_arg(ap, void *);				\
	va_end(ap);						\
	ret = REAL(fn)(fd, cmd, arg);				\
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)		\
		tell_duped(fd, ret);				\
	return ret;						\
}

DEFINE_FCNTL(fcntl)
DEFINE_FCNTL(fcntl64)
