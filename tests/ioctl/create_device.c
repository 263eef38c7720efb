/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_DEVICE (api.rst 4.79): VFIO is the only type on x86. */
#include "device_attr.h"

#define UNKNOWN_TYPE	0x7777

static int create(int vm, uint32_t type, uint32_t flags)
{
	struct kvm_create_device d = { .type = type, .flags = flags };
	int ret = kvm_ioctl(vm, KVM_CREATE_DEVICE, &d);

	if (ret < 0)
		assert_int_equal(d.type, type);
	return ret;
}

static void bad_pointers(void **state)
{
	const size_t size = sizeof(struct kvm_create_device);
	struct kvm_create_device d = { .type = UNKNOWN_TYPE };
	int vm = new_vm();

	assert_int_equal(size, 12);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_DEVICE, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_DEVICE, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_DEVICE, at_page_end(size - 1)));
	assert_errno(ENODEV, kvm_ioctl(vm, KVM_CREATE_DEVICE, read_only(&d, size)));
	close(vm);
}

static void unknown_types(void **state)
{
	int vm = new_vm();

	assert_errno(ENODEV, create(vm, 0, 0));
	assert_errno(ENODEV, create(vm, UNKNOWN_TYPE, 0));
	assert_errno(ENODEV, create(vm, ~0u, 0));
	assert_errno(ENODEV, create(vm, UNKNOWN_TYPE, KVM_CREATE_DEVICE_TEST));
	assert_errno(ENODEV, create(vm, UNKNOWN_TYPE, ~0u));
	/* Of other architectures. */
	assert_errno(ENODEV, create(vm, KVM_DEV_TYPE_XICS, 0));
	assert_errno(ENODEV, create(vm, KVM_DEV_TYPE_ARM_VGIC_V3, 0));
	close(vm);
}

static void test_only_asks(void **state)
{
	struct kvm_create_device d = { .type = KVM_DEV_TYPE_VFIO, .fd = 77,
				       .flags = KVM_CREATE_DEVICE_TEST };
	int vm = new_vm();

	needs_vfio();
	assert_int_equal(kvm_ioctl(vm, KVM_CREATE_DEVICE, &d), 0);
	assert_int_equal(kvm_ioctl(vm, KVM_CREATE_DEVICE, &d), 0);
	assert_int_equal(d.fd, 77);
	/* It is written back all the same. */
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_DEVICE, read_only(&d, sizeof(d))));
	d.flags = ~0u;
	assert_int_equal(kvm_ioctl(vm, KVM_CREATE_DEVICE, &d), 0);
	d.flags = ~KVM_CREATE_DEVICE_TEST;
	assert_int_equal(kvm_ioctl(vm, KVM_CREATE_DEVICE, &d), 0);
	assert_true((int)d.fd > 2 && d.fd != 77);
	/* There being one does not matter to the question. */
	assert_int_equal(create(vm, KVM_DEV_TYPE_VFIO, KVM_CREATE_DEVICE_TEST), 0);
	close(d.fd);
	close(vm);
}

static void one_per_vm(void **state)
{
	int vm = new_vm(), other = new_vm(), device, others;

	needs_vfio();
	device = new_vfio(vm);
	assert_errno(EBUSY, create(vm, KVM_DEV_TYPE_VFIO, 0));
	others = new_vfio(other);
	close(device);
	/* The device goes with the VM; from 6.2 on with its descriptor. */
	device = vfio_create(vm);
	assert_true(on_kernel() ? device >= 0 || errno == EBUSY : device < 0 && errno == EBUSY);
	close(device);
	close(others);
	close(other);
	close(vm);
}

static void a_descriptor(void **state)
{
	char path[40], link[64] = "";
	int vm = new_vm(), device;

	needs_vfio();
	device = new_vfio(vm);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", device);
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	assert_string_equal(link, by_libc() ? "anon_inode:kvm-vfio" :
					      "/memfd:anon_inode:kvm-vfio (deleted)");
	assert_int_equal(fcntl(device, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(device, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_ptr_equal(kvm_mmap(PG, MAP_SHARED, device, 0), MAP_FAILED);
	assert_int_equal(errno, ENODEV);
	assert_errno(ENOTTY, kvm_ioctl(device, KVM_CREATE_DEVICE, NO_POINTER));
	assert_errno(ENOTTY, kvm_ioctl_val(device, KVM_CHECK_EXTENSION, 0));
	assert_errno(ENOTTY, kvm_ioctl_val(device, KVM_RUN, 0));
	assert_errno(ENOTTY, kvm_ioctl_val(device, 0, 0));
	close(device);
	close(vm);
}

/* None is left behind that would make the next try fail. */
static void no_descriptor_is_free(void **state)
{
	int vm = new_vm(), device;

	needs_vfio();
	descriptors_exhaust();
	device = vfio_create(vm);
	assert_int_equal(errno, EMFILE);
	descriptors_restore(NULL);
	assert_int_equal(device, -1);
	close(new_vfio(vm));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_CREATE_DEVICE);
}

IOCTL_TESTS(create_device,
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(unknown_types),
	    cmocka_unit_test(test_only_asks),
	    cmocka_unit_test(one_per_vm),
	    cmocka_unit_test(a_descriptor),
	    cmocka_unit_test_teardown(no_descriptor_is_free, descriptors_restore),
	    cmocka_unit_test(wrong_scope))
