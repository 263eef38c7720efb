/* SPDX-License-Identifier: MIT */
/*
 * anykvm: starts a program whose /dev/kvm we answer.  The program replaces
 * the launcher, so that its pid, terminal, signals and exit status are its own.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "doctor/program.h"
#include "doctor/real.h"
#include "launcher.h"
#include "statview/statview.h"
#include "trace/env.h"

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

/* True if the program is to get the host's /dev/kvm. */
static bool choose_real(void)
{
	const char *mode = getenv("ANYKVM_MODE");
	struct real_facts facts;
	struct finding f;
	enum check problem;

	if (!mode || !*mode || !strcmp(mode, "soft"))
		return false;
	real_read(&facts);
	problem = real_judge(&facts, &f);
	if (problem && !strcmp(mode, "real"))
		fail(EXIT_ANYKVM, "mode real: the host's /dev/kvm is not "
		     "usable: %s; %s", f.text, f.fix);
	if (!env_is_on("ANYKVM_QUIET"))
		fprintf(stderr, "anykvm: mode %s: using %s\n", mode,
			problem ? "the software engine" :
				  "the host's /dev/kvm");
	return !problem;
}

int main(int argc, char **argv)
{
	struct actions actions = { 0 };
	char path[PATH_MAX], first[ELF_NAME_MAX];
	int program, err;
	pid_t viewed;

	if (argc && !strcmp(argv[0], TRIAL_NAME))
		return trial_main(argc, argv);
	program = options_parse(argc, argv, &actions);
	if (actions.doctor)
		return doctor(argv[program], env_is_on("ANYKVM_JSON"));
	statview_check_symbols();
	viewed = statview_pid(argc - program, argv + program);
	if (viewed)
		return statview_attach(viewed);
	target_find(argv[program], path);
	if (choose_real()) {
		preload_remove();
	} else {
		target_check(path);
		output_check();
		statview_begin();
		preload_add(program_sanitizer(path, first) ? first : NULL);
	}
	/* execvp() for its fallback to the shell; the path has a slash. */
	execvp(path, argv + program);
	err = errno;
	fail(err == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXEC,
	     "cannot run '%s': %s", path, strerror(err));
}
