/* SPDX-License-Identifier: MIT */
/* Arguments of a vCPU's ioctls that are mostly accepted. */
#include "fuzz.h"

#include <string.h>
#include <signal.h>

#define PUT(t, s)	(memcpy((t)->stage, &(s), sizeof(s)), sizeof(s))
#define MAX_ENTRIES	258	/* KVM's limit and more */

/* -- CPUID ---------------------------------------------------------------------------- */

static void change_cpuid(struct thread *t, struct kvm_cpuid_entry2 *e)
{
	u32 *reg = &e->eax + pick(t, 4);

	switch (pick(t, 4)) {
	case 0: *reg = word(t); break;
	case 1: e->function = word(t); break;
	case 2: e->index = pick(t, 4); break;
	default: *reg ^= 1u << pick(t, 32);
	}
}

static size_t gen_cpuid2(struct thread *t)
{
	struct kvm_cpuid2 *c = (void *)t->stage;
	const u32 supported = world.cpuid->nent;
	u32 n = one_in(t, 8) ? pick(t, MAX_ENTRIES) : supported;

	memset(c, 0, sizeof(*c));
	for (u32 i = 0; i < n; i++) {
		c->entries[i] = world.cpuid->entries[one_in(t, 64) ? pick(t, supported) :
								     i % supported];
		if (one_in(t, 32))
			change_cpuid(t, &c->entries[i]);
	}
	c->nent = one_in(t, 64) ? word(t) : n;
	return sizeof(*c) + n * sizeof(c->entries[0]);
}

static size_t gen_cpuid(struct thread *t)
{
	struct kvm_cpuid *c = (void *)t->stage;
	const u32 n = pick(t, MAX_ENTRIES);

	memset(c, 0, sizeof(*c));
	c->nent = one_in(t, 32) ? word(t) : n;
	for (u32 i = 0; i < n; i++) {
		const struct kvm_cpuid_entry2 *e =
			&world.cpuid->entries[i % world.cpuid->nent];

		c->entries[i] = (struct kvm_cpuid_entry){
			.function = e->function, .eax = e->eax, .ebx = e->ebx,
			.ecx = e->ecx, .edx = e->edx };
	}
	return sizeof(*c) + n * sizeof(c->entries[0]);
}

/* -- MSRs -------------------------------------------------------------------------------- */

static u32 msr_index(struct thread *t)
{
	static const u32 ranges[] = {
		0, 0x170, 0x200, 0x260, 0x400, 0x480, 0x800, 0x820, 0xd90, 0x40000000,
		0x40000080, 0x40000100, 0x4b564d00, 0xc0000080, 0xc0000100, 0xc0010000,
		0xc0011020,
	};

	if (one_in(t, 16))
		return word(t);
	if (one_in(t, 3))
		return PICK(t, ranges) + pick(t, 32);
	return world.msrs->indices[pick(t, world.msrs->nmsrs)];
}

static u64 msr_value(struct thread *t)
{
	if (one_in(t, 3))
		return gpa(t) | pick(t, 64);	/* where the host writes to, enabled */
	return one_in(t, 2) ? word(t) : pick(t, 1 << 16);
}

static size_t gen_msrs(struct thread *t)
{
	struct kvm_msrs *m = (void *)t->stage;
	const u32 n = one_in(t, 32) ? pick(t, MAX_ENTRIES) : pick(t, 12);

	memset(m, 0, sizeof(*m));
	m->nmsrs = one_in(t, 32) ? word(t) : n;
	for (u32 i = 0; i < n; i++)
		m->entries[i] = (struct kvm_msr_entry){
			.index = msr_index(t), .data = msr_value(t),
			.reserved = one_in(t, 32) };
	return sizeof(*m) + n * sizeof(m->entries[0]);
}

/* -- Events and debugging -------------------------------------------------------------------- */

static size_t gen_events(struct thread *t)
{
	struct kvm_vcpu_events e = {
		.exception = { .injected = one_in(t, 4), .nr = pick(t, 34),
			       .has_error_code = pick(t, 2), .pending = one_in(t, 4),
			       .error_code = word(t) },
		.interrupt = { .injected = one_in(t, 4), .nr = rnd(t), .soft = one_in(t, 4),
			       .shadow = pick(t, 4) },
		.nmi = { .injected = one_in(t, 4), .pending = pick(t, 2),
			 .masked = pick(t, 2) },
		.sipi_vector = word(t),
		.flags = one_in(t, 32) ? word(t) : pick(t, 64),
		.smi = { .smm = one_in(t, 8), .pending = one_in(t, 8),
			 .smm_inside_nmi = pick(t, 2), .latched_init = pick(t, 2) },
		.triple_fault = { .pending = one_in(t, 8) },
		.exception_has_payload = pick(t, 2),
		.exception_payload = word(t),
	};

	return PUT(t, e);
}

static size_t gen_debug(struct thread *t)
{
	struct kvm_guest_debug d = {
		.control = one_in(t, 8) ? word(t) : pick(t, 4) | pick(t, 8) << 16,
	};

	for (u32 i = 0; i < 4; i++)
		d.arch.debugreg[i] = one_in(t, 2) ? GPA_CODE + pick(t, 64) : word(t);
	d.arch.debugreg[6] = word(t);
	d.arch.debugreg[7] = one_in(t, 4) ? word(t) : pick(t, 0x10000) << 16 | 0x400 | pick(t, 256);
	return PUT(t, d);
}

