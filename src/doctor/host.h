/* SPDX-License-Identifier: MIT */
/* Does the host let us do what the engine does? */
#ifndef ANYKVM_DOCTOR_HOST_H
#define ANYKVM_DOCTOR_HOST_H

#include "doctor/call.h"
#include "doctor/finding.h"
#include "doctor/limits.h"

/* What the engine needs of the host, in the order of trying. */
enum need {
	NEED_MEMFD,
	NEED_EXEC_MEMFD,	/* a memfd that may become executable */
	NEED_EXEC_MAP,
	NEED_INOTIFY,
	NEED_INOTIFY_WATCH,
	NEED_EPOLL,
	NEED_TIMERFD,
	NEED_WIPEONFORK,
	NEED_THREAD,
	NR_NEEDS
};

/* Tries them all. */
void host_examine(const struct limits *l, struct findings *all);

/* What a result means under these limits. */
void host_judge(enum need need, const struct call_result *result,
		const struct limits *l, struct findings *all);

/* The limit behind an errno of the engine, or of starting a process: false if none. */
bool host_judge_errno(int error, const struct limits *l, struct findings *all);

#endif
