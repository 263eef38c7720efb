/* SPDX-License-Identifier: MIT */
/* LAPIC: registers, priorities, EOI, timer (SDM vol. 3A chapter 11). */
#include "machine.h"


static void reset_values(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 2);

	assert_int_equal(m->cpu[0].apic_base, 0xfee00900);
	assert_int_equal(m->cpu[1].apic_base, 0xfee00800);
	assert_int_equal(apic_read(m, 1, LAPIC_ID), 1 << 24);
	assert_int_equal(apic_read(m, 0, LAPIC_VERSION), 0x50014);
	assert_int_equal(apic_read(m, 0, LAPIC_SVR), 0xff);
	assert_int_equal(apic_read(m, 0, LAPIC_DFR), 0xffffffff);
	assert_int_equal(apic_read(m, 0, LAPIC_LVT_TIMER), LVT_MASKED);
	assert_int_equal(apic_read(m, 0, LAPIC_LVT_LINT0), APIC_MODE_EXTINT);
	assert_int_equal(apic_read(m, 1, LAPIC_LVT_LINT0), LVT_MASKED);
	machine_free(m);
}

static void writable_bits(void **state)
{
	static const struct { u32 reg, bits; } regs[] = {
		{ LAPIC_TPR, 0xff }, { LAPIC_LDR, 0xff000000 }, { LAPIC_ID, 0xff000000 },
		{ LAPIC_ICR2, 0xff000000 }, { LAPIC_TDCR, 0xb }, { LAPIC_SVR, 0x3ff },
		{ LAPIC_LVT_TIMER, 0x710ff }, { LAPIC_LVT_THERMAL, 0x117ff },
		{ LAPIC_LVT_PMC, 0x117ff }, { LAPIC_LVT_LINT0, 0x1f7ff },
		{ LAPIC_LVT_LINT1, 0x1f7ff }, { LAPIC_LVT_ERROR, 0x110ff },
		{ LAPIC_VERSION, 0 }, { LAPIC_PPR, 0 }, { LAPIC_ESR, 0 }, { LAPIC_APR, 0 },
		{ LAPIC_TMCCT, 0 }, { LAPIC_ISR, 0 }, { LAPIC_IRR + 0x70, 0 },
	};
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	apic_write(m, 0, LAPIC_SVR, 0x1ff);
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		u32 old, zero, ones, mask;

		if (regs[i].reg == LAPIC_SVR)
			continue;
		old = apic_read(m, 0, regs[i].reg);
		apic_write(m, 0, regs[i].reg, 0);
		zero = apic_read(m, 0, regs[i].reg);
		apic_write(m, 0, regs[i].reg, 0xffffffff);
		ones = apic_read(m, 0, regs[i].reg);
		mask = regs[i].reg == LAPIC_PPR ? 0 : zero ^ ones;
		assert_int_equal(mask, regs[i].bits);
		apic_write(m, 0, regs[i].reg, old);
	}
	machine_free(m);
}

static void odd_mmio_accesses(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	u64 v;
	u16 w = 0xffff;
	u32 d = 0x55;

	/* Only aligned 32-bit stores count. */
	assert_true(irqchip_mmio_write(&m->cpu[0], APIC_DEFAULT_ADDR + LAPIC_TPR, 2, &w));
	assert_true(irqchip_mmio_write(&m->cpu[0], APIC_DEFAULT_ADDR + LAPIC_TPR + 4, 4, &d));
	assert_int_equal(apic_read(m, 0, LAPIC_TPR), 0);
	/* Bytes of a register can be read; a read beyond it is 0. */
	assert_true(irqchip_mmio_read(&m->cpu[0], APIC_DEFAULT_ADDR + LAPIC_VERSION + 2, 1, &v));
	assert_int_equal((u8)v, 5);
	assert_true(irqchip_mmio_read(&m->cpu[0], APIC_DEFAULT_ADDR + LAPIC_VERSION + 8, 4, &d));
	assert_int_equal(d, 0);
	assert_true(irqchip_mmio_read(&m->cpu[0], APIC_DEFAULT_ADDR + 0xff8, 8, &v));
	assert_int_equal(v, 0);
	assert_false(irqchip_mmio_read(&m->cpu[0], APIC_DEFAULT_ADDR + 0x1000, 4, &d));
	assert_false(irqchip_mmio_read(&m->cpu[0], APIC_DEFAULT_ADDR - 4, 4, &d));
	/* The page moves with its base. */
	lapic_set_base(lapic(m, 0), 0x80000000 | APIC_BASE_EN);
	assert_false(irqchip_mmio_read(&m->cpu[0], APIC_DEFAULT_ADDR + LAPIC_ID, 4, &d));
	assert_true(irqchip_mmio_read(&m->cpu[0], 0x80000000 + LAPIC_VERSION, 4, &d));
	assert_int_equal(d, 0x50014);
	/* Disabled, the page reads as ones, or is not there without the quirk. */
	lapic_set_base(lapic(m, 0), APIC_DEFAULT_ADDR);
	assert_true(irqchip_mmio_read(&m->cpu[0], APIC_DEFAULT_ADDR + LAPIC_ID, 4, &d));
	assert_int_equal(d, 0xffffffff);
	m->arch.disabled_quirks = KVM_X86_QUIRK_LAPIC_MMIO_HOLE;
	assert_false(irqchip_mmio_read(&m->cpu[0], APIC_DEFAULT_ADDR + LAPIC_ID, 4, &d));
	assert_false(irqchip_mmio_write(&m->cpu[0], APIC_DEFAULT_ADDR + LAPIC_ID, 4, &d));
	machine_free(m);
}

