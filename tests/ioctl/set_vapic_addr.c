/* SPDX-License-Identifier: MIT */
/* KVM_SET_VAPIC_ADDR (KVM_CAP_VAPIC).  What it does: run/vapic.c. */
#include "ioctl_test.h"

enum { RAM = 4 * 4096, ROM = 0x100000 };

static int vm, vcpu;
static void *mem;

static int up(void **state)
{
	vm = new_vm();
	assert_ok(kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	vcpu = new_vcpu(vm, 0);
	mem = guest_ram(RAM);
	assert_ok(set_region(vm, 0, 0, 0, RAM, mem));
	return 0;
}

static int down(void **state)
{
	close(vcpu);
	close(vm);
	munmap(mem, RAM);
	return 0;
}

static int set_addr(uint64_t gpa)
{
	struct kvm_vapic_addr a = { .vapic_addr = gpa };

	return kvm_ioctl(vcpu, KVM_SET_VAPIC_ADDR, &a);
}

/* Looked at before the argument is read. */
static void needs_a_lapic(void **state)
{
	int plain = new_vm(), cpu = new_vcpu(plain, 0);

	assert_errno(EINVAL, kvm_ioctl(cpu, KVM_SET_VAPIC_ADDR, NO_POINTER));
	close(cpu);
	close(plain);
}

static void unreadable_argument(void **state)
{
	own_faults();
	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_SET_VAPIC_ADDR, NO_POINTER));
}

static void must_be_in_memory(void **state)
{
	assert_errno(EINVAL, set_addr(RAM));
	assert_errno(EINVAL, set_addr(1ull << 40));
	assert_errno(EINVAL, set_addr(~0ull));
}

static void the_whole_word_must_be(void **state)
{
	assert_ok(set_addr(RAM - 4));
	assert_errno(EINVAL, set_addr(RAM - 2));
}

static void memory_must_be_writable(void **state)
{
	assert_ok(set_region(vm, 1, KVM_MEM_READONLY, ROM, PG, mem));
	assert_errno(EINVAL, set_addr(ROM));
}

/* 0 turns it off; what is set may be set again. */
static void any_address_in_memory(void **state)
{
	assert_ok(set_addr(0x2000));
	assert_ok(set_addr(0x2001));
	assert_ok(set_addr(0x1ffe));	/* in two pages */
	assert_ok(set_addr(0x1ffe));
	assert_ok(set_addr(0));
}

static void split_mode_has_lapics(void **state)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_vapic_addr a = { 0 };
	int split = new_vm(), cpu;

	assert_ok(kvm_ioctl(split, KVM_ENABLE_CAP, &cap));
	cpu = new_vcpu(split, 0);
	assert_ok(kvm_ioctl(cpu, KVM_SET_VAPIC_ADDR, &a));
	close(cpu);
	close(split);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

IOCTL_TESTS(set_vapic_addr,
	    TEST(needs_a_lapic),
	    TEST(unreadable_argument),
	    TEST(must_be_in_memory),
	    TEST(the_whole_word_must_be),
	    TEST(memory_must_be_writable),
	    TEST(any_address_in_memory),
	    TEST(split_mode_has_lapics))
