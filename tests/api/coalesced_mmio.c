/* SPDX-License-Identifier: MIT */
/* What coalesced zones (api.rst 4.116) do with writes. */
#include "fake_arch.h"
#include "kvm_api.h"

#include "api/coalesced.h"

#define ENTRIES	170

static int zone(int vm, unsigned long request, u64 addr, u32 size, u32 pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	return kvm_ioctl(vm, request, &z);
}

static bool guest_writes(u64 addr, u64 data, u32 len)
{
	return coalesced_write(fake_vm, false, addr, &data, len);
}

static void one_ring_in_every_mapping(void **state)
{
	int vm = new_vm(), a = new_vcpu(vm, 0), b = new_vcpu(vm, 1);
	struct kvm_coalesced_mmio_ring *ra = (void *)((char *)map_run(a) + 2 * PG);
	struct kvm_coalesced_mmio_ring *rb = kvm_mmap(PG, MAP_SHARED, b, 2 * PG);

	assert_ok(zone(vm, KVM_REGISTER_COALESCED_MMIO, 0x1000, 0x100, 0));
	assert_true(guest_writes(0x1010, 0x11223344, 4));
	assert_int_equal(ra->last, 1);
	assert_int_equal(rb->last, 1);
	assert_int_equal(rb->coalesced_mmio[0].phys_addr, 0x1010);
	assert_int_equal(rb->coalesced_mmio[0].len, 4);
	assert_int_equal(rb->coalesced_mmio[0].pio, 0);
	assert_memory_equal(rb->coalesced_mmio[0].data, "\x44\x33\x22\x11", 4);
	rb->first = 1;
	assert_int_equal(ra->first, 1);
	munmap(rb, PG);
	munmap((char *)ra - 2 * PG, 3 * PG);
	close(a);
	close(b);
	close(vm);
}

static void zones_have_edges(void **state)
{
	int vm = new_vm();

	assert_false(guest_writes(0x1000, 0, 1));
	assert_ok(zone(vm, KVM_REGISTER_COALESCED_MMIO, 0x1000, 0x100, 0));
	assert_true(guest_writes(0x10ff, 0, 1));
	assert_false(guest_writes(0x10ff, 0, 2));
	assert_false(guest_writes(0xfff, 0, 1));
	assert_false(guest_writes(~0ull, 0, 8));
	assert_false(coalesced_write(fake_vm, true, 0x1000, "", 1));
	assert_ok(zone(vm, KVM_REGISTER_COALESCED_MMIO, 0x70, 1, 1));
	assert_true(coalesced_write(fake_vm, true, 0x70, "", 1));
	/* Removes every zone that contains the range. */
	assert_ok(zone(vm, KVM_UNREGISTER_COALESCED_MMIO, 0x1010, 4, 0));
	assert_false(guest_writes(0x1000, 0, 1));
	assert_true(coalesced_write(fake_vm, true, 0x70, "", 1));
	close(vm);
}

static void full_and_nonsense(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_coalesced_mmio_ring *ring = kvm_mmap(PG, MAP_SHARED, vcpu, 2 * PG);

	assert_ok(zone(vm, KVM_REGISTER_COALESCED_MMIO, 0, 0x100, 0));
	/* One entry is kept free. */
	for (int i = 0; i < ENTRIES - 1; i++)
		assert_true(guest_writes(0, i, 8));
	assert_false(guest_writes(0, 0, 8));
	ring->first = 5;
	for (int i = 0; i < 5; i++)
		assert_true(guest_writes(0, i, 8));
	assert_false(guest_writes(0, 0, 8));
	assert_int_equal(ring->last, 4);
	/* Whatever the VMM writes there, we stay inside the page. */
	ring->last = ENTRIES;
	assert_false(guest_writes(0, 0, 8));
	ring->last = ~0u;
	assert_false(guest_writes(0, 0, 8));
	ring->last = 0;
	ring->first = ~0u;
	assert_true(guest_writes(0, 0, 8));
	munmap(ring, PG);
	close(vcpu);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_ring_in_every_mapping),
		cmocka_unit_test(zones_have_edges),
		cmocka_unit_test(full_and_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