static void x2apic_registers(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 40);
	u64 v;

	assert_false(lapic_read_x2apic(lapic(m, 37), 0x802, &v));
	x2apic_on(m, 37);
	assert_true(lapic_read_x2apic(lapic(m, 37), 0x802, &v));
	assert_int_equal(v, 37);
	assert_true(lapic_read_x2apic(lapic(m, 37), 0x80d, &v));
	assert_int_equal(v, 2 << 16 | 1 << 5);
	/* ID, LDR and DFR are not writable, DFR and ICR2 are not there. */
	assert_false(lapic_write_x2apic(lapic(m, 37), 0x802, 1));
	assert_false(lapic_write_x2apic(lapic(m, 37), 0x80d, 1));
	assert_false(lapic_read_x2apic(lapic(m, 37), 0x80e, &v));
	assert_false(lapic_read_x2apic(lapic(m, 37), 0x831, &v));
	assert_false(lapic_write_x2apic(lapic(m, 37), 0x831, 0));
	assert_false(lapic_write_x2apic(lapic(m, 37), 0x828, 1));
	assert_true(lapic_write_x2apic(lapic(m, 37), 0x828, 0));
	assert_false(lapic_write_x2apic(lapic(m, 37), 0x808, 1ull << 32));
	assert_true(lapic_write_x2apic(lapic(m, 37), 0x808, 0x20));
	assert_int_equal(lapic_get_cr8(lapic(m, 37)), 2);
	/* The ICR is one register of 64 bits. */
	assert_true(lapic_write_x2apic(lapic(m, 37), 0x830, 0x1234500004031ull));
	assert_true(lapic_read_x2apic(lapic(m, 37), 0x830, &v));
	assert_int_equal(v, 0x1234500004031ull);
	/* SELF IPI. */
	apic_enable(m, 37);
	assert_false(lapic_write_x2apic(lapic(m, 37), 0x83f, 0x100));
	assert_true(lapic_write_x2apic(lapic(m, 37), 0x83f, 0x77));
	assert_true(accepted(m, 37, 0x77));
	assert_false(lapic_read_x2apic(lapic(m, 37), 0x83f, &v));
	machine_free(m);
}

static void id_follows_mode(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 2);

	x2apic_on(m, 1);
	assert_int_equal(apic_read(m, 1, LAPIC_ID), 1);
	lapic_set_base(lapic(m, 1), APIC_DEFAULT_ADDR);
	lapic_set_base(lapic(m, 1), APIC_DEFAULT_ADDR | APIC_BASE_EN);
	assert_int_equal(apic_read(m, 1, LAPIC_ID), 1 << 24);
	/* A reset by userspace goes straight back. */
	x2apic_on(m, 1);
	lapic_set_base(lapic(m, 1), APIC_DEFAULT_ADDR | APIC_BASE_EN);
	assert_int_equal(apic_read(m, 1, LAPIC_ID), 1 << 24);
	machine_free(m);
}

