/* SPDX-License-Identifier: MIT */
/* Messages on stderr: errors alone, unless more is asked for. */
#ifndef ANYKVM_TRACE_TRACE_H
#define ANYKVM_TRACE_TRACE_H

#include "util/types.h"

enum log_level { LOG_NONE, LOG_ERROR, LOG_WARN, LOG_INFO };

/* Reads the environment (env.def lists what there is). */
void log_init(void);

/* One line, written with one system call so that threads do not mix. */
void log_printf(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	log_printf(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	log_printf(LOG_WARN, __VA_ARGS__)
#define log_info(...)	log_printf(LOG_INFO, __VA_ARGS__)

#endif
