/* SPDX-License-Identifier: MIT */
/* The public functions: thin, and the only ones that set errno. */
#include "anykvm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/arch.h"
#include "api/dispatch.h"
#include "api/fd.h"
#include "api/process.h"
#include "api/run.h"
#include "api/vcpu_mmap.h"
#include "api/worker.h"
#include "trace/trace.h"
#include "util/guard.h"
#include "watch/watch.h"

static int fail(int err)
{
	errno = -err;
	return -1;
}

const char *anykvm_engine(void)
{
	int err = errno;
	const char *name = process_enter() < 0 ? NULL : arch_engine();

	errno = err;
	return name;
}

const char *anykvm_version(void)
{
	return "anykvm " ANYKVM_VERSION;
}

int anykvm_open(int flags)
{
	int ret = process_enter();

	if (!ret)
		ret = worker_start();
	if (!ret)
		ret = kfile_memfd("anon_inode:kvm", 0);
	if (ret == -EPERM || ret == -EACCES || ret == -ENOSYS)
		log_error("the host refuses memfd_create or inotify (%s), of which "
			  "descriptors are made; is a sandbox in the way?", strerror(-ret));
	if (ret >= 0)
		ret = kfile_install(SCOPE_SYSTEM, NULL, NULL, ret, flags);
	if (watched() && ret < 0)
		watch_opened(ret, NULL);
	return ret < 0 ? fail(ret) : ret;
}

bool anykvm_owns(int fd)
{
	int err = errno;
	struct kfile *f = process_enter() ? NULL : kfile_get(fd);

	if (f)
		kfile_put(f);
	errno = err;
	return f;
}

static __attribute__((noinline)) long watched_call(int fd, struct kfile *f, u32 cmd,
						    uintptr_t arg)
{
	struct watch_call call = {
		.fd = fd, .file = f, .cmd = cmd, .arg = arg,
		.desc = ioctl_find(f->scope, cmd),
	};

	watch_before(&call);
	call.ret = ioctl_call(f, cmd, arg);
	watch_after(&call);
	return call.ret;
}

static int do_ioctl(int fd, unsigned long request, void *arg)
{
	int err = errno;
	struct kfile *f;
	long ret = process_enter();

	if (ret < 0)
		return fail(ret);
	f = kfile_get(fd);
	if (unlikely(!f)) {
		ret = fcntl(fd, F_GETFD) < 0 ? -EBADF : -ENOTTY;
		if (watched() && ret == -EBADF)
			watch_stray(fd, (u32)request);
		return fail(ret);
	}
	guard_prepare_thread();

	if (watched())
		ret = watched_call(fd, f, (u32)request, (uintptr_t)arg);
	else
		ret = ioctl_call(f, (u32)request, (uintptr_t)arg);
	kfile_put(f);
	if (ret < 0)
		return fail(ret);
	errno = err;
	return ret;
}

/*
 * Neither ioctl() nor mmap() is a cancellation point, but calls made under the
 * engine's locks are.  KVM_RUN is not covered: it runs for long, and may be
 * cancelled asynchronously (abandon_run()).
 */
int anykvm_ioctl(int fd, unsigned long request, void *arg)
{
	int ret, cancel;

	if (likely((u32)request == KVM_RUN))
		return do_ioctl(fd, request, arg);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = do_ioctl(fd, request, arg);
	pthread_setcancelstate(cancel, NULL);
	return ret;
}

static void *do_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	struct kfile *f = NULL;
	void *map;

	if (!(flags & MAP_ANONYMOUS) && !process_enter())
		f = kfile_get(fd);
	if (!f)
		return mmap(addr, length, prot, flags, fd, offset);
	if (f->scope == SCOPE_VCPU) {
		map = vcpu_mmap(f, addr, length, prot, flags, fd, offset);
	} else {
		errno = ENODEV;
		map = MAP_FAILED;
	}
	if (watched())
		watch_mapped(fd, f, map, length, offset, map == MAP_FAILED ? errno : 0);
	kfile_put(f);
	return map;
}

void *anykvm_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *map;
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	map = do_mmap(addr, length, prot, flags, fd, offset);
	pthread_setcancelstate(cancel, NULL);
	return map;
}

void anykvm_fd_closed(int fd)
{
	fd_hint_closed(fd);
}

void anykvm_fd_duped(int from, int to)
{
	fd_hint_duped(from, to);
}

void anykvm_manage_signals(void)
{
	process_manages_signals = true;
}

bool anykvm_fault(int sig, siginfo_t *info, void *ucontext)
{
	return guard_fault(sig, info, ucontext);
}

IN_SIGNAL_HANDLER void anykvm_signalled(int sig)
{
	run_signalled(sig);
}

IN_SIGNAL_HANDLER bool anykvm_signal_is_masked(int sig)
{
	return run_signal_is_masked(sig);
}
