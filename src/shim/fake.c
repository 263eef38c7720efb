/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libc.h"
#include "trace/env.h"

#define CPUINFO		"/proc/cpuinfo"
#define MODULES		"/sys/module"

static bool is_intel(void)
{
	unsigned int a, b = 0, c, d;

	return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx;
}

bool fake_is_cpuinfo(const char *path, int flags)
{
	return path && !strcmp(path, CPUINFO) &&
	       (flags & (O_ACCMODE | O_DIRECTORY | O_PATH)) == O_RDONLY &&
	       env_is_on("ANYKVM_FAKE_CPUINFO");
}

static bool has_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	while ((line = strstr(line, word))) {
		if (line[-1] == ' ' && strchr(" \n", line[n]))
			return true;
		line += n;
	}
	return false;
}

static void copy_line(FILE *out, char *line, const char *flag)
{
	if (strncmp(line, "flags\t", 6) || has_word(line, "vmx") ||
	    has_word(line, "svm")) {
		fputs(line, out);
		return;
	}
	line[strcspn(line, "\n")] = '\0';
	fprintf(out, "%s %s\n", line, flag);
}

static int copy_cpuinfo(FILE *in, int flags)
{
	const char *flag = is_intel() ? "vmx" : "svm";
	int fd = memfd_create("cpuinfo", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
	char *line = NULL;
	size_t size = 0;

	while (out && getline(&line, &size, in) > 0)
		copy_line(out, line, flag);
	free(line);
	if (out && !fclose(out) && !lseek(fd, 0, SEEK_SET))
		return fd;
	if (!out && copy >= 0)
		close(copy);
	if (fd >= 0)
		close(fd);
	return -1;
}

int fake_open_cpuinfo(int flags)
{
	FILE *in = REAL(fopen)(CPUINFO, "re");
	int fd = in ? copy_cpuinfo(in, flags) : -1;

	if (in)
		fclose(in);
	return fd >= 0 ? fd : REAL(open)(CPUINFO, flags);
}

const char *fake_module(const char *path)
{
	const char *name;
	size_t n;

	if (!path || strncmp(path, MODULES "/kvm", strlen(MODULES "/kvm")))
		return path;
	name = path + strlen(MODULES "/");
	n = strcspn(name, "/");
	if (name[n] && name[n + 1])
		return path;
	if (!(n == 3 || (n == 9 && is_intel() && !memcmp(name, "kvm_intel", 9)) ||
	      (n == 7 && !is_intel() && !memcmp(name, "kvm_amd", 7))))
		return path;
	return env_is_on("ANYKVM_FAKE_CPUINFO") && REAL(access)(path, F_OK) ? MODULES : path;
}
