/* SPDX-License-Identifier: MIT */
/* IOAPIC: registers, level and edge, EOI, coalescing (82093AA). */
#include "api/arch.h"
#include "machine.h"

#define RTE_LEVEL	BIT_ULL(15)
#define RTE_MASKED	BIT_ULL(16)
#define RTE_REMOTE_IRR	BIT_ULL(14)
#define RTE_LOGICAL	BIT_ULL(11)
#define PIN		5u
#define V		0x41

static struct machine *enabled(u32 cpus)
{
	struct machine *m = machine_new(IRQCHIP_FULL, cpus);

	for (u32 i = 0; i < cpus; i++)
		apic_enable(m, i);
	return m;
}

static int line(struct machine *m, int level)
{
	return irqchip_set_pin(&m->vm, KVM_IRQCHIP_IOAPIC, PIN, 0, level);
}

static u32 window(struct machine *m, u32 reg)
{
	u32 v = reg;

	irqchip_mmio_write(&m->cpu[0], IOAPIC_DEFAULT_ADDR, 4, &v);
	irqchip_mmio_read(&m->cpu[0], IOAPIC_DEFAULT_ADDR + 0x10, 4, &v);
	return v;
}

static void window_write(struct machine *m, u32 reg, u32 v)
{
	window(m, reg);
	irqchip_mmio_write(&m->cpu[0], IOAPIC_DEFAULT_ADDR + 0x10, 4, &v);
}

static void registers(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	u64 q = 0;
	u8 b;

	assert_int_equal(window(m, 1), 0x170011);
	window_write(m, 1, 0);
	assert_int_equal(window(m, 1), 0x170011);
	window_write(m, 0, 0xffffffff);
	assert_int_equal(window(m, 0), 0x0f000000);
	assert_int_equal(window(m, 2), 0x0f000000);
	assert_int_equal(window(m, 3), 0xffffffff);
	for (u32 pin = 0; pin < 24; pin++)
		assert_int_equal(rte_read(m, pin), RTE_MASKED);
	assert_int_equal(window(m, 0x40), 0xffffffff);
	window_write(m, 0x40, 0);
	window_write(m, 0xff, 0);
	/* Delivery status and remote IRR are read-only. */
	rte_write(m, 23, ~0ull);
	assert_int_equal(rte_read(m, 23), ~0ull & ~(RTE_REMOTE_IRR | BIT_ULL(12)));
	/* Widths and holes. */
	b = 1;
	assert_true(irqchip_mmio_write(&m->cpu[0], IOAPIC_DEFAULT_ADDR, 1, &b));
	assert_true(irqchip_mmio_read(&m->cpu[0], IOAPIC_DEFAULT_ADDR, 8, &q));
	assert_int_equal(q, 1);
	assert_true(irqchip_mmio_read(&m->cpu[0], IOAPIC_DEFAULT_ADDR + 0x20, 8, &q));
	assert_int_equal(q, 0);
	assert_false(irqchip_mmio_read(&m->cpu[0], IOAPIC_DEFAULT_ADDR + 0x100, 4, &q));
	assert_false(irqchip_mmio_read(&m->cpu[0], IOAPIC_DEFAULT_ADDR - 1, 1, &q));
	machine_free(m);
}

static void edge_coalesces_until_deasserted(void **state)
{
	struct machine *m = enabled(1);

	rte_write(m, PIN, V);
	assert_int_equal(line(m, 1), 1);
	assert_int_equal(line(m, 1), 0);
	assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(take_and_eoi(m, 0), -1);
	assert_int_equal(acks[2][PIN], 1);
	assert_int_equal(line(m, 0), 1);
	assert_int_equal(line(m, 1), 1);
	assert_int_equal(take_and_eoi(m, 0), V);
	machine_free(m);
}

static void level_stays_until_eoi(void **state)
{
	struct machine *m = enabled(1);

	rte_write(m, PIN, V | RTE_LEVEL);
	assert_int_equal(line(m, 1), 1);
	assert_true(rte_read(m, PIN) & RTE_REMOTE_IRR);
	assert_int_equal(line(m, 1), -1);
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), V);
	assert_false(accepted(m, 0, V));
	/* Still high at EOI: again. */
	apic_write(m, 0, LAPIC_EOI, 0);
	assert_true(accepted(m, 0, V));
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), V);
	line(m, 0);
	apic_write(m, 0, LAPIC_EOI, 0);
	assert_false(accepted(m, 0, V));
	assert_false(rte_read(m, PIN) & RTE_REMOTE_IRR);
	assert_int_equal(acks[2][PIN], 2);
	machine_free(m);
}

