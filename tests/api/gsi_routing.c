/* SPDX-License-Identifier: MIT */
/* Where KVM_SET_GSI_ROUTING and KVM_IRQ_LINE lead (api.rst 4.52, 4.25). */
#include "fake_arch.h"
#include "kvm_api.h"

#include "api/routing.h"

#define CHIP(g, c, p) { .gsi = g, .type = KVM_IRQ_ROUTING_IRQCHIP, \
			.u.irqchip = { .irqchip = c, .pin = p } }
#define MSI(g, a)     { .gsi = g, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { .address_lo = a } }

static int set(int vm, u32 nr, u32 flags, const struct kvm_irq_routing_entry *e)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[4];
	} r = { .head = { .nr = nr, .flags = flags } };

	if (e)
		memcpy(r.e, e, sizeof(*e) * MIN(nr, 4));
	return kvm_ioctl(vm, KVM_SET_GSI_ROUTING, &r);
}

static int vm_with_irqchip(void)
{
	int vm = new_vm();

	assert_ok(kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	fake_nr_irqs = 0;
	return vm;
}

static const struct kvm_irq_routing_entry bad[][2] = {
	{ CHIP(4096, 2, 0), CHIP(1, 2, 0) },
	{ CHIP(1, 3, 0), CHIP(2, 2, 0) },
	{ CHIP(1, 0, 8), CHIP(2, 2, 0) },
	{ CHIP(1, 2, 24), CHIP(2, 2, 0) },
	{ CHIP(1, 2, 1), CHIP(1, 2, 2) },	/* twice on one chip */
	{ CHIP(1, 2, 1), MSI(1, 0xfee00000) },
	{ MSI(1, 0xfee00000), MSI(1, 0xfee00000) },
	{ { .gsi = 1, .type = 99 }, CHIP(2, 2, 0) },
	{ { .gsi = 1, .type = KVM_IRQ_ROUTING_IRQCHIP, .flags = 1 }, CHIP(2, 2, 0) },
	{ { .gsi = 1, .type = KVM_IRQ_ROUTING_MSI, .flags = 2 }, CHIP(2, 2, 0) },
};

static int line_status(int vm, u32 gsi, u32 level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, &l));
	return l.status;
}

static void irq_line(void **state)
{
	struct kvm_irq_level l = { .irq = 4, .level = 7 };
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQ_LINE, NULL));
	assert_errno(ENXIO, kvm_ioctl(vm, KVM_IRQ_LINE, &l));
	assert_errno(ENXIO, kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, &l));
	close(vm);
	vm = vm_with_irqchip();
	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE, &l));
	assert_int_equal(fake_irq_count(), 1);
	assert_int_equal(fake_irqs[0].pin, 4);
	assert_int_equal(fake_irqs[0].level, 1);
	assert_int_equal(line_status(vm, 4, 0), 1);
	/* Nowhere to go: no error, status -1. */
	l.irq = ~0u;
	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE, &l));
	assert_int_equal(line_status(vm, 24, 1), -1);
	assert_int_equal(line_status(vm, ~0u, 1), -1);
	close(vm);
}

static void table_is_replaced(void **state)
{
	const struct kvm_irq_routing_entry e[] = {
		CHIP(4095, 2, 3), CHIP(7, 0, 1), CHIP(7, 2, 2), MSI(100, 0xfee01000),
	};
	int vm = vm_with_irqchip();
	u32 gsis[4];

	assert_ok(set(vm, 4, 0, e));
	assert_int_equal(line_status(vm, 4, 1), -1);
	assert_int_equal(line_status(vm, 7, 1), 2);	/* the sum, as in KVM */
	assert_int_equal(fake_irqs[0].pin, 1);
	assert_int_equal(fake_irqs[1].pin, 2);
	assert_int_equal(line_status(vm, 4095, 1), 1);
	assert_int_equal(line_status(vm, 100, 1), 1);
	assert_int_equal(fake_irqs[3].msi_address, 0xfee01000);
	assert_int_equal(routing_gsis_of_pin(fake_vm, 2, 3, gsis, 4), 1);
	assert_int_equal(gsis[0], 4095);
	/* A bad table leaves the old one. */
	assert_errno(EINVAL, set(vm, 2, 0, bad[0]));
	assert_int_equal(line_status(vm, 4095, 1), 1);
	assert_ok(set(vm, 0, 0, NULL));
	assert_int_equal(line_status(vm, 4095, 1), -1);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(irq_line),
		cmocka_unit_test(table_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
