/* SPDX-License-Identifier: MIT */
/* 8254: counters, latches, modes, port 61h, channel 0's ticks. */
#include "machine.h"

#define CLOCK_NS(n)	((u64)(n) * 1000000000 / PIT_HZ + 1)
#define TICK_10MS	11932u
#define TICK_NS		((u64)TICK_10MS * 1000000000 / PIT_HZ)
#define V		0x30

static struct machine *with_pit(void)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	assert_int_equal(irqchip_create_pit(&m->vm, KVM_PIT_SPEAKER_DUMMY), 0);
	return m;
}

static void program(struct machine *m, u32 channel, u32 mode, u16 count)
{
	outb(m, 0x43, channel << 6 | 0x30 | mode << 1);
	outb(m, 0x40 + channel, count);
	outb(m, 0x40 + channel, count >> 8);
}

static u16 latched(struct machine *m, u32 channel)
{
	u16 lo;

	outb(m, 0x43, channel << 6);
	lo = inb(m, 0x40 + channel);
	return lo | inb(m, 0x40 + channel) << 8;
}

static u8 status(struct machine *m, u32 channel)
{
	outb(m, 0x43, 0xe0 | 2u << channel);
	return inb(m, 0x40 + channel);
}

static void counting(void **state)
{
	static const struct { u32 mode, clocks; u16 expect; } cases[] = {
		{ 0, 100, 900 }, { 0, 1001, 0xffff }, { 4, 1010, 0xfff6 }, { 2, 100, 900 },
		{ 2, 1000, 1000 }, { 2, 2250, 750 }, { 3, 100, 800 }, { 3, 500, 1000 },
		{ 3, 750, 500 }, { 1, 100, 900 }, { 5, 100, 900 },
	};
	struct machine *m = with_pit();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		program(m, 1, cases[i].mode, 1000);
		clock_advance(CLOCK_NS(cases[i].clocks));
		assert_int_equal(latched(m, 1), cases[i].expect);
	}
	machine_free(m);
}

static void access_modes(void **state)
{
	struct machine *m = with_pit();

	/* LSB only, MSB only: the other half is 0. */
	outb(m, 0x43, 0x54);
	outb(m, 0x41, 0x80);
	assert_int_equal(inb(m, 0x41), 0x80);
	outb(m, 0x43, 0x64);
	outb(m, 0x41, 0x80);
	assert_int_equal(inb(m, 0x41), 0x80);
	assert_int_equal(status(m, 1) & 0x3f, 0x24);
	/* LSB then MSB, for reads too; modes 6 and 7 are 2 and 3. */
	program(m, 1, 7, 0x1234);
	assert_int_equal(status(m, 1) & 0x3f, 0x36);
	assert_int_equal(inb(m, 0x41), 0x34);
	assert_int_equal(inb(m, 0x41), 0x12);
	/* A latch holds until it is read, whole; status comes before it. */
	outb(m, 0x43, 0x40);
	clock_advance(CLOCK_NS(0x100));
	outb(m, 0x43, 0x40);
	outb(m, 0x43, 0xe4);
	assert_int_equal(inb(m, 0x41) & 0x3f, 0x36);
	assert_int_equal(inb(m, 0x41), 0x34);
	assert_int_equal(inb(m, 0x41), 0x12);
	assert_int_equal(inb(m, 0x41) | inb(m, 0x41) << 8, 0x1034);
	/* A count of 0 is 65536.  The control word cannot be read. */
	program(m, 1, 2, 0);
	clock_advance(CLOCK_NS(1));
	assert_int_equal(latched(m, 1), 0xffff);
	assert_int_equal(inb(m, 0x43), 0);
	machine_free(m);
}

