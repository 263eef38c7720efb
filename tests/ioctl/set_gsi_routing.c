/* SPDX-License-Identifier: MIT */
/* KVM_SET_GSI_ROUTING (api.rst 4.52). */
#include "vm_test.h"

#define MAX_ROUTES	4096
#define EVERY_FLAG	0xffffffff

typedef struct kvm_irq_routing_entry entry;

static entry pin(uint32_t gsi, uint32_t chip, uint32_t n)
{
	entry e = { .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP };

	e.u.irqchip.irqchip = chip;
	e.u.irqchip.pin = n;
	return e;
}

static entry msi(uint32_t gsi)
{
	entry e = { .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI };

	e.u.msi.address_lo = 0xfee00000;
	e.u.msi.data = 0x41;
	return e;
}

static size_t size_of(uint32_t n)
{
	return sizeof(struct kvm_irq_routing) + n * sizeof(entry);
}

static int route_with_flags(int vm, const entry *e, uint32_t n, uint32_t flags)
{
	struct kvm_irq_routing *r = at_page_end(size_of(n));
	int ret;

	r->nr = n;
	r->flags = flags;
	memcpy(r->entries, e, n * sizeof(*e));
	ret = kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r);
	return ret;
}

static int route(int vm, const entry *e, uint32_t n)
{
	return route_with_flags(vm, e, n, 0);
}

static int status(int vm, uint32_t gsi)
{
	struct kvm_irq_level l = { .irq = gsi, .level = 1 };

	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, &l));
	return l.status;
}

/* -- The head ------------------------------------------------------------------ */

static void head(void **state)
{
	struct kvm_irq_routing *r = at_page_end(sizeof(*r));
	int none = new_vm(), vm = new_vm_irqchip();

	assert_errno(EFAULT, kvm_ioctl(none, KVM_SET_GSI_ROUTING, NULL));
	assert_errno(EFAULT, kvm_ioctl(none, KVM_SET_GSI_ROUTING, at_page_end(7)));
	/* No irqchip, a bad head, no entries: in this order. */
	r->nr = 1;
	assert_errno(EINVAL, kvm_ioctl(none, KVM_SET_GSI_ROUTING, r));
	r->nr = 0;
	assert_errno(EINVAL, kvm_ioctl(none, KVM_SET_GSI_ROUTING, r));
	r->nr = MAX_ROUTES + 1;
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r));
	r->nr = ~0u;
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r));
	r->nr = 1;
	for (r->flags = 1; r->flags; r->flags <<= 1)
		assert_errno(EINVAL, kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r));
	r->nr = 0;
	assert_int_equal(kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r), 0);
	close(none);
	close(vm);
}

static void part_of_the_entries_is_missing(void **state)
{
	struct kvm_irq_routing *r = at_page_end(size_of(2));
	int vm = new_vm_irqchip();

	r->nr = 3;
	r->entries[0] = pin(0, 99, 99);		/* not looked at before all are read */
	r->entries[1] = msi(1);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r));
	r->nr = 2;
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r));
	r->entries[0] = msi(0);
	assert_ok(kvm_ioctl(vm, KVM_SET_GSI_ROUTING, r));
	close(vm);
}

/* -- Entries --------------------------------------------------------------------- */

static void entries(void **state)
{
	int vm = new_vm_irqchip();
	entry e;

	e = msi(MAX_ROUTES);
	assert_errno(EINVAL, route(vm, &e, 1));
	e = msi(~0u);
	assert_errno(EINVAL, route(vm, &e, 1));
	e = msi(MAX_ROUTES - 1);
	assert_ok(route(vm, &e, 1));
	/* An MSI may have a device's id, a pin has no flags. */
	e.flags = KVM_MSI_VALID_DEVID;
	assert_ok(route(vm, &e, 1));
	e.flags = EVERY_FLAG & ~KVM_MSI_VALID_DEVID;
	assert_errno(EINVAL, route(vm, &e, 1));
	e = pin(5, KVM_IRQCHIP_IOAPIC, 5);
	e.flags = KVM_MSI_VALID_DEVID;
	assert_errno(EINVAL, route(vm, &e, 1));
	/* Types: none, that of another architecture, none yet. */
	for (uint32_t type = 0; type < 100; type++) {
		if (type == KVM_IRQ_ROUTING_IRQCHIP || type == KVM_IRQ_ROUTING_MSI ||
		    type == KVM_IRQ_ROUTING_HV_SINT || type == KVM_IRQ_ROUTING_XEN_EVTCHN)
			continue;
		e = msi(1);
		e.type = type;
		assert_errno(EINVAL, route(vm, &e, 1));
	}
	close(vm);
}

