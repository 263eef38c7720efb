/* SPDX-License-Identifier: MIT */
/* KVM_SET_IRQCHIP (api.rst 4.27): _IOR by number, but it is input. */
#include "irqchip_state.h"
#include "lapic_test.h"

static void errors(void **state)
{
	irqchip_errors(KVM_SET_IRQCHIP);
}

static void does_not_write(void **state)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	int vm = new_vm_irqchip();

	assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, read_only(&chip, sizeof(chip))));
	close(vm);
}

static struct kvm_irqchip pic(uint32_t id)
{
	struct kvm_irqchip chip = { .chip_id = id };

	chip.chip.pic = (struct kvm_pic_state) {
		.last_irr = 1, .irr = 0x10, .imr = 0xb8, .isr = 4, .priority_add = 3,
		.irq_base = 0x30, .read_reg_select = 1, .special_mask = 1,
		.auto_eoi = 1, .init4 = 1, .elcr = 8, .elcr_mask = id ? 0xde : 0xf8,
	};
	return chip;
}

static void what_was_set_is_got(void **state)
{
	struct kvm_irqchip a, b;
	int vm = new_vm_irqchip();

	for (uint32_t id = KVM_IRQCHIP_PIC_MASTER; id <= KVM_IRQCHIP_IOAPIC; id++) {
		if (id < KVM_IRQCHIP_IOAPIC) {
			a = pic(id);
		} else {
			memset(&a, 0, sizeof(a));
			a.chip_id = id;
			a.chip.ioapic.base_address = 0xfec00000;
			a.chip.ioapic.ioregsel = 0x12;
			a.chip.ioapic.id = 3;
			for (int i = 0; i < KVM_IOAPIC_NUM_PINS; i++) {
				a.chip.ioapic.redirtbl[i].fields.mask = 1;
				a.chip.ioapic.redirtbl[i].fields.vector = 0x40 + i;
				a.chip.ioapic.redirtbl[i].fields.dest_id = i;
			}
		}
		assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, &a));
		memset(&b, 0, sizeof(b));
		b.chip_id = id;
		assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &b));
		assert_memory_equal(&a, &b, sizeof(a));
	}
	close(vm);
}

/* A PIC's state is taken as it is, possible or not. */
static void any_pic_state(void **state)
{
	struct kvm_irqchip a, b = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	struct kvm_irq_level line = { .irq = 3, .level = 1 };
	int vm = new_vm_irqchip(), vcpu = new_vcpu(vm, 0);

	memset(&a, 0xff, sizeof(a));
	a.chip_id = KVM_IRQCHIP_PIC_MASTER;
	assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, &a));
	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &b));
	assert_memory_equal(&a.chip.pic, &b.chip.pic, sizeof(a.chip.pic));
	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE, &line));
	close(vcpu);
	close(vm);
}

/* The chips are three: setting one leaves the others. */
static void others_stay(void **state)
{
	struct kvm_irqchip master = pic(KVM_IRQCHIP_PIC_MASTER);
	struct kvm_irqchip slave = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	int vm = new_vm_irqchip();

	assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, &master));
	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &slave));
	assert_int_equal(slave.chip.pic.imr, 0);
	assert_int_equal(slave.chip.pic.irq_base, 0);
	close(vm);
}

/* -- The RTC's interrupts (KVM: coalesced until the last one has been ended) ------ */

enum { RTC_PIN = 8, RTC_VECTOR = 0x58 };

struct saved {
	struct kvm_irqchip ioapic;
	struct kvm_lapic_state lapic;
};

/* An RTC that knows the IOAPIC alone, so that the PIC has no part in the answer. */
static struct machine rtc_machine(void)
{
	struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry e; } r = {
		{ .nr = 1 }, { .gsi = RTC_PIN, .type = KVM_IRQ_ROUTING_IRQCHIP,
			       .u.irqchip = { KVM_IRQCHIP_IOAPIC, RTC_PIN } },
	};
	struct machine m = machine_new(FULL_CHIPS);

	must(m.vm, KVM_SET_GSI_ROUTING, &r);
	return m;
}

/* Is its next tick delivered? */
static bool ticks(struct machine m)
{
	struct kvm_irq_level up = { .irq = RTC_PIN, .level = 1 }, down = { .irq = RTC_PIN };

	must(m.vm, KVM_IRQ_LINE_STATUS, &up);
	must(m.vm, KVM_IRQ_LINE_STATUS, &down);
	return (int)up.status > 0;
}

static struct saved save(struct machine m)
{
	struct saved s = { .ioapic.chip_id = KVM_IRQCHIP_IOAPIC, .lapic = lapic_of(m.vcpu) };

	must(m.vm, KVM_GET_IRQCHIP, &s.ioapic);
	return s;
}

static struct saved one_tick(void)
{
	struct machine m = rtc_machine();
	struct saved s = save(m);

	put_reg(&s.lapic, SVR, SVR_ENABLED | 0xff);
	s.ioapic.chip.ioapic.redirtbl[RTC_PIN].bits = RTC_VECTOR;
	must(m.vcpu, KVM_SET_LAPIC, &s.lapic);
	must(m.vm, KVM_SET_IRQCHIP, &s.ioapic);
	assert_true(ticks(m));
	assert_false(ticks(m));
	s = save(m);
	machine_free(m);
	return s;
}

static void rtc_tick_to_be_ended_is_found_again(void **state)
{
	struct saved s = one_tick();

	for (int lapic_first = 0; lapic_first <= 1; lapic_first++) {
		struct machine m = rtc_machine();

		if (lapic_first)
			must(m.vcpu, KVM_SET_LAPIC, &s.lapic);
		must(m.vm, KVM_SET_IRQCHIP, &s.ioapic);
		must(m.vcpu, KVM_SET_LAPIC, &s.lapic);
		assert_false(ticks(m));
		machine_free(m);
	}
}

static void rtc_tick_in_service_is_found_again(void **state)
{
	struct machine m = rtc_machine();
	struct saved s = one_tick();

	put_reg(&s.lapic, IRR + 0x20, 0);
	put_reg(&s.lapic, ISR + 0x20, 1u << RTC_VECTOR % 32);
	must(m.vcpu, KVM_SET_LAPIC, &s.lapic);
	must(m.vm, KVM_SET_IRQCHIP, &s.ioapic);
	assert_false(ticks(m));
	machine_free(m);
}

static void rtc_tick_is_forgotten_with_the_lapic(void **state)
{
	struct machine m = rtc_machine();
	struct saved s = one_tick(), none = s;

	put_reg(&none.lapic, IRR + 0x20, 0);
	must(m.vcpu, KVM_SET_LAPIC, &s.lapic);
	must(m.vm, KVM_SET_IRQCHIP, &s.ioapic);
	must(m.vcpu, KVM_SET_LAPIC, &none.lapic);
	assert_true(ticks(m));
	assert_false(ticks(m));
	must(m.vcpu, KVM_SET_LAPIC, &none.lapic);
	assert_true(ticks(m));
	machine_free(m);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_IRQCHIP);
}

IOCTL_TESTS(set_irqchip,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(does_not_write),
	    cmocka_unit_test(what_was_set_is_got),
	    cmocka_unit_test(any_pic_state),
	    cmocka_unit_test(others_stay),
	    cmocka_unit_test(rtc_tick_to_be_ended_is_found_again),
	    cmocka_unit_test(rtc_tick_in_service_is_found_again),
	    cmocka_unit_test(rtc_tick_is_forgotten_with_the_lapic),
	    cmocka_unit_test(wrong_scope))
