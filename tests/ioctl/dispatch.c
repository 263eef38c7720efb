/* SPDX-License-Identifier: MIT */
/* Requests in general (api.rst 2): unknown ones, and how much of one counts. */
#include "vm_test.h"

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

/* The kernel sees 32 bits; musl sign-extends the number. */
static void request_is_32_bits(void **state)
{
	const unsigned long high = 0xffffffff00000000;
	int sys = kvm_open(O_RDWR), vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_regs regs;
	struct kvm_clock_data clock;

	assert_int_equal(kvm_ioctl_val(sys, high | KVM_GET_API_VERSION, 0), 12);
	assert_ok(kvm_ioctl(vm, high | KVM_GET_CLOCK, &clock));
	assert_ok(kvm_ioctl(vcpu, high | KVM_GET_REGS, &regs));
	close(vcpu);
	close(vm);
	close(sys);
}

static void unknown_requests(void **state)
{
	static const unsigned long unknown[] = {
		0, _IO('T', 1), _IO(KVMIO, 0xff), _IOR(KVMIO, 0x01, int),
		_IOR(KVMIO, 0x00, int),
	};
	int sys = kvm_open(O_RDWR), vm = new_vm(), vcpu = new_vcpu(vm, 0);

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		assert_errno(EINVAL, kvm_ioctl(sys, unknown[i], NO_POINTER));
		assert_errno(ENOTTY, kvm_ioctl(vm, unknown[i], NO_POINTER));
		assert_errno(EINVAL, kvm_ioctl(vcpu, unknown[i], NO_POINTER));
	}
	close(vcpu);
	close(vm);
	close(sys);
}

/* Direction and size are part of the number. */
static void number_alone_is_not_the_request(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_errno(ENOTTY, kvm_ioctl(vm, _IO(KVMIO, 0x7c), NO_POINTER));
	assert_errno(ENOTTY, kvm_ioctl(vm, _IOW(KVMIO, 0x7c, struct kvm_clock_data),
				       NO_POINTER));
	assert_errno(EINVAL, kvm_ioctl(vcpu, _IOR(KVMIO, 0x81, int), NO_POINTER));
	assert_errno(EINVAL, kvm_ioctl(vcpu, _IOW(KVMIO, 0x81, struct kvm_regs), NO_POINTER));
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(dispatch,
	    cmocka_unit_test(open_honours_flags),
	    cmocka_unit_test(request_is_32_bits),
	    cmocka_unit_test(unknown_requests),
	    cmocka_unit_test(number_alone_is_not_the_request))
