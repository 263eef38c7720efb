/* SPDX-License-Identifier: MIT */
/*
 * KVM's descriptors have no bytes: read(), write() and ftruncate() give EINVAL,
 * lseek() 0.  Ours are memfds that stand at their end and cannot grow, so a
 * read finds nothing and a write is refused: only then is it asked whose
 * descriptor that was, and reads and writes of others cost nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine.h"
#include "libc.h"

static bool is_read_only(int fd)
{
	return (REAL(fcntl)(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
}

/* Descriptors of statistics, the only read-only ones of a VM, have some. */
static bool has_no_bytes(int fd)
{
	int err = errno;
	bool none = engine_has(fd) && (!is_read_only(fd) || engine_has_system(fd));

	errno = err;
	return none;
}

static int refuse(void)
{
	errno = EINVAL;
	return -1;
}

INTERPOSE ssize_t read(int fd, void *buf, size_t size)
{
	ssize_t n = REAL(read)(fd, buf, size);

	return n == 0 && has_no_bytes(fd) ? refuse() : n;
}

INTERPOSE ssize_t __read_chk(int fd, void *buf, size_t size, size_t room)
{
	ssize_t n = REAL(__read_chk)(fd, buf, size, room);

	return n == 0 && has_no_bytes(fd) ? refuse() : n;
}

INTERPOSE ssize_t write(int fd, const void *buf, size_t size)
{
	ssize_t n = REAL(write)(fd, buf, size);

	return (n == 0 || (n < 0 && errno == EPERM)) && has_no_bytes(fd) ? refuse() : n;
}

#define DEFINE_LSEEK(fn, off_type)					\
INTERPOSE off_type fn(int fd, off_type offset, int whence)		\
{									\
	return has_no_bytes(fd) ? 0 : REAL(fn)(fd, offset, whence);	\
}

#define DEFINE_FTRUNCATE(fn, off_type)					\
INTERPOSE int fn(int fd, off_type size)					\
{									\
	return has_no_bytes(fd) ? refuse() : REAL(fn)(fd, size);	\
}

DEFINE_LSEEK(lseek, off_t)
DEFINE_LSEEK(lseek64, off64_t)
DEFINE_FTRUNCATE(ftruncate, off_t)
DEFINE_FTRUNCATE(ftruncate64, off64_t)