static void read_back_of_several(void **state)
{
	struct machine *m = with_pit();

	program(m, 1, 0, 100);
	program(m, 2, 0, 200);
	outb(m, 0x43, 0xdc);	/* counts of 1 and 2 */
	clock_advance(CLOCK_NS(50));
	assert_int_equal(inb(m, 0x41) | inb(m, 0x41) << 8, 100);
	assert_int_equal(inb(m, 0x42) | inb(m, 0x42) << 8, 200);
	/* OUT of mode 0 rises at the terminal count. */
	assert_int_equal(status(m, 1) & 0x80, 0);
	clock_advance(CLOCK_NS(51));
	assert_int_equal(status(m, 1) & 0x80, 0x80);
	machine_free(m);
}

static void port_61(void **state)
{
	struct machine *m = with_pit();
	u32 v;

	assert_int_equal(inb(m, 0x61) & 0x0f, 0);
	program(m, 2, 0, 1000);
	outb(m, 0x61, 0x03);
	assert_int_equal(inb(m, 0x61) & 0x2f, 0x03);
	clock_advance(CLOCK_NS(1000));
	assert_int_equal(inb(m, 0x61) & 0x2f, 0x23);
	/* Mode 1 starts when the gate rises. */
	outb(m, 0x61, 0);
	program(m, 2, 1, 1000);
	clock_advance(CLOCK_NS(2000));
	outb(m, 0x61, 1);
	assert_int_equal(inb(m, 0x61) & 0x20, 0x20);
	clock_advance(CLOCK_NS(1000));
	assert_int_equal(inb(m, 0x61) & 0x20, 0);
	/* The refresh bit moves. */
	v = inb(m, 0x61) & 0x10;
	clock_advance(1 << 14);
	assert_int_not_equal(inb(m, 0x61) & 0x10, v);
	machine_free(m);
	/* Without the dummy speaker the port is userspace's. */
	m = machine_new(IRQCHIP_FULL, 1);
	assert_int_equal(irqchip_create_pit(&m->vm, 0), 0);
	assert_false(irqchip_pio_read(&m->cpu[0], 0x61, 1, &v));
	assert_true(irqchip_pio_read(&m->cpu[0], 0x40, 4, &v));
	assert_false(irqchip_pio_read(&m->cpu[0], 0x42, 4, &v));
	machine_free(m);
}

/* GSI 0 to IOAPIC pin 2, as QEMU routes it. */
static struct machine *ticking(u32 mode)
{
	struct machine *m = with_pit();
	struct kvm_irq_routing_entry e[] = {
		route_pin(0, KVM_IRQCHIP_PIC_MASTER, 0), route_pin(0, KVM_IRQCHIP_IOAPIC, 2),
	};

	apic_enable(m, 0);
	outb(m, 0x21, 0xff);
	assert_int_equal(set_routes(m, e, 2), 0);
	rte_write(m, 2, V);
	program(m, 0, mode, TICK_10MS);
	return m;
}

static void periodic_ticks(void **state)
{
	struct machine *m = ticking(2);

	for (u32 i = 0; i < 5; i++) {
		clock_advance(TICK_NS);
		assert_int_equal(take_and_eoi(m, 0), V);
		assert_int_equal(take_and_eoi(m, 0), -1);
	}
	/* Mode 3 as well; a control word alone does not stop it. */
	program(m, 0, 3, TICK_10MS);
	clock_advance(TICK_NS);
	assert_int_equal(take_and_eoi(m, 0), V);
	machine_free(m);
}

static void oneshot_tick(void **state)
{
	static const u32 modes[] = { 0, 1, 4 };

	for (u32 i = 0; i < 3; i++) {
		struct machine *m = ticking(modes[i]);

		clock_advance(TICK_NS - 1);
		assert_int_equal(take_and_eoi(m, 0), -1);
		clock_advance(1);
		assert_int_equal(take_and_eoi(m, 0), V);
		clock_advance(10 * TICK_NS);
		assert_int_equal(take_and_eoi(m, 0), -1);
		machine_free(m);
	}
}

static u32 ticks_taken(struct machine *m)
{
	u32 n = 0;

	while (take_and_eoi(m, 0) == V) {
		n++;
		clock_advance(0);	/* the worker sends what is pending */
	}
	return n;
}

