/* SPDX-License-Identifier: MIT */
/* The launcher's parts. */
#ifndef ANYKVM_SHIM_LAUNCHER_H
#define ANYKVM_SHIM_LAUNCHER_H

#include <limits.h>
#include <stdbool.h>

#include "doctor/finding.h"

/* Our own failures, as env(1) and timeout(1) number them. */
enum {
	EXIT_ANYKVM = 125,	/* anykvm itself, a wrong option included */
	EXIT_NO_EXEC = 126,	/* the program is there, but cannot be run */
	EXIT_NOT_FOUND = 127,	/* there is no such program */
};

/* "anykvm: ..." on stderr and exit(@status). */
__attribute__((noreturn, format(printf, 2, 3)))
void fail(int status, const char *fmt, ...);

/* -- options.c ----------------------------------------------------------- */

struct actions {
	int doctor;
	int json;		/* asked for by the option: who prints must be, too */
};

/*
 * Reads options into the environment, where their twins are, and into
 * @actions.  Returns the index of the program in @argv, which is @argc only
 * for the doctor.  Exits on --help, --version and errors.
 */
int options_parse(int argc, char **argv, struct actions *actions);

/* -- target.c ------------------------------------------------------------ */

/* Finds @program as the shell would.  Exits with 126 or 127. */
void target_find(const char *program, char path[PATH_MAX]);

/* Exits with 125 if LD_PRELOAD cannot reach the program at @path. */
void target_check(const char *path);

/* -- output.c ------------------------------------------------------------ */

/* Makes the file of ANYKVM_OUTPUT, empty.  Exits with 125 if it cannot be written. */
void output_check(void);

/* -- preload_env.c ------------------------------------------------------- */

/* Where the preload object is: CHECK_OK, or *f says why it cannot be used. */
enum check preload_find(char path[PATH_MAX], struct finding *f);

/* True if it is in LD_PRELOAD: an anykvm has started us. */
bool preload_is_there(void);

/*
 * Appends the preload object to LD_PRELOAD, behind the library @first if that
 * is not NULL; or takes it out again.
 */
void preload_add(const char *first);
void preload_remove(void);

#endif
