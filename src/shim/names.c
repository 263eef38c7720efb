/* SPDX-License-Identifier: MIT */
/*
 * What /proc/self/fd says: the name of one of our memfds is KVM's, with
 * something before and after it.
 */
#include <string.h>

#include "engine.h"
#include "libc.h"

#define PREFIX		"/memfd:"
#define OURS		PREFIX "anon_inode:kvm"
#define SUFFIX		" (deleted)"
#define NAME_LEN	80
#define LEN(s)		(sizeof(s) - 1)

/* As readlink() would give it for KVM's, if @name of @n bytes is ours; else 0. */
static size_t kvm_name(char *name, size_t n)
{
	if (n <= LEN(OURS SUFFIX) - 1 || memcmp(name, OURS, LEN(OURS)) ||
	    memcmp(name + n - LEN(SUFFIX), SUFFIX, LEN(SUFFIX)))
		return 0;
	n -= LEN(PREFIX) + LEN(SUFFIX);
	memmove(name, name + LEN(PREFIX), n);
	if (n > LEN("anon_inode:kvm"))
		return n;
	memcpy(name, "/dev/kvm", LEN("/dev/kvm"));
	return LEN("/dev/kvm");
}

/* @n bytes of the link are in @buf; corrects them. */
static ssize_t correct(int dir, const char *path, char *buf, size_t size, ssize_t n)
{
	char name[NAME_LEN];
	ssize_t full;
	size_t len;

	if (n < (ssize_t)LEN(OURS) || memcmp(buf, OURS, LEN(OURS)) || engine_depth)
		return n;
	/* The whole of it, should @buf be too small. */
	full = REAL(readlinkat)(dir, path, name, sizeof(name));
	len = full > 0 ? kvm_name(name, full) : 0;
	if (!len)
		return n;
	if (len > size)
		len = size;
	memcpy(buf, name, len);
	/* Who has cleared the buffer before expects it clear behind the name. */
	memset(buf + len, 0, n > (ssize_t)len ? n - len : 0);
	return len;
}

INTERPOSE ssize_t readlink(const char *path, char *buf, size_t size)
{
	return correct(AT_FDCWD, path, buf, size, REAL(readlink)(path, buf, size));
}

INTERPOSE ssize_t readlinkat(int dir, const char *path, char *buf, size_t size)
{
	return correct(dir, path, buf, size, REAL(readlinkat)(dir, path, buf, size));
}

INTERPOSE ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room)
{
	return correct(AT_FDCWD, path, buf, size,
		       REAL(__readlink_chk)(path, buf, size, room));
}
