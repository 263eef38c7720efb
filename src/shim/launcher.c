/* SPDX-License-Identifier: MIT */
/*
 * anykvm: starts a program whose /dev/kvm we answer.  The program replaces
 * the launcher, so that its pid, terminal, signals and exit status are its own.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void fail(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("anykvm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

/*
 * NULL if the host's /dev/kvm works, else what does not.  By raw system calls:
 * under another anykvm, open() would find that one's device.
 */
static const char *real_kvm_problem(void)
{
	const char *problem = NULL;
	long fd, vm;

	fd = syscall(SYS_openat, AT_FDCWD, "/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "it cannot be opened";
	if (syscall(SYS_ioctl, fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		errno = ENOTTY;
		problem = "it does not speak the KVM API";
	} else {
		vm = syscall(SYS_ioctl, fd, KVM_CREATE_VM, 0);
		if (vm < 0)
			problem = "it cannot make a virtual machine";
		else
			syscall(SYS_close, vm);
	}
	if (fd >= 0) {
		int err = errno;

		syscall(SYS_close, fd);
		errno = err;
	}
	return problem;
}

static bool is_quiet(void)
{
	const char *quiet = getenv("ANYKVM_QUIET");

	return quiet && *quiet && strcmp(quiet, "0");
}

/* True if the program is to get the host's /dev/kvm. */
static bool choose_real(void)
{
	const char *mode = getenv("ANYKVM_MODE");
	const char *problem;

	if (!mode || !*mode || !strcmp(mode, "soft"))
		return false;
	problem = real_kvm_problem();
	if (problem && !strcmp(mode, "real"))
		fail(EXIT_ANYKVM, "mode real: the host's /dev/kvm is not "
		     "usable: %s: %s", problem, strerror(errno));
	if (!is_quiet())
		fprintf(stderr, "anykvm: mode %s: using %s\n", mode,
			problem ? "the software engine" :
				  "the host's /dev/kvm");
	return !problem;
}

int main(int argc, char **argv)
{
	int program = options_parse(argc, argv);
	char path[PATH_MAX];
	int err;

	target_find(argv[program], path);
	if (choose_real()) {
		preload_remove();
	} else {
		target_check(path);
		preload_add();
	}
	/* execvp() for its fallback to the shell; the path has a slash. */
	execvp(path, argv + program);
	err = errno;
	fail(err == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXEC,
	     "cannot run '%s': %s", path, strerror(err));
}
