/* SPDX-License-Identifier: MIT */
/* A program that somebody wants to run: where it is, and can we serve it? */
#ifndef ANYKVM_DOCTOR_PROGRAM_H
#define ANYKVM_DOCTOR_PROGRAM_H

#include <limits.h>

#include "doctor/elf.h"
#include "doctor/finding.h"

/* Finds @program as the shell would.  0, or the errno of execve(). */
int program_find(const char *program, char path[PATH_MAX]);

/*
 * Can LD_PRELOAD reach the file at @path itself?  CHECK_OK, or *f says what is
 * in the way or not known.  A script is left to its interpreter.
 */
enum check program_judge(const char *path, struct finding *f);

/*
 * The sanitizer's run-time library that the program at @path insists on being
 * the first that is loaded; false if there is none.
 */
bool program_sanitizer(const char *path, char name[ELF_NAME_MAX]);

/*
 * As program_judge(), of the program @name and, if that is a script, of what
 * runs it; @path becomes the file that was judged last.
 */
enum check program_examine(const char *name, char path[PATH_MAX],
			   struct finding *f);

#endif
