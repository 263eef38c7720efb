/* SPDX-License-Identifier: MIT */
/*
 * The KVM API for tests: of the engine, or, with ANYKVM_TEST_BACKEND=kernel,
 * of a real /dev/kvm.  The same test binary asserts the same behaviour of both.
 *
 * ANYKVM_TEST_BACKEND=launcher is for tests run under build/anykvm: they call
 * libc as on a real /dev/kvm, and the preload object answers.
 */
#ifndef ANYKVM_TESTS_LIB_KVM_API_H
#define ANYKVM_TESTS_LIB_KVM_API_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "anykvm.h"
#include "signals.h"

#define PG		4096ul
#define NO_POINTER	((void *)8)	/* never mapped */

static inline bool backend_is(const char *name)
{
	const char *b = getenv("ANYKVM_TEST_BACKEND");

	return b && !strcmp(b, name);
}

static inline bool on_kernel(void)
{
	static int kernel = -1;

	if (kernel < 0)
		kernel = backend_is("kernel");
	return kernel;
}

/* The test calls libc: for the kernel, or for the preload object. */
static inline bool by_libc(void)
{
	static int libc = -1;

	if (libc < 0)
		libc = on_kernel() || backend_is("launcher");
	return libc;
}

/*
 * The kernel's PVM flavour runs no guest code that was not written for it, so
 * there is nothing to compare with there.
 */
static inline bool runs_guests(void)
{
	return !on_kernel() || access("/sys/module/kvm_pvm", F_OK) != 0;
}

/* What follows in the test is guest code. */
static inline void needs_guest(void)
{
	if (!runs_guests())
		skip();
}

static inline int kvm_open(int flags)
{
	if (by_libc())
		return open("/dev/kvm", flags);
	own_faults();
	return anykvm_open(flags);
}

static inline int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	return by_libc() ? ioctl(fd, request, arg) : anykvm_ioctl(fd, request, arg);
}

/* For requests that take a number, or nothing. */
static inline int kvm_ioctl_val(int fd, unsigned long request, unsigned long arg)
{
	return kvm_ioctl(fd, request, (void *)arg);
}

static inline void *kvm_mmap_prot(size_t length, int prot, int flags, int fd, off_t offset)
{
	return by_libc() ? mmap(NULL, length, prot, flags, fd, offset) :
			     anykvm_mmap(NULL, length, prot, flags, fd, offset);
}

static inline void *kvm_mmap(size_t length, int flags, int fd, off_t offset)
{
	return kvm_mmap_prot(length, PROT_READ | PROT_WRITE, flags, fd, offset);
}

/* The kernel may have been built without what @cap stands for; the engine has it. */
static inline void needs_kernel_cap(unsigned long cap)
{
	int sys, has;

	if (!on_kernel())
		return;
	sys = kvm_open(O_RDWR);
	has = kvm_ioctl_val(sys, KVM_CHECK_EXTENSION, cap);
	close(sys);
	if (has <= 0)
		skip();
}

/* -- What most tests begin with ---------------------------------------------- */

static inline int new_vm(void)
{
	int sys = kvm_open(O_RDWR | O_CLOEXEC), vm;

	assert_true(sys >= 0);
	vm = kvm_ioctl_val(sys, KVM_CREATE_VM, 0);
	assert_true(vm >= 0);
	close(sys);
	return vm;
}

static inline int new_vcpu(int vm, unsigned long id)
{
	int vcpu = kvm_ioctl_val(vm, KVM_CREATE_VCPU, id);

	assert_true(vcpu >= 0);
	return vcpu;
}

static inline struct kvm_run *map_run(int vcpu)
{
	void *run = kvm_mmap(3 * PG, MAP_SHARED, vcpu, 0);

	assert_ptr_not_equal(run, MAP_FAILED);
	return run;
}

/* A statistics descriptor of @of, which may be a VM or vCPU; -1: there are none. */
static inline int stats_fd(int vm, int of)
{
	if (kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_BINARY_STATS_FD) <= 0)
		return -1;
	of = kvm_ioctl_val(of, KVM_GET_STATS_FD, 0);
	assert_true(of >= 0);
	return of;
}

static inline void *guest_ram(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static inline int set_region(int vm, uint32_t slot, uint32_t flags, uint64_t gpa,
			     uint64_t size, const void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)hva,
	};

	return kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Not assert_return_code(), which may look at errno first. */
#define assert_ok(expr) do {						\
	const long ret_ = (expr);					\
	_assert_return_code(ret_, sizeof(ret_), errno, #expr,		\
			    __FILE__, __LINE__);			\
} while (0)

/* @expr is -1 with that errno. */
#define assert_errno(err, expr) do {					\
	errno = 0;							\
	assert_int_equal(expr, -1);					\
	assert_int_equal(errno, err);					\
} while (0)

/* @cond becomes true; the end is only for what hangs. */
#define assert_soon(cond) do {						\
	uint64_t until_ = now_ns() + 20000000000ull;			\
	while (!(cond) && now_ns() < until_)				\
		usleep(200);						\
	assert_true(cond);						\
} while (0)

#endif
