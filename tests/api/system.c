/* SPDX-License-Identifier: MIT */
/* The system descriptor (api.rst 4.1, 4.2, 4.4, 4.5). */
#include "kvm_api.h"

static void open_honours_flags(void **state)
{
	int fd = kvm_open(O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	close(fd);
	fd = kvm_open(O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

static void api_version(void **state)
{
	int fd = kvm_open(O_RDWR);

	assert_errno(EINVAL, kvm_ioctl_val(fd, KVM_GET_API_VERSION, 1));
	assert_int_equal(kvm_ioctl_val(fd, KVM_GET_API_VERSION, 0), 12);
	assert_errno(EINVAL, kvm_ioctl_val(fd, KVM_GET_VCPU_MMAP_SIZE, 1));
	assert_int_equal(kvm_ioctl_val(fd, KVM_GET_VCPU_MMAP_SIZE, 0), 3 * PG);
	close(fd);
}

static void create_vm(void **state)
{
	int fd = kvm_open(O_RDONLY), vm;

	assert_errno(EINVAL, kvm_ioctl_val(fd, KVM_CREATE_VM, 0x1234567));
	vm = kvm_ioctl_val(fd, KVM_CREATE_VM, 0);
	assert_true(vm >= 0);
	assert_int_equal(fcntl(vm, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(vm, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_ptr_equal(kvm_mmap(PG, MAP_SHARED, vm, 0), MAP_FAILED);
	assert_int_equal(errno, ENODEV);
	close(vm);
	close(fd);
}

/* The kernel sees 32 bits; musl sign-extends the number. */
static void request_is_32_bits(void **state)
{
	int fd = kvm_open(O_RDWR);

	assert_int_equal(kvm_ioctl_val(fd, 0xffffffff00000000ul | KVM_GET_API_VERSION, 0), 12);
	close(fd);
}

static void unknown_requests(void **state)
{
	static const unsigned long unknown[] = {
		_IO(KVMIO, 0xff), _IO('T', 1), 0, KVM_SET_MEMORY_REGION,
		_IOR(KVMIO, 0x01, int),
	};
	int sys = kvm_open(O_RDWR), vm = new_vm(), vcpu = new_vcpu(vm, 0);

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_errno(EINVAL, kvm_ioctl_val(sys, unknown[i], 0));
		assert_errno(ENOTTY, kvm_ioctl_val(vm, unknown[i], 0));
		assert_errno(EINVAL, kvm_ioctl_val(vcpu, unknown[i], 0));
	}
	/* Of another scope. */
	assert_errno(ENOTTY, kvm_ioctl_val(vm, KVM_RUN, 0));
	assert_errno(EINVAL, kvm_ioctl_val(vcpu, KVM_CREATE_VCPU, 0));
	assert_errno(EINVAL, kvm_ioctl_val(sys, KVM_CREATE_VCPU, 0));
	close(vcpu);
	close(vm);
	close(sys);
}

static void check_extension(void **state)
{
	int sys = kvm_open(O_RDWR), vm = new_vm();

	for (int fd = sys; fd >= 0; fd = fd == sys ? vm : -1) {
		assert_int_equal(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), 1);
		assert_int_equal(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO), 2);
		assert_int_equal(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING), 4096);
		assert_int_equal(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT), 1);
		assert_in_range(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS), 1, 1024);
		assert_true(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS) >= 32764);
		assert_int_equal(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, 99999), 0);
		assert_int_equal(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, ~0ul), 0);
		assert_int_equal(kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, 1ul << 32 | 3), 0);
	}
	close(vm);
	close(sys);
}

static void foreign_descriptors_are_not_ours(void **state)
{
	int fd = memfd_create("other", MFD_CLOEXEC), ours;

	if (on_kernel())
		skip();
	ours = kvm_open(O_RDWR);
	assert_true(anykvm_owns(ours));
	assert_false(anykvm_owns(fd));
	assert_false(anykvm_owns(-1));
	assert_false(anykvm_owns(1 << 30));
	assert_errno(ENOTTY, kvm_ioctl_val(fd, KVM_GET_API_VERSION, 0));
	assert_errno(EBADF, kvm_ioctl_val(-1, KVM_GET_API_VERSION, 0));
	/* The number changes hands without a hint. */
	dup2(fd, ours);
	assert_false(anykvm_owns(ours));
	assert_errno(ENOTTY, kvm_ioctl_val(ours, KVM_GET_API_VERSION, 0));
	close(ours);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_honours_flags),
		cmocka_unit_test(api_version),
		cmocka_unit_test(create_vm),
		cmocka_unit_test(request_is_32_bits),
		cmocka_unit_test(unknown_requests),
		cmocka_unit_test(check_extension),
		cmocka_unit_test(foreign_descriptors_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
