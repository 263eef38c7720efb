/* SPDX-License-Identifier: MIT */
/* The chips' ioctls: errnos in order, state that survives a round trip. */
#include "machine.h"

#include <errno.h>
#include <string.h>

#define IOCTL(scope, cmd, kind, fn) long fn(struct kfile *f, void *arg);
#include "x86/api/arch_ioctls_irqchip.def"
#undef IOCTL

static struct kfile vm_file(struct machine *m)
{
	return (struct kfile) { .scope = SCOPE_VM, .vm = &m->vm };
}

static struct kfile vcpu_file(struct machine *m, u32 i)
{
	return (struct kfile) { .scope = SCOPE_VCPU, .vm = &m->vm, .vcpu = &m->vcpu[i] };
}

static void create_irqchip(void **state)
{
	struct machine *m = machine_new(IRQCHIP_NONE, 0);
	struct kfile f = vm_file(m);

	assert_int_equal(vm_create_irqchip(&f, NULL), 0);
	assert_int_equal(vm_create_irqchip(&f, NULL), -EEXIST);
	assert_int_equal(irqchip_create_split(&m->vm, 24), -EEXIST);
	assert_int_equal(irqchip_create_split(&m->vm, 4097), -EINVAL);
	machine_free(m);

	m = machine_new(IRQCHIP_NONE, 1);
	f = vm_file(m);
	assert_int_equal(vm_create_irqchip(&f, NULL), -EINVAL);
	assert_int_equal(irqchip_create_split(&m->vm, 24), -EEXIST);
	machine_free(m);

	m = machine_new(IRQCHIP_SPLIT, 0);
	f = vm_file(m);
	assert_int_equal(vm_create_irqchip(&f, NULL), -EEXIST);
	machine_free(m);
}

static void without_chips(void **state)
{
	struct machine *m = machine_new(IRQCHIP_NONE, 1);
	struct kfile f = vm_file(m), v = vcpu_file(m, 0);
	static struct kvm_irqchip chip;
	static struct kvm_pit_state2 pit;
	struct kvm_pit_config config = { 0 };
	struct kvm_reinject_control reinject = { 0 };
	u32 val;

	assert_int_equal(vm_get_irqchip(&f, &chip), -ENXIO);
	assert_int_equal(vm_set_irqchip(&f, &chip), -ENXIO);
	assert_int_equal(vm_create_pit2(&f, &config), -ENOENT);
	assert_int_equal(vm_get_pit2(&f, NULL), -ENXIO);
	assert_int_equal(vm_set_pit2(&f, &pit), -ENXIO);
	assert_int_equal(vm_get_pit(&f, &pit), -ENXIO);
	assert_int_equal(vm_set_pit(&f, &pit), -ENXIO);
	assert_int_equal(vm_reinject_control(&f, &reinject), -ENXIO);
	assert_int_equal(vcpu_get_lapic(&v, NULL), -EINVAL);
	assert_int_equal(vcpu_set_lapic(&v, NULL), -EINVAL);
	assert_int_equal(irqchip_deliver_msi(&m->vm, 0xfee00000, 0x41), -1);
	assert_int_equal(irqchip_set_pin(&m->vm, 2, 4, 0, 1), -1);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), -1);
	assert_false(irqchip_pio_read(&m->cpu[0], 0x20, 1, &val));
	assert_false(irqchip_mmio_read(&m->cpu[0], 0xfee00020, 4, &val));
	assert_false(irqchip_mmio_read(&m->cpu[0], 0xfec00000, 4, &val));
	assert_int_equal(lapic_send_pv_ipi(&m->vm, 1, 0, 0, 0x41, true), -EINVAL);
	machine_free(m);
}

