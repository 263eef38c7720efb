/* SPDX-License-Identifier: MIT */
/* Arguments of the system's and a VM's ioctls that are mostly accepted. */
#include "fuzz.h"

#include <string.h>

#define PG	4096ul

#define PUT(t, s)	(memcpy((t)->stage, &(s), sizeof(s)), sizeof(s))

static const u32 caps[] = {
#define CAP(name, value) name,
#include "api/caps.def"
};

/* -- Memory ------------------------------------------------------------------------ */

static u64 region_size(struct thread *t)
{
	switch (pick(t, 12)) {
	case 0: case 1: return 0;
	case 2: return (1 + pick(t, 1ul << 18)) * PG;
	case 3: return word(t);
	case 4: return RAM_SIZE;
	default: return (1 + pick(t, 130)) * PG;
	}
}

/* Between the two lies what the sanitizer does not let anyone try. */
static u64 odd_address(struct thread *t)
{
	u64 a = word(t);

	return a > 1 << 30 && a < 1ul << 45 ? 0 : a;
}

static size_t gen_region(struct thread *t)
{
	struct kvm_userspace_memory_region r = {
		.slot = one_in(t, 8) ? pick(t, 1u << 18) : pick(t, 6) | pick(t, 2) << 16,
		.flags = one_in(t, 32) ? word(t) : pick(t, 4),
		.guest_phys_addr = one_in(t, 32) ? word(t) : gpa(t),
		.userspace_addr = one_in(t, 64) ? odd_address(t) : address(t),
		.memory_size = region_size(t),
	};

	/* The log of a large slot takes long. */
	if (r.memory_size > 1ul << 36 && !one_in(t, 64))
		r.flags &= ~KVM_MEM_LOG_DIRTY_PAGES;
	return PUT(t, r);
}

static size_t gen_get_log(struct thread *t)
{
	struct kvm_dirty_log log = {
		.slot = pick(t, one_in(t, 4) ? 4 : 2) | (one_in(t, 8) ? 1 << 16 : 0),
		.dirty_bitmap = (void *)address(t),
	};

	return PUT(t, log);
}

static size_t gen_clear_log(struct thread *t)
{
	static const u32 pages[] = { 0, 1, 63, 64, 65, 128, 256, RAM_SIZE / PG };
	struct kvm_clear_dirty_log log = {
		.slot = pick(t, one_in(t, 4) ? 4 : 2),
		.first_page = one_in(t, 8) ? word(t) : pick(t, 3) * 64,
		.num_pages = one_in(t, 8) ? word(t) : PICK(t, pages),
		.dirty_bitmap = (void *)address(t),
	};

	return PUT(t, log);
}

static size_t gen_zone(struct thread *t)
{
	struct kvm_coalesced_mmio_zone z = {
		.addr = one_in(t, 4) ? word(t) : one_in(t, 2) ? gpa(t) : pick(t, 256),
		.size = one_in(t, 4) ? word(t) : pick(t, 0x2000),
		.pio = one_in(t, 32) ? word(t) : pick(t, 2),
	};

	return PUT(t, z);
}

/* -- Eventfds and routes --------------------------------------------------------------- */

static int an_eventfd(struct thread *t)
{
	return one_in(t, 16) ? any_fd(t, pick(t, 3), any_vm(t)) : PICK(t, world.eventfd);
}

static size_t gen_irqfd(struct thread *t)
{
	struct kvm_irqfd i = {
		.fd = an_eventfd(t),
		.gsi = one_in(t, 8) ? word(t) : pick(t, 26),
		.flags = one_in(t, 32) ? word(t) : pick(t, 4),
		.resamplefd = an_eventfd(t),
	};

	return PUT(t, i);
}

static size_t gen_ioeventfd(struct thread *t)
{
	static const u32 sizes[] = { 0, 1, 2, 4, 8 };
	struct kvm_ioeventfd i = {
		.datamatch = pick(t, 3),
		.addr = one_in(t, 2) ? pick(t, 64) : gpa(t) + pick(t, 16),
		.len = one_in(t, 32) ? word(t) : PICK(t, sizes),
		.fd = an_eventfd(t),
		.flags = one_in(t, 32) ? word(t) : pick(t, 4) | (one_in(t, 4) ? 4 : 0),
	};

	return PUT(t, i);
}

