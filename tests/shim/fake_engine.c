/* SPDX-License-Identifier: MIT */
/*
 * An engine that runs nothing, for tests of the interposition alone.  Its
 * descriptors are memfds known by their name, and it counts what it is told.
 * KVM_RUN waits for a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "anykvm.h"
#include "fake.h"

#define SYSTEM_NAME	"fake-kvm"
#define VM_NAME		"fake-vm"

static int counters[FAKE_N_COUNTERS];
static int masked_signal;
static volatile int *volatile nowhere = (int *)16;
static __thread sigjmp_buf *guard;
static __thread volatile int signalled;
static __thread int inside;

const char *anykvm_version(void)
{
	return "fake engine";
}

const char *anykvm_engine(void)
{
	return "fake";
}

static int new_fd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 || ftruncate(fd, 4096) ? -1 : fd;
}

int anykvm_open(int flags)
{
	int fd = new_fd(SYSTEM_NAME);

	/* What libc calls for us must not be taken for the program's. */
	if (fd >= 0 && !(flags & O_CLOEXEC))
		fcntl(fd, F_SETFD, 0);
	return fd;
}

static bool has_name(int fd, const char *name)
{
	char link[32], target[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strstr(target, name);
}

bool anykvm_owns(int fd)
{
	int err = errno;
	bool owns;

	if (inside)
		counters[FAKE_REENTERED]++;
	owns = has_name(fd, SYSTEM_NAME) || has_name(fd, VM_NAME);
	errno = err;
	return owns;
}

static int touch_bad_address(void)
{
	sigjmp_buf env;

	guard = &env;
	if (!sigsetjmp(env, 0))
		*nowhere = 1;
	guard = NULL;
	return 0;
}

static int run(void)
{
	signalled = 0;
	while (!signalled)
		usleep(1000);
	errno = EINTR;
	return -1;
}

static int answer(int fd, unsigned int request, long arg)
{
	switch (request) {
	case KVM_GET_API_VERSION:
		if (has_name(fd, SYSTEM_NAME))
			return KVM_API_VERSION;
		break;
	case FAKE_VM:
		return new_fd(VM_NAME);
	case FAKE_COUNT:
		return counters[arg];
	case FAKE_TOUCH:
		return touch_bad_address();
	case FAKE_MASK:
		masked_signal = arg;
		return 0;
	case KVM_SET_SIGNAL_MASK:
		return 0;
	case KVM_RUN:
		return run();
	}
	errno = fcntl(fd, F_GETFD) < 0 ? EBADF : ENOTTY;
	return -1;
}

int anykvm_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	inside++;
	ret = answer(fd, request, (long)arg);
	inside--;
	return ret;
}

void *anykvm_mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset)
{
	void *ret;

	counters[FAKE_MMAPS]++;
	inside++;
	ret = mmap(addr, length, prot, flags, fd, offset);
	inside--;
	return ret;
}

void anykvm_fd_closed(int fd)
{
	counters[FAKE_CLOSED]++;
}

void anykvm_fd_duped(int from, int to)
{
	counters[FAKE_DUPED]++;
}

void anykvm_manage_signals(void)
{
}

bool anykvm_fault(int sig, siginfo_t *info, void *ucontext)
{
	if (!guard)
		return false;
	counters[FAKE_FAULTS]++;
	siglongjmp(*guard, 1);
}

void anykvm_signalled(int sig)
{
	counters[FAKE_SIGNALLED]++;
	signalled = 1;
}

bool anykvm_signal_is_masked(int sig)
{
	if (sig != masked_signal)
		return false;
	counters[FAKE_MASKED]++;
	signalled = 1;
	return true;
}
