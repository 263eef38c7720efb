/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controllers of a VM as one thing: their creation, GSI routing,
 * the guest's port and MMIO accesses, and INTA.
 */
#include "x86/irqchip/irqchip.h"

#include <errno.h>

#include "api/arch.h"
#include "api/routing.h"
#include "x86/hyperv/hyperv.h"
#include "x86/irqchip/ioapic.h"
#include "x86/irqchip/lapic.h"
#include "x86/irqchip/pic.h"
#include "x86/irqchip/pit.h"
#include "x86/x86.h"
#include "x86/xen/xen.h"

/* -- Life ---------------------------------------------------------------------------- */

static int irqchip_create_chips(struct irqchip *ic, struct vm *vm)
{
	ic->vm = vm;
	ic->bus = apic_bus_create();
	ic->pic = pic_create(vm);
	ic->ioapic = ioapic_create(vm);
	return ic->bus && ic->pic && ic->ioapic ? 0 : -ENOMEM;
}

static void irqchip_set_mode(struct irqchip *ic, enum irqchip_mode mode)
{
	__atomic_store_n(&ic->mode, mode, __ATOMIC_RELEASE);
}

static int irqchip_init_full(struct irqchip *ic, struct vm *vm)
{
	const struct kvm_irq_routing_entry *routes;
	u32 n = arch_default_routes(&routes);
	int ret = irqchip_create_chips(ic, vm);

	if (!ret)
		ret = routing_set(vm, routes, n);
	if (ret) {
		irqchip_destroy(ic);
		return ret;
	}
	irqchip_set_mode(ic, IRQCHIP_FULL);
	return 0;
}