static size_t gen_msi(struct thread *t)
{
	struct kvm_msi m = {
		.address_lo = one_in(t, 8) ? word(t) : 0xfee00000 | pick(t, 4) << 12 | pick(t, 16),
		.address_hi = one_in(t, 4) ? word(t) : 0,
		.data = one_in(t, 4) ? word(t) : 0x20 + pick(t, 0x900),
		.flags = one_in(t, 16) ? word(t) : 0,
		.devid = pick(t, 2),
	};

	return PUT(t, m);
}

static void gen_route(struct thread *t, struct kvm_irq_routing_entry *e, u32 i)
{
	memset(e, 0, sizeof(*e));
	e->gsi = one_in(t, 512) ? word(t) : one_in(t, 64) ? pick(t, 32) : i;
	e->flags = one_in(t, 512) ? word(t) : 0;
	switch (pick(t, 64)) {
	case 0 ... 30:
		e->type = KVM_IRQ_ROUTING_IRQCHIP;
		e->u.irqchip.irqchip = one_in(t, 256) ? word(t) : pick(t, 3);
		e->u.irqchip.pin = one_in(t, 256) ? word(t) : pick(t, 8);
		break;
	case 31:
		e->type = KVM_IRQ_ROUTING_HV_SINT;
		e->u.hv_sint.vcpu = pick(t, 4);
		e->u.hv_sint.sint = pick(t, 18);
		break;
	case 32:
		e->type = one_in(t, 4) ? word(t) : 5;	/* KVM_IRQ_ROUTING_XEN_EVTCHN */
		fill(t, &e->u, 16);
		break;
	default:
		e->type = KVM_IRQ_ROUTING_MSI;
		e->u.msi.address_lo = 0xfee00000 | pick(t, 4) << 12;
		e->u.msi.data = pick(t, 0x900);
	}
}

static size_t gen_routing(struct thread *t)
{
	const u32 n = one_in(t, 32) ? pick(t, 4098) : pick(t, 40);
	struct kvm_irq_routing head = { .nr = one_in(t, 64) ? word(t) : n,
					.flags = one_in(t, 64) };

	memcpy(t->stage, &head, sizeof(head));
	for (u32 i = 0; i < n; i++)
		gen_route(t, (struct kvm_irq_routing_entry *)(t->stage + sizeof(head)) + i, i);
	return sizeof(head) + n * sizeof(struct kvm_irq_routing_entry);
}

/* -- Capabilities ------------------------------------------------------------------------ */

static size_t gen_cap(struct thread *t)
{
	struct kvm_enable_cap c = {
		.cap = one_in(t, 16) ? word(t) : PICK(t, caps),
		.flags = one_in(t, 32) ? word(t) : 0,
	};

	for (u32 i = 0; i < 4; i++)
		c.args[i] = one_in(t, 2) ? pick(t, 16) : word(t);
	return PUT(t, c);
}

static size_t gen_check_extension(struct thread *t)
{
	u64 cap = one_in(t, 16) ? word(t) : one_in(t, 2) ? PICK(t, caps) : pick(t, 260);

	return PUT(t, cap);
}

static size_t gen_msr_filter(struct thread *t)
{
	struct kvm_msr_filter f = { .flags = one_in(t, 16) ? word(t) : pick(t, 2) };

	for (u32 i = pick(t, KVM_MSR_FILTER_MAX_RANGES + 1); i-- > 0;)
		f.ranges[i] = (struct kvm_msr_filter_range){
			.flags = one_in(t, 32) ? word(t) : 1 + pick(t, 3),
			.nmsrs = one_in(t, 16) ? word(t) : pick(t, 0x2000),
			.base = one_in(t, 4) ? word(t) : PICK(t, ((u32[]){
				0, 0x10, 0x1b, 0x800, 0x40000000, 0x4b564d00, 0xc0000080,
				0xfffffff0 })),
			.bitmap = (void *)address(t),
		};
	return PUT(t, f);
}

/* -- Lists -------------------------------------------------------------------------------- */

static size_t gen_list(struct thread *t, size_t head, size_t entry)
{
	const u32 n = one_in(t, 2) ? pick(t, 300) : pick(t, 40);
	const u32 said = one_in(t, 16) ? word(t) : n;

	fill(t, t->stage, head + n * entry);
	memcpy(t->stage, &said, sizeof(said));
	return head + n * entry;
}

