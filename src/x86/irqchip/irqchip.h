/* SPDX-License-Identifier: MIT */
/*
 * The in-kernel interrupt controllers of a VM: a pair of 8259A PICs, an
 * 82093AA IOAPIC, an 8254 PIT, and a local APIC per vCPU.  Modes as in KVM:
 * none, split (LAPICs only) and full.
 *
 * Locking: each chip has its own lock; order ioapic -> pic -> lapic.  No chip
 * calls out (ops, routing) with the lapic lock held.
 */
#ifndef ANYKVM_X86_IRQCHIP_IRQCHIP_H
#define ANYKVM_X86_IRQCHIP_IRQCHIP_H

#include "api/kvm.h"

struct cpu;
struct lapic;

enum irqchip_mode { IRQCHIP_NONE, IRQCHIP_SPLIT, IRQCHIP_FULL };

/*
 * How the chips reach a vCPU.  All but tsc may be called on any thread.
 * Implemented in x86/cpu/event.c; tests have their own.
 */
struct irqchip_ops {
	void (*interrupt)(struct cpu *c);	/* look for interrupts again */
	void (*nmi)(struct cpu *c);
	void (*smi)(struct cpu *c);
	void (*init)(struct cpu *c);
	void (*sipi)(struct cpu *c, u8 vector);
	void (*unhalt)(struct cpu *c);		/* KVM_HC_KICK_CPU's message */
	void (*tpr_changed)(struct cpu *c);
	/* Of the vCPU's own thread: TPR or PPR is about to be read; TPR is touched. */
	void (*tpr_refresh)(struct cpu *c);
	void (*tpr_access)(struct cpu *c, bool is_write);
	u64 (*tsc)(const struct cpu *c);	/* guest TSC now */
	u64 (*tsc_to_ns)(const struct cpu *c, u64 tsc);
	/* Split mode: an EOI of a vector some reserved GSI routes to: exit 26. */
	void (*eoi_exit)(struct cpu *c, u8 vector);
	/* An EOI of a vector that lapic_set_synic() has named. */
	void (*synic_eoi)(struct cpu *c, u8 vector);
};

/* -- Per VM ---------------------------------------------------------------------- */

struct pic;
struct ioapic;
struct pit;
struct apic_bus;

struct irqchip {
	enum irqchip_mode mode;
	struct pic *pic;		/* full mode only, so also ioapic */
	struct ioapic *ioapic;
	struct pit *pit;		/* after KVM_CREATE_PIT2; read with acquire */
	struct apic_bus *bus;		/* full and split mode: x86/irqchip/lapic.h */
	u32 split_pins;			/* routes reserved for a userspace IOAPIC */
	bool x2apic_32bit_ids;		/* KVM_X2APIC_API_USE_32BIT_IDS */
	bool x2apic_no_broadcast_quirk;
	struct vm *vm;
};

/*
 * KVM_CREATE_IRQCHIP, KVM_CAP_SPLIT_IRQCHIP, KVM_CREATE_PIT2, with KVM's
 * checks in its order.  They take vm->lock.  -errno.
 */
int irqchip_create(struct vm *vm);
int irqchip_create_split(struct vm *vm, u32 pins);
int irqchip_create_pit(struct vm *vm, u32 flags);
void irqchip_destroy(struct irqchip *ic);
/* Stops timers: nothing calls back afterwards. */
void irqchip_stop(struct irqchip *ic);

/* Delivery for routing: see arch_set_irq(). */
int irqchip_set_pin(struct vm *vm, u32 chip, u32 pin, int source, int level);
int irqchip_deliver_msi(struct vm *vm, u64 addr, u32 data);

/*
 * Port I/O and MMIO of the guest: true if a chip took it.  The LAPIC page of
 * the accessing vCPU comes first.
 */
bool irqchip_pio_read(struct cpu *c, u16 port, u8 size, u32 *val);
bool irqchip_pio_write(struct cpu *c, u16 port, u8 size, u32 val);
bool irqchip_mmio_read(struct cpu *c, gpa_t gpa, u32 len, void *data);
bool irqchip_mmio_write(struct cpu *c, gpa_t gpa, u32 len, const void *data);

/* -- Per vCPU -------------------------------------------------------------------- */

/* irqchip_ops used by every LAPIC; set once at start-up. */
extern const struct irqchip_ops *irqchip_ops;

struct lapic *lapic_create(struct cpu *c, u32 apic_id);
void lapic_stop(struct lapic *l);	/* timer off, callback not running */
void lapic_destroy(struct lapic *l);
void lapic_reset(struct lapic *l, bool init);

/*
 * Is there an interrupt for this vCPU now (LAPIC above its PPR, or the PIC
 * through LVT0/virtual wire)?  Hot: one load in the common "no" case.
 */
bool irqchip_has_interrupt(struct cpu *c);
/* Takes it, as INTA does: the vector, or -1. */
int irqchip_get_interrupt(struct cpu *c);
/* The same, the LAPIC's part or the PIC's alone. */
bool lapic_has_interrupt(struct lapic *l);
bool irqchip_has_extint(struct cpu *c);
/* Split mode's KVM_INTERRUPT: false if one is pending still. */
bool lapic_queue_extint(struct lapic *l, u8 vector);
/* LVT0 lets the PIC's (split mode: userspace's) interrupts through. */
bool lapic_accepts_extint(const struct lapic *l);

/* CR8 and IA32_APIC_BASE; x2APIC MSRs.  False: #GP. */
u64 lapic_get_cr8(const struct lapic *l);
void lapic_set_cr8(struct lapic *l, u64 cr8);
/* The caller has validated @v; the mode and base follow it. */
void lapic_set_base(struct lapic *l, u64 v);
bool lapic_read_x2apic(struct lapic *l, u32 msr, u64 *v);
bool lapic_write_x2apic(struct lapic *l, u32 msr, u64 v);
/* Hyper-V's way to the same registers, by their x2APIC MSRs, in xAPIC mode too. */
bool lapic_read_any_mode(struct lapic *l, u32 msr, u64 *v);
bool lapic_write_any_mode(struct lapic *l, u32 msr, u64 v);
/* Leaf 1 of the vCPU's CPUID was set: is there a TSC-deadline mode? */
void lapic_cpuid_changed(struct lapic *l, bool tsc_deadline);
u64 lapic_get_tsc_deadline(struct lapic *l);
void lapic_set_tsc_deadline(struct lapic *l, u64 v);
/* The guest's TSC was moved: TSC-deadline timers are computed again. */
void lapic_tsc_changed(struct lapic *l);

/* Hyper-V: @vector is a SINT's, and needs no EOI if @auto_eoi. */
void lapic_set_synic(struct lapic *l, u8 vector, bool sint, bool auto_eoi);

/* Interrupt @vector fixed, edge (KVM_HC_SEND_IPI, posted by PV features). */
int lapic_post(struct lapic *l, u8 vector);	/* 0: the LAPIC is off */
/* KVM_HC_SEND_IPI: number of vCPUs reached, or -KVM_EINVAL. */
int lapic_send_pv_ipi(struct vm *vm, u64 low, u64 high, u32 min, u32 icr, bool mode64);

#endif
