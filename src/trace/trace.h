/* SPDX-License-Identifier: MIT */
/* Traces and messages on stderr.  Nothing is printed unless asked for. */
#ifndef ANYKVM_TRACE_TRACE_H
#define ANYKVM_TRACE_TRACE_H

#include "util/types.h"

enum {
	TRACE_IOCTL	= BIT(0),	/* every ioctl with its result */
	TRACE_FD	= BIT(1),	/* births and ends of descriptors */
	TRACE_RUN	= BIT(2),	/* exits of KVM_RUN */
};

enum log_level { LOG_NONE, LOG_ERROR, LOG_WARN, LOG_INFO };

extern u32 trace_mask;

/* Costs one predictable branch when off. */
#define trace_on(what)	unlikely(trace_mask & (what))

/* Reads the environment (env.def lists what there is). */
void trace_init(void);

/* One line, written with one system call so that threads do not mix. */
void trace_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void log_printf(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	log_printf(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	log_printf(LOG_WARN, __VA_ARGS__)
#define log_info(...)	log_printf(LOG_INFO, __VA_ARGS__)

/* "KVM_RUN(fd 9, 0x0) = -1 EINTR": @ret is a result or -errno. */
void trace_ioctl(int fd, const char *name, u32 cmd, uintptr_t arg, long ret);

/* The end of a KVM_RUN of vCPU @id, which returned @ret. */
void trace_run(u32 id, u32 exit_reason, long ret);

#endif
