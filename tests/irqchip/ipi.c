/* SPDX-License-Identifier: MIT */
/* Who an interrupt message reaches (SDM vol. 3A 11.6.2). */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>

#define V 0x55

/* The vCPUs (first 32) that accepted V since the last call, as a mask. */
static u32 reached(struct machine *m)
{
	u32 mask = 0;

	for (u32 i = 0; i < m->vm.nr_vcpus && i < 32; i++)
		if (accepted(m, i, V)) {
			mask |= BIT(i);
			assert_int_equal(take_and_eoi(m, i), V);
		}
	return mask;
}

static u32 ipi(struct machine *m, u32 from, u32 icr, u32 icr2)
{
	lapic_send_ipi(lapic(m, from), icr | V, icr2);
	return reached(m);
}

static u32 msi(struct machine *m, u64 addr, u32 data)
{
	irqchip_deliver_msi(&m->vm, 0xfee00000 | addr, data | V);
	return reached(m);
}

static struct machine *enabled(u32 cpus, bool x2)
{
	struct machine *m = machine_new(IRQCHIP_FULL, cpus);

	for (u32 i = 0; i < cpus; i++) {
		if (x2)
			x2apic_on(m, i);
		apic_enable(m, i);
	}
	return m;
}

static void xapic_physical(void **state)
{
	struct machine *m = enabled(4, false);

	assert_int_equal(ipi(m, 0, 0, 2 << 24), BIT(2));
	assert_int_equal(ipi(m, 2, 0, 2 << 24), BIT(2));
	assert_int_equal(ipi(m, 0, 0, 4 << 24), 0);
	assert_int_equal(ipi(m, 0, 0, 0xff000000), 0xf);
	/* A moved ID is found where it is, and no longer where it was. */
	apic_write(m, 3, LAPIC_ID, 9 << 24);
	assert_int_equal(ipi(m, 0, 0, 9 << 24), BIT(3));
	assert_int_equal(ipi(m, 0, 0, 3 << 24), 0);
	assert_int_equal(ipi(m, 0, 0, 1 << 24), BIT(1));
	apic_write(m, 3, LAPIC_ID, 3 << 24);
	assert_int_equal(ipi(m, 0, 0, 3 << 24), BIT(3));
	assert_int_equal(m->arch.irqchip.bus->nr_moved, 0);
	/* Not through a LAPIC that is off. */
	lapic_set_base(lapic(m, 1), APIC_DEFAULT_ADDR);
	assert_int_equal(ipi(m, 0, 0, 1 << 24), 0);
	machine_free(m);
}

static void xapic_logical_flat(void **state)
{
	struct machine *m = enabled(4, false);

	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0x05000000), 0x5);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0xf0000000), 0);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0xff000000), 0xf);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0), 0);
	machine_free(m);
}

static void xapic_logical_cluster(void **state)
{
	struct machine *m = enabled(4, false);

	for (u32 i = 0; i < 4; i++) {
		apic_write(m, i, LAPIC_DFR, 0);
		apic_write(m, i, LAPIC_LDR, (i / 2) << 28 | 1 << (24 + i % 2));
	}
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0x13000000), 0xc);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0x02000000), 0x2);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0x23000000), 0);
	machine_free(m);
}

static void x2apic_destinations(void **state)
{
	struct machine *m = enabled(32, true);

	assert_int_equal(m->arch.irqchip.bus->nr_xapic, 0);
	assert_int_equal(ipi(m, 0, 0, 17), BIT(17));
	assert_int_equal(ipi(m, 0, 0, 32), 0);
	assert_int_equal(ipi(m, 0, 0, 0xffffffff), 0xffffffff);
	/* FFh is just an ID to a guest in x2APIC mode. */
	assert_int_equal(ipi(m, 0, 0, 0xff), 0);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0x00018003), BIT(16) | BIT(17) | BIT(31));
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0x00020001), 0);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0xffff0001), 0);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0xffffffff), 0xffffffff);
	/* One LAPIC in xAPIC mode: the slow way, the same result. */
	lapic_set_base(lapic(m, 5), APIC_DEFAULT_ADDR | APIC_BASE_EN);
	assert_int_equal(m->arch.irqchip.bus->nr_xapic, 1);
	assert_int_equal(ipi(m, 0, APIC_DEST_LOGICAL, 0x00018003), BIT(16) | BIT(17) | BIT(31));
	assert_int_equal(ipi(m, 0, 0, 5), BIT(5));
	machine_free(m);
}

