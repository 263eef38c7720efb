/* SPDX-License-Identifier: MIT */
/*
 * Random guests and random VMMs: no crash (run it under ASan and UBSan), and
 * what must hold of the chips whatever was done to them.
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "api/arch.h"

static u64 rng;

static u64 rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static u32 pick(u32 n)
{
	return rnd() % n;
}

static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61 };
static const u32 cpus = 4;

static void random_pio(struct machine *m)
{
	u16 port = ports[pick(ARRAY_SIZE(ports))];
	u8 size = 1u << pick(3);
	u32 v;

	if (pick(2))
		irqchip_pio_write(&m->cpu[pick(cpus)], port, size, rnd());
	else
		irqchip_pio_read(&m->cpu[pick(cpus)], port, size, &v);
}

static void random_mmio(struct machine *m)
{
	gpa_t base = pick(2) ? APIC_DEFAULT_ADDR : IOAPIC_DEFAULT_ADDR;
	gpa_t gpa = base + (pick(8) ? pick(0x40) << 4 : pick(0x1010));
	u32 len = pick(8) ? 4 : 1 + pick(8);
	u8 data[8];
	u64 v = rnd();

	/* Often plausible vectors and masks, so that interrupts do flow. */
	if (pick(2))
		v &= 0x0302a8ff;
	if (pick(2)) {
		memcpy(data, &v, 8);
		irqchip_mmio_write(&m->cpu[pick(cpus)], gpa, len, data);
	} else {
		irqchip_mmio_read(&m->cpu[pick(cpus)], gpa, len, data);
	}
}

static void random_msr(struct machine *m)
{
	struct lapic *l = lapic(m, pick(cpus));
	u32 msr = 0x800 + pick(0x100);
	u64 v = pick(2) ? rnd() : pick(0x100);

	if (pick(2))
		lapic_write_x2apic(l, msr, v);
	else
		lapic_read_x2apic(l, msr, &v);
	if (!pick(4))
		lapic_set_tsc_deadline(l, clock_ns + pick(100000));
}

static void random_base(struct machine *m)
{
	static const u64 modes[] = { 0, APIC_BASE_EN, APIC_BASE_EN | APIC_BASE_EXTD };

	lapic_set_base(lapic(m, pick(cpus)), APIC_DEFAULT_ADDR | modes[pick(3)]);
	if (!pick(4))
		lapic_reset(lapic(m, pick(cpus)), pick(2));
}

static void random_irq(struct machine *m)
{
	switch (pick(4)) {
	case 0:
		irqchip_set_pin(&m->vm, pick(4), pick(26), pick(3), pick(2));
		break;
	case 1:
		irqchip_deliver_msi(&m->vm, 0xfee00000 | (rnd() & 0xff00ff00ffffcull), rnd());
		break;
	case 2:
		lapic_send_pv_ipi(&m->vm, rnd(), rnd(), pick(8), rnd() & 0x7ff, pick(2));
		break;
	default:
		clock_advance(pick(3000000));
	}
}

static void random_state(struct machine *m)
{
	struct irqchip *ic = &m->arch.irqchip;
	union {
		struct kvm_lapic_state lapic;
		struct kvm_pic_state pic;
		struct kvm_ioapic_state ioapic;
		struct kvm_pit_state2 pit;
		u64 words[128];
	} s;
	u32 i = pick(cpus);

	for (u32 k = 0; k < ARRAY_SIZE(s.words); k++)
		s.words[k] = rnd();
	switch (pick(4)) {
	case 0:
		lapic_set_state(lapic(m, i), &s.lapic);
		lapic_get_state(lapic(m, i), &s.lapic);
		break;
	case 1:
		pic_set_state(ic->pic, i & 1, &s.pic);
		pic_get_state(ic->pic, i & 1, &s.pic);
		break;
	case 2:
		s.ioapic.base_address = IOAPIC_DEFAULT_ADDR;
		ioapic_set_state(ic->ioapic, &s.ioapic);
		ioapic_get_state(ic->ioapic, &s.ioapic);
		break;
	default:
		pit_set_state(ic->pit, &s.pit);
		pit_get_state(ic->pit, &s.pit);
	}
}

