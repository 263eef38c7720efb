/* SPDX-License-Identifier: MIT */
#include "watch/output_path.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool output_path(char *path, size_t size, const char *pattern)
{
	size_t at = 0;

	while (*pattern && at < size) {
		size_t n = strcspn(pattern, "%");

		if (!n && pattern[1] == 'p')
			at += snprintf(path + at, size - at, "%ld", (long)getpid());
		else if (!n && pattern[1] == '%')
			at += snprintf(path + at, size - at, "%%");
		else if (!n)
			return false;
		else
			at += snprintf(path + at, size - at, "%.*s", (int)n, pattern);
		pattern += n ? n : 2;
	}
	return at && at < size;
}