static void pins(void **state)
{
	static const struct {
		uint32_t chip, pins;
	} chips[] = {
		{ KVM_IRQCHIP_PIC_MASTER, 8 },
		{ KVM_IRQCHIP_PIC_SLAVE, 8 },
		{ KVM_IRQCHIP_IOAPIC, 24 },
		{ 3, 0 },
		{ ~0u, 0 },
	};
	int vm = new_vm_irqchip();

	for (size_t i = 0; i < ARRAY_LEN(chips); i++) {
		for (uint32_t n = 0; n < 30; n++) {
			entry e = pin(1, chips[i].chip, n);

			if (n < chips[i].pins)
				assert_ok(route(vm, &e, 1));
			else
				assert_errno(EINVAL, route(vm, &e, 1));
		}
	}
	close(vm);
}

/* One GSI may reach a pin of each chip, or one MSI. */
static void sharing_a_gsi(void **state)
{
	int vm = new_vm_irqchip();
	entry chips[] = { pin(1, 0, 1), pin(1, 2, 1), pin(1, 1, 7) };
	entry same_chip[] = { pin(1, 2, 1), pin(1, 2, 2) };
	entry twice[] = { pin(1, 2, 1), pin(1, 2, 1) };
	entry mixed[] = { pin(1, 2, 1), msi(1) };
	entry mixed2[] = { msi(1), pin(1, 2, 1) };
	entry msis[] = { msi(1), msi(1) };
	entry same_pin[] = { pin(1, 2, 1), pin(2, 2, 1) };

	assert_ok(route(vm, chips, 3));
	assert_errno(EINVAL, route(vm, same_chip, 2));
	assert_errno(EINVAL, route(vm, twice, 2));
	assert_errno(EINVAL, route(vm, mixed, 2));
	assert_errno(EINVAL, route(vm, mixed2, 2));
	assert_errno(EINVAL, route(vm, msis, 2));
	assert_ok(route(vm, same_pin, 2));
	close(vm);
}

static void split_has_no_pins(void **state)
{
	int vm = new_vm_split();
	entry e = pin(1, KVM_IRQCHIP_IOAPIC, 1), m = msi(1);

	assert_errno(EINVAL, route(vm, &e, 1));
	assert_ok(route(vm, &m, 1));
	close(vm);
}

static void as_many_as_gsis(void **state)
{
	entry *e = calloc(MAX_ROUTES, sizeof(*e));
	int vm = new_vm_irqchip();

	for (uint32_t i = 0; i < MAX_ROUTES; i++)
		e[i] = msi(i);
	assert_ok(route(vm, e, MAX_ROUTES));
	free(e);
	close(vm);
}

/* -- Effect ------------------------------------------------------------------------ */

static void replaces_the_whole_table(void **state)
{
	entry e = pin(100, KVM_IRQCHIP_PIC_MASTER, 4), bad = pin(5, KVM_IRQCHIP_IOAPIC, 24);
	int vm = new_vm_irqchip(), vcpu = new_vcpu(vm, 0);

	assert_true(status(vm, 4) > 0);
	assert_int_equal(status(vm, 100), -1);
	/* An error leaves it as it was. */
	assert_errno(EINVAL, route(vm, &bad, 1));
	assert_true(status(vm, 5) > 0);
	assert_ok(route(vm, &e, 1));
	assert_true(status(vm, 100) >= 0);
	assert_int_equal(status(vm, 5), -1);
	assert_ok(route(vm, &e, 0));
	assert_int_equal(status(vm, 100), -1);
	close(vcpu);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_GSI_ROUTING);
}

IOCTL_TESTS(set_gsi_routing,
	    cmocka_unit_test(head),
	    cmocka_unit_test(part_of_the_entries_is_missing),
	    cmocka_unit_test(entries),
	    cmocka_unit_test(pins),
	    cmocka_unit_test(sharing_a_gsi),
	    cmocka_unit_test(split_has_no_pins),
	    cmocka_unit_test(as_many_as_gsis),
	    cmocka_unit_test(replaces_the_whole_table),
	    cmocka_unit_test(wrong_scope))
