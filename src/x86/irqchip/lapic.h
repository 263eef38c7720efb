/* SPDX-License-Identifier: MIT */
/*
 * Private to the LAPIC's files: its registers and who may touch them.
 *
 * Registers live in @regs, laid out as KVM_GET_LAPIC shows them.  Only the
 * vCPU's thread (or an ioctl that holds vcpu->mutex) writes them, with three
 * exceptions: IRR, TMR and irr_pending are set by any sender, atomically.
 * Senders read ID, LDR, DFR, SVR, LVTs and @base without a lock.  @lock
 * protects the timer, which the worker thread shares.
 */
#ifndef ANYKVM_X86_IRQCHIP_LAPIC_H
#define ANYKVM_X86_IRQCHIP_LAPIC_H

#include <pthread.h>

#include "api/worker.h"
#include "x86/irqchip/irqchip.h"

/* Registers (SDM vol. 3A table 11-1). */
enum lapic_reg {
	LAPIC_ID = 0x20, LAPIC_VERSION = 0x30, LAPIC_TPR = 0x80, LAPIC_APR = 0x90,
	LAPIC_PPR = 0xa0, LAPIC_EOI = 0xb0, LAPIC_LDR = 0xd0, LAPIC_DFR = 0xe0,
	LAPIC_SVR = 0xf0, LAPIC_ISR = 0x100, LAPIC_TMR = 0x180, LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280, LAPIC_ICR = 0x300, LAPIC_ICR2 = 0x310,
	LAPIC_LVT_TIMER = 0x320, LAPIC_LVT_THERMAL = 0x330, LAPIC_LVT_PMC = 0x340,
	LAPIC_LVT_LINT0 = 0x350, LAPIC_LVT_LINT1 = 0x360, LAPIC_LVT_ERROR = 0x370,
	LAPIC_TMICT = 0x380, LAPIC_TMCCT = 0x390, LAPIC_TDCR = 0x3e0,
	LAPIC_SELF_IPI = 0x3f0,
	LAPIC_REGS_SIZE = 0x400,
};

#define SVR_ENABLE		BIT(8)
#define SVR_FOCUS		BIT(9)
#define SVR_DIRECTED_EOI	BIT(12)
#define VERSION_DIRECTED_EOI	BIT(24)
#define DFR_FLAT		0xfu		/* in bits 31-28 */

/* ICR, LVT, RTE and MSI data share these (SDM vol. 3A 11.6.1). */
#define APIC_VECTOR		0xffu
#define APIC_MODE		0x700u
#define APIC_MODE_FIXED		0x000u
#define APIC_MODE_LOWEST	0x100u
#define APIC_MODE_SMI		0x200u
#define APIC_MODE_REMRD		0x300u		/* KVM: PV unhalt */
#define APIC_MODE_NMI		0x400u
#define APIC_MODE_INIT		0x500u
#define APIC_MODE_SIPI		0x600u
#define APIC_MODE_EXTINT	0x700u
#define APIC_DEST_LOGICAL	BIT(11)
#define APIC_BUSY		BIT(12)
#define APIC_POLARITY		BIT(13)
#define APIC_ASSERT		BIT(14)		/* LVT, RTE: remote IRR */
#define APIC_REMOTE_IRR		BIT(14)
#define APIC_LEVEL		BIT(15)
#define APIC_SHORTHAND		0xc0000u
#define APIC_SHORTHAND_NONE	0x00000u
#define APIC_SHORTHAND_SELF	0x40000u
#define APIC_SHORTHAND_ALL	0x80000u
#define APIC_SHORTHAND_OTHERS	0xc0000u
#define LVT_MASKED		BIT(16)
#define LVT_TIMER_MODE		(3u << 17)
#define LVT_TIMER_ONESHOT	(0u << 17)
#define LVT_TIMER_PERIODIC	(1u << 17)
#define LVT_TIMER_TSCDEADLINE	(2u << 17)

#define XAPIC_BROADCAST		0xffu
#define X2APIC_BROADCAST	0xffffffffu

/* Host nanoseconds per tick of the timer at divider 1: a bus of 1 GHz. */
#define APIC_BUS_CYCLE_NS	1
/* KVM: the shortest period of a periodic timer. */
#define TIMER_MIN_PERIOD_NS	200000u

struct lapic_timer {
	struct worker_timer wt;
	u32 mode;		/* LVT_TIMER_*: what of LVT_TIMER's field counts */
	u32 mode_mask;		/* and may be written: lapic_cpuid_changed() */
	u64 target_ns;		/* of the coming expiry; 0: none */
	u64 period_ns;
	u64 tsc_deadline;
	bool stopped;		/* the VM is going away */
};

struct lapic {
	u32 irr_pending;	/* IRR may be non-zero; atomic */
	s32 isr_top;		/* highest vector in service, or -1 */
	const u32 *extint;	/* the PIC's output, or &user_extint */
	struct cpu *cpu;
	struct vm *vm;
	struct irqchip *ic;
	u64 base;		/* IA32_APIC_BASE */
	u32 id;			/* x2APIC ID, the vCPU's: never changes */
	u32 arb_prio;		/* lowest priority: times chosen; atomic */

	u32 user_extint;	/* split mode: KVM_INTERRUPT is pending */
	u8 user_vector;

	/* Hyper-V's SynIC: vectors of its SINTs, and those it ends itself. */
	u64 synic_vectors[4], auto_eoi[4];
	s16 rtc_vector;		/* the IOAPIC waits for its end; -1: none; its lock */

	pthread_mutex_t lock;
	struct lapic_timer timer;

	u32 regs[LAPIC_REGS_SIZE / 4];
};

/*
 * What the LAPICs of a VM share: a map from ID to LAPIC that is filled when an
 * ID is first looked up, and counts that say when the map is not enough.
 */