static void pit_errnos(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	struct kfile f = vm_file(m);
	struct kvm_pit_config config = { 0 };
	struct kvm_pit_state2 a, b;

	assert_int_equal(vm_create_pit2(&f, &config), 0);
	assert_int_equal(vm_create_pit2(&f, &config), -EEXIST);
	assert_int_equal(vm_create_pit(&f, NULL), -EEXIST);
	assert_int_equal(vm_get_pit2(&f, NULL), -EFAULT);
	assert_int_equal(vm_get_pit2(&f, &a), 0);
	assert_int_equal(a.channels[0].count, 0x10000);
	assert_int_equal(a.channels[2].gate, 0);
	a.channels[1].mode = 2;
	a.channels[1].count = 0x1234;
	a.channels[1].rw_mode = a.channels[1].read_state = a.channels[1].write_state = 3;
	assert_int_equal(vm_set_pit2(&f, &a), 0);
	assert_int_equal(vm_get_pit2(&f, &b), 0);
	for (u32 i = 0; i < 3; i++)
		a.channels[i].count_load_time = b.channels[i].count_load_time;
	assert_memory_equal(&a, &b, sizeof(a));
	machine_free(m);
}

static void interrupt_ioctl(void **state)
{
	struct machine *m = machine_new(IRQCHIP_NONE, 1);
	struct kfile v = vcpu_file(m, 0);
	struct kvm_interrupt irq = { .irq = 256 };

	assert_int_equal(vcpu_interrupt(&v, &irq), -EINVAL);
	irq.irq = 0x33;
	assert_int_equal(vcpu_interrupt(&v, &irq), 0);
	assert_true(m->cpu[0].ev.irq_injected);
	assert_int_equal(m->cpu[0].ev.irq_vector, 0x33);
	assert_int_equal(seen[0].interrupt, 1);
	irq.irq = 0x34;
	assert_int_equal(vcpu_interrupt(&v, &irq), 0);
	assert_int_equal(m->cpu[0].ev.irq_vector, 0x34);
	machine_free(m);

	m = machine_new(IRQCHIP_FULL, 1);
	v = vcpu_file(m, 0);
	assert_int_equal(vcpu_interrupt(&v, &irq), -ENXIO);
	irq.irq = 256;
	assert_int_equal(vcpu_interrupt(&v, &irq), -EINVAL);
	machine_free(m);

	m = machine_new(IRQCHIP_SPLIT, 1);
	v = vcpu_file(m, 0);
	irq.irq = 0x35;
	assert_int_equal(vcpu_interrupt(&v, &irq), 0);
	assert_int_equal(vcpu_interrupt(&v, &irq), -EEXIST);
	assert_true(irqchip_has_interrupt(&m->cpu[0]));
	assert_int_equal(irqchip_get_interrupt(&m->cpu[0]), 0x35);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	assert_int_equal(vcpu_interrupt(&v, &irq), 0);
	machine_free(m);
}

static void pic_and_ioapic_round_trip(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	struct kfile f = vm_file(m);
	static struct kvm_irqchip a, b;

	for (u32 id = 0; id < 3; id++) {
		memset(&a, 0, sizeof(a));
		a.chip_id = id;
		if (id < 2) {
			a.chip.pic = (struct kvm_pic_state) {
				.imr = 0xb8, .irq_base = 0x30, .isr = 4, .elcr = 8, .priority_add = 3,
				.special_mask = 1, .elcr_mask = id ? 0xde : 0xf8,
			};
		} else {
			a.chip.ioapic.base_address = IOAPIC_DEFAULT_ADDR;
			a.chip.ioapic.id = 3;
			a.chip.ioapic.ioregsel = 0x12;
			for (u32 i = 0; i < 24; i++)
				a.chip.ioapic.redirtbl[i].bits = 0x10000 | (0x40 + i) |
								 (u64)i << 56;
		}
		assert_int_equal(vm_set_irqchip(&f, &a), 0);
		memset(&b, 0, sizeof(b));
		b.chip_id = id;
		assert_int_equal(vm_get_irqchip(&f, &b), 0);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	a.chip_id = 3;
	assert_int_equal(vm_set_irqchip(&f, &a), -EINVAL);
	assert_int_equal(vm_get_irqchip(&f, &a), -EINVAL);
	machine_free(m);
}

/* A pin that was asserted but not delivered when saved is delivered after. */
static void ioapic_irr_is_redelivered(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 1);
	struct kfile f = vm_file(m);
	static struct kvm_irqchip s = { .chip_id = KVM_IRQCHIP_IOAPIC };

	apic_enable(m, 0);
	rte_write(m, 7, 0x57);
	irqchip_set_pin(&m->vm, KVM_IRQCHIP_IOAPIC, 7, 0, 1);
	assert_int_equal(take_and_eoi(m, 0), 0x57);
	vm_get_irqchip(&f, &s);
	assert_int_equal(s.chip.ioapic.irr, 0);
	vm_set_irqchip(&f, &s);
	assert_int_equal(take_and_eoi(m, 0), -1);
	s.chip.ioapic.irr = 1 << 7;
	vm_set_irqchip(&f, &s);
	assert_int_equal(take_and_eoi(m, 0), 0x57);
	machine_free(m);
}

