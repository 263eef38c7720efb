/* SPDX-License-Identifier: MIT */
/* anykvm --doctor: will it work here, and if not, why? */
#ifndef ANYKVM_DOCTOR_DOCTOR_H
#define ANYKVM_DOCTOR_DOCTOR_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "doctor/finding.h"
#include "doctor/limits.h"
#include "doctor/trial.h"

/* Exit statuses of the doctor. */
enum {
	DOCTOR_OK,
	DOCTOR_NOT_USABLE,
	DOCTOR_USAGE,
};

struct report {
	bool usable;			/* by the mode that is asked for */
	const char *mode;
	bool soft, real;
	struct trial trial[NR_ENGINES];
	struct limits limits;
	char preload[PATH_MAX];		/* "": not found */
	char library[PATH_MAX];
	const char *program;		/* or NULL */
	char program_path[PATH_MAX];
	bool program_served;
	struct findings findings;
};

/* Prints the report and returns the exit status; @program may be NULL. */
int doctor(const char *program, bool json);

void doctor_examine(struct report *r, const char *program);
void doctor_text(const struct report *r, FILE *out);
void doctor_json(const struct report *r, FILE *out);

#endif
