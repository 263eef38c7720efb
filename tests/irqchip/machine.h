/* SPDX-License-Identifier: MIT */
/* A VM with chips and vCPUs that only record what reaches them. */
#ifndef ANYKVM_TESTS_IRQCHIP_MACHINE_H
#define ANYKVM_TESTS_IRQCHIP_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/dispatch.h"
#include "x86/irqchip/ioapic.h"
#include "x86/irqchip/lapic.h"
#include "x86/irqchip/pic.h"
#include "x86/irqchip/pit.h"
#include "x86/x86.h"

enum { MAX_CPUS = 300 };

struct machine {
	struct vm vm;
	struct arch_vm arch;
	struct vcpu vcpu[MAX_CPUS];
	struct cpu cpu[MAX_CPUS];
};

/* What the ops table saw, per vCPU index. */
struct seen {
	u32 interrupt, nmi, smi, init, sipi, unhalt, tpr, eoi_exit, tpr_refresh, tpr_access;
	u8 sipi_vector, eoi_vector;
};
extern struct seen seen[MAX_CPUS];

/* Ends of interrupt told to irqfd, per chip and pin. */
extern u32 acks[3][32];

/* The fake CLOCK_MONOTONIC; one TSC tick is one nanosecond. */
extern u64 clock_ns;
void clock_advance(u64 ns);	/* fires what is due, in order */

struct machine *machine_new(enum irqchip_mode mode, u32 cpus);
struct machine *machine_new_ids(enum irqchip_mode mode, u32 cpus, const u32 *ids);
void machine_free(struct machine *m);

/* Routes, as KVM_SET_GSI_ROUTING would set them. */
struct kvm_irq_routing_entry route_pin(u32 gsi, u32 chip, u32 pin);
struct kvm_irq_routing_entry route_msi(u32 gsi, u64 addr, u32 data);
void routing_set_for_tests(const struct kvm_irq_routing_entry *e, u32 n);
int set_routes(struct machine *m, const struct kvm_irq_routing_entry *e, u32 n);

/* -- Short forms -------------------------------------------------------------- */

static inline struct lapic *lapic(struct machine *m, u32 i)
{
	return m->cpu[i].lapic;
}

void outb(struct machine *m, u16 port, u8 v);
u8 inb(struct machine *m, u16 port);
void apic_write(struct machine *m, u32 i, u32 reg, u32 v);
u32 apic_read(struct machine *m, u32 i, u32 reg);
void x2apic_on(struct machine *m, u32 i);
/* SVR enabled, flat logical ID 1 << i for the first eight. */
void apic_enable(struct machine *m, u32 i);
void rte_write(struct machine *m, u32 pin, u64 rte);
u64 rte_read(struct machine *m, u32 pin);
/* INTA, then EOI: the vector or -1. */
int take_and_eoi(struct machine *m, u32 i);
u32 accepted(struct machine *m, u32 i, u8 vector);	/* in IRR */

#endif
