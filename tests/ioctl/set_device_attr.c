/* SPDX-License-Identifier: MIT */
/* KVM_SET_DEVICE_ATTR (api.rst 4.80) of a vCPU and of a device. */
#include "device_attr.h"
#include "vcpu_test.h"

#include <sched.h>
#include <sys/mount.h>

#include "child.h"

#define MSR_TSC	0x10

static int tsc_offset(int vcpu, unsigned long request, void *value)
{
	return device_attr(vcpu, request, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, value);
}

static void errors(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	device_attr_errors(m.vcpu, KVM_SET_DEVICE_ATTR);
	assert_errno(EFAULT, tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, NULL));
	assert_errno(EFAULT, tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, at_page_end(7)));
	assert_int_equal(tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, at_page_end(8)), 0);
	machine_free(m);
}

static void the_offset_is_kept(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 1ull << 40, 1ull << 63, ~0ull };
	struct machine m = machine_new(NO_CHIPS);

	needs_guest();	/* PVM's TSC is the host's */
	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		uint64_t in = offsets[i], out;

		assert_int_equal(tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, &in), 0);
		assert_int_equal(tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, &out), 0);
		assert_true(in == out);
	}
	machine_free(m);
}

static void it_moves_the_tsc(void **state)
{
	const uint64_t jump = 1ull << 50;
	struct machine m = machine_new(NO_CHIPS);
	uint64_t offset, before, after;

	needs_guest();
	assert_int_equal(tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, &offset), 0);
	before = msr_must_get(m.vcpu, MSR_TSC);
	offset += jump;
	assert_int_equal(tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, &offset), 0);
	after = msr_must_get(m.vcpu, MSR_TSC);
	assert_in_range(after - before, jump, jump + (1ull << 40));
	machine_free(m);
}

/* -- VFIO ------------------------------------------------------------------------- */

static int group(int device, uint64_t attr, int32_t fd)
{
	return device_attr(device, KVM_SET_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, attr, &fd);
}

static int group_add(int device, int fd)
{
	return group(device, KVM_DEV_VFIO_GROUP_ADD, fd);
}

static int group_del(int device, int fd)
{
	return group(device, KVM_DEV_VFIO_GROUP_DEL, fd);
}

static void assert_no_group(int device, int fd, int add_err, int del_err)
{
	assert_errno(add_err, group_add(device, fd));
	assert_errno(del_err, group_del(device, fd));
}

static void vfio_errors(void **state)
{
	int vm = new_vm(), device, null = open("/dev/null", O_RDWR), path = open("/", O_PATH);

	needs_vfio();
	device = new_vfio(vm);
	vfio_attr_errors(device, KVM_SET_DEVICE_ATTR);
	for (uint64_t attr = KVM_DEV_VFIO_GROUP_ADD; attr <= KVM_DEV_VFIO_GROUP_DEL; attr++) {
		assert_errno(EFAULT, device_attr(device, KVM_SET_DEVICE_ATTR, KVM_DEV_VFIO_GROUP,
						 attr, NULL));
		assert_errno(EFAULT, device_attr(device, KVM_SET_DEVICE_ATTR, KVM_DEV_VFIO_GROUP,
						 attr, at_page_end(3)));
	}
	assert_no_group(device, -1, EBADF, EBADF);
	assert_no_group(device, 0x7fffffff, EBADF, EBADF);
	assert_no_group(device, path, EBADF, EBADF);
	assert_no_group(device, null, EINVAL, ENOENT);
	assert_no_group(device, vm, EINVAL, ENOENT);
	assert_no_group(device, device, EINVAL, ENOENT);
	close(path);
	close(null);
	close(device);
	close(vm);
}

#define STAGE		"/tmp"		/* of a mount namespace of its own */
#define NOT_ALLOWED	77

/* A device of that name in our /dev, which is nobody else's. */
static void device_file(const char *name, const char *from)
{
	char path[64];

	snprintf(path, sizeof(path), STAGE "/vfio/%s", name);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	CHECK(!mount(from, path, NULL, MS_BIND, NULL));
}

/* Whether that is allowed. */
static bool own_dev(void)
{
	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) ||
	    mount("none", STAGE, "tmpfs", 0, NULL) || mkdir(STAGE "/vfio", 0700))
		return false;
	device_file("7", "/dev/null");
	device_file("noiommu-8", "/dev/zero");
	device_file("vfio", "/dev/full");
	device_file("7x", "/dev/full");
	close(open(STAGE "/vfio/9", O_CREAT | O_WRONLY, 0600));
	return !mount(STAGE, "/dev", NULL, MS_MOVE, NULL);
}

static void use_groups(void)
{
	int vm, device, seven, eight, copy;

	if (!own_dev())
		_exit(NOT_ALLOWED);
	vm = kvm_ioctl_val(kvm_open(O_RDWR), KVM_CREATE_VM, 0);
	device = vfio_create(vm);
	CHECK(device >= 0);
	seven = open("/dev/vfio/7", O_RDWR);
	eight = open("/dev/vfio/noiommu-8", O_RDWR);
	copy = dup(seven);
	CHECK_ERRNO(ENOENT, group_del(device, seven));
	CHECK(!group_add(device, seven));
	CHECK_ERRNO(EEXIST, group_add(device, seven));
	CHECK_ERRNO(EEXIST, group_add(device, copy));
	CHECK_ERRNO(ENOENT, group_del(device, eight));
	CHECK(!group_add(device, eight));
	CHECK(!group_del(device, copy));
	CHECK_ERRNO(ENOENT, group_del(device, seven));
	CHECK(!group_add(device, copy));
	CHECK_ERRNO(EEXIST, group_add(device, eight));
	/* The container, another name, and no device at all. */
	CHECK_ERRNO(EINVAL, group_add(device, open("/dev/vfio/vfio", O_RDWR)));
	CHECK_ERRNO(EINVAL, group_add(device, open("/dev/vfio/7x", O_RDWR)));
	CHECK_ERRNO(EINVAL, group_add(device, open("/dev/vfio/9", O_RDWR)));
}

/* No group of this host's is touched: the child gives other devices their names. */
static void vfio_groups(void **state)
{
	pid_t child;
	int status;

	if (on_kernel())
		skip();
	child = fork();
	if (!child) {
		use_groups();
		_exit(0);
	}
	status = child_status(child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED)
		skip();
	assert_int_equal(status, 0);
}

/* /dev/kvm's are constant: the request does not exist there. */
static void scope(void **state)
{
	only_for_vcpus(KVM_SET_DEVICE_ATTR);
}

IOCTL_TESTS(set_device_attr,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(the_offset_is_kept),
	    cmocka_unit_test(it_moves_the_tsc),
	    cmocka_unit_test(vfio_errors),
	    cmocka_unit_test(vfio_groups),
	    cmocka_unit_test(scope))
