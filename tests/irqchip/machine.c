/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

struct seen seen[MAX_CPUS];

static u32 idx(const struct cpu *c)
{
	return c->vcpu->idx;
}

static void on_interrupt(struct cpu *c) { seen[idx(c)].interrupt++; }
static void on_nmi(struct cpu *c) { seen[idx(c)].nmi++; }
static void on_smi(struct cpu *c) { seen[idx(c)].smi++; }
static void on_init(struct cpu *c) { seen[idx(c)].init++; }
static void on_unhalt(struct cpu *c) { seen[idx(c)].unhalt++; }
static void on_tpr(struct cpu *c) { seen[idx(c)].tpr++; }

static void on_sipi(struct cpu *c, u8 vector)
{
	seen[idx(c)].sipi++;
	seen[idx(c)].sipi_vector = vector;
}

static void on_eoi_exit(struct cpu *c, u8 vector)
{
	seen[idx(c)].eoi_exit++;
	seen[idx(c)].eoi_vector = vector;
}

static u64 on_tsc(const struct cpu *c) { return clock_ns + c->tsc_offset; }

static u64 on_tsc_to_ns(const struct cpu *c, u64 tsc) { return tsc - c->tsc_offset; }

static void on_tpr_refresh(struct cpu *c) { seen[idx(c)].tpr_refresh++; }

static void on_tpr_access(struct cpu *c, bool is_write)
{
	seen[idx(c)].tpr_access++;
}

static const struct irqchip_ops ops = {
	.interrupt = on_interrupt, .nmi = on_nmi, .smi = on_smi, .init = on_init,
	.sipi = on_sipi, .unhalt = on_unhalt, .tpr_changed = on_tpr,
	.tpr_refresh = on_tpr_refresh, .tpr_access = on_tpr_access, .tsc = on_tsc,
	.tsc_to_ns = on_tsc_to_ns, .eoi_exit = on_eoi_exit,
};

static void add_cpu(struct machine *m, u32 i, u32 id)
{
	struct vcpu *v = &m->vcpu[i];

	v->vm = &m->vm;
	v->id = id;
	v->idx = i;
	v->cpu = &m->cpu[i];
	v->cpu->vcpu = v;
	if (m->arch.irqchip.mode != IRQCHIP_NONE) {
		v->cpu->lapic = lapic_create(v->cpu, id);
		assert_non_null(v->cpu->lapic);
		lapic_cpuid_changed(v->cpu->lapic, true);
	}
	m->vm.vcpus[i] = v;
	m->vm.nr_vcpus = i + 1;
}

struct machine *machine_new_ids(enum irqchip_mode mode, u32 cpus, const u32 *ids)
{
	struct machine *m = calloc(1, sizeof(*m));

	memset(seen, 0, sizeof(seen));
	memset(acks, 0, sizeof(acks));
	clock_ns = 1000000000;
	irqchip_ops = &ops;
	pthread_mutex_init(&m->vm.lock, NULL);
	m->vm.arch = &m->arch;
	if (mode == IRQCHIP_FULL)
		assert_int_equal(irqchip_create(&m->vm), 0);
	else if (mode == IRQCHIP_SPLIT)
		assert_int_equal(irqchip_create_split(&m->vm, 24), 0);
	for (u32 i = 0; i < cpus; i++)
		add_cpu(m, i, ids ? ids[i] : i);
	return m;
}

struct machine *machine_new(enum irqchip_mode mode, u32 cpus)
{
	return machine_new_ids(mode, cpus, NULL);
}

void machine_free(struct machine *m)
{
	irqchip_stop(&m->arch.irqchip);
	for (u32 i = 0; i < m->vm.nr_vcpus; i++)
		lapic_destroy(m->cpu[i].lapic);
	irqchip_destroy(&m->arch.irqchip);
	routing_set_for_tests(NULL, 0);
	free(m);
}

struct kvm_irq_routing_entry route_pin(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

struct kvm_irq_routing_entry route_msi(u32 gsi, u64 addr, u32 data)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = addr, .address_hi = addr >> 32, .data = data },
	};
}

void outb(struct machine *m, u16 port, u8 v)
{
	assert_true(irqchip_pio_write(&m->cpu[0], port, 1, v));
}

u8 inb(struct machine *m, u16 port)
{
	u32 v = 0xdead;

	assert_true(irqchip_pio_read(&m->cpu[0], port, 1, &v));
	assert_in_range(v, 0, 0xff);
	return v;
}

void apic_write(struct machine *m, u32 i, u32 reg, u32 v)
{
	if (lapic_x2apic(lapic(m, i)))
		lapic_write_x2apic(lapic(m, i), 0x800 + (reg >> 4), v);
	else
		assert_true(irqchip_mmio_write(&m->cpu[i], APIC_DEFAULT_ADDR + reg, 4, &v));
}

u32 apic_read(struct machine *m, u32 i, u32 reg)
{
	u64 v = 0;

	if (lapic_x2apic(lapic(m, i)))
		assert_true(lapic_read_x2apic(lapic(m, i), 0x800 + (reg >> 4), &v));
	else
		assert_true(irqchip_mmio_read(&m->cpu[i], APIC_DEFAULT_ADDR + reg, 4, &v));
	return v;
}

void x2apic_on(struct machine *m, u32 i)
{
	lapic_set_base(lapic(m, i), m->cpu[i].apic_base | APIC_BASE_EN | APIC_BASE_EXTD);
}

void apic_enable(struct machine *m, u32 i)
{
	apic_write(m, i, LAPIC_SVR, SVR_ENABLE | 0xff);
	if (i < 8 && !lapic_x2apic(lapic(m, i)))
		apic_write(m, i, LAPIC_LDR, 1u << (24 + i));
}

static u32 ioapic_access(struct machine *m, u32 reg, const u32 *set)
{
	u32 v = reg;

	assert_true(irqchip_mmio_write(&m->cpu[0], IOAPIC_DEFAULT_ADDR, 4, &v));
	if (set)
		assert_true(irqchip_mmio_write(&m->cpu[0], IOAPIC_DEFAULT_ADDR + 0x10, 4, set));
	assert_true(irqchip_mmio_read(&m->cpu[0], IOAPIC_DEFAULT_ADDR + 0x10, 4, &v));
	return v;
}

void rte_write(struct machine *m, u32 pin, u64 rte)
{
	u32 low = rte, high = rte >> 32;

	ioapic_access(m, 0x11 + 2 * pin, &high);
	ioapic_access(m, 0x10 + 2 * pin, &low);
}

u64 rte_read(struct machine *m, u32 pin)
{
	return ioapic_access(m, 0x10 + 2 * pin, NULL) |
	       (u64)ioapic_access(m, 0x11 + 2 * pin, NULL) << 32;
}

int take_and_eoi(struct machine *m, u32 i)
{
	int v = irqchip_get_interrupt(&m->cpu[i]);

	if (v >= 0)
		apic_write(m, i, LAPIC_EOI, 0);
	return v;
}

u32 accepted(struct machine *m, u32 i, u8 vector)
{
	return lapic_bit(lapic(m, i), LAPIC_IRR, vector);
}
