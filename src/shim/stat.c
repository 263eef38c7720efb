/* SPDX-License-Identifier: MIT */
/* What stat() and its relations say of /dev/kvm: char 10:232, root:kvm. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "engine.h"
#include "fake.h"
#include "libc.h"
#include "path.h"

#define KVM_MAJOR	10
#define KVM_MINOR	232
#define KVM_FILE_MODE	(S_IFCHR | 0660)
#define KVM_INODE	232

/* The group "kvm" of /etc/group, without the name services; else root. */
static gid_t kvm_gid(void)
{
	static int cached = -1;
	char line[512];
	FILE *file;

	if (cached >= 0)
		return cached;
	cached = 0;
	file = REAL(fopen)("/etc/group", "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *password_end;

		if (strncmp(line, "kvm:", 4))
			continue;
		password_end = strchr(line + 4, ':');
		if (password_end)
			cached = atoi(password_end + 1);
		break;
	}
	if (file)
		fclose(file);
	return cached;
}

/* The device lives in /dev, so that file system and its times are ours. */
static int fill_stat(struct stat *st)
{
	int err = errno;

	if (REAL(fstatat)(AT_FDCWD, "/dev", st, 0))
		memset(st, 0, sizeof(*st));
	st->st_mode = KVM_FILE_MODE;
	st->st_rdev = makedev(KVM_MAJOR, KVM_MINOR);
	st->st_ino = KVM_INODE;
	st->st_nlink = 1;
	st->st_uid = 0;
	st->st_gid = kvm_gid();
	st->st_size = 0;
	st->st_blocks = 0;
	errno = err;
	return 0;
}

static int fill_statx(unsigned int mask, struct statx *stx)
{
	int err = errno;

	if (REAL(statx)(AT_FDCWD, "/dev", 0, STATX_BASIC_STATS | mask, stx))
		memset(stx, 0, sizeof(*stx));
	stx->stx_mask |= STATX_BASIC_STATS;
	stx->stx_mode = KVM_FILE_MODE;
	stx->stx_rdev_major = KVM_MAJOR;
	stx->stx_rdev_minor = KVM_MINOR;
	stx->stx_ino = KVM_INODE;
	stx->stx_nlink = 1;
	stx->stx_uid = 0;
	stx->stx_gid = kvm_gid();
	stx->stx_size = 0;
	stx->stx_blocks = 0;
	errno = err;
	return 0;
}

static bool path_asks(int dir, const char *path)
{
	return path_is_kvm(dir, path) && engine_depth == 0;
}

static bool at_asks(int dir, const char *path, int flags)
{
	if ((flags & AT_EMPTY_PATH) && path && !*path)
		return engine_has_system(dir);
	return path_asks(dir, path);
}

_Static_assert(sizeof(struct stat) == sizeof(struct stat64),
	       "one layout for both on 64-bit Linux");

#define DEFINE_STAT(fn, type)					\
INTERPOSE int fn(const char *path, type *st)			\
{								\
	if (path_asks(AT_FDCWD, path))				\
		return fill_stat((struct stat *)st);		\
	return REAL(fn)(fake_module(path), st);				\
}

#define DEFINE_FSTAT(fn, type)					\
INTERPOSE int fn(int fd, type *st)				\
{								\
	if (engine_has_system(fd))					\
		return fill_stat((struct stat *)st);		\
	return REAL(fn)(fd, st);				\
}

#define DEFINE_FSTATAT(fn, type)				\
INTERPOSE int fn(int dir, const char *path, type *st, int flags) \
{								\
	if (at_asks(dir, path, flags))				\
		return fill_stat((struct stat *)st);		\
	return REAL(fn)(dir, fake_module(path), st, flags);			\
}

#define DEFINE_XSTAT(fn, type)					\
INTERPOSE int fn(int ver, const char *path, type *st)		\
{								\
	if (path_asks(AT_FDCWD, path))				\
		return fill_stat((struct stat *)st);		\
	return REAL(fn)(ver, fake_module(path), st);				\
}

#define DEFINE_FXSTAT(fn, type)					\
INTERPOSE int fn(int ver, int fd, type *st)			\
{								\
	if (engine_has_system(fd))					\
		return fill_stat((struct stat *)st);		\
	return REAL(fn)(ver, fd, st);				\
}

#define DEFINE_FXSTATAT(fn, type)				\
INTERPOSE int fn(int ver, int dir, const char *path, type *st,	\
		 int flags)					\
{								\
	if (at_asks(dir, path, flags))				\
		return fill_stat((struct stat *)st);		\
	return REAL(fn)(ver, dir, fake_module(path), st, flags);		\
}

DEFINE_STAT(stat, struct stat)
DEFINE_STAT(stat64, struct stat64)
DEFINE_STAT(lstat, struct stat)
DEFINE_STAT(lstat64, struct stat64)
DEFINE_FSTAT(fstat, struct stat)
DEFINE_FSTAT(fstat64, struct stat64)
DEFINE_FSTATAT(fstatat, struct stat)
DEFINE_FSTATAT(fstatat64, struct stat64)
DEFINE_XSTAT(__xstat, struct stat)
DEFINE_XSTAT(__xstat64, struct stat64)
DEFINE_XSTAT(__lxstat, struct stat)
DEFINE_XSTAT(__lxstat64, struct stat64)
DEFINE_FXSTAT(__fxstat, struct stat)
DEFINE_FXSTAT(__fxstat64, struct stat64)
DEFINE_FXSTATAT(__fxstatat, struct stat)
DEFINE_FXSTATAT(__fxstatat64, struct stat64)

INTERPOSE int statx(int dir, const char *path, int flags, unsigned int mask,
		    struct statx *stx)
{
	if (at_asks(dir, path, flags))
		return fill_statx(mask, stx);
	return REAL(statx)(dir, fake_module(path), flags, mask, stx);
}