int irqchip_create(struct vm *vm)
{
	int ret;

	pthread_mutex_lock(&vm->lock);
	if (arch_irqchip_in_kernel(vm))
		ret = -EEXIST;
	else if (vm->nr_vcpus)
		ret = -EINVAL;
	else
		ret = irqchip_init_full(vm_irqchip(vm), vm);
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

static int irqchip_init_split(struct irqchip *ic, struct vm *vm, u32 pins)
{
	int ret;

	ic->vm = vm;
	ic->bus = apic_bus_create();
	ret = ic->bus ? routing_set(vm, NULL, 0) : -ENOMEM;
	if (ret) {
		irqchip_destroy(ic);
		return ret;
	}
	ic->split_pins = pins;
	irqchip_set_mode(ic, IRQCHIP_SPLIT);
	return 0;
}

int irqchip_create_split(struct vm *vm, u32 pins)
{
	int ret = -EEXIST;

	if (pins > KVM_MAX_GSI)
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	if (!arch_irqchip_in_kernel(vm) && !vm->nr_vcpus)
		ret = irqchip_init_split(vm_irqchip(vm), vm, pins);
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

struct pit *irqchip_pit(struct irqchip *ic)
{
	return __atomic_load_n(&ic->pit, __ATOMIC_ACQUIRE);
}

static int irqchip_init_pit(struct irqchip *ic, struct vm *vm, u32 flags)
{
	struct pit *p = pit_create(vm, flags);

	if (!p)
		return -ENOMEM;
	__atomic_store_n(&ic->pit, p, __ATOMIC_RELEASE);
	/* For a table that was replaced between its creation and the store. */
	pit_routes_changed(p);
	return 0;
}

int irqchip_create_pit(struct vm *vm, u32 flags)
{
	struct irqchip *ic = vm_irqchip(vm);
	int ret;

	pthread_mutex_lock(&vm->lock);
	if (irqchip_pit(ic))
		ret = -EEXIST;
	else if (!arch_irqchip_full(vm))
		ret = -ENOENT;
	else
		ret = irqchip_init_pit(ic, vm, flags);
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

void irqchip_stop(struct irqchip *ic)
{
	struct vcpu *v;
	u32 i;

	pit_stop(irqchip_pit(ic));
	ioapic_stop(ic->ioapic);
	if (!ic->vm)
		return;
	vm_for_each_vcpu(ic->vm, i, v)
		lapic_stop(v->cpu->lapic);
}

void irqchip_destroy(struct irqchip *ic)
{
	pit_destroy(ic->pit);
	pic_destroy(ic->pic);
	ioapic_destroy(ic->ioapic);
	apic_bus_destroy(ic->bus);
	ic->pit = NULL;
	ic->pic = NULL;
	ic->ioapic = NULL;
	ic->bus = NULL;
	irqchip_set_mode(ic, IRQCHIP_NONE);
}

static enum irqchip_mode irqchip_mode(struct vm *vm)
{
	return __atomic_load_n(&vm_irqchip(vm)->mode, __ATOMIC_ACQUIRE);
}

bool arch_irqchip_in_kernel(struct vm *vm)
{
	return irqchip_mode(vm) != IRQCHIP_NONE;
}

bool arch_irqchip_full(struct vm *vm)
{
	return irqchip_mode(vm) == IRQCHIP_FULL;
}

/* -- Delivery -------------------------------------------------------------------------- */

int irqchip_set_pin(struct vm *vm, u32 chip, u32 pin, int source, int level)
{
	struct irqchip *ic = vm_irqchip(vm);

	if (irqchip_mode(vm) != IRQCHIP_FULL)
		return -1;
	switch (chip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		if (source == IRQ_SOURCE_STATUS)
			source = IRQ_SOURCE_USERSPACE;
		return pic_set_pin(ic->pic, chip, pin, source, level);
	case KVM_IRQCHIP_IOAPIC:
		return ioapic_set_pin(ic->ioapic, pin, source, level);
	default:
		return -1;
	}
}

/* MSI address and data: SDM vol. 3A 11.11. */
#define MSI_ADDR_LOGICAL	BIT_ULL(2)
#define MSI_ADDR_REDIR_HINT	BIT_ULL(3)
#define MSI_ADDR_DEST_SHIFT	12
#define MSI_ADDR_HI_DEST	0xffffff00u	/* KVM_X2APIC_API_USE_32BIT_IDS */

/* KVM with 32-bit IDs: bits 31-8 of the destination are in the high half. */
static bool msi_decode(const struct irqchip *ic, u64 addr, u32 data, struct apic_msg *m)
{
	u32 high = addr >> 32;

	*m = (struct apic_msg) {
		.vector = data & APIC_VECTOR,
		.mode = data & APIC_MODE,
		.level = data & APIC_LEVEL,
		.assert = true,
		.logical = addr & MSI_ADDR_LOGICAL,
		.redir_hint = addr & MSI_ADDR_REDIR_HINT,
		.dest = addr >> MSI_ADDR_DEST_SHIFT & 0xff,
	};
	if (!ic->x2apic_32bit_ids)
		return true;
	m->dest |= high & MSI_ADDR_HI_DEST;
	return !(high & ~MSI_ADDR_HI_DEST);
}

int irqchip_deliver_msi(struct vm *vm, u64 addr, u32 data)
{
	struct apic_msg m;

	if (irqchip_mode(vm) == IRQCHIP_NONE || !msi_decode(vm_irqchip(vm), addr, data, &m))
		return -1;
	return apic_bus_send(vm, NULL, &m);
}

static u64 route_msi_addr(const struct kvm_irq_routing_entry *e)
{
	return (u64)e->u.msi.address_hi << 32 | e->u.msi.address_lo;
}

int arch_set_irq(struct vm *vm, const struct kvm_irq_routing_entry *e, int source, int level)
{
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return irqchip_set_pin(vm, e->u.irqchip.irqchip, e->u.irqchip.pin,
				       source, level);
	case KVM_IRQ_ROUTING_MSI:
		/* A message has no de-assertion. */
		return level ? irqchip_deliver_msi(vm, route_msi_addr(e), e->u.msi.data) : -1;
	case KVM_IRQ_ROUTING_HV_SINT:
		return level ? hv_synic_set_sint(vm, e->u.hv_sint.vcpu, e->u.hv_sint.sint) : -1;
	case KVM_IRQ_ROUTING_XEN_EVTCHN:
		return xen_set_irq(vm, e, level);
	default:
		return -1;
	}
}

/* -- Routes ----------------------------------------------------------------------------- */

static int check_pin_route(struct vm *vm, const struct kvm_irq_routing_entry *e)
{
	u32 pins;

	if (irqchip_mode(vm) != IRQCHIP_FULL)
		return -EINVAL;
	switch (e->u.irqchip.irqchip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pins = PIC_PINS;
		break;
	case KVM_IRQCHIP_IOAPIC:
		pins = IOAPIC_PINS;
		break;
	default:
		return -EINVAL;
	}
	return e->flags || e->u.irqchip.pin >= pins ? -EINVAL : 0;
}

int arch_check_route(struct vm *vm, const struct kvm_irq_routing_entry *e)
{
	struct apic_msg m;

	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return check_pin_route(vm, e);
	case KVM_IRQ_ROUTING_MSI:
		if (e->flags & ~KVM_MSI_VALID_DEVID)
			return -EINVAL;
		return msi_decode(vm_irqchip(vm), route_msi_addr(e), e->u.msi.data, &m) ?
		       0 : -EINVAL;
	case KVM_IRQ_ROUTING_HV_SINT:
		return e->flags ? -EINVAL : 0;
	case KVM_IRQ_ROUTING_XEN_EVTCHN:
		return xen_check_route(vm, e);
	default:
		return -EINVAL;
	}
}

#define ROUTE(gsi_, chip, pin_) \
	{ .gsi = (gsi_), .type = KVM_IRQ_ROUTING_IRQCHIP, \
	  .u.irqchip = { .irqchip = (chip), .pin = (pin_) } }
#define ROUTE_IOAPIC(gsi)	ROUTE(gsi, KVM_IRQCHIP_IOAPIC, gsi)
#define ROUTE_MASTER(gsi)	ROUTE_IOAPIC(gsi), ROUTE(gsi, KVM_IRQCHIP_PIC_MASTER, gsi)
#define ROUTE_SLAVE(gsi)	ROUTE_IOAPIC(gsi), ROUTE(gsi, KVM_IRQCHIP_PIC_SLAVE, gsi - 8)

static const struct kvm_irq_routing_entry default_routes[] = {
	ROUTE_MASTER(0), ROUTE_MASTER(1), ROUTE_MASTER(2), ROUTE_MASTER(3),
	ROUTE_MASTER(4), ROUTE_MASTER(5), ROUTE_MASTER(6), ROUTE_MASTER(7),
	ROUTE_SLAVE(8), ROUTE_SLAVE(9), ROUTE_SLAVE(10), ROUTE_SLAVE(11),
	ROUTE_SLAVE(12), ROUTE_SLAVE(13), ROUTE_SLAVE(14), ROUTE_SLAVE(15),
	ROUTE_IOAPIC(16), ROUTE_IOAPIC(17), ROUTE_IOAPIC(18), ROUTE_IOAPIC(19),
	ROUTE_IOAPIC(20), ROUTE_IOAPIC(21), ROUTE_IOAPIC(22), ROUTE_IOAPIC(23),
};

u32 arch_default_routes(const struct kvm_irq_routing_entry **routes)
{
	*routes = default_routes;
	return ARRAY_SIZE(default_routes);
}

struct eoi_scan {
	const struct irqchip *ic;
	u64 vectors[4];
};

static void eoi_scan_route(const struct kvm_irq_routing_entry *e, void *ctx)
{
	struct eoi_scan *scan = ctx;
	struct apic_msg m;

	if (e->gsi < scan->ic->split_pins && e->type == KVM_IRQ_ROUTING_MSI &&
	    msi_decode(scan->ic, route_msi_addr(e), e->u.msi.data, &m) && m.level)
		scan->vectors[m.vector / 64] |= BIT_ULL(m.vector % 64);
}

/* Vectors whose EOI is still due keep being reported when their route goes. */
static void eoi_scan_keep_pending(struct eoi_scan *scan, const struct lapic *l)
{
	const u64 *old = l->ic->bus->eoi_vectors;

	for (u32 v = 0; v < 256; v++)
		if ((old[v / 64] & BIT_ULL(v % 64)) && lapic_bit(l, LAPIC_TMR, v) &&
		    (lapic_bit(l, LAPIC_IRR, v) || lapic_bit(l, LAPIC_ISR, v)))
			scan->vectors[v / 64] |= BIT_ULL(v % 64);
}

/*
 * Which vectors' EOIs a userspace IOAPIC must hear of.  The set is the VM's;
 * TMR says whether this LAPIC got the vector as a level-triggered message.
 */
static void irqchip_scan_eoi(struct vm *vm)
{
	struct irqchip *ic = vm_irqchip(vm);
	struct eoi_scan scan = { .ic = ic };
	struct vcpu *v;
	u32 i;

	pthread_mutex_lock(&ic->bus->scan_lock);
	routing_for_each(vm, eoi_scan_route, &scan);
	vm_for_each_vcpu(vm, i, v)
		if (v->cpu->lapic)
			eoi_scan_keep_pending(&scan, v->cpu->lapic);
	for (i = 0; i < ARRAY_SIZE(scan.vectors); i++)
		WRITE_ONCE(ic->bus->eoi_vectors[i], scan.vectors[i]);
	pthread_mutex_unlock(&ic->bus->scan_lock);
}

void arch_routes_changed(struct vm *vm)
{
	struct pit *pit = irqchip_pit(vm_irqchip(vm));

	if (irqchip_mode(vm) == IRQCHIP_SPLIT)
		irqchip_scan_eoi(vm);
	hv_routes_changed(vm);
	if (pit)
		pit_routes_changed(pit);
}

/* -- Guest accesses ------------------------------------------------------------------------ */

bool irqchip_pio_read(struct cpu *c, u16 port, u8 size, u32 *val)
{
	struct irqchip *ic = vm_irqchip(c->vcpu->vm);
	struct pit *pit = irqchip_pit(ic);

	return (ic->pic && pic_pio_read(ic->pic, port, size, val)) ||
	       (pit && pit_pio_read(pit, port, size, val));
}

bool irqchip_pio_write(struct cpu *c, u16 port, u8 size, u32 val)
{
	struct irqchip *ic = vm_irqchip(c->vcpu->vm);
	struct pit *pit = irqchip_pit(ic);

	return (ic->pic && pic_pio_write(ic->pic, port, size, val)) ||
	       (pit && pit_pio_write(pit, port, size, val));
}

bool irqchip_mmio_read(struct cpu *c, gpa_t gpa, u32 len, void *data)
{
	struct irqchip *ic = vm_irqchip(c->vcpu->vm);

	return (c->lapic && lapic_mmio_read(c->lapic, gpa, len, data)) ||
	       (ic->ioapic && ioapic_mmio_read(ic->ioapic, gpa, len, data));
}

bool irqchip_mmio_write(struct cpu *c, gpa_t gpa, u32 len, const void *data)
{
	struct irqchip *ic = vm_irqchip(c->vcpu->vm);

	return (c->lapic && lapic_mmio_write(c->lapic, gpa, len, data)) ||
	       (ic->ioapic && ioapic_mmio_write(ic->ioapic, gpa, len, data));
}

/* -- INTA --------------------------------------------------------------------------------------- */

bool irqchip_has_extint(struct cpu *c)
{
	struct lapic *l = c->lapic;

	return l && __atomic_load_n(l->extint, __ATOMIC_ACQUIRE) && lapic_accepts_extint(l);
}

bool irqchip_has_interrupt(struct cpu *c)
{
	return c->lapic && (lapic_has_interrupt(c->lapic) || irqchip_has_extint(c));
}

int irqchip_get_interrupt(struct cpu *c)
{
	struct lapic *l = c->lapic;

	if (!l)
		return -1;
	if (!irqchip_has_extint(c))
		return lapic_take(l);
	if (l->ic->pic)
		return pic_inta(l->ic->pic);
	__atomic_store_n(&l->user_extint, 0, __ATOMIC_RELEASE);
	return l->user_vector;
}
