/* SPDX-License-Identifier: MIT */
/*
 * One row of ioctls.def (or of the architecture's arch_ioctls.def) expanded:
 * how an ioctl finds its handler, its argument and its name in traces.
 */
#ifndef ANYKVM_API_DISPATCH_H
#define ANYKVM_API_DISPATCH_H

#include "api/kvm.h"

/*
 * How the third argument reaches the handler:
 *   NONE	ignored: callers leave it out, it is garbage
 *   ZERO	must be 0, else EINVAL
 *   VALUE	@arg is the value, cast to a pointer
 *   IN		@arg points to a copy of the structure, already read (EFAULT)
 *   OUT	@arg points to a zeroed structure, written back on success
 *   INOUT	both
 *   RAW	@arg is the VMM's pointer, for flexible arrays and for handlers
 *		whose state checks come before EFAULT: use copy_from_user()
 */
enum arg_kind { ARG_NONE, ARG_ZERO, ARG_VALUE, ARG_IN, ARG_OUT, ARG_INOUT, ARG_RAW };

/* For rows whose argument is a bare 64-bit word. */
struct u64_arg {
	u64 value;
};

/* Returns >= 0 (the ioctl's result) or -errno. */
typedef long (*ioctl_fn)(struct kfile *f, void *arg);

struct ioctl_desc {
	u32 cmd;
	const char *name;
	enum scope scope;
	enum arg_kind kind;
	u32 size;		/* of the copied structure */
	ioctl_fn fn;
};

/* NULL if there is no such row for the scope. */
const struct ioctl_desc *ioctl_find(enum scope scope, u32 cmd);

/* The whole of an ioctl: look-up, liveness, copies, locks, handler, trace. */
long ioctl_call(struct kfile *f, u32 cmd, uintptr_t arg);

#endif
