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

enum {
	ENGINE_AUTO,
	ENGINE_INTERP,
	ENGINE_JIT,
	NR_ENGINES
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

/* True if this engine is what runs when it is asked for. */
bool doctor_has_engine(const struct report *r, int engine);

/* -- features.c: the CPUID of a guest --------------------------------------- */

/* The next feature that the guest gets, in lower case; *i starts with 0. */
const char *feature_next(const struct trial *t, unsigned int *i, char name[32]);

/* "x86-64", "x86-64-v2" or "x86-64-v3"; NULL if CPUID is not known. */
const char *feature_level(const struct trial *t);

/* The brand string, or NULL. */
const char *feature_processor(const struct trial *t, char name[49]);

#endif