static void priorities(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	struct cpu *c = &m->cpu[0];

	apic_enable(m, 0);
	assert_false(irqchip_has_interrupt(c));
	lapic_post(c->lapic, 0x51);
	lapic_post(c->lapic, 0x43);
	assert_int_equal(seen[0].interrupt, 2);
	assert_int_equal(irqchip_get_interrupt(c), 0x51);
	assert_int_equal(apic_read(m, 0, LAPIC_PPR), 0x50);
	assert_false(irqchip_has_interrupt(c));
	/* The same class waits, a higher one nests. */
	lapic_post(c->lapic, 0x5f);
	assert_false(irqchip_has_interrupt(c));
	lapic_post(c->lapic, 0x60);
	assert_int_equal(irqchip_get_interrupt(c), 0x60);
	seen[0].interrupt = 0;
	apic_write(m, 0, LAPIC_EOI, 0);
	assert_int_equal(seen[0].interrupt, 0);
	apic_write(m, 0, LAPIC_EOI, 0);
	assert_int_equal(seen[0].interrupt, 1);
	assert_int_equal(irqchip_get_interrupt(c), 0x5f);
	apic_write(m, 0, LAPIC_EOI, 0);
	/* TPR and CR8 are one. */
	lapic_set_cr8(c->lapic, 4);
	assert_int_equal(apic_read(m, 0, LAPIC_TPR), 0x40);
	assert_int_equal(irqchip_get_interrupt(c), -1);
	apic_write(m, 0, LAPIC_TPR, 0x3f);
	assert_int_equal(seen[0].tpr, 1);
	assert_int_equal(lapic_get_cr8(c->lapic), 3);
	assert_int_equal(apic_read(m, 0, LAPIC_PPR), 0x3f);
	assert_int_equal(irqchip_get_interrupt(c), 0x43);
	assert_int_equal(irqchip_get_interrupt(c), -1);
	machine_free(m);
}

static void every_vector_once(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	apic_enable(m, 0);
	for (int v = 16; v < 256; v++)
		lapic_post(lapic(m, 0), v);
	for (int v = 255; v >= 16; v--)
		assert_int_equal(take_and_eoi(m, 0), v);
	assert_int_equal(take_and_eoi(m, 0), -1);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	machine_free(m);
}

static void software_disabled(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	struct apic_msg msg = { .mode = APIC_MODE_NMI, .assert = true };

	lapic_post(lapic(m, 0), 0x50);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	/* NMI, SMI, INIT and SIPI get through. */
	assert_int_equal(apic_bus_send(&m->vm, NULL, &msg), 1);
	assert_int_equal(seen[0].nmi, 1);
	/* LVTs are forced to masked, and stay so. */
	apic_write(m, 0, LAPIC_LVT_LINT1, APIC_MODE_NMI);
	assert_int_equal(apic_read(m, 0, LAPIC_LVT_LINT1), APIC_MODE_NMI | LVT_MASKED);
	apic_enable(m, 0);
	apic_write(m, 0, LAPIC_LVT_LINT1, APIC_MODE_NMI);
	lapic_post(lapic(m, 0), 0x50);
	apic_write(m, 0, LAPIC_SVR, 0xff);
	assert_int_equal(apic_read(m, 0, LAPIC_LVT_LINT1), APIC_MODE_NMI | LVT_MASKED);
	/* What had been accepted is still delivered. */
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), 0x50);
	machine_free(m);
}

static void init_keeps_id_and_base(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 2);

	x2apic_on(m, 1);
	apic_enable(m, 1);
	lapic_post(lapic(m, 1), 0x50);
	lapic_reset(lapic(m, 1), true);
	assert_true(lapic_x2apic(lapic(m, 1)));
	assert_int_equal(apic_read(m, 1, LAPIC_LDR), 2);
	assert_int_equal(apic_read(m, 1, LAPIC_SVR), 0xff);
	assert_false(irqchip_has_interrupt(&m->cpu[1]));
	lapic_reset(lapic(m, 1), false);
	assert_int_equal(m->cpu[1].apic_base, 0xfee00800);
	assert_int_equal(apic_read(m, 1, LAPIC_ID), 1 << 24);
	machine_free(m);
}

/* -- Timer -------------------------------------------------------------------------- */

