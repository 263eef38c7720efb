/* SPDX-License-Identifier: MIT */
/* From request number to handler: ioctls.def expanded. */
#include "api/dispatch.h"

#include <errno.h>
#include <string.h>

#include "api/fd.h"
#include "api/handlers.h"
#include "util/guard.h"

#define IOCTL(scope, cmd, kind, fn) long fn(struct kfile *f, void *arg);
#include "arch_ioctls.def"

enum row {
#define IOCTL(scope, cmd, kind, fn) ROW_##scope##_##cmd,
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn) ROW_##scope##_##cmd,
#include "arch_ioctls.def"
	NR_ROWS
};

#define KIND_NONE	ARG_NONE, 0
#define KIND_ZERO	ARG_ZERO, 0
#define KIND_VALUE	ARG_VALUE, 0
#define KIND_RAW	ARG_RAW, 0
#define KIND_IN(s)	ARG_IN, sizeof(struct s)
#define KIND_OUT(s)	ARG_OUT, sizeof(struct s)
#define KIND_INOUT(s)	ARG_INOUT, sizeof(struct s)

static const struct ioctl_desc rows[] = {
#define IOCTL(scope, cmd, kind, fn) \
	[ROW_##scope##_##cmd] = { (u32)cmd, #cmd, SCOPE_##scope, KIND_##kind, fn },
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn) \
	[ROW_##scope##_##cmd] = { (u32)cmd, #cmd, SCOPE_##scope, KIND_##kind, fn },
#include "arch_ioctls.def"
};

#define KEY(scope, cmd)	((u64)(scope) << 32 | (u32)(cmd))

const struct ioctl_desc *ioctl_find(enum scope scope, u32 cmd)
{
	/* The compiler makes a binary search of it, and refuses duplicates. */
	switch (KEY(scope, cmd)) {
#define IOCTL(scope, cmd, kind, fn) \
	case KEY(SCOPE_##scope, cmd): return &rows[ROW_##scope##_##cmd];
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn) \
	case KEY(SCOPE_##scope, cmd): return &rows[ROW_##scope##_##cmd];
#include "arch_ioctls.def"
	}
	return NULL;
}

/* Room for any row's structure. */
union any_arg {
	u64 align;
#define IN(s)		struct s
#define OUT(s)		struct s
#define INOUT(s)	struct s
#define NONE		u8
#define ZERO		u8
#define VALUE		u8
#define RAW		u8
#define IOCTL(scope, cmd, kind, fn) kind arg_##scope##_##cmd;
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn) kind arg_##scope##_##cmd;
#include "arch_ioctls.def"
#undef IN
#undef OUT
#undef INOUT
#undef NONE
#undef ZERO
#undef VALUE
#undef RAW
};

static __attribute__((noinline)) long call_copied(const struct ioctl_desc *d,
						   struct kfile *f, uintptr_t uarg)
{
	union any_arg arg;
	long ret;

	if (d->kind == ARG_OUT)
		memset(&arg, 0, d->size);
	else if (copy_from_user(&arg, uarg, d->size))
		return -EFAULT;
	ret = d->fn(f, &arg);
	if (ret >= 0 && d->kind != ARG_IN && copy_to_user(uarg, &arg, d->size))
		return -EFAULT;
	return ret;
}

static long call_row(const struct ioctl_desc *d, struct kfile *f, uintptr_t uarg)
{
	switch (d->kind) {
	case ARG_ZERO:
		if (uarg)
			return -EINVAL;
		/* fall through */
	case ARG_NONE:
		return d->fn(f, NULL);
	case ARG_VALUE:
	case ARG_RAW:
		return d->fn(f, (void *)uarg);
	default:
		return call_copied(d, f, uarg);
	}
}

/* What KVM answers to a request it does not know (kvm_*_ioctl). */
static long unknown_request(enum scope scope)
{
	return scope == SCOPE_SYSTEM || scope == SCOPE_VCPU ? -EINVAL : -ENOTTY;
}

/*
 * The thread is cancelled, which unwinds it out of KVM_RUN (no other ioctl):
 * the vCPU must not remain in guest, nor locked, for ever.
 */
static void abandon_run(void *arg)
{
	struct kfile *f = arg;

	current_vcpu = NULL;
	vcpu_leave_guest(f->vcpu);
	pthread_mutex_unlock(&f->vcpu->mutex);
	kfile_put(f);	/* anykvm_ioctl()'s */
}

static long call_locked(const struct ioctl_desc *d, struct kfile *f, uintptr_t arg)
{
	long ret;

	pthread_mutex_lock(&f->vcpu->mutex);
	pthread_cleanup_push(abandon_run, f);
	f->vcpu->attended |= d->cmd != (u32)KVM_RUN;
	ret = call_row(d, f, arg);
	pthread_cleanup_pop(0);
	pthread_mutex_unlock(&f->vcpu->mutex);
	return ret;
}

long ioctl_call(struct kfile *f, u32 cmd, uintptr_t arg)
{
	const struct ioctl_desc *d;
	struct vcpu *vcpu = f->vcpu;

	if (f->vm && unlikely(READ_ONCE(f->vm->dead)))
		return f->scope == SCOPE_STATS ? -ENOTTY : -EIO;
	if (likely(cmd == KVM_RUN && vcpu))
		d = &rows[ROW_VCPU_KVM_RUN];
	else
		d = ioctl_find(f->scope, cmd);
	if (!d)
		return unknown_request(f->scope);
	if (!vcpu)
		return call_row(d, f, arg);

	/*
	 * In a signal handler on top of this vCPU's KVM_RUN.  The kernel has
	 * left KVM_RUN by then; here it would wait for itself.
	 */
	if (unlikely(current_vcpu == vcpu))
		return -EBUSY;
	return call_locked(d, f, arg);
}
