/* SPDX-License-Identifier: MIT */
/* KVM_REGISTER_COALESCED_MMIO (api.rst 4.116). */
#include "coalesced_zone.h"

#define REQUEST	KVM_REGISTER_COALESCED_MMIO

static void errors(void **state)
{
	zone_errors(REQUEST);
}

/* Any address and any size; the same as often as one likes. */
static void zones(void **state)
{
	int vm = new_vm();

	assert_int_equal(zone(vm, REQUEST, 0, 16, 0), 0);
	assert_ok(zone(vm, REQUEST, 0, 16, 0));
	assert_ok(zone(vm, REQUEST, 8, 16, 0));
	assert_ok(zone(vm, REQUEST, 0xcf8, 4, 1));
	assert_ok(zone(vm, REQUEST, ~0ull, 1, 0));
	assert_ok(zone(vm, REQUEST, 0, 0, 0));
	close(vm);
}

/* A bus has room for a thousand devices. */
static void as_many_as_a_bus_takes(void **state)
{
	int vm = new_vm();

	for (int i = 0; i < 1000; i++)
		assert_ok(zone(vm, REQUEST, i * 16, 16, 0));
	assert_errno(ENOSPC, zone(vm, REQUEST, 0, 16, 0));
	/* The other bus has as much. */
	for (int i = 0; i < 1000; i++)
		assert_ok(zone(vm, REQUEST, i * 16, 16, 1));
	assert_errno(ENOSPC, zone(vm, REQUEST, 0, 16, 1));
	assert_errno(EINVAL, zone(vm, REQUEST, 0, 16, 2));
	assert_ok(zone(vm, KVM_UNREGISTER_COALESCED_MMIO, 16, 16, 0));
	assert_ok(zone(vm, REQUEST, 0, 16, 0));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(REQUEST);
}

IOCTL_TESTS(register_coalesced_mmio,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(zones),
	    cmocka_unit_test(as_many_as_a_bus_takes),
	    cmocka_unit_test(wrong_scope))