static void timer_oneshot(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	apic_enable(m, 0);
	apic_write(m, 0, LAPIC_TDCR, 0xb);
	apic_write(m, 0, LAPIC_LVT_TIMER, 0xec);
	apic_write(m, 0, LAPIC_TMICT, 1000000);
	assert_int_equal(apic_read(m, 0, LAPIC_TMCCT), 1000000);
	clock_advance(400000);
	assert_int_equal(apic_read(m, 0, LAPIC_TMCCT), 600000);
	clock_advance(599999);
	assert_false(accepted(m, 0, 0xec));
	clock_advance(1);
	assert_int_equal(take_and_eoi(m, 0), 0xec);
	assert_int_equal(apic_read(m, 0, LAPIC_TMCCT), 0);
	clock_advance(10000000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	machine_free(m);
}

static void timer_divider_codes(void **state)
{
	static const struct { u8 tdcr; u32 divide; } codes[] = {
		{ 0, 2 }, { 1, 4 }, { 2, 8 }, { 3, 16 }, { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 },
	};
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	apic_enable(m, 0);
	apic_write(m, 0, LAPIC_LVT_TIMER, 0x40);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		apic_write(m, 0, LAPIC_TDCR, codes[i].tdcr);
		apic_write(m, 0, LAPIC_TMICT, 5000);
		clock_advance(5000ull * codes[i].divide - 1);
		assert_false(accepted(m, 0, 0x40));
		clock_advance(1);
		assert_int_equal(take_and_eoi(m, 0), 0x40);
	}
	/* A new divider holds for what is left. */
	apic_write(m, 0, LAPIC_TDCR, 11);
	apic_write(m, 0, LAPIC_TMICT, 1000);
	clock_advance(500);
	apic_write(m, 0, LAPIC_TDCR, 0);
	assert_int_equal(apic_read(m, 0, LAPIC_TMCCT), 500);
	clock_advance(999);
	assert_false(accepted(m, 0, 0x40));
	clock_advance(1);
	assert_true(accepted(m, 0, 0x40));
	machine_free(m);
}