static void masked_pins(void **state)
{
	struct machine *m = enabled(1);

	rte_write(m, PIN, V | RTE_LEVEL | RTE_MASKED);
	assert_int_equal(line(m, 1), -1);
	/* A level that is still there is delivered at unmasking... */
	rte_write(m, PIN, V | RTE_LEVEL);
	assert_int_equal(take_and_eoi(m, 0), V);
	line(m, 0);
	/* (the EOI had delivered it once more) */
	assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(take_and_eoi(m, 0), -1);
	/* ...one that went is not, and an edge is lost. */
	rte_write(m, PIN, V | RTE_LEVEL | RTE_MASKED);
	line(m, 1);
	line(m, 0);
	rte_write(m, PIN, V | RTE_LEVEL);
	assert_int_equal(take_and_eoi(m, 0), -1);
	rte_write(m, PIN, V | RTE_MASKED);
	assert_int_equal(line(m, 1), -1);
	rte_write(m, PIN, V);
	assert_int_equal(take_and_eoi(m, 0), -1);
	machine_free(m);
}

static void edge_mode_clears_remote_irr(void **state)
{
	struct machine *m = enabled(1);

	rte_write(m, PIN, V | RTE_LEVEL);
	line(m, 1);
	window_write(m, 0x10 + 2 * PIN, V | RTE_MASKED);
	window_write(m, 0x10 + 2 * PIN, V | RTE_LEVEL | RTE_MASKED);
	assert_false(rte_read(m, PIN) & RTE_REMOTE_IRR);
	machine_free(m);
}

static void sources_are_ored(void **state)
{
	struct machine *m = enabled(1);

	rte_write(m, PIN, V | RTE_LEVEL);
	irqchip_set_pin(&m->vm, KVM_IRQCHIP_IOAPIC, PIN, 0, 1);
	irqchip_set_pin(&m->vm, KVM_IRQCHIP_IOAPIC, PIN, 2, 1);
	irqchip_set_pin(&m->vm, KVM_IRQCHIP_IOAPIC, PIN, 0, 0);
	assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), V);
	irqchip_set_pin(&m->vm, KVM_IRQCHIP_IOAPIC, PIN, 2, 0);
	apic_write(m, 0, LAPIC_EOI, 0);
	assert_int_equal(take_and_eoi(m, 0), -1);
	/* The same source twice is one level. */
	line(m, 1);
	line(m, 1);
	line(m, 0);
	assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(take_and_eoi(m, 0), -1);
	machine_free(m);
}

static void destinations(void **state)
{
	struct machine *m = enabled(4);

	rte_write(m, PIN, V | 2ull << 56);
	assert_int_equal(line(m, 1), 1);
	assert_int_equal(take_and_eoi(m, 2), V);
	line(m, 0);
	rte_write(m, PIN, V | RTE_LOGICAL | 0xaull << 56);
	assert_int_equal(line(m, 1), 2);
	assert_int_equal(take_and_eoi(m, 1), V);
	assert_int_equal(take_and_eoi(m, 3), V);
	line(m, 0);
	rte_write(m, PIN, V | 9ull << 56);
	assert_int_equal(line(m, 1), 0);
	line(m, 0);
	rte_write(m, PIN, APIC_MODE_NMI | 1ull << 56);
	assert_int_equal(line(m, 1), 1);
	assert_int_equal(seen[1].nmi, 1);
	assert_int_equal(irqchip_set_pin(&m->vm, KVM_IRQCHIP_IOAPIC, 24, 0, 1), -1);
	assert_int_equal(irqchip_set_pin(&m->vm, 3, 0, 0, 1), -1);
	machine_free(m);
}

