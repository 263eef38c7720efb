/* SPDX-License-Identifier: MIT */
/* KVM_IOEVENTFD (api.rst 4.59). */
#include "fake_arch.h"
#include "kvm_api.h"

#include <sys/eventfd.h>

#include "api/eventfd.h"

#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define REMOVE	KVM_IOEVENTFD_FLAG_DEASSIGN

static int set(int vm, int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	struct kvm_ioeventfd e = {
		.fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = match,
	};

	return kvm_ioctl(vm, KVM_IOEVENTFD, &e);
}

static int event(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static u64 count(int fd)
{
	u64 n = 0;

	return read(fd, &n, 8) == 8 ? n : 0;
}

static void rejects(void **state)
{
	int vm = new_vm(), e = event(), other = memfd_create("x", 0);

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IOEVENTFD, NULL));
	assert_errno(EINVAL, set(vm, e, 0, 3, 0, 0));
	assert_errno(EINVAL, set(vm, e, 0, 16, 0, 0));
	assert_errno(EINVAL, set(vm, e, ~0ull, 4, 0, 0));
	assert_errno(EINVAL, set(vm, e, 0, 4, 1 << 30, 0));
	assert_errno(EINVAL, set(vm, e, 0, 0, MATCH, 0));
	assert_errno(EBADF, set(vm, -1, 0, 4, 0, 0));
	assert_errno(EBADF, set(vm, 9999, 0, 4, 0, 0));
	assert_errno(EINVAL, set(vm, other, 0, 4, 0, 0));
	assert_errno(EBADF, set(vm, -1, 0, 4, REMOVE, 0));
	assert_errno(EINVAL, set(vm, other, 0, 4, REMOVE, 0));
	assert_errno(ENOENT, set(vm, e, 0, 4, REMOVE, 0));
	close(other);
	close(e);
	close(vm);
}

static void collisions(void **state)
{
	int vm = new_vm(), e = event(), f = event();

	assert_ok(set(vm, e, 0x1000, 4, MATCH, 1));
	assert_ok(set(vm, f, 0x1000, 4, MATCH, 2));
	assert_ok(set(vm, e, 0x1000, 2, MATCH, 1));
	assert_ok(set(vm, e, 0x1000, 4, MATCH | PIO, 1));
	assert_ok(set(vm, e, 0x1004, 0, 0, 0));
	assert_errno(EEXIST, set(vm, f, 0x1000, 4, MATCH, 1));
	assert_errno(EEXIST, set(vm, f, 0x1000, 4, 0, 0));
	assert_errno(EEXIST, set(vm, f, 0x1000, 0, 0, 0));
	assert_errno(EEXIST, set(vm, f, 0x1004, 8, MATCH, 7));
	/* Removal names everything. */
	assert_errno(ENOENT, set(vm, f, 0x1000, 4, MATCH | REMOVE, 1));
	assert_errno(ENOENT, set(vm, e, 0x1000, 4, REMOVE, 1));
	assert_ok(set(vm, dup(e), 0x1000, 4, MATCH | REMOVE, 1));
	assert_errno(ENOENT, set(vm, e, 0x1000, 4, MATCH | REMOVE, 1));
	assert_ok(set(vm, f, 0x1000, 4, MATCH, 1));
	close(e);
	close(f);
	close(vm);
}

static void as_many_as_kvm(void **state)
{
	int vm = new_vm(), e = event();

	for (int i = 0; i < 1000; i++)
		assert_ok(set(vm, e, 0x1000 + i * 4, 4, 0, 0));
	assert_errno(ENOSPC, set(vm, e, 0, 4, 0, 0));
	assert_ok(set(vm, e, 0, 4, PIO, 0));
	assert_true(ioeventfd_write(fake_vm, false, 0x1000 + 999 * 4, 4, 0));
	close(e);
	close(vm);
}

static void fires(void **state)
{
	int vm = new_vm(), any = event(), match = event(), four = event();

	assert_ok(set(vm, any, 0x2000, 0, 0, 0));
	assert_ok(set(vm, match, 0x1000, 2, MATCH, 0xffff1234));
	assert_ok(set(vm, four, 0x1000, 4, 0, 0));
	for (u32 len = 1; len <= 8; len *= 2)
		assert_true(ioeventfd_write(fake_vm, false, 0x2000, len, 7));
	assert_int_equal(count(any), 4);
	assert_true(ioeventfd_write(fake_vm, false, 0x1000, 4, 7));
	assert_int_equal(count(four), 1);
	assert_false(ioeventfd_write(fake_vm, false, 0x1000, 2, 7));
	assert_false(ioeventfd_write(fake_vm, false, 0x1000, 1, 0x34));
	assert_false(ioeventfd_write(fake_vm, false, 0x1001, 4, 7));
	assert_false(ioeventfd_write(fake_vm, true, 0x1000, 4, 7));
	/* The VMM's own descriptor may be gone. */
	int keep = dup(four);
	close(four);
	assert_true(ioeventfd_write(fake_vm, false, 0x1000, 4, 7));
	assert_int_equal(count(keep), 1);
	assert_ok(set(vm, keep, 0x1000, 4, REMOVE, 0));
	assert_false(ioeventfd_write(fake_vm, false, 0x1000, 4, 7));
	close(any);
	close(match);
	close(keep);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rejects),
		cmocka_unit_test(collisions),
		cmocka_unit_test(fires),
		cmocka_unit_test(as_many_as_kvm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