/* What a vCPU takes is the best it has, and above what it serves. */
static void take(struct machine *m)
{
	u32 i = pick(cpus);
	struct lapic *l = lapic(m, i);
	bool pic = irqchip_has_extint(&m->cpu[i]), has = irqchip_has_interrupt(&m->cpu[i]);
	int served = l->isr_top, v = irqchip_get_interrupt(&m->cpu[i]);

	assert_int_equal(v >= 0, has);
	assert_in_range(v + 1, 0, 256);
	if (!pic && v >= 0) {
		assert_true(served < 0 || v >> 4 > served >> 4);
		assert_true(lapic_bit(l, LAPIC_ISR, v));
	}
	if (pick(2))
		lapic_reg_write(l, LAPIC_EOI, 0);
}

static void check_invariants(struct machine *m)
{
	u32 xapic = 0, moved = 0, nmi = 0;

	for (u32 i = 0; i < cpus; i++) {
		struct lapic *l = lapic(m, i);
		u32 census = lapic_census(l);

		xapic += !!(census & CENSUS_XAPIC);
		moved += !!(census & CENSUS_MOVED);
		nmi += !!(census & CENSUS_NMI_LINT0);
		assert_int_equal(l->isr_top, lapic_highest(l, LAPIC_ISR));
		if (lapic_highest(l, LAPIC_IRR) >= 0)
			assert_int_equal(l->irr_pending, 1);
	}
	assert_int_equal(m->arch.irqchip.bus->nr_xapic, xapic);
	assert_int_equal(m->arch.irqchip.bus->nr_moved, moved);
	assert_int_equal(m->arch.irqchip.bus->nr_nmi_lint0, nmi);
}

static void run(u64 seed, u32 steps, bool states)
{
	static void (*const acts[])(struct machine *m) = {
		random_mmio, random_mmio, random_pio, random_msr, random_irq, random_irq, take, take,
	};
	struct machine *m = machine_new(IRQCHIP_FULL, cpus);

	rng = seed;
	assert_int_equal(irqchip_create_pit(&m->vm, KVM_PIT_SPEAKER_DUMMY), 0);
	for (u32 i = 0; i < cpus; i++)
		apic_enable(m, i);
	for (u32 i = 0; i < steps; i++) {
		acts[pick(ARRAY_SIZE(acts))](m);
		if (!pick(100))
			random_base(m);
		if (states && !pick(50))
			random_state(m);
		check_invariants(m);
	}
	machine_free(m);
}

static void random_guest(void **state)
{
	for (u64 seed = 1; seed <= 20; seed++)
		run(seed * 0x9e3779b97f4a7c15ull, 3000, false);
}

static void random_guest_and_vmm(void **state)
{
	for (u64 seed = 1; seed <= 20; seed++)
		run(seed * 0xd1342543de82ef95ull, 3000, true);
}

/*
 * A model of one LAPIC's priorities: sets of requested and served vectors.
 */
static void against_a_model(void **state)
{
	bool irr[256] = { false }, isr[256] = { false };
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	u32 tpr = 0;

	rng = 0x1234567;
	apic_enable(m, 0);
	for (u32 step = 0; step < 50000; step++) {
		int req = -1, serving = -1, expect, v = 16 + pick(240);

		switch (pick(4)) {
		case 0:
			lapic_post(lapic(m, 0), v);
			irr[v] = true;
			break;
		case 1:
			tpr = pick(3) ? 0 : pick(256);
			apic_write(m, 0, LAPIC_TPR, tpr);
			break;
		}
		for (int i = 0; i < 256; i++) {
			req = irr[i] ? i : req;
			serving = isr[i] ? i : serving;
		}
		expect = req >> 4 > MAX(serving >> 4, (int)(tpr >> 4)) ? req : -1;
		assert_int_equal(irqchip_has_interrupt(&m->cpu[0]), expect >= 0);
		if (pick(2)) {
			assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), expect);
			if (expect >= 0) {
				irr[expect] = false;
				isr[expect] = true;
			}
		} else if (pick(2)) {
			apic_write(m, 0, LAPIC_EOI, 0);
			if (serving >= 0)
				isr[serving] = false;
		}
	}
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_guest), cmocka_unit_test(random_guest_and_vmm),
		cmocka_unit_test(against_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
