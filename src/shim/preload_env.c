/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD, and where the preload object is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

#define PRELOAD_NAME	"libanykvm-preload.so"

/* Beside the launcher in the build tree; installed, relative to bin/ or absolute. */
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
		n = snprintf(wanted, sizeof(wanted), "%s%s%s",
			     *places[i] == '/' ? "" : exe, places[i], PRELOAD_NAME);
		if (n < PATH_MAX && realpath(wanted, path))
			return 0;
	}
	return -1;
}

enum check preload_find(char path[PATH_MAX], struct finding *f)
{
	const char *wanted = getenv("ANYKVM_PRELOAD");

	snprintf(path, PATH_MAX, "%s", PRELOAD_NAME);
	if (wanted && *wanted) {
		if (!realpath(wanted, path)) {
			finding_set(f, CHECK_PRELOAD_MISSING, wanted, NULL);
			return f->check;
		}
	} else if (find_near_launcher(path)) {
		finding_set(f, CHECK_PRELOAD_MISSING,
			    PRELOAD_NAME " near the launcher", NULL);
		return f->check;
	}
	if (strpbrk(path, " :")) {
		finding_set(f, CHECK_PRELOAD_PATH, path, NULL);
		return f->check;
	}
	return CHECK_OK;
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

bool preload_is_there(void)
{
	const char *list = getenv("LD_PRELOAD");

	return list && strstr(list, PRELOAD_NAME);
}

static void set_preload(const char *first, const char *ours)
{
	const char *old = getenv("LD_PRELOAD");
	size_t size = strlen(first) + (old ? strlen(old) : 0) + strlen(ours) + 3;
	char *list = malloc(size);
	size_t n;

	if (!list)
		fail(EXIT_ANYKVM, "out of memory");
	n = sprintf(list, "%s%s", first, *first ? ":" : "");
	copy_foreign(old, list + n);
	if (*ours) {
		if (list[n])
			strcat(list, ":");
		strcat(list, ours);
	}
	if (*list)
		setenv("LD_PRELOAD", list, 1);
	else
		unsetenv("LD_PRELOAD");
	free(list);
}

void preload_add(const char *first)
{
	char path[PATH_MAX];
	struct finding f;

	if (preload_find(path, &f))
		fail(EXIT_ANYKVM, "%s; %s", f.text, f.fix);
	set_preload(first ? first : "", path);
}

void preload_remove(void)
{
	set_preload("", "");
}
