/* SPDX-License-Identifier: MIT */
/* Guests that know Hyper-V, and the lists of things they do (hyperv.S). */
#ifndef ANYKVM_TESTS_RUN_HYPERV_H
#define ANYKVM_TESTS_RUN_HYPERV_H

#include "guest.h"

GUEST_BLOB(hv_script);
GUEST_BLOB(hv_gp);
GUEST_BLOB(hv_ud);

/* Where things are; hyperv.S knows some of it. */
enum {
	GP_HANDLER = 0x20000, UD_HANDLER = 0x21000, IRQ_HANDLER = 0x22000,
	LIST = 0x40000, COUNT = 0x48000, MESSAGE_TYPE = 0x48008, MESSAGE_TIMER = 0x48010,
	SEEN = 0x48018,
	TSC_PAGE = 0x50000, CALL_PAGE = 0x51000, SIMP = 0x52000, SIEFP = 0x53000,
	INPUT = 0x54000, ASSIST = 0x55000,
	VECTOR = 0x60,
};

enum {
	OS_ID = 0x40000000, HYPERCALL, VP_INDEX, RESET, RUNTIME = 0x40000010,
	TIME = 0x40000020, REFERENCE_TSC, TSC_HZ, APIC_HZ,
	EOI = 0x40000070, ICR, TPR, ASSIST_PAGE,
	SCONTROL = 0x40000080, SVERSION, SIEFP_MSR, SIMP_MSR, EOM, SINT0 = 0x40000090,
	STIMER0 = 0x400000b0, STIMER0_COUNT, SYNDBG_CONTROL = 0x400000f1, SYNDBG_STATUS,
	SYNDBG_OPTIONS = 0x400000ff,
	CRASH_P0 = 0x40000100, CRASH_CTL = 0x40000105, REENLIGHTEN, EMULATE_TSC, EMULATION_STATUS,
};

enum { FLUSH_SPACE = 2, SPIN_WAIT = 8, SEND_IPI = 0xb, POST_MESSAGE = 0x5c, SIGNAL_EVENT };

enum { RDMSR = 1, WRMSR, CALL, HLT, EXIT };
#define GP		0xfa0dull
#define UD		0xfa06ull
#define FAST		(1ull << 16)
#define LINUX_ID	(0x8100ull << 48)
#define ENABLE		1
#define MASKED		(1 << 16)
#define AUTO_EOI	(1 << 17)

struct op { u64 what, a, b, result; };

static inline struct op *op(struct guest *g, u32 i)
{
	return (struct op *)(g->mem + LIST) + i;
}

static inline u64 result(struct guest *g, u32 i)
{
	return *(volatile u64 *)&op(g, i)->result;
}

/* -- A guest ------------------------------------------------------------------------ */

/* @features: EAX of 40000003H, enforced; ~0: what is supported, not enforced. */
static inline void show_hyperv(struct guest *g, u32 vcpu, u32 features)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 300 * sizeof(c->entries[0]));
	struct kvm_cpuid2 *hv = calloc(1, sizeof(*hv) + 10 * sizeof(hv->entries[0]));
	struct kvm_enable_cap enforce = { .cap = KVM_CAP_HYPERV_ENFORCE_CPUID, .args = { 1 } };
	int sys = kvm_open(O_RDWR);
	u32 n = 0;

	c->nent = 256;
	hv->nent = 10;
	/* For the count, which Linux 6.1 does not tell of a vCPU's list. */
	assert_ok(kvm_ioctl(sys, KVM_GET_SUPPORTED_CPUID, c));
	close(sys);
	assert_ok(kvm_ioctl(g->vcpu[vcpu], KVM_GET_CPUID2, c));
	assert_ok(kvm_ioctl(g->vcpu[vcpu], KVM_GET_SUPPORTED_HV_CPUID, hv));
	for (u32 i = 0; i < c->nent; i++) {
		if (c->entries[i].function >> 16 != 0x4000)
			c->entries[n++] = c->entries[i];
	}
	for (u32 i = 0; i < hv->nent; i++) {
		c->entries[n] = hv->entries[i];
		if (hv->entries[i].function == 0x40000003 && features != ~0u)
			c->entries[n].eax = features;
		n++;
	}
	c->nent = n;
	assert_ok(kvm_ioctl(g->vcpu[vcpu], KVM_SET_CPUID2, c));
	if (features != ~0u)
		assert_ok(kvm_ioctl(g->vcpu[vcpu], KVM_ENABLE_CAP, &enforce));
	free(hv);
	free(c);
}

