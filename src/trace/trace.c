/* SPDX-License-Identifier: MIT */
#include "trace/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum log_level log_level = LOG_ERROR;

static void read_level(const char *value)
{
	static const char *const levels[] = { "none", "error", "warn", "info" };

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (!strcmp(value, levels[i]))
			log_level = i;
	}
}

void log_init(void)
{
	const char *level = getenv("ANYKVM_LOG");

	if (level)
		read_level(level);
}

static void print_line(const char *fmt, va_list args)
{
	char line[512];
	int err = errno;
	int n = snprintf(line, sizeof(line), "anykvm[%ld]: ", (long)syscall(SYS_gettid));
	int m = vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);

	n = MIN(n + MAX(m, 0), (int)sizeof(line) - 2);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		errno = err;	/* a closed stderr is the program's choice */
	errno = err;
}

void log_printf(enum log_level level, const char *fmt, ...)
{
	va_list args;

	if (level > log_level)
		return;
	va_start(args, fmt);
	print_line(fmt, args);
	va_end(args);
}
