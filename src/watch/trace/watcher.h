/* SPDX-License-Identifier: MIT */
/* --trace: every call, exit, interrupt and descriptor written down (output.h). */
#ifndef ANYKVM_WATCH_TRACE_WATCHER_H
#define ANYKVM_WATCH_TRACE_WATCHER_H

/* Adds the watcher if ANYKVM_TRACE asks for it. */
void trace_init(void);

/* Of the records in JSON; grows when a key changes its meaning. */
#define TRACE_SCHEMA		"anykvm-trace"
#define TRACE_SCHEMA_VERSION	1

#endif