size_t gen_system(struct thread *t, const struct row *row)
{
	switch (row->cmd) {
	case (u32)KVM_CREATE_VM: {
		u64 type = one_in(t, 2) ? word(t) : 0;

		return PUT(t, type);
	}
	case (u32)KVM_CHECK_EXTENSION:
		return gen_check_extension(t);
	case (u32)KVM_GET_SUPPORTED_CPUID:
	case (u32)KVM_GET_EMULATED_CPUID:
		return gen_list(t, 8, sizeof(struct kvm_cpuid_entry2));
	case (u32)KVM_GET_MSR_INDEX_LIST:
	case (u32)KVM_GET_MSR_FEATURE_INDEX_LIST:
		return gen_list(t, 4, sizeof(u32));
	case (u32)KVM_GET_MSRS:
	case (u32)KVM_HAS_DEVICE_ATTR:
	case (u32)KVM_GET_DEVICE_ATTR:
		return gen_vcpu(t, row);
	}
	return 0;
}

static size_t gen_vcpu_id(struct thread *t)
{
	u64 id = one_in(t, 4) ? word(t) : pick(t, 8);

	return PUT(t, id);
}

static size_t gen_device(struct thread *t)
{
	struct kvm_create_device d = { .type = pick(t, 12), .flags = pick(t, 2), .fd = -1 };

	return PUT(t, d);
}

size_t gen_vm(struct thread *t, const struct row *row, struct vm_slot *vm)
{
	switch (row->cmd) {
	case (u32)KVM_CHECK_EXTENSION:		return gen_check_extension(t);
	case (u32)KVM_ENABLE_CAP:		return gen_cap(t);
	case (u32)KVM_CREATE_VCPU:		return gen_vcpu_id(t);
	case (u32)KVM_CREATE_DEVICE:		return gen_device(t);
	case (u32)KVM_SET_USER_MEMORY_REGION:	return gen_region(t);
	case (u32)KVM_GET_DIRTY_LOG:		return gen_get_log(t);
	case (u32)KVM_CLEAR_DIRTY_LOG:		return gen_clear_log(t);
	case (u32)KVM_REGISTER_COALESCED_MMIO:
	case (u32)KVM_UNREGISTER_COALESCED_MMIO: return gen_zone(t);
	case (u32)KVM_IRQFD:			return gen_irqfd(t);
	case (u32)KVM_IOEVENTFD:		return gen_ioeventfd(t);
	case (u32)KVM_SIGNAL_MSI:		return gen_msi(t);
	case (u32)KVM_SET_GSI_ROUTING:		return gen_routing(t);
	case (u32)KVM_X86_SET_MSR_FILTER:	return gen_msr_filter(t);
	}
	return 0;
}

/* -- Interrupt controllers ------------------------------------------------------------------ */

static size_t gen_line(struct thread *t)
{
	struct kvm_irq_level l = { .irq = one_in(t, 8) ? word(t) : pick(t, 26),
				   .level = one_in(t, 8) ? word(t) : pick(t, 2) };

	return PUT(t, l);
}

static size_t gen_chip(struct thread *t)
{
	struct kvm_irqchip c;

	fill(t, &c, sizeof(c));
	c.chip_id = one_in(t, 16) ? word(t) : pick(t, 3);
	if (c.chip_id == KVM_IRQCHIP_IOAPIC && one_in(t, 2)) {
		for (u32 i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
			c.chip.ioapic.redirtbl[i].bits = pick(t, 1 << 17) |
							 pick(t, 4) << 56;
	}
	return PUT(t, c);
}

static size_t gen_pit(struct thread *t)
{
	struct kvm_pit_state2 p;

	fill(t, &p, sizeof(p));
	for (u32 i = 0; i < 3 && !one_in(t, 4); i++)
		p.channels[i] = (struct kvm_pit_channel_state){
			.count = pick(t, 0x10001), .mode = pick(t, 8), .gate = pick(t, 2),
			.rw_mode = pick(t, 5), .read_state = pick(t, 5),
			.write_state = pick(t, 5),
		};
	return PUT(t, p);
}

size_t gen_irqchip(struct thread *t, const struct row *row)
{
	switch (row->cmd) {
	case (u32)KVM_IRQ_LINE:
	case (u32)KVM_IRQ_LINE_STATUS:	return gen_line(t);
	case (u32)KVM_GET_IRQCHIP:
	case (u32)KVM_SET_IRQCHIP:	return gen_chip(t);
	case (u32)KVM_SET_PIT2:
	case (u32)KVM_SET_PIT:		return one_in(t, 2) ? gen_pit(t) : 0;
	}
	return 0;
}
