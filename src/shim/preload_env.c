/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD, and where the preload object is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

#define PRELOAD_NAME	"libanykvm-preload.so"

/* Beside the launcher in the build tree; installed, relative to bin/. */
static const char *const places[] = {
	"",
	ANYKVM_PRELOAD_FROM_BIN "/",
};

static int find_near_launcher(char path[PATH_MAX])
{
	char exe[PATH_MAX], wanted[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n <= 0)
		return -1;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return -1;
	slash[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		n = snprintf(wanted, sizeof(wanted), "%s%s%s", exe, places[i],
			     PRELOAD_NAME);
		if (n < PATH_MAX && realpath(wanted, path))
			return 0;
	}
	return -1;
}

static void find_preload(char path[PATH_MAX])
{
	const char *wanted = getenv("ANYKVM_PRELOAD");

	if (wanted && *wanted) {
		if (!realpath(wanted, path))
			fail(EXIT_ANYKVM, "cannot find the preload object %s",
			     wanted);
	} else if (find_near_launcher(path)) {
		fail(EXIT_ANYKVM, "cannot find " PRELOAD_NAME
		     " near the launcher; ANYKVM_PRELOAD can name it");
	}
	if (strpbrk(path, " :"))
		fail(EXIT_ANYKVM, "LD_PRELOAD cannot name '%s': its path has "
		     "a space or a colon", path);
}

/* @list without the entries named as our preload object is. */
static void copy_foreign(const char *list, char *out)
{
	*out = '\0';
	while (list && *list) {
		size_t n = strcspn(list, " :");
		size_t own = strlen(PRELOAD_NAME);

		if (n && (n < own ||
			  memcmp(list + n - own, PRELOAD_NAME, own))) {
			if (*out)
				strcat(out, ":");
			strncat(out, list, n);
		}
		list += n;
		list += *list != '\0';
	}
}

static void set_preload(const char *ours)
{
	const char *old = getenv("LD_PRELOAD");
	size_t size = (old ? strlen(old) : 0) + strlen(ours) + 2;
	char *list = malloc(size);

	if (!list)
		fail(EXIT_ANYKVM, "out of memory");
	copy_foreign(old, list);
	if (*ours) {
		if (*list)
			strcat(list, ":");
		strcat(list, ours);
	}
	if (*list)
		setenv("LD_PRELOAD", list, 1);
	else
		unsetenv("LD_PRELOAD");
	free(list);
}

void preload_add(void)
{
	char path[PATH_MAX];

	find_preload(path);
	set_preload(path);
}

void preload_remove(void)
{
	set_preload("");
}
