/* SPDX-License-Identifier: MIT */
#include "doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/host.h"
#include "doctor/program.h"
#include "doctor/real.h"
#include "shim/engine_path.h"
#include "shim/launcher.h"

static void examine_environment(struct findings *all, const char *preload)
{
	const char *list = getenv("LD_PRELOAD");
	char *copy = list ? strdup(list) : NULL;

	for (char *p = copy ? strtok(copy, " :") : NULL; p; p = strtok(NULL, " :")) {
		const char *slash = strrchr(p, '/');
		const char *ours = strrchr(preload, '/');

		if (slash && ours && !strcmp(slash, ours) && strcmp(p, preload))
			finding_add(all, CHECK_OTHER_ANYKVM, p, NULL);
	}
	free(copy);
}

static void examine_engines(struct report *r)
{
	for (int i = 0; i < NR_ENGINES; i++)
		trial_run(r->preload, trial_engines[i], &r->trial[i]);
	trial_judge(&r->trial[ENGINE_AUTO], &r->limits, &r->findings);
	engines_judge(r->trial, &r->findings);
}

static void examine_files(struct report *r)
{
	struct finding f;

	if (preload_find(r->preload, &f)) {
		r->findings.list[r->findings.n++] = f;
		r->preload[0] = '\0';
		return;
	}
	if (engine_path(r->preload, r->library) != r->library)
		snprintf(r->library, sizeof(r->library), "%s",
			 engine_path(r->preload, r->library));
	examine_environment(&r->findings, r->preload);
	examine_engines(r);
}

static void examine_real(struct report *r)
{
	struct real_facts facts;
	struct finding f;

	real_read(&facts);
	if (real_judge(&facts, &f))
		r->findings.list[r->findings.n++] = f;
}

static void examine_program(struct report *r, const char *program)
{
	struct finding f;

	r->program = program;
	if (!program_examine(program, r->program_path, &f))
		return;
	r->program_served = check_effect(f.check) != EFFECT_PROGRAM;
	r->findings.list[r->findings.n++] = f;
}

/* True if no device at all would help the program. */
static bool program_cannot_run(const struct findings *all)
{
	return findings_have_check(all, CHECK_NOT_FOUND) ||
	       findings_have_check(all, CHECK_NOT_EXECUTABLE) ||
	       findings_have_check(all, CHECK_NO_INTERPRETER);
}

static bool decide(const struct report *r)
{
	bool soft = r->soft && r->program_served;
	bool real = r->real && !program_cannot_run(&r->findings);

	if (!strcmp(r->mode, "real"))
		return real;
	return soft || (real && !strcmp(r->mode, "auto"));
}

void doctor_examine(struct report *r, const char *program)
{
	const char *mode = getenv("ANYKVM_MODE");

	memset(r, 0, sizeof(*r));
	r->program_served = true;
	r->mode = mode && *mode ? mode : "soft";
	if (program)
		examine_program(r, program);
	limits_read(&r->limits);
	host_examine(&r->limits, &r->findings);
	/* Without /proc the launcher does not know where it is. */
	if (r->limits.proc)
		examine_files(r);
	limits_judge(&r->limits, &r->findings);
	examine_real(r);
	r->soft = r->trial[ENGINE_AUTO].done &&
		  !findings_have(&r->findings, EFFECT_SOFT);
	r->real = !findings_have(&r->findings, EFFECT_REAL);
	r->usable = decide(r);
}

int doctor(const char *program, bool json)
{
	static struct report r;

	doctor_examine(&r, program);
	if (json)
		doctor_json(&r, stdout);
	else
		doctor_text(&r, stdout);
	if (fflush(stdout) || ferror(stdout))
		fail(DOCTOR_NOT_USABLE, "cannot write the report");
	return r.usable ? DOCTOR_OK : DOCTOR_NOT_USABLE;
}