/* Only what ends a KVM_RUN for certain stays open. */
static size_t gen_signal_mask(struct thread *t)
{
	struct { u32 len; u64 mask; } __attribute__((packed)) m = {
		.len = one_in(t, 16) ? pick(t, 17) : 8,
		.mask = (one_in(t, 2) ? rnd(t) : -(u64)pick(t, 2)) & ~(1ull << (SIGUSR1 - 1)),
	};

	return PUT(t, m);
}

/* -- State ------------------------------------------------------------------------------------- */

static size_t gen_xsave(struct thread *t)
{
	static const u32 headers[] = { 0, 1, 3, 7, 0xe7, 0xff };
	struct kvm_xsave x;
	u64 features = one_in(t, 16) ? word(t) : PICK(t, headers);

	fill(t, &x, sizeof(x));
	memset(&x.region[512 / 4], 0, 64);
	memcpy(&x.region[512 / 4], &features, sizeof(features));
	if (!one_in(t, 8))
		x.region[6] &= 0xffbf;		/* MXCSR */
	return PUT(t, x);
}

static size_t gen_xcrs(struct thread *t)
{
	struct kvm_xcrs x = {
		.nr_xcrs = one_in(t, 16) ? word(t) : pick(t, 3),
		.flags = one_in(t, 32),
	};

	for (u32 i = 0; i < 3; i++)
		x.xcrs[i] = (struct kvm_xcr){ .xcr = one_in(t, 16) ? word(t) : 0,
					      .value = one_in(t, 8) ? word(t) : pick(t, 8) | 1 };
	return PUT(t, x);
}

static size_t gen_lapic(struct thread *t)
{
	struct kvm_lapic_state l;
	u32 reg;

	fill(t, &l, sizeof(l));
	if (one_in(t, 2)) {		/* enabled, with a timer that runs */
		reg = 0x1ff;
		memcpy(l.regs + 0xf0, &reg, 4);
		reg = 0xf0 | pick(t, 3) << 17;
		memcpy(l.regs + 0x320, &reg, 4);
		reg = pick(t, 100000);
		memcpy(l.regs + 0x380, &reg, 4);
	}
	return PUT(t, l);
}

static size_t gen_mp_state(struct thread *t)
{
	struct kvm_mp_state m = { one_in(t, 16) ? word(t) : pick(t, 11) };

	return PUT(t, m);
}

static size_t gen_attr(struct thread *t)
{
	struct kvm_device_attr a = {
		.flags = one_in(t, 32),
		.group = one_in(t, 8) ? word(t) : pick(t, 2),
		.attr = one_in(t, 8) ? word(t) : pick(t, 3),
		.addr = one_in(t, 8) ? word(t) : address(t),
	};

	return PUT(t, a);
}

static size_t gen_vapic(struct thread *t)
{
	u64 a = gpa(t) + pick(t, 4096);

	return PUT(t, a);
}

static size_t gen_vcpu_cap(struct thread *t)
{
	static const u32 caps[] = {
		KVM_CAP_HYPERV_SYNIC, KVM_CAP_HYPERV_SYNIC2, KVM_CAP_HYPERV_ENFORCE_CPUID,
		KVM_CAP_HYPERV_ENLIGHTENED_VMCS, KVM_CAP_HYPERV_DIRECT_TLBFLUSH,
		KVM_CAP_ENFORCE_PV_FEATURE_CPUID,
	};
	struct kvm_enable_cap c = {
		.cap = one_in(t, 4) ? word(t) : PICK(t, caps),
		.args = { pick(t, 2), address(t) },
	};

	return PUT(t, c);
}

size_t gen_vcpu(struct thread *t, const struct row *row)
{
	switch (row->cmd) {
	case (u32)KVM_SET_CPUID2:	return gen_cpuid2(t);
	case (u32)KVM_SET_CPUID:	return gen_cpuid(t);
	case (u32)KVM_GET_CPUID2:	return gen_cpuid2(t);
	case (u32)KVM_GET_MSRS:
	case (u32)KVM_SET_MSRS:		return gen_msrs(t);
	case (u32)KVM_SET_VCPU_EVENTS:	return one_in(t, 2) ? gen_events(t) : 0;
	case (u32)KVM_SET_GUEST_DEBUG:	return gen_debug(t);
	case (u32)KVM_SET_SIGNAL_MASK:	return gen_signal_mask(t);
	case (u32)KVM_SET_XSAVE:	return one_in(t, 2) ? gen_xsave(t) : 0;
	case (u32)KVM_SET_XCRS:		return gen_xcrs(t);
	case (u32)KVM_SET_LAPIC:	return one_in(t, 2) ? gen_lapic(t) : 0;
	case (u32)KVM_SET_MP_STATE:	return gen_mp_state(t);
	case (u32)KVM_HAS_DEVICE_ATTR:
	case (u32)KVM_GET_DEVICE_ATTR:
	case (u32)KVM_SET_DEVICE_ATTR:	return gen_attr(t);
	case (u32)KVM_SET_VAPIC_ADDR:	return gen_vapic(t);
	case (u32)KVM_ENABLE_CAP:	return gen_vcpu_cap(t);
	}
	return 0;
}
