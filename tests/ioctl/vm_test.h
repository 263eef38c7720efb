/* SPDX-License-Identifier: MIT */
/* What the tests of system and VM ioctls begin with. */
#ifndef ANYKVM_TESTS_IOCTL_VM_TEST_H
#define ANYKVM_TESTS_IOCTL_VM_TEST_H

#include <sys/resource.h>
#include <sys/stat.h>

#include "ioctl_test.h"

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

static inline int enable_cap(int fd, uint32_t cap, uint32_t flags, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .flags = flags, .args = { arg } };

	return kvm_ioctl(fd, KVM_ENABLE_CAP, &c);
}

static inline int check_extension(int fd, unsigned long cap)
{
	return kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, cap);
}

/* The kernel's flavour that runs without virtualization in hardware. */
static inline bool on_pvm(void)
{
	return on_kernel() && access("/sys/module/kvm_pvm", F_OK) == 0;
}

static inline int new_vm_irqchip(void)
{
	int vm = new_vm();

	assert_ok(kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	return vm;
}

static inline int new_vm_split(void)
{
	int vm = new_vm();

	assert_ok(enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 24));
	return vm;
}

static inline int new_vm_pit(void)
{
	struct kvm_pit_config config = { 0 };
	int vm = new_vm_irqchip();

	assert_ok(kvm_ioctl(vm, KVM_CREATE_PIT2, &config));
	return vm;
}

/* @size zeroed bytes; what is behind them faults, and stays so. */
static inline void *at_page_end(size_t size)
{
	size_t room = (size + PG - 1) & ~(PG - 1);
	char *p = guest_ram(room + PG);

	assert_int_equal(mprotect(p + room, PG, PROT_NONE), 0);
	return p + room - size;
}

/* A copy of @data that cannot be written. */
static inline void *read_only(const void *data, size_t size)
{
	void *p = guest_ram(size);

	memcpy(p, data, size);
	assert_int_equal(mprotect(p, size, PROT_READ), 0);
	return p;
}

/*
 * No descriptor is free between these two.  The second as the test's teardown,
 * too, lest a failure fail those after it.
 */
static struct rlimit descriptors __attribute__((unused));

static inline void descriptors_exhaust(void)
{
	struct rlimit low;
	int last = dup(0), fd;

	getrlimit(RLIMIT_NOFILE, &descriptors);
	low = descriptors;
	low.rlim_cur = last + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	do
		fd = dup(0);
	while (fd >= 0);
}

static inline int descriptors_restore(void **state)
{
	struct stat zero, st;

	if (!descriptors.rlim_cur)
		return 0;
	setrlimit(RLIMIT_NOFILE, &descriptors);
	fstat(0, &zero);
	for (int fd = 3; fd < 1024; fd++) {
		if (!fstat(fd, &st) && st.st_ino == zero.st_ino && st.st_dev == zero.st_dev)
			close(fd);
	}
	return 0;
}

/* The request does not exist there: its argument is not looked at. */
static inline void assert_not_on_system(unsigned long request)
{
	int sys = kvm_open(O_RDWR);

	assert_errno(EINVAL, kvm_ioctl(sys, request, NO_POINTER));
	close(sys);
}

static inline void assert_not_on_vcpu(unsigned long request)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_errno(EINVAL, kvm_ioctl(vcpu, request, NO_POINTER));
	close(vcpu);
	close(vm);
}

static inline void assert_not_on_vm(unsigned long request)
{
	int vm = new_vm();

	assert_errno(ENOTTY, kvm_ioctl(vm, request, NO_POINTER));
	close(vm);
}

static inline void assert_only_on_system(unsigned long request)
{
	assert_not_on_vm(request);
	assert_not_on_vcpu(request);
}

static inline void assert_only_on_vm(unsigned long request)
{
	assert_not_on_system(request);
	assert_not_on_vcpu(request);
}

#endif
