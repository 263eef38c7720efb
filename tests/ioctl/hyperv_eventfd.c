/* SPDX-License-Identifier: MIT */
/* KVM_HYPERV_EVENTFD (api.rst 4.113); what the guest does: run/hyperv.c. */
#include <sys/eventfd.h>

#include "vm_test.h"

#define REQUEST		KVM_HYPERV_EVENTFD
#define MAX_ID		0xffffffu

/* CONFIG_KVM_HYPERV is an option since 6.8. */
static int hv_vm(void)
{
	needs_kernel_cap(KVM_CAP_HYPERV_EVENTFD);
	return new_vm();
}

static int set(int vm, uint32_t id, int fd, uint32_t flags)
{
	struct kvm_hyperv_eventfd e = { .conn_id = id, .fd = fd, .flags = flags };

	return kvm_ioctl(vm, REQUEST, &e);
}

static void assign_and_deassign(void **state)
{
	int vm = hv_vm(), fd = eventfd(0, EFD_CLOEXEC);

	assert_ok(set(vm, 0, fd, 0));
	assert_ok(set(vm, MAX_ID, fd, 0));
	assert_ok(set(vm, 7, fd, 0));
	assert_errno(EEXIST, set(vm, 7, fd, 0));
	assert_ok(set(vm, 7, -1, KVM_HYPERV_EVENTFD_DEASSIGN));
	assert_errno(ENOENT, set(vm, 7, fd, KVM_HYPERV_EVENTFD_DEASSIGN));
	assert_ok(set(vm, 7, fd, 0));
	assert_ok(set(vm, 0, fd, KVM_HYPERV_EVENTFD_DEASSIGN));
	close(vm);
	close(fd);
}

/* Any order in, any order out. */
static void many(void **state)
{
	int vm = hv_vm(), fd = eventfd(0, EFD_CLOEXEC);

	for (uint32_t i = 0; i < 50; i++)
		assert_ok(set(vm, i * 37 % 50, fd, 0));
	for (uint32_t i = 0; i < 50; i++)
		assert_errno(EEXIST, set(vm, i, fd, 0));
	for (uint32_t i = 0; i < 50; i++)
		assert_ok(set(vm, i * 13 % 50, fd, KVM_HYPERV_EVENTFD_DEASSIGN));
	assert_errno(ENOENT, set(vm, 25, fd, KVM_HYPERV_EVENTFD_DEASSIGN));
	close(vm);
	close(fd);
}

static void arguments(void **state)
{
	int vm = hv_vm(), fd = eventfd(0, EFD_CLOEXEC);

	assert_errno(EINVAL, set(vm, MAX_ID + 1, fd, 0));
	assert_errno(EINVAL, set(vm, 1, fd, 2));
	assert_errno(EINVAL, set(vm, 1, fd, ~0u));
	assert_errno(EINVAL, set(vm, MAX_ID + 1, fd, KVM_HYPERV_EVENTFD_DEASSIGN));
	assert_errno(EINVAL, set(vm, 1, -1, 2));
	assert_errno(EFAULT, kvm_ioctl(vm, REQUEST, NO_POINTER));
	close(vm);
	close(fd);
}

/* The descriptor is looked at before the table is. */
static void descriptor(void **state)
{
	int vm = hv_vm(), fd = eventfd(0, EFD_CLOEXEC);

	assert_errno(EBADF, set(vm, 1, -1, 0));
	assert_errno(EINVAL, set(vm, 1, vm, 0));
	assert_ok(set(vm, 1, fd, 0));
	assert_errno(EBADF, set(vm, 1, -1, 0));
	close(vm);
	close(fd);
}

static void scope(void **state)
{
	assert_only_on_vm(REQUEST);
}

IOCTL_TESTS(hyperv_eventfd,
	    cmocka_unit_test(assign_and_deassign),
	    cmocka_unit_test(many),
	    cmocka_unit_test(arguments),
	    cmocka_unit_test(descriptor),
	    cmocka_unit_test(scope))