struct apic_bus {
	struct lapic *by_id[KVM_MAX_VCPU_IDS];	/* by vCPU id; atomic */
	u32 nr_xapic;		/* enabled, not in x2APIC mode; atomic */
	u32 nr_moved;		/* xAPIC ID is not the vCPU's id; atomic */
	u32 nr_nmi_lint0;	/* LINT0 is unmasked NMI (PIT watchdog); atomic */
	/* Split mode: vectors whose EOI is reported; written under scan_lock. */
	u64 eoi_vectors[4];
	pthread_mutex_t scan_lock;
};

/* An interrupt message on its way to LAPICs. */
struct apic_msg {
	u8 vector;
	bool logical;
	bool level;		/* level triggered */
	bool assert;
	bool redir_hint;	/* MSI: lowest priority whatever the mode says */
	bool rtc;		/* who accepts it notes it in rtc_vector */
	u32 mode;		/* APIC_MODE_* */
	u32 shorthand;		/* APIC_SHORTHAND_* */
	u32 dest;
};

static inline u32 lapic_reg(const struct lapic *l, u32 reg)
{
	return READ_ONCE(l->regs[reg / 4]);
}

static inline void lapic_reg_set(struct lapic *l, u32 reg, u32 v)
{
	WRITE_ONCE(l->regs[reg / 4], v);
}

/* The 256 bits of ISR, TMR and IRR: 32 in each 16-byte register. */
static inline u32 *lapic_bitmap_word(const struct lapic *l, u32 reg, u8 vector)
{
	return (u32 *)&l->regs[(reg + (vector / 32) * 0x10) / 4];
}

static inline bool lapic_bit(const struct lapic *l, u32 reg, u8 vector)
{
	return READ_ONCE(*lapic_bitmap_word(l, reg, vector)) & BIT(vector % 32);
}

static inline bool lapic_hw_enabled(const struct lapic *l)
{
	return READ_ONCE(l->base) & BIT(11);
}

static inline bool lapic_x2apic(const struct lapic *l)
{
	return READ_ONCE(l->base) & BIT(10);
}

static inline bool lapic_sw_enabled(const struct lapic *l)
{
	return lapic_reg(l, LAPIC_SVR) & SVR_ENABLE;
}

/* -- lapic.c: acceptance and priorities --------------------------------------------- */

/* Highest vector set in the 256-bit register, or -1. */
int lapic_highest(const struct lapic *l, u32 reg);
u32 lapic_ppr(const struct lapic *l);
/* Accepts a message that is for this LAPIC: 1, or 0 if it drops it. Any thread. */
int lapic_accept(struct lapic *l, u32 mode, u8 vector, bool assert, bool level);
/* Delivers what an LVT register says.  Any thread. */
int lapic_local_deliver(struct lapic *l, u32 lvt);
/* Which of apic_bus's counts this LAPIC is in, and what a change does to them. */
enum { CENSUS_XAPIC = BIT(0), CENSUS_MOVED = BIT(1), CENSUS_NMI_LINT0 = BIT(2) };
u32 lapic_census(const struct lapic *l);
void lapic_recount(struct lapic *l, u32 before, u32 after);
void lapic_set_x2apic_id(struct lapic *l);
void lapic_set_tpr(struct lapic *l, u32 tpr);
void lapic_eoi(struct lapic *l);
/* Something that holds interrupts back has changed. */
void lapic_look_again(struct lapic *l);
/* INTA: moves the vector from IRR to ISR. */
int lapic_take(struct lapic *l);

/* -- lapic_regs.c ----------------------------------------------------------------- */

u32 lapic_version(const struct lapic *l);
/* Register accesses by offset; false: no such register, or not writable. */
bool lapic_reg_read(struct lapic *l, u32 reg, u32 *v);
bool lapic_reg_write(struct lapic *l, u32 reg, u32 v);
/* Accesses of the guest to the APIC page; false: not this LAPIC's. */
bool lapic_mmio_read(struct lapic *l, gpa_t gpa, u32 len, void *data);
bool lapic_mmio_write(struct lapic *l, gpa_t gpa, u32 len, const void *data);

/* -- lapic_timer.c ------------------------------------------------------------- */

void lapic_timer_init(struct lapic *l);
void lapic_timer_reset(struct lapic *l);
/* Writes to LVT timer, initial count and divide configuration. */
void lapic_timer_write_lvt(struct lapic *l, u32 v);
void lapic_timer_write_tmict(struct lapic *l, u32 v);
void lapic_timer_write_tdcr(struct lapic *l, u32 v);
u32 lapic_timer_tmcct(struct lapic *l);
/* KVM_SET_LAPIC: before and after the registers are replaced; TMCCT holds what was left. */
void lapic_timer_suspend(struct lapic *l);
void lapic_timer_restore(struct lapic *l);

/* -- lapic_ipi.c ------------------------------------------------------------------ */

struct apic_bus *apic_bus_create(void);
void apic_bus_destroy(struct apic_bus *bus);

/* The published LAPIC of vCPU @id, or NULL. */
struct lapic *apic_bus_find(struct vm *vm, u32 id);
bool lapic_matches(const struct lapic *l, const struct lapic *source,
		   const struct apic_msg *m);
/* Number of LAPICs that accepted, or -1 if the message is for nobody. */
int apic_bus_send(struct vm *vm, struct lapic *source, const struct apic_msg *m);
void lapic_send_ipi(struct lapic *l, u32 icr, u32 icr2);

/* -- lapic_state.c ---------------------------------------------------------------- */

void lapic_get_state(struct lapic *l, struct kvm_lapic_state *s);
/* 0 or -EINVAL. */
int lapic_set_state(struct lapic *l, const struct kvm_lapic_state *s);

#endif