static void shorthands(void **state)
{
	for (int x2 = 0; x2 < 2; x2++) {
		struct machine *m = enabled(4, x2);

		assert_int_equal(ipi(m, 1, APIC_SHORTHAND_SELF, 0), BIT(1));
		assert_int_equal(ipi(m, 1, APIC_SHORTHAND_ALL, 0), 0xf);
		assert_int_equal(ipi(m, 1, APIC_SHORTHAND_OTHERS, 0), 0xd);
		machine_free(m);
	}
}

static void delivery_modes(void **state)
{
	struct machine *m = enabled(3, false);
	u32 to2 = 2 << 24;

	assert_int_equal(ipi(m, 0, APIC_MODE_NMI | APIC_ASSERT, to2), 0);
	assert_int_equal(seen[2].nmi, 1);
	ipi(m, 0, APIC_MODE_SMI | APIC_ASSERT, to2);
	assert_int_equal(seen[2].smi, 1);
	ipi(m, 0, APIC_MODE_INIT | APIC_ASSERT, to2);
	assert_int_equal(seen[2].init, 1);
	/* The de-assert of INIT does nothing. */
	ipi(m, 0, APIC_MODE_INIT | APIC_LEVEL, to2);
	assert_int_equal(seen[2].init, 1);
	ipi(m, 0, APIC_MODE_SIPI | APIC_ASSERT, to2);
	assert_int_equal(seen[2].sipi, 1);
	assert_int_equal(seen[2].sipi_vector, V);
	assert_int_equal(ipi(m, 0, APIC_MODE_EXTINT | APIC_ASSERT, to2), 0);
	assert_int_equal(seen[1].nmi + seen[1].init + seen[1].sipi + seen[1].smi, 0);
	/* The ICR keeps what was written, but is never busy. */
	apic_write(m, 0, LAPIC_ICR2, to2);
	apic_write(m, 0, LAPIC_ICR, APIC_MODE_NMI | APIC_BUSY | APIC_ASSERT);
	assert_int_equal(apic_read(m, 0, LAPIC_ICR), APIC_MODE_NMI | APIC_ASSERT);
	assert_int_equal(apic_read(m, 0, LAPIC_ICR2), to2);
	assert_int_equal(seen[2].nmi, 2);
	machine_free(m);
}

static void lowest_priority_is_fair(void **state)
{
	struct machine *m = enabled(4, false);
	u32 hits[4] = { 0 };

	apic_write(m, 3, LAPIC_SVR, 0xff);	/* software-disabled: not asked */
	for (u32 i = 0; i < 9; i++) {
		u32 mask = ipi(m, 0, APIC_MODE_LOWEST | APIC_DEST_LOGICAL, 0x0f000000);

		assert_int_equal(__builtin_popcount(mask), 1);
		hits[__builtin_ctz(mask)]++;
	}
	assert_int_equal(hits[0], 3);
	assert_int_equal(hits[1], 3);
	assert_int_equal(hits[2], 3);
	/* The redirection hint of an MSI does the same. */
	assert_int_equal(__builtin_popcount(msi(m, 0xf << 12 | 4 | 8, 0)), 1);
	assert_int_equal(msi(m, 0x7 << 12 | 4, 0), 0x7);
	/* A physical broadcast goes to all. */
	assert_int_equal(ipi(m, 0, APIC_MODE_LOWEST, 0xff000000), 0x7);
	machine_free(m);
}

static void msi_results(void **state)
{
	struct machine *m = enabled(2, false);

	assert_int_equal(irqchip_deliver_msi(&m->vm, 0xfee01000, V), 1);
	assert_int_equal(reached(m), BIT(1));
	assert_int_equal(irqchip_deliver_msi(&m->vm, 0xfee09000, V), 0);
	assert_int_equal(irqchip_deliver_msi(&m->vm, 0xfeeff000, V), 2);
	assert_int_equal(reached(m), 0x3);
	apic_write(m, 1, LAPIC_SVR, 0xff);
	assert_int_equal(irqchip_deliver_msi(&m->vm, 0xfee01000, V), 0);
	machine_free(m);
}

static void x2apic_broadcast_quirk(void **state)
{
	struct machine *m = enabled(3, true);

	assert_int_equal(msi(m, 0xff000, 0), 0x7);
	m->arch.irqchip.x2apic_no_broadcast_quirk = true;
	assert_int_equal(msi(m, 0xff000, 0), 0);
	machine_free(m);
}

