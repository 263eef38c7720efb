/* SPDX-License-Identifier: MIT */
/* What KVM_IOEVENTFD (api.rst 4.59) makes of a guest's writes. */
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

/* KVM signals at the most what the counter has room for, and goes on. */
static void does_not_wait_for_a_full_counter(void **state)
{
	const u64 max = ~0ull - 1;
	int vm = new_vm(), fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(write(fd, &max, 8), 8);
	assert_ok(set(vm, fd, 0x1000, 0, 0, 0));
	alarm(10);		/* ends a hang */
	assert_true(ioeventfd_write(fake_vm, false, 0x1000, 1, 0));
	alarm(0);
	assert_true(count(fd) == max);
	assert_true(ioeventfd_write(fake_vm, false, 0x1000, 1, 0));
	assert_int_equal(count(fd), 1);
	close(fd);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires),
		cmocka_unit_test(does_not_wait_for_a_full_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