static inline void prepare(struct guest *g, u32 vcpus)
{
	needs_guest();
	guest_create(g, GUEST_IRQCHIP, vcpus);
	guest_load(g, GP_HANDLER, hv_gp);
	guest_load(g, UD_HANDLER, hv_ud);
	guest_load(g, GUEST_CODE, hv_script);
	guest_gate(g, 13, GP_HANDLER);
	guest_gate(g, 6, UD_HANDLER);
	guest_gate(g, VECTOR, IRQ_HANDLER);
}

static inline void synic(struct guest *g, u32 cap)
{
	struct kvm_enable_cap c = { .cap = cap };

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_ENABLE_CAP, &c));
}

static inline struct guest hv_guest(u32 features)
{
	struct guest g;

	prepare(&g, 1);
	show_hyperv(&g, 0, features);
	return g;
}

static inline void start(struct guest *g, u32 vcpu, const struct op *ops, u32 n)
{
	struct kvm_regs r;

	memcpy(op(g, 0), ops, n * sizeof(*ops));
	*op(g, n) = (struct op){ EXIT };
	guest_long(g, vcpu, GUEST_CODE);
	guest_regs(g, vcpu, &r);
	r.rsi = LIST;
	r.rbx = CALL_PAGE;
	guest_set_regs(g, vcpu, &r);
}

/* The hypercall page is elsewhere. */
static inline void set_rbx(struct guest *g, u32 vcpu, u64 rbx)
{
	struct kvm_regs r;

	guest_regs(g, vcpu, &r);
	r.rbx = rbx;
	guest_set_regs(g, vcpu, &r);
}

/* To the end of the list, without another exit. */
static inline void run(struct guest *g, u32 vcpu, const struct op *ops, u32 n)
{
	start(g, vcpu, ops, n);
	assert_int_equal(guest_run(g, vcpu), KVM_EXIT_IO);
	assert_int_equal(g->run[vcpu]->io.port, 0x10);
}

#define RUN(g, vcpu, ...) do {						\
	const struct op ops_[] = { __VA_ARGS__ };			\
	run(g, vcpu, ops_, sizeof(ops_) / sizeof(ops_[0]));		\
} while (0)
#define START(g, vcpu, ...) do {					\
	const struct op ops_[] = { __VA_ARGS__ };			\
	start(g, vcpu, ops_, sizeof(ops_) / sizeof(ops_[0]));		\
} while (0)

#define HYPERCALLS	{ WRMSR, OS_ID, LINUX_ID }, { WRMSR, HYPERCALL, CALL_PAGE | ENABLE }

/* -- MSRs by userspace ---------------------------------------------------------------- */

struct one { struct kvm_msrs head; struct kvm_msr_entry e; };

static inline bool get(struct guest *g, u32 vcpu, u32 msr, u64 *value)
{
	struct one m = { .head.nmsrs = 1, .e.index = msr };
	bool ok = kvm_ioctl(g->vcpu[vcpu], KVM_GET_MSRS, &m) == 1;

	*value = m.e.data;
	return ok;
}

static inline u64 got(struct guest *g, u32 msr)
{
	u64 value;

	assert_true(get(g, 0, msr, &value));
	return value;
}

static inline bool set(struct guest *g, u32 vcpu, u32 msr, u64 value)
{
	struct one m = { .head.nmsrs = 1, .e = { .index = msr, .data = value } };

	return kvm_ioctl(g->vcpu[vcpu], KVM_SET_MSRS, &m) == 1;
}

#endif
