/* SPDX-License-Identifier: MIT */
/* Limits and policies of the host that matter to the engine. */
#ifndef ANYKVM_DOCTOR_LIMITS_H
#define ANYKVM_DOCTOR_LIMITS_H

#include <stdbool.h>
#include <sys/resource.h>

#include "doctor/finding.h"

/* A number that is not known is -1. */
struct limits {
	rlim_t as, nofile, fsize, nproc;
	long max_map_count;
	long overcommit;	/* vm.overcommit_memory */
	long commit_left;	/* KiB that may still be promised */
	long inotify_instances, inotify_watches;
	long memfd_noexec;
	long pids_max, pids_now;
	long seccomp;		/* 0 none, 1 strict, 2 a filter */
	bool selinux;		/* enforcing */
	bool proc;		/* /proc is there */
	char kernel[80];
};

void limits_read(struct limits *l);
void limits_judge(const struct limits *l, struct findings *all);

/* "unlimited" or the number. */
const char *limit_text(rlim_t limit, char text[32]);

#endif
