/* SPDX-License-Identifier: MIT */
#include "trace/trace.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

u32 trace_mask;
static enum log_level log_level = LOG_ERROR;

static bool list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && (p = strstr(p, word)); p += n) {
		if ((p == list || p[-1] == ',') && (p[n] == ',' || !p[n]))
			return true;
	}
	return false;
}

static void read_trace(const char *list)
{
	static const struct { const char *word; u32 bit; } words[] = {
		{ "ioctl", TRACE_IOCTL }, { "fd", TRACE_FD }, { "run", TRACE_RUN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(list, "1") || list_has(list, words[i].word))
			trace_mask |= words[i].bit;
	}
}

static void read_level(const char *value)
{
	static const char *const levels[] = { "none", "error", "warn", "info" };

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (!strcmp(value, levels[i]))
			log_level = i;
	}
}

void trace_init(void)
{
	const char *trace = getenv("ANYKVM_TRACE");
	const char *level = getenv("ANYKVM_LOG");

	if (trace)
		read_trace(trace);
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

void trace_printf(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line(fmt, args);
	va_end(args);
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

void trace_ioctl(int fd, const char *name, u32 cmd, uintptr_t arg, long ret)
{
	char number[16];

	if (!name) {
		snprintf(number, sizeof(number), "0x%08x", cmd);
		name = number;
	}
	if (ret >= 0)
		trace_printf("%s(fd %d, 0x%lx) = %ld", name, fd, (long)arg, ret);
	else
		trace_printf("%s(fd %d, 0x%lx) = -1 %s", name, fd, (long)arg,
			     strerrorname_np(-ret));
}

void trace_run(u32 id, u32 exit_reason, long ret)
{
	const char *name = "?";

	switch (exit_reason) {
#define EXIT(exit, when) case KVM_EXIT_##exit: name = #exit; break;
#define EXIT_NEVER(exit, why) EXIT(exit, why)
#include "api/exits.def"
	}
	trace_printf("vcpu %u: exit_reason %u (%s), result %ld", id, exit_reason,
		     name, ret);
}
