/* SPDX-License-Identifier: MIT */
/* The program to run: found, and refused if it could not be served. */
#include <errno.h>
#include <string.h>

#include "doctor/program.h"
#include "launcher.h"

void target_find(const char *program, char path[PATH_MAX])
{
	int err = program_find(program, path);

	if (err)
		fail(err == EACCES ? EXIT_NO_EXEC : EXIT_NOT_FOUND,
		     "cannot run '%s': %s", program, strerror(err));
}

void target_check(const char *path)
{
	struct finding f;

	if (program_judge(path, &f) && check_effect(f.check) == EFFECT_PROGRAM)
		fail(f.check == CHECK_NO_INTERPRETER ? EXIT_NOT_FOUND :
		     EXIT_ANYKVM, "cannot serve '%s': %s; %s", path, f.text,
		     f.fix);
}
