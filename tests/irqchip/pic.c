/* SPDX-License-Identifier: MIT */
/* The 8259A pair: command words, priorities, INTA. */
#include "machine.h"

static struct machine *initialised(u8 icw4)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	outb(m, 0x20, 0x11);
	outb(m, 0x21, 0x08);
	outb(m, 0x21, 0x04);
	outb(m, 0x21, icw4);
	outb(m, 0xa0, 0x11);
	outb(m, 0xa1, 0x70);
	outb(m, 0xa1, 0x02);
	outb(m, 0xa1, icw4);
	outb(m, 0x21, 0);
	outb(m, 0xa1, 0);
	return m;
}

static int irq(struct machine *m, u32 n, int level)
{
	return irqchip_set_pin(&m->vm, n / 8, n % 8, 0, level);
}

static void pulse(struct machine *m, u32 n)
{
	irq(m, n, 1);
	irq(m, n, 0);
}

static int inta(struct machine *m)
{
	return irqchip_get_interrupt(&m->cpu[0]);
}

static void fully_nested(void **state)
{
	struct machine *m = initialised(1);

	pulse(m, 3);
	pulse(m, 1);
	assert_int_equal(seen[0].interrupt, 1);
	assert_int_equal(inta(m), 0x09);
	/* IRQ 3 and the next IRQ 1 wait for IRQ 1, IRQ 0 does not. */
	pulse(m, 1);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	pulse(m, 0);
	assert_int_equal(inta(m), 0x08);
	outb(m, 0x20, 0x20);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	assert_int_equal(acks[0][0], 1);
	outb(m, 0x20, 0x61);
	assert_int_equal(acks[0][1], 1);
	assert_int_equal(inta(m), 0x09);
	outb(m, 0x20, 0x20);
	assert_int_equal(inta(m), 0x0b);
	outb(m, 0x20, 0x0b);
	assert_int_equal(inb(m, 0x20), 0x08);	/* ISR */
	outb(m, 0x20, 0x20);
	assert_int_equal(inb(m, 0x20), 0);
	machine_free(m);
}

static void every_irq_through_the_cascade(void **state)
{
	struct machine *m = initialised(1);

	for (u32 n = 0; n < 16; n++) {
		if (n == 2)
			continue;
		assert_int_equal(irq(m, n, 1), 1);
		irq(m, n, 0);
		assert_int_equal(inta(m), n < 8 ? 0x08 + n : 0x70 + n - 8);
		if (n >= 8)
			outb(m, 0xa0, 0x20);
		outb(m, 0x20, 0x20);
		assert_int_equal(acks[n / 8][n % 8], 1);
		assert_false(irqchip_has_interrupt(&m->cpu[0]));
	}
	machine_free(m);
}

static void edge_and_level(void **state)
{
	struct machine *m = initialised(1);

	/* Edge: one per rise; the result says what coalesced. */
	assert_int_equal(irq(m, 5, 1), 1);
	assert_int_equal(irq(m, 5, 1), 1);
	assert_int_equal(inta(m), 0x0d);
	outb(m, 0x20, 0x20);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	irq(m, 5, 0);
	pulse(m, 5);
	assert_int_equal(irq(m, 5, 1), 0);
	irq(m, 5, 0);
	assert_int_equal(inta(m), 0x0d);
	outb(m, 0x20, 0x20);
	/* Level: as long as it is high, and gone when it is low. */
	outb(m, 0x4d0, 0xff);
	outb(m, 0x4d1, 0xff);
	assert_int_equal(inb(m, 0x4d0), 0xf8);
	assert_int_equal(inb(m, 0x4d1), 0xde);
	assert_int_equal(irq(m, 5, 1), 1);
	assert_int_equal(irq(m, 5, 1), 0);
	assert_int_equal(inta(m), 0x0d);
	outb(m, 0x20, 0x20);
	assert_int_equal(inta(m), 0x0d);
	irq(m, 5, 0);
	outb(m, 0x20, 0x20);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	outb(m, 0x21, 0x20);
	assert_int_equal(irq(m, 5, 1), -1);
	machine_free(m);
}

static void spurious(void **state)
{
	struct machine *m = initialised(1);
	struct pic *s = m->arch.irqchip.pic;

	assert_int_equal(pic_inta(s), 0x0f);
	outb(m, 0x20, 0x0b);
	assert_int_equal(inb(m, 0x20), 0);	/* no ISR bit for it */
	/* The slave's request goes away after the master saw it. */
	outb(m, 0x4d1, 0x02);
	irq(m, 9, 1);
	irq(m, 9, 0);
	assert_int_equal(pic_inta(s), 0x77);
	assert_int_equal(inb(m, 0x20), 0x04);
	machine_free(m);
}

static void automatic_eoi_and_rotation(void **state)
{
	struct machine *m = initialised(3);

	outb(m, 0x20, 0x80);	/* rotate in automatic EOI mode */
	pulse(m, 0);
	assert_int_equal(inta(m), 0x08);
	assert_int_equal(acks[0][0], 1);
	outb(m, 0x20, 0x0b);
	assert_int_equal(inb(m, 0x20), 0);
	/* IRQ 0 is now the last. */
	pulse(m, 0);
	pulse(m, 7);
	assert_int_equal(inta(m), 0x0f);
	assert_int_equal(inta(m), 0x08);
	machine_free(m);
}

