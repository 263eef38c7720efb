/* SPDX-License-Identifier: MIT */
/* KVM_UNREGISTER_COALESCED_MMIO (api.rst 4.116). */
#include "coalesced_zone.h"

#define REQUEST	KVM_UNREGISTER_COALESCED_MMIO

static void errors(void **state)
{
	zone_errors(REQUEST);
}

static void what_is_not_there(void **state)
{
	int vm = new_vm();

	assert_int_equal(zone(vm, REQUEST, 0, 16, 0), 0);
	assert_ok(zone(vm, REQUEST, ~0ull, 16, 1));
	close(vm);
}

/* A bus with all but one of its 1000 places taken tells what went away. */
static int nearly_full_vm(uint64_t addr, uint32_t size, uint32_t pio)
{
	int vm = new_vm();

	for (int i = 0; i < 999; i++)
		assert_ok(zone(vm, KVM_REGISTER_COALESCED_MMIO, addr, size, pio));
	assert_ok(zone(vm, KVM_REGISTER_COALESCED_MMIO, 1ull << 40, 16, pio));
	assert_errno(ENOSPC, zone(vm, KVM_REGISTER_COALESCED_MMIO, addr, size, pio));
	return vm;
}

static bool has_room(int vm, uint32_t pio)
{
	return !zone(vm, KVM_REGISTER_COALESCED_MMIO, 1ull << 41, 16, pio);
}

/* Every zone that contains the range, none that it only touches. */
static void removes_all_that_contain_it(void **state)
{
	int vm = nearly_full_vm(0x1000, 0x100, 0);

	assert_ok(zone(vm, REQUEST, 0xfff, 2, 0));
	assert_ok(zone(vm, REQUEST, 0x10ff, 2, 0));
	assert_ok(zone(vm, REQUEST, 0x1000, 0x101, 0));
	assert_ok(zone(vm, REQUEST, 0x1000, 0x100, 1));
	assert_false(has_room(vm, 0));
	assert_ok(zone(vm, REQUEST, 0x10ff, 1, 0));
	for (int i = 0; i < 999; i++)
		assert_true(has_room(vm, 0));
	assert_false(has_room(vm, 0));
	close(vm);
}

/* KVM takes the size for signed here: so large a zone stays. */
static void of_2g_or_more(void **state)
{
	int vm = nearly_full_vm(0, 1u << 31, 0);

	assert_ok(zone(vm, REQUEST, 0, 1u << 31, 0));
	assert_false(has_room(vm, 0));
	assert_ok(zone(vm, REQUEST, 0, (1u << 31) - 1, 0));
	assert_true(has_room(vm, 0));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(REQUEST);
}

IOCTL_TESTS(unregister_coalesced_mmio,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(what_is_not_there),
	    cmocka_unit_test(removes_all_that_contain_it),
	    cmocka_unit_test(of_2g_or_more),
	    cmocka_unit_test(wrong_scope))
