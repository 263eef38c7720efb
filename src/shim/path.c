/* SPDX-License-Identifier: MIT */
/* Which paths mean /dev/kvm: in practice one string compare says no. */
#include "path.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libc.h"

#define KVM_PATH	"/dev/kvm"

/* Appends the components of @path to the absolute @out, resolving . and .. */
static bool append(char *out, size_t size, const char *path)
{
	size_t len = strlen(out);

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && !memcmp(path, "..", 2)) {
			while (len && out[--len] != '/')
				;
		} else if (n && !(n == 1 && *path == '.')) {
			if (len + n + 2 > size)
				return false;
			out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		out[len] = '\0';
		path += n;
		path += *path == '/';
	}
	return true;
}

static bool directory_name(int dir, char *out, size_t size)
{
	char link[32] = "/proc/self/cwd";
	ssize_t n;

	if (dir != AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, out, size - 1);
	if (n <= 0)
		return false;
	out[n] = '\0';
	return true;
}

bool path_is_kvm(int dir, const char *path)
{
	char full[PATH_MAX] = "";
	size_t len;

	if (!path)
		return false;
	len = strlen(path);
	if (len < 3 || memcmp(path + len - 3, "kvm", 3))
		return false;
	if (!strcmp(path, KVM_PATH))
		return true;
	if (len > 3 && path[len - 4] != '/')
		return false;
	if (*path != '/' && !directory_name(dir, full, sizeof(full)))
		return false;
	return append(full, sizeof(full), path) && !strcmp(full, KVM_PATH);
}
