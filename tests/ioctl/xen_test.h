/* SPDX-License-Identifier: MIT */
/* A VM with RAM and a vCPU for each test of Xen's attributes. */
#ifndef ANYKVM_TESTS_IOCTL_XEN_TEST_H
#define ANYKVM_TESTS_IOCTL_XEN_TEST_H

#include "ioctl_test.h"
#include "lib/xen_api.h"

enum { VCPU_ID = 3, RAM_SIZE = 16 * 4096 };	/* the id is not the index */

static int vm, vcpu;
static uint8_t *ram;

static int setup(void **state)
{
	vm = new_vm();
	vcpu = new_vcpu(vm, VCPU_ID);
	ram = guest_ram(RAM_SIZE);
	return set_region(vm, 0, 0, 0, RAM_SIZE, ram);
}

static int teardown(void **state)
{
	close(vcpu);
	close(vm);
	munmap(ram, RAM_SIZE);
	return 0;
}

#define with_vcpu(test)	cmocka_unit_test_setup_teardown(test, setup, teardown)

static void needs(void)
{
	if (on_kernel() && !kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM))
		skip();
	own_faults();		/* cmocka has put its own before each test */
}

#endif