static void msi_32bit_ids(void **state)
{
	static const u32 ids[] = { 0, 0x101, 0xabc };
	struct machine *m = machine_new_ids(IRQCHIP_FULL, 3, ids);
	struct kvm_irq_routing_entry e = route_msi(0, 0x1fee00000ull, V);

	for (u32 i = 0; i < 3; i++) {
		x2apic_on(m, i);
		apic_enable(m, i);
	}
	assert_int_equal(msi(m, 0x1ull << 40 | 1 << 12, 0), 0);
	assert_int_equal(set_routes(m, &e, 1), 0);
	m->arch.irqchip.x2apic_32bit_ids = true;
	assert_int_equal(msi(m, 0x1ull << 40 | 1 << 12, 0), BIT(1));
	assert_int_equal(msi(m, 0xaull << 40 | 0xbc << 12, 0), BIT(2));
	/* The low byte of the high half must be 0. */
	assert_int_equal(set_routes(m, &e, 1), -1);
	assert_int_equal(irqchip_deliver_msi(&m->vm, 0x1fee00000ull, V), -1);
	machine_free(m);
}

/* An ID above 255 does not answer to its low byte in xAPIC mode. */
static void big_id_in_xapic_mode(void **state)
{
	static const u32 ids[] = { 0, 0x101, 1 };
	struct machine *m = machine_new_ids(IRQCHIP_FULL, 3, ids);

	for (u32 i = 0; i < 3; i++)
		apic_write(m, i, LAPIC_SVR, 0x1ff);
	assert_int_equal(ipi(m, 0, 0, 1 << 24), BIT(2));
	machine_free(m);
}

static void every_id_of_many(void **state)
{
	u32 ids[MAX_CPUS];
	struct machine *m;

	for (u32 i = 0; i < MAX_CPUS; i++)
		ids[i] = i * 13;
	m = machine_new_ids(IRQCHIP_FULL, MAX_CPUS, ids);
	for (u32 i = 0; i < MAX_CPUS; i++) {
		x2apic_on(m, i);
		apic_enable(m, i);
	}
	for (u32 i = 0; i < MAX_CPUS; i++) {
		lapic_send_ipi(lapic(m, 0), V, ids[i]);
		assert_int_equal(take_and_eoi(m, i), V);
		assert_int_equal(seen[i].interrupt, 1);
	}
	assert_null(apic_bus_find(&m->vm, 1));
	assert_null(apic_bus_find(&m->vm, KVM_MAX_VCPU_IDS));
	machine_free(m);
}

static void pv_ipi(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 100);

	for (u32 i = 0; i < 100; i++)
		apic_enable(m, i);
	assert_int_equal(lapic_send_pv_ipi(&m->vm, 5, 0, 0, V, true), 2);
	assert_int_equal(reached(m), 5);
	assert_int_equal(lapic_send_pv_ipi(&m->vm, 0, 1, 2, V, true), 1);
	assert_true(accepted(m, 66, V));
	assert_int_equal(lapic_send_pv_ipi(&m->vm, 0, 1, 2, V, false), 1);
	assert_true(accepted(m, 34, V));
	assert_int_equal(lapic_send_pv_ipi(&m->vm, ~0ull, ~0ull, 0, V, true), 100);
	assert_int_equal(lapic_send_pv_ipi(&m->vm, ~0ull, ~0ull, 99, V, true), 1);
	assert_int_equal(lapic_send_pv_ipi(&m->vm, ~0ull, ~0ull, UINT32_MAX, V, true), 0);
	assert_int_equal(lapic_send_pv_ipi(&m->vm, 1, 0, 0, V | APIC_DEST_LOGICAL, true), -EINVAL);
	assert_int_equal(lapic_send_pv_ipi(&m->vm, 1, 0, 0, V | APIC_SHORTHAND_ALL, true), -EINVAL);
	assert_int_equal(lapic_send_pv_ipi(&m->vm, 1, 0, 0, APIC_MODE_NMI, true), 1);
	assert_int_equal(seen[0].nmi, 1);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xapic_physical), cmocka_unit_test(xapic_logical_flat),
		cmocka_unit_test(xapic_logical_cluster), cmocka_unit_test(x2apic_destinations),
		cmocka_unit_test(shorthands), cmocka_unit_test(delivery_modes),
		cmocka_unit_test(lowest_priority_is_fair), cmocka_unit_test(msi_results),
		cmocka_unit_test(x2apic_broadcast_quirk), cmocka_unit_test(msi_32bit_ids),
		cmocka_unit_test(big_id_in_xapic_mode), cmocka_unit_test(every_id_of_many),
		cmocka_unit_test(pv_ipi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