static void timer_periodic(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	u32 n = 0;

	apic_enable(m, 0);
	apic_write(m, 0, LAPIC_TDCR, 0xb);
	apic_write(m, 0, LAPIC_LVT_TIMER, LVT_TIMER_PERIODIC | 0x40);
	apic_write(m, 0, LAPIC_TMICT, 1000000);
	for (u32 i = 0; i < 10; i++) {
		clock_advance(1000000);
		n += take_and_eoi(m, 0) == 0x40;
	}
	assert_int_equal(n, 10);
	clock_advance(250000);
	assert_int_equal(apic_read(m, 0, LAPIC_TMCCT), 750000);
	/* Many periods at once are one interrupt, and the phase is kept. */
	clock_ns += 5000000;
	clock_advance(0);
	assert_int_equal(take_and_eoi(m, 0), 0x40);
	assert_int_equal(take_and_eoi(m, 0), -1);
	assert_int_equal(apic_read(m, 0, LAPIC_TMCCT), 750000);
	/* 0 stops; a short period is stretched to KVM's minimum. */
	apic_write(m, 0, LAPIC_TMICT, 0);
	clock_advance(10000000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	apic_write(m, 0, LAPIC_TMICT, 10);
	clock_advance(199999);
	assert_int_equal(take_and_eoi(m, 0), -1);
	clock_advance(1);
	assert_int_equal(take_and_eoi(m, 0), 0x40);
	machine_free(m);
}

static void timer_tsc_deadline(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	struct lapic *l = lapic(m, 0);

	apic_enable(m, 0);
	lapic_set_tsc_deadline(l, 5);		/* not in this mode: ignored */
	assert_int_equal(lapic_get_tsc_deadline(l), 0);
	apic_write(m, 0, LAPIC_TMICT, 100);
	apic_write(m, 0, LAPIC_LVT_TIMER, LVT_TIMER_TSCDEADLINE | 0x40);
	clock_advance(1000000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	apic_write(m, 0, LAPIC_TMICT, 100);	/* ignored */
	assert_int_equal(apic_read(m, 0, LAPIC_TMCCT), 0);
	lapic_set_tsc_deadline(l, clock_ns + 500);
	assert_int_equal(lapic_get_tsc_deadline(l), clock_ns + 500);
	clock_advance(499);
	assert_false(accepted(m, 0, 0x40));
	clock_advance(1);
	assert_int_equal(take_and_eoi(m, 0), 0x40);
	assert_int_equal(lapic_get_tsc_deadline(l), 0);
	/* In the past: at once.  0: disarmed.  Far: never, no overflow. */
	lapic_set_tsc_deadline(l, 1);
	assert_int_equal(take_and_eoi(m, 0), 0x40);
	lapic_set_tsc_deadline(l, clock_ns + 500);
	lapic_set_tsc_deadline(l, 0);
	clock_advance(1000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	lapic_set_tsc_deadline(l, UINT64_MAX);
	clock_advance(1000000000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	/* The TSC jumps past it. */
	lapic_set_tsc_deadline(l, clock_ns + 1000000);
	m->cpu[0].tsc_offset = 2000000;
	lapic_tsc_changed(l);
	assert_int_equal(take_and_eoi(m, 0), 0x40);
	machine_free(m);
}

/* KVM: CPUID says which modes there are; before it there is one-shot alone. */
static void timer_modes_are_cpuids(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	struct lapic *l = lapic(m, 0);

	apic_enable(m, 0);
	lapic_cpuid_changed(l, false);
	apic_write(m, 0, LAPIC_LVT_TIMER, 0xffffffff);
	assert_int_equal(apic_read(m, 0, LAPIC_LVT_TIMER), 0x310ff);
	apic_write(m, 0, LAPIC_LVT_TIMER, LVT_TIMER_TSCDEADLINE | 0x40);
	lapic_set_tsc_deadline(l, clock_ns + 500);
	clock_advance(1000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	apic_write(m, 0, LAPIC_TMICT, 100);	/* it counts */
	clock_advance(1000000);
	assert_int_equal(take_and_eoi(m, 0), 0x40);
	/* The reserved mode stands still. */
	lapic_cpuid_changed(l, true);
	apic_write(m, 0, LAPIC_LVT_TIMER, LVT_TIMER_MODE | 0x40);
	apic_write(m, 0, LAPIC_TMICT, 100);
	clock_advance(1000000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	machine_free(m);
}

static void timer_rearm_races_with_expiry(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	struct lapic *l = lapic(m, 0);

	apic_enable(m, 0);
	apic_write(m, 0, LAPIC_LVT_TIMER, LVT_TIMER_TSCDEADLINE | 0x40);
	lapic_set_tsc_deadline(l, clock_ns + 500);
	clock_ns += 600;
	/* The worker has picked the expiry up, the vCPU re-arms first. */
	lapic_set_tsc_deadline(l, clock_ns + 500);
	l->timer.wt.fn(&l->timer.wt);
	assert_int_equal(take_and_eoi(m, 0), -1);
	clock_advance(500);
	assert_int_equal(take_and_eoi(m, 0), 0x40);
	l->timer.wt.fn(&l->timer.wt);
	assert_int_equal(take_and_eoi(m, 0), -1);
	machine_free(m);
}

static void timer_masked_and_stopped(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);

	apic_enable(m, 0);
	apic_write(m, 0, LAPIC_LVT_TIMER, LVT_MASKED | 0x40);
	apic_write(m, 0, LAPIC_TMICT, 1000);
	clock_advance(10000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	apic_write(m, 0, LAPIC_LVT_TIMER, 0x40);
	apic_write(m, 0, LAPIC_TMICT, 1000);
	lapic_stop(lapic(m, 0));
	clock_advance(10000);
	assert_int_equal(take_and_eoi(m, 0), -1);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_values), cmocka_unit_test(writable_bits), cmocka_unit_test(odd_mmio_accesses),
		cmocka_unit_test(x2apic_registers), cmocka_unit_test(id_follows_mode), cmocka_unit_test(priorities),
		cmocka_unit_test(every_vector_once), cmocka_unit_test(software_disabled),
		cmocka_unit_test(init_keeps_id_and_base), cmocka_unit_test(timer_oneshot),
		cmocka_unit_test(timer_divider_codes), cmocka_unit_test(timer_periodic),
		cmocka_unit_test(timer_modes_are_cpuids),
		cmocka_unit_test(timer_tsc_deadline), cmocka_unit_test(timer_rearm_races_with_expiry),
		cmocka_unit_test(timer_masked_and_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
