/* SPDX-License-Identifier: MIT */
/* KVM_IOEVENTFD (api.rst 4.59). */
#include "vm_test.h"

#include <sys/eventfd.h>

#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define REMOVE	KVM_IOEVENTFD_FLAG_DEASSIGN
#define UNKNOWN	(1u << 30)

static int set(int vm, int fd, uint64_t addr, uint32_t len, uint32_t flags, uint64_t match)
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

static void bad_pointers(void **state)
{
	const size_t size = sizeof(struct kvm_ioeventfd);
	int vm = new_vm();

	assert_int_equal(size, 64);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IOEVENTFD, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IOEVENTFD, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IOEVENTFD, at_page_end(size - 1)));
	close(vm);
}

/* The request before the descriptor. */
static void malformed(void **state)
{
	int vm = new_vm();

	for (uint32_t len = 0; len < 20; len++) {
		if (len > 8 || (len & (len - 1)))
			assert_errno(EINVAL, set(vm, -1, 0, len, 0, 0));
		else
			assert_errno(EBADF, set(vm, -1, 0, len, 0, 0));
	}
	assert_errno(EINVAL, set(vm, -1, 0, ~0u, 0, 0));
	assert_errno(EINVAL, set(vm, -1, ~0ull, 1, 0, 0));
	assert_errno(EINVAL, set(vm, -1, ~0ull, 4, 0, 0));
	assert_errno(EBADF, set(vm, -1, ~0ull - 4, 4, 0, 0));
	assert_errno(EINVAL, set(vm, -1, 0, 4, UNKNOWN, 0));
	assert_errno(EINVAL, set(vm, -1, 0, 4, 1 << KVM_IOEVENTFD_VALID_FLAG_MASK, 0));
	assert_errno(EINVAL, set(vm, -1, 0, 0, MATCH, 0));
	assert_errno(EINVAL, set(vm, -1, 0, 0, MATCH | PIO, 0));
	close(vm);
}

static void not_an_eventfd(void **state)
{
	int vm = new_vm(), e = event(), other = memfd_create("x", 0);

	assert_errno(EBADF, set(vm, -1, 0, 4, 0, 0));
	assert_errno(EBADF, set(vm, 9999, 0, 4, 0, 0));
	assert_errno(EINVAL, set(vm, other, 0, 4, 0, 0));
	assert_errno(EINVAL, set(vm, vm, 0, 4, 0, 0));
	/* Before what it collides with. */
	assert_ok(set(vm, e, 0, 4, 0, 0));
	assert_errno(EBADF, set(vm, -1, 0, 4, 0, 0));
	assert_errno(EINVAL, set(vm, other, 0, 4, 0, 0));
	close(other);
	close(e);
	close(vm);
}

static void collisions(void **state)
{
	int vm = new_vm(), e = event(), f = event();

	assert_int_equal(set(vm, e, 0x1000, 4, MATCH, 1), 0);
	assert_ok(set(vm, f, 0x1000, 4, MATCH, 2));
	assert_ok(set(vm, e, 0x1000, 2, MATCH, 1));
	assert_ok(set(vm, e, 0x1000, 4, MATCH | PIO, 1));
	assert_ok(set(vm, e, 0x1004, 0, 0, 0));
	assert_ok(set(vm, e, 0x1002, 4, 0, 0));	/* overlapping is no matter */
	assert_errno(EEXIST, set(vm, e, 0x1000, 4, MATCH, 1));
	assert_errno(EEXIST, set(vm, f, 0x1000, 4, MATCH, 1));
	assert_errno(EEXIST, set(vm, f, 0x1000, 4, 0, 0));
	assert_errno(EEXIST, set(vm, f, 0x1000, 0, 0, 0));
	assert_errno(EEXIST, set(vm, f, 0x1004, 8, MATCH, 7));
	close(e);
	close(f);
	close(vm);
}

/* It names everything; malformed ones are just not there. */
static void deassign(void **state)
{
	int vm = new_vm(), e = event(), f = event(), other = memfd_create("x", 0), copy;

	assert_ok(set(vm, e, 0x1000, 4, MATCH, 1));
	assert_errno(EBADF, set(vm, -1, 0, 4, REMOVE, 0));
	assert_errno(EINVAL, set(vm, other, 0, 4, REMOVE, 0));
	assert_errno(ENOENT, set(vm, e, 0, 4, REMOVE, 0));
	assert_errno(ENOENT, set(vm, f, 0x1000, 4, MATCH | REMOVE, 1));
	assert_errno(ENOENT, set(vm, e, 0x1000, 4, MATCH | REMOVE, 2));
	assert_errno(ENOENT, set(vm, e, 0x1000, 4, REMOVE, 1));
	assert_errno(ENOENT, set(vm, e, 0x1000, 2, MATCH | REMOVE, 1));
	assert_errno(ENOENT, set(vm, e, 0x1000, 4, MATCH | PIO | REMOVE, 1));
	assert_errno(ENOENT, set(vm, e, 0x1000, 3, REMOVE, 1));
	assert_errno(ENOENT, set(vm, e, ~0ull, 4, REMOVE, 1));
	/* The eventfd, not its number. */
	copy = dup(e);
	assert_ok(set(vm, copy, 0x1000, 4, MATCH | REMOVE, 1));
	assert_errno(ENOENT, set(vm, e, 0x1000, 4, MATCH | REMOVE, 1));
	assert_ok(set(vm, f, 0x1000, 4, MATCH, 1));
	close(copy);
	close(other);
	close(e);
	close(f);
	close(vm);
}

/* Unlike other devices on a bus; many may share one eventfd. */
static void more_than_a_thousand(void **state)
{
	int vm = new_vm(), e = event();

	for (int i = 0; i < 1200; i++)
		assert_ok(set(vm, e, 0x1000 + i * 4, 4, i & 1 ? PIO : 0, 0));
	for (int i = 0; i < 1200; i++)
		assert_ok(set(vm, e, 0x1000 + i * 4, 4, REMOVE | (i & 1 ? PIO : 0), 0));
	for (int i = 0; i < 1200; i++)
		assert_ok(set(vm, e, 0x1000 + i * 4, 4, 0, 0));
	close(e);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_IOEVENTFD);
}

IOCTL_TESTS(ioeventfd,
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(malformed),
	    cmocka_unit_test(not_an_eventfd),
	    cmocka_unit_test(collisions),
	    cmocka_unit_test(deassign),
	    cmocka_unit_test(more_than_a_thousand),
	    cmocka_unit_test(wrong_scope))