/* The RTC's interrupt is coalesced until it is ended, for KVM_IRQ_LINE_STATUS. */
static void rtc_is_tracked(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	apic_enable(m, 0);
	rte_write(m, 8, V);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 1), 1);
		irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 0);
		assert_int_equal(irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 1), 0);
		irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 0);
		assert_int_equal(take_and_eoi(m, 0), V);
		assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), -1);
	}
	/* KVM_IRQ_LINE does not ask, and other pins are not tracked. */
	irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 1);
	irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 0);
	assert_int_equal(irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_USERSPACE, 1), 1);
	rte_write(m, 9, V + 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(irqchip_set_pin(&m->vm, 2, 9, IRQ_SOURCE_STATUS, 1), 1);
		irqchip_set_pin(&m->vm, 2, 9, IRQ_SOURCE_STATUS, 0);
	}
	machine_free(m);
}

/* Given another vector before the EOI of the first, it goes on all the same. */
static void rtc_may_be_moved(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	apic_enable(m, 0);
	rte_write(m, 8, V);
	assert_int_equal(irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 1), 1);
	irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 0);
	rte_write(m, 8, V + 1);
	assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(irqchip_set_pin(&m->vm, 2, 8, IRQ_SOURCE_STATUS, 1), 1);
	assert_int_equal(take_and_eoi(m, 0), V + 1);
	machine_free(m);
}

/* A line that is never lowered: after ten thousand ends, 10 ms of peace. */
static void storm_is_slowed_down(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	apic_enable(m, 0);
	rte_write(m, 5, V | APIC_LEVEL);
	irqchip_set_pin(&m->vm, 2, 5, IRQ_SOURCE_USERSPACE, 1);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), -1);
	clock_advance(9000000);
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), -1);
	clock_advance(1000000);
	assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(take_and_eoi(m, 0), V);
	machine_free(m);
}

static void split_mode_reports_eoi(void **state)
{
	struct machine *m = machine_new(IRQCHIP_SPLIT, 2);
	struct kvm_irq_routing_entry e[2] = {
		route_msi(3, 0xfee00000, V | APIC_LEVEL),
		route_msi(100, 0xfee00000, 0x61 | APIC_LEVEL),
	};
	struct kvm_irq_routing_entry pin = route_pin(3, KVM_IRQCHIP_IOAPIC, 3);

	apic_enable(m, 0);
	assert_int_equal(set_routes(m, &pin, 1), -1);
	assert_int_equal(set_routes(m, e, 2), 0);
	assert_int_equal(irqchip_deliver_msi(&m->vm, 0xfee00000, V | APIC_LEVEL), 1);
	assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(seen[0].eoi_exit, 1);
	assert_int_equal(seen[0].eoi_vector, V);
	/* Not for an edge of the same vector, nor beyond the reserved GSIs. */
	irqchip_deliver_msi(&m->vm, 0xfee00000, V);
	assert_int_equal(take_and_eoi(m, 0), V);
	irqchip_deliver_msi(&m->vm, 0xfee00000, 0x61 | APIC_LEVEL);
	assert_int_equal(take_and_eoi(m, 0), 0x61);
	assert_int_equal(seen[0].eoi_exit, 1);
	/* The route goes while the interrupt is in service. */
	irqchip_deliver_msi(&m->vm, 0xfee00000, V | APIC_LEVEL);
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), V);
	set_routes(m, e + 1, 1);
	apic_write(m, 0, LAPIC_EOI, 0);
	assert_int_equal(seen[0].eoi_exit, 2);
	set_routes(m, e + 1, 1);
	irqchip_deliver_msi(&m->vm, 0xfee00000, V | APIC_LEVEL);
	assert_int_equal(take_and_eoi(m, 0), V);
	assert_int_equal(seen[0].eoi_exit, 2);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers), cmocka_unit_test(edge_coalesces_until_deasserted),
		cmocka_unit_test(level_stays_until_eoi), cmocka_unit_test(masked_pins),
		cmocka_unit_test(edge_mode_clears_remote_irr), cmocka_unit_test(sources_are_ored),
		cmocka_unit_test(destinations), cmocka_unit_test(rtc_is_tracked),
		cmocka_unit_test(rtc_may_be_moved),
		cmocka_unit_test(storm_is_slowed_down), cmocka_unit_test(split_mode_reports_eoi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
