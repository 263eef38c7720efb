/* SPDX-License-Identifier: MIT */
/* Opening /dev/kvm, and asking whether one could. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "engine.h"
#include "fake.h"
#include "libc.h"
#include "path.h"

/* As open() of a character device that is there and that we may use. */
static int open_kvm(int flags)
{
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
		errno = EEXIST;
		return -1;
	}
	if (flags & O_DIRECTORY) {
		errno = ENOTDIR;
		return -1;
	}
	return engine_open(flags);
}

static bool wants_kvm(int dir, const char *path)
{
	return path_is_kvm(dir, path) && engine_depth == 0;
}

/* The mode argument is there only if a file may be made. */
#define MODE_ARGUMENT(flags, mode)				\
	do {							\
		va_list ap_;					\
								\
		if (flags & (O_CREAT | __O_TMPFILE)) {		\
			va_start(ap_, flags);			\
			mode = va_arg(ap_, mode_t);		\
			va_end(ap_);				\
		}						\
	} while (0)

#define DEFINE_OPEN(fn)						\
INTERPOSE int fn(const char *path, int flags, ...)		\
{								\
	mode_t mode = 0;					\
								\
	MODE_ARGUMENT(flags, mode);				\
	if (wants_kvm(AT_FDCWD, path))				\
		return open_kvm(flags);				\
	if (fake_is_cpuinfo(path, flags))			\
		return fake_open_cpuinfo(flags);		\
	return REAL(fn)(path, flags, mode);			\
}

#define DEFINE_OPENAT(fn)					\
INTERPOSE int fn(int dir, const char *path, int flags, ...)	\
{								\
	mode_t mode = 0;					\
								\
	MODE_ARGUMENT(flags, mode);				\
	if (wants_kvm(dir, path))				\
		return open_kvm(flags);				\
	if (fake_is_cpuinfo(path, flags))			\
		return fake_open_cpuinfo(flags);		\
	return REAL(fn)(dir, path, flags, mode);		\
}

#define DEFINE_OPEN_2(fn)					\
INTERPOSE int fn(const char *path, int flags)			\
{								\
	if (wants_kvm(AT_FDCWD, path))				\
		return open_kvm(flags);				\
	if (fake_is_cpuinfo(path, flags))			\
		return fake_open_cpuinfo(flags);		\
	return REAL(fn)(path, flags);				\
}

#define DEFINE_OPENAT_2(fn)					\
INTERPOSE int fn(int dir, const char *path, int flags)		\
{								\
	if (wants_kvm(dir, path))				\
		return open_kvm(flags);				\
	if (fake_is_cpuinfo(path, flags))			\
		return fake_open_cpuinfo(flags);		\
	return REAL(fn)(dir, path, flags);			\
}

#define DEFINE_CREAT(fn)					\
INTERPOSE int fn(const char *path, mode_t mode)			\
{								\
	if (wants_kvm(AT_FDCWD, path))				\
		return open_kvm(O_WRONLY | O_CREAT | O_TRUNC);	\
	return REAL(fn)(path, mode);				\
}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)
DEFINE_OPEN_2(__open_2)
DEFINE_OPEN_2(__open64_2)
DEFINE_OPENAT_2(__openat_2)
DEFINE_OPENAT_2(__openat64_2)
DEFINE_CREAT(creat)
DEFINE_CREAT(creat64)

/* fopen(3): the flags behind a mode string. */
static int mode_flags(const char *mode)
{
	int flags = *mode == 'r' ? O_RDONLY : O_WRONLY | O_CREAT;

	if (strchr(mode, '+'))
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	if (strchr(mode, 'e'))
		flags |= O_CLOEXEC;
	if (strchr(mode, 'x'))
		flags |= O_EXCL;
	return flags;
}

/* The stream of a descriptor that was opened, or was not. */
static FILE *stream(int fd, const char *mode)
{
	FILE *file;

	if (fd < 0)
		return NULL;
	file = fdopen(fd, mode);
	if (!file)
		close(fd);
	return file;
}

#define DEFINE_FOPEN(fn)					\
INTERPOSE FILE *fn(const char *path, const char *mode)		\
{								\
	if (wants_kvm(AT_FDCWD, path))				\
		return stream(open_kvm(mode_flags(mode)), mode); \
	if (fake_is_cpuinfo(path, mode_flags(mode)))		\
		return stream(fake_open_cpuinfo(mode_flags(mode)), mode); \
	return REAL(fn)(path, mode);				\
}

DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)

/* Readable and writable for everyone, executable for none. */
static int access_kvm(int how)
{
	if (how & ~(R_OK | W_OK | X_OK))
		errno = EINVAL;
	else if (how & X_OK)
		errno = EACCES;
	else
		return 0;
	return -1;
}

#define DEFINE_ACCESS(fn)					\
INTERPOSE int fn(const char *path, int how)			\
{								\
	if (wants_kvm(AT_FDCWD, path))				\
		return access_kvm(how);				\
	return REAL(fn)(fake_module(path), how);				\
}

DEFINE_ACCESS(access)
DEFINE_ACCESS(eaccess)
DEFINE_ACCESS(euidaccess)

INTERPOSE int faccessat(int dir, const char *path, int how, int flags)
{
	if (wants_kvm(dir, path))
		return access_kvm(how);
	return REAL(faccessat)(dir, fake_module(path), how, flags);
}
