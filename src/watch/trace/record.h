/* SPDX-License-Identifier: MIT */
/* A record from its beginning to the output. */
#ifndef ANYKVM_WATCH_TRACE_RECORD_H
#define ANYKVM_WATCH_TRACE_RECORD_H

#include <sys/types.h>

#include "watch/trace/out.h"

enum { EXIT_MEMOS = 64 };

/* Of each thread that makes records. */
struct recorder {
	struct out o;
	pid_t pid, tid;
	struct memo head, run;	/* up to the second; the call of KVM_RUN */
	struct memo exits[EXIT_MEMOS];
	bool busy;	/* a signal handler on top of it loses its records */
	u64 arg_head;	/* see struct decode */
};

/* @json: records are JSON, else text.  Once. */
void records_init(bool json);

/* This thread's, which is busy until record_end(); NULL: none can be made. */
struct recorder *record_begin(void);
/* The start of the record: who, and when on CLOCK_MONOTONIC. */
void record_head(struct recorder *r, const char *type, u64 ns);
void record_end(struct recorder *r);
/* Of a recorder without a record. */
void record_drop(struct recorder *r);

/* " = -1 EBADF (Bad file descriptor)", or "result" and "errno". */
void record_result(struct out *o, long ret);

/* In a forked child. */
void records_forked(void);

/* A record that tells how many others are missing, if any are. */
void record_lost(void);

#endif