static void rotation_commands(void **state)
{
	struct machine *m = initialised(1);

	outb(m, 0x20, 0xc3);	/* set priority: 3 is lowest, 4 highest */
	pulse(m, 0);
	pulse(m, 4);
	pulse(m, 3);
	assert_int_equal(inta(m), 0x0c);
	outb(m, 0x20, 0xa0);	/* rotate on non-specific EOI: 4 is lowest */
	pulse(m, 4);
	assert_int_equal(inta(m), 0x08);
	outb(m, 0x20, 0xe2);	/* rotate on specific EOI of 2: nothing served */
	outb(m, 0x20, 0x60);
	assert_int_equal(inta(m), 0x0b);
	machine_free(m);
}

static void special_mask_and_nested(void **state)
{
	struct machine *m = initialised(1);

	pulse(m, 1);
	assert_int_equal(inta(m), 0x09);
	outb(m, 0x21, 0x02);
	pulse(m, 4);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	outb(m, 0x20, 0x68);	/* special mask mode: 1 is masked, blocks nobody */
	pulse(m, 5);
	assert_int_equal(inta(m), 0x0c);
	machine_free(m);
	/* Special fully nested: a better slave request interrupts the slave's. */
	m = initialised(0x11);
	pulse(m, 12);
	assert_int_equal(inta(m), 0x74);
	pulse(m, 9);
	assert_int_equal(inta(m), 0x71);
	machine_free(m);
}

static void poll_command(void **state)
{
	struct machine *m = initialised(1);

	outb(m, 0x20, 0x0c);
	assert_int_equal(inb(m, 0x20), 0);
	pulse(m, 6);
	outb(m, 0x20, 0x0c);
	assert_int_equal(inb(m, 0x20), 0x86);
	outb(m, 0x20, 0x0b);
	assert_int_equal(inb(m, 0x20), 0x40);
	machine_free(m);
}

static void initialisation(void **state)
{
	struct machine *m = initialised(1);

	outb(m, 0x21, 0xff);
	pulse(m, 3);
	outb(m, 0x20, 0x10);	/* no ICW4 */
	outb(m, 0x21, 0x37);
	outb(m, 0x21, 0x04);
	assert_int_equal(inb(m, 0x21), 0);	/* the mask is clear: OCW1 again */
	assert_int_equal(inb(m, 0x20), 0);	/* the edge is forgotten */
	pulse(m, 1);
	assert_int_equal(inta(m), 0x31);
	machine_free(m);
}

static void virtual_wire(void **state)
{
	struct machine *m = initialised(1);

	apic_enable(m, 0);
	apic_write(m, 0, LAPIC_LVT_LINT0, LVT_MASKED | APIC_MODE_EXTINT);
	pulse(m, 1);
	assert_int_equal(seen[0].interrupt, 0);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	apic_write(m, 0, LAPIC_LVT_LINT0, APIC_MODE_EXTINT);
	assert_int_equal(seen[0].interrupt, 1);
	assert_true(irqchip_has_extint(&m->cpu[0]));
	/* It comes before the LAPIC's own, whatever its priority. */
	lapic_post(lapic(m, 0), 0xf0);
	assert_int_equal(inta(m), 0x09);
	assert_int_equal(inta(m), 0xf0);
	apic_write(m, 0, LAPIC_EOI, 0);
	outb(m, 0x20, 0x20);
	/* With the LAPIC off, the pin is INTR. */
	apic_write(m, 0, LAPIC_LVT_LINT0, LVT_MASKED);
	pulse(m, 1);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	lapic_set_base(lapic(m, 0), APIC_DEFAULT_ADDR);
	assert_int_equal(inta(m), 0x09);
	machine_free(m);
}

static void port_widths(void **state)
{
	struct machine *m = initialised(1);
	u32 v = 1;

	outb(m, 0x21, 0xa5);
	assert_true(irqchip_pio_write(&m->cpu[0], 0x20, 2, 0xffff));
	assert_int_equal(inb(m, 0x21), 0xa5);
	assert_true(irqchip_pio_read(&m->cpu[0], 0x20, 2, &v));
	assert_int_equal(v, 0);
	assert_false(irqchip_pio_read(&m->cpu[0], 0x20, 4, &v));
	assert_false(irqchip_pio_read(&m->cpu[0], 0x21, 2, &v));
	assert_false(irqchip_pio_read(&m->cpu[0], 0x22, 1, &v));
	assert_false(irqchip_pio_read(&m->cpu[0], 0x1f, 1, &v));
	assert_false(irqchip_pio_read(&m->cpu[0], 0x4d2, 1, &v));
	assert_false(irqchip_pio_read(&m->cpu[0], 0x40, 1, &v));
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fully_nested), cmocka_unit_test(every_irq_through_the_cascade),
		cmocka_unit_test(edge_and_level), cmocka_unit_test(spurious),
		cmocka_unit_test(automatic_eoi_and_rotation), cmocka_unit_test(rotation_commands),
		cmocka_unit_test(special_mask_and_nested), cmocka_unit_test(poll_command),
		cmocka_unit_test(initialisation), cmocka_unit_test(virtual_wire),
		cmocka_unit_test(port_widths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