static u32 *reg(struct kvm_lapic_state *s, u32 r)
{
	return (u32 *)&s->regs[r];
}

static void lapic_round_trip(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 2);
	struct kfile v = vcpu_file(m, 1);
	struct kvm_lapic_state a, b;

	apic_enable(m, 1);
	apic_write(m, 1, LAPIC_LVT_TIMER, LVT_TIMER_PERIODIC | 0x40);
	apic_write(m, 1, LAPIC_TDCR, 0xb);
	apic_write(m, 1, LAPIC_TMICT, 1000000);
	apic_write(m, 1, LAPIC_TPR, 0x20);
	lapic_post(lapic(m, 1), 0x80);
	assert_int_equal(irqchip_get_interrupt(&m->cpu[1]), 0x80);
	lapic_post(lapic(m, 1), 0x90);
	lapic_post(lapic(m, 1), 0x31);
	clock_advance(300000);
	assert_int_equal(vcpu_get_lapic(&v, NULL), -EFAULT);
	assert_int_equal(vcpu_set_lapic(&v, NULL), -EFAULT);
	assert_int_equal(vcpu_get_lapic(&v, &a), 0);
	assert_int_equal(*reg(&a, LAPIC_TMCCT), 700000);
	assert_int_equal(*reg(&a, LAPIC_ID), 1 << 24);
	lapic_reset(lapic(m, 1), true);
	assert_int_equal(vcpu_set_lapic(&v, &a), 0);
	assert_int_equal(vcpu_get_lapic(&v, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	/* It goes on where it was: priorities, and what was left of the count. */
	clock_advance(699999);
	assert_false(accepted(m, 1, 0x40));
	clock_advance(1);
	assert_true(accepted(m, 1, 0x40));
	assert_int_equal(take_and_eoi(m, 1), 0x90);
	assert_int_equal(irqchip_get_interrupt(&m->cpu[1]), -1);
	apic_write(m, 1, LAPIC_EOI, 0);
	assert_int_equal(take_and_eoi(m, 1), 0x40);
	assert_int_equal(take_and_eoi(m, 1), 0x31);
	machine_free(m);
}

static void lapic_x2apic_ids(void **state)
{
	struct machine *m = machine_new(IRQCHIP_FULL, 3);
	struct kfile v = vcpu_file(m, 2);
	struct kvm_lapic_state s;

	x2apic_on(m, 2);
	assert_int_equal(vcpu_get_lapic(&v, &s), 0);
	assert_int_equal(*reg(&s, LAPIC_ID), 2 << 24);
	assert_int_equal(vcpu_set_lapic(&v, &s), 0);
	assert_int_equal(apic_read(m, 2, LAPIC_ID), 2);
	m->arch.irqchip.x2apic_32bit_ids = true;
	assert_int_equal(vcpu_set_lapic(&v, &s), -EINVAL);
	assert_int_equal(vcpu_get_lapic(&v, &s), 0);
	assert_int_equal(*reg(&s, LAPIC_ID), 2);
	*reg(&s, LAPIC_LDR) = 0x1234;
	assert_int_equal(vcpu_set_lapic(&v, &s), 0);
	assert_int_equal(apic_read(m, 2, LAPIC_LDR), 4);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_irqchip), cmocka_unit_test(without_chips),
		cmocka_unit_test(pit_errnos), cmocka_unit_test(interrupt_ioctl),
		cmocka_unit_test(pic_and_ioapic_round_trip),
		cmocka_unit_test(ioapic_irr_is_redelivered), cmocka_unit_test(lapic_round_trip),
		cmocka_unit_test(lapic_x2apic_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
