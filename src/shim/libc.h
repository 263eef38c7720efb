/* SPDX-License-Identifier: MIT */
/* The functions behind the ones that the preload object interposes. */
#ifndef ANYKVM_SHIM_LIBC_H
#define ANYKVM_SHIM_LIBC_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERPOSE	__attribute__((visibility("default")))

/* In libc, but in no header unless _FORTIFY_SOURCE or an old ABI is in use. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
int __xstat(int ver, const char *path, struct stat *st);
int __xstat64(int ver, const char *path, struct stat64 *st);
int __lxstat(int ver, const char *path, struct stat *st);
int __lxstat64(int ver, const char *path, struct stat64 *st);
int __fxstat(int ver, int fd, struct stat *st);
int __fxstat64(int ver, int fd, struct stat64 *st);
int __fxstatat(int ver, int dir, const char *path, struct stat *st, int flags);
int __fxstatat64(int ver, int dir, const char *path, struct stat64 *st,
		 int flags);

ssize_t __read_chk(int fd, void *buf, size_t size, size_t room);
ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room);

struct libc {
	bool ready;
#define LIBC(fn)	__typeof__(fn) *fn;
#include "libc.def"
};

extern struct libc libc_table;

/*
 * Fills libc_table.  The constructor does, because dlsym() takes a lock that a
 * signal handler or a forked child must not want; an earlier caller, in some
 * other object's constructor, does it itself.
 */
void libc_resolve(void);

static inline const struct libc *libc_ready(void)
{
	if (__builtin_expect(!libc_table.ready, 0))
		libc_resolve();
	return &libc_table;
}

/* REAL(open)(path, flags): the call, past us. */
#define REAL(fn)	(libc_ready()->fn)

#endif