static void reinjection(void **state)
{
	struct machine *m = ticking(2);

	clock_advance(7 * TICK_NS);
	assert_int_equal(ticks_taken(m), 7);
	/* The worker itself was late. */
	clock_ns += 4 * TICK_NS;
	clock_advance(0);
	assert_int_equal(ticks_taken(m), 4);
	/* Off: late ticks are one. */
	pit_set_reinject(m->arch.irqchip.pit, false);
	clock_advance(7 * TICK_NS);
	assert_int_equal(ticks_taken(m), 1);
	pit_set_reinject(m->arch.irqchip.pit, true);
	clock_advance(3 * TICK_NS);
	assert_int_equal(ticks_taken(m), 3);
	machine_free(m);
}

static void unmasking_forgets(void **state)
{
	struct machine *m = ticking(2);

	rte_write(m, 2, V | 1 << 16);
	clock_advance(5 * TICK_NS);
	assert_int_equal(ticks_taken(m), 0);
	rte_write(m, 2, V);
	clock_advance(TICK_NS);
	assert_int_equal(ticks_taken(m), 1);
	machine_free(m);
}

static void ticks_through_the_pic(void **state)
{
	struct machine *m = with_pit();

	outb(m, 0x20, 0x11);
	outb(m, 0x21, 0x08);
	outb(m, 0x21, 0x04);
	outb(m, 0x21, 0x01);
	program(m, 0, 2, TICK_10MS);
	clock_advance(3 * TICK_NS);
	for (u32 i = 0; i < 3; i++) {
		assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), 0x08);
		outb(m, 0x20, 0x20);
		clock_advance(0);
	}
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), -1);
	machine_free(m);
}

static void nmi_watchdog(void **state)
{
	struct machine *m = ticking(2);

	apic_write(m, 0, LAPIC_LVT_LINT0, APIC_MODE_NMI);
	clock_advance(TICK_NS);
	assert_int_equal(seen[0].nmi, 1);
	apic_write(m, 0, LAPIC_LVT_LINT0, LVT_MASKED | APIC_MODE_NMI);
	assert_int_equal(m->arch.irqchip.bus->nr_nmi_lint0, 0);
	machine_free(m);
}

static void hpet_legacy_silences(void **state)
{
	struct machine *m = ticking(2);
	struct pit *p = m->arch.irqchip.pit;
	struct kvm_pit_state2 s;

	pit_get_state(p, &s);
	assert_int_equal(s.channels[0].count, TICK_10MS);
	assert_int_equal(s.channels[0].mode, 2);
	s.flags |= KVM_PIT_FLAGS_HPET_LEGACY;
	pit_set_state(p, &s);
	clock_advance(5 * TICK_NS);
	program(m, 0, 2, TICK_10MS);
	clock_advance(5 * TICK_NS);
	assert_int_equal(ticks_taken(m), 0);
	s.flags &= ~KVM_PIT_FLAGS_HPET_LEGACY;
	pit_set_state(p, &s);
	clock_advance(TICK_NS);
	assert_int_equal(ticks_taken(m), 1);
	machine_free(m);
}

static void stop_is_final(void **state)
{
	struct machine *m = ticking(2);

	irqchip_stop(&m->arch.irqchip);
	program(m, 0, 2, TICK_10MS);
	clock_advance(5 * TICK_NS);
	assert_int_equal(ticks_taken(m), 0);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counting), cmocka_unit_test(access_modes),
		cmocka_unit_test(read_back_of_several), cmocka_unit_test(port_61),
		cmocka_unit_test(periodic_ticks), cmocka_unit_test(oneshot_tick),
		cmocka_unit_test(reinjection), cmocka_unit_test(unmasking_forgets),
		cmocka_unit_test(ticks_through_the_pic), cmocka_unit_test(nmi_watchdog),
		cmocka_unit_test(hpet_legacy_silences), cmocka_unit_test(stop_is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
