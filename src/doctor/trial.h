/* SPDX-License-Identifier: MIT */
/*
 * The proof: a guest of a few instructions, in a process that is started as
 * any program under anykvm is.  It is the launcher again, by another name.
 */
#ifndef ANYKVM_DOCTOR_TRIAL_H
#define ANYKVM_DOCTOR_TRIAL_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "doctor/finding.h"
#include "doctor/limits.h"

#define TRIAL_NAME	"anykvm-doctor-trial"	/* argv[0] */
#define TRIAL_CPUID	128

enum {
	ENGINE_AUTO,
	ENGINE_INTERP,
	ENGINE_JIT,
	NR_ENGINES
};

extern const char *const trial_engines[NR_ENGINES];

struct trial {
	/* Told by the process: */
	char step[48];			/* what it does, or failed in */
	char why[320];
	int error;			/* errno of that step */
	bool done;
	bool secure;			/* LD_PRELOAD is ignored */
	char preload_version[32];	/* "": it is not there */
	char library_version[64];
	char engine[96];
	unsigned int nr_cpuid;
	struct kvm_cpuid_entry2 cpuid[TRIAL_CPUID];
	/* Seen from outside: */
	int signal;			/* that ended it */
	int no_process;			/* errno of starting it */
	char said[400];			/* on stderr */
};

/* Runs one under the preload object with ANYKVM_ENGINE=@engine. */
void trial_run(const char *preload, const char *engine, struct trial *t);

/* What it means if it failed. */
void trial_judge(const struct trial *t, const struct limits *l,
		 struct findings *all);

/* True if this engine is what ran when it was asked for. */
bool trial_has_engine(const struct trial t[NR_ENGINES], int engine);

/* What guests lack although they run. */
void engines_judge(const struct trial t[NR_ENGINES], struct findings *all);

/* The process itself: main() of TRIAL_NAME.  Its argument is the preload object. */
int trial_main(int argc, char **argv);

#endif
