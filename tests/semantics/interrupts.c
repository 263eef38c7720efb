/* SPDX-License-Identifier: MIT */
#define SEMANTICS "interrupts.def"
#include "semantics.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

GUEST_BLOB(int_pic_sleep);
GUEST_BLOB(irq_handler_pic);

#define MSR_TSC_DEADLINE 0x6e0
#define PIN		5	/* of the master PIC and of the IOAPIC */
#define X2APIC		0xc00
#define LAPIC_ID	0x20
#define LAPIC_LVTT	0x320
#define LVTT_DEADLINE	(2 << 17)

static int irqchip_vm(void)
{
	int vm = new_vm();

	assert_ok(kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	return vm;
}

static int split_vm(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int vm = new_vm();

	assert_ok(kvm_ioctl(vm, KVM_ENABLE_CAP, &cap));
	return vm;
}

static void set_msr(int vcpu, u32 index, u64 value)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } m = {
		{ .nmsrs = 1 }, { .index = index, .data = value },
	};

	assert_int_equal(kvm_ioctl(vcpu, KVM_SET_MSRS, &m), 1);
}

static u64 get_msr(int vcpu, u32 index)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } m = {
		{ .nmsrs = 1 }, { .index = index },
	};

	assert_int_equal(kvm_ioctl(vcpu, KVM_GET_MSRS, &m), 1);
	return m.entry.data;
}

/* -- 47 --------------------------------------------------------------------------- */

static void irqchips_come_before_vcpus(void **state)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_pit_config pit = { 0 };
	struct kvm_lapic_state lapic;
	u64 addr = 0xfffbc000;
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	assert_errno(EEXIST, kvm_ioctl(vm, KVM_ENABLE_CAP, &split));
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	assert_errno(EBUSY, kvm_ioctl_val(vm, KVM_SET_BOOT_CPU_ID, 0));
	assert_errno(EINVAL, kvm_ioctl(vcpu, KVM_GET_LAPIC, &lapic));
	close(vcpu);
	close(vm);

	vm = irqchip_vm();
	vcpu = new_vcpu(vm, 0);
	assert_ok(kvm_ioctl(vcpu, KVM_GET_LAPIC, &lapic));
	assert_ok(kvm_ioctl(vm, KVM_CREATE_PIT2, &pit));
	close(vcpu);
	close(vm);
}

/* -- 48 --------------------------------------------------------------------------- */

static int line(int vm, u32 gsi, u32 level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	return kvm_ioctl(vm, KVM_IRQ_LINE, &l);
}

static struct kvm_irqchip chip(int vm, u32 id)
{
	struct kvm_irqchip c = { .chip_id = id };

	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &c));
	return c;
}

static bool ioapic_has(int vm, u32 pin)
{
	return chip(vm, KVM_IRQCHIP_IOAPIC).chip.ioapic.irr >> pin & 1;
}

/* The level at the pin now, and what the PIC has latched. */
static bool pic_is_high(int vm, u32 pin)
{
	return chip(vm, KVM_IRQCHIP_PIC_MASTER).chip.pic.last_irr >> pin & 1;
}

static bool pic_has(int vm, u32 pin)
{
	return chip(vm, KVM_IRQCHIP_PIC_MASTER).chip.pic.irr >> pin & 1;
}

static void route(int vm, u32 gsi, u32 irqchip, u32 pin)
{
	struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry entry; } r = {
		{ .nr = 1 },
		{ .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { irqchip, pin } },
	};

	assert_ok(kvm_ioctl(vm, KVM_SET_GSI_ROUTING, &r));
}

static int add_irqfd(int vm, int eventfd, u32 gsi, int resample)
{
	struct kvm_irqfd f = {
		.fd = eventfd, .gsi = gsi,
		.flags = resample < 0 ? 0 : KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = resample < 0 ? 0 : resample,
	};

	return kvm_ioctl(vm, KVM_IRQFD, &f);
}

static void levels_are_not_counts(int vm)
{
	assert_ok(line(vm, PIN, 1));
	assert_ok(line(vm, PIN, 1));
	assert_true(pic_is_high(vm, PIN) && ioapic_has(vm, PIN));
	assert_ok(line(vm, PIN, 0));
	assert_true(!pic_is_high(vm, PIN) && !ioapic_has(vm, PIN));
}

static void sources_are_ored(int vm)
{
	int fd = eventfd(0, 0), resample = eventfd(0, 0);

	assert_ok(add_irqfd(vm, fd, PIN, resample));
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_soon(pic_is_high(vm, PIN));
	assert_ok(line(vm, PIN, 1));
	assert_ok(line(vm, PIN, 0));
	assert_true(pic_is_high(vm, PIN));
	close(fd);
	close(resample);
}

/* Each pin of each chip is high if the GSI of its number is, and only then. */
static void assert_high(int vm, u32 gsi)
{
	struct kvm_irqchip master = chip(vm, KVM_IRQCHIP_PIC_MASTER);
	struct kvm_irqchip slave = chip(vm, KVM_IRQCHIP_PIC_SLAVE);
	u32 pics = master.chip.pic.last_irr | slave.chip.pic.last_irr << 8;

	assert_int_equal(chip(vm, KVM_IRQCHIP_IOAPIC).chip.ioapic.irr, 1u << gsi);
	assert_int_equal(pics, gsi < 16 ? 1u << gsi : 0);
}

static void first_routes(int vm)
{
	for (u32 gsi = 0; gsi < 24; gsi++) {
		assert_ok(line(vm, gsi, 1));
		assert_high(vm, gsi);
		assert_ok(line(vm, gsi, 0));
	}
}

static void lines_are_levels_of_several_sources(void **state)
{
	int vm = irqchip_vm();

	first_routes(vm);
	levels_are_not_counts(vm);
	sources_are_ored(vm);
	route(vm, 0, KVM_IRQCHIP_IOAPIC, 2);
	assert_ok(line(vm, 0, 1));
	assert_true(ioapic_has(vm, 2));
	assert_false(ioapic_has(vm, 0) || pic_is_high(vm, 0));
	/* It leads nowhere any more. */
	assert_ok(line(vm, 16, 1));
	assert_false(ioapic_has(vm, 16));
	close(vm);
}

/* -- 49 --------------------------------------------------------------------------- */

static void pulse_and_route(void)
{
	int vm = irqchip_vm(), fd = eventfd(0, 0);

	assert_ok(add_irqfd(vm, fd, PIN, -1));
	assert_errno(EBUSY, add_irqfd(vm, fd, PIN + 1, -1));
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_soon(pic_has(vm, PIN));
	assert_soon(!pic_is_high(vm, PIN));
	route(vm, PIN, KVM_IRQCHIP_PIC_MASTER, 6);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_soon(pic_has(vm, 6));
	close(vm);
	close(fd);
}

static u64 take(int fd)
{
	eventfd_t n = 0;

	eventfd_read(fd, &n);
	return n;
}

static void resample(void)
{
	int fd = eventfd(0, 0), resamplefd = eventfd(0, EFD_NONBLOCK);
	struct kvm_regs regs;
	struct runner r;
	struct guest g;

	guest_create(&g, GUEST_IRQCHIP, 1);
	guest_load(&g, GUEST_CODE, int_pic_sleep);
	guest_load(&g, 0x20000, irq_handler_pic);
	guest_gate(&g, 0x30 + PIN, 0x20000);
	guest_long(&g, 0, GUEST_CODE);
	guest_regs(&g, 0, &regs);
	regs.rdi = 1;
	guest_set_regs(&g, 0, &regs);
	assert_ok(add_irqfd(g.vm, fd, PIN, resamplefd));
	for (u32 i = 1; i <= 20; i++) {
		assert_int_equal(take(resamplefd), 0);
		runner_start(&r, &g, 0);
		assert_soon(*guest_word(&g, 0x40010) == 1);
		assert_int_equal(eventfd_write(fd, 1), 0);
		assert_int_equal(runner_join(&r), KVM_EXIT_IO);
		assert_int_equal(*guest_word(&g, 0x40000), i);
		assert_int_equal(take(resamplefd), 1);
		assert_false(pic_is_high(g.vm, PIN));
	}
	guest_destroy(&g);
	close(fd);
	close(resamplefd);
}

static void an_irqfd_is_an_edge(void **state)
{
	pulse_and_route();
	if (runs_guests())
		resample();
}

/* -- 50 --------------------------------------------------------------------------- */

static void signal_from_a_child(int fd)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(eventfd_write(fd, 1) != 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void anybody_may_signal_an_irqfd(void **state)
{
	static const int flags[] = { 0, EFD_NONBLOCK, EFD_SEMAPHORE, EFD_SEMAPHORE | EFD_NONBLOCK };

	for (u32 i = 0; i < 4; i++) {
		int vm = irqchip_vm(), fd = eventfd(0, flags[i]);
		struct pollfd p = { .fd = fd, .events = POLLIN };

		assert_ok(add_irqfd(vm, fd, PIN, -1));
		signal_from_a_child(fd);
		assert_soon(pic_has(vm, PIN));
		assert_soon(poll(&p, 1, 0) == 0);	/* it has been read */
		close(vm);
		close(fd);
	}
}

/* -- 51 --------------------------------------------------------------------------- */

static int interrupt(int vcpu, u32 vector)
{
	struct kvm_interrupt i = { .irq = vector };

	return kvm_ioctl(vcpu, KVM_INTERRUPT, &i);
}

static bool is_queued(int vcpu, u32 vector)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(vcpu, KVM_GET_SREGS, &s));
	return s.interrupt_bitmap[vector / 64] >> vector % 64 & 1;
}

static void kvm_interrupt_queues_one_vector(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_ok(interrupt(vcpu, 0x40));
	assert_true(is_queued(vcpu, 0x40));
	assert_ok(interrupt(vcpu, 0xff));
	assert_true(is_queued(vcpu, 0xff) && !is_queued(vcpu, 0x40));
	assert_errno(EINVAL, interrupt(vcpu, 256));
	close(vcpu);
	close(vm);

	vm = split_vm();
	vcpu = new_vcpu(vm, 0);
	assert_ok(interrupt(vcpu, 0x40));
	assert_errno(EEXIST, interrupt(vcpu, 0x41));
	close(vcpu);
	close(vm);

	vm = irqchip_vm();
	vcpu = new_vcpu(vm, 0);
	assert_errno(ENXIO, interrupt(vcpu, 0x40));
	close(vcpu);
	close(vm);
}

/* -- 52 --------------------------------------------------------------------------- */

enum { APIC_INIT = 5 << 8, APIC_STARTUP = 6 << 8, APIC_ASSERT = 1 << 14 };

static void send(int vm, u32 apic_id, u32 data)
{
	struct kvm_msi m = { .address_lo = 0xfee00000 | apic_id << 12, .data = data };

	assert_true(kvm_ioctl(vm, KVM_SIGNAL_MSI, &m) > 0);
}

static u32 mp_state(int vcpu)
{
	struct kvm_mp_state s;

	assert_ok(kvm_ioctl(vcpu, KVM_GET_MP_STATE, &s));
	return s.mp_state;
}

static void asking_for_the_state_settles_it(void **state)
{
	int vm = irqchip_vm(), bsp = new_vcpu(vm, 0), ap = new_vcpu(vm, 1);
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events e;
	struct kvm_sregs s;

	assert_int_equal(mp_state(ap), KVM_MP_STATE_UNINITIALIZED);
	/* The kernel finds a new LAPIC on its bus once one has been set. */
	assert_ok(kvm_ioctl(ap, KVM_GET_LAPIC, &lapic));
	assert_ok(kvm_ioctl(ap, KVM_SET_LAPIC, &lapic));
	send(vm, 1, APIC_INIT | APIC_ASSERT);
	assert_int_equal(mp_state(ap), KVM_MP_STATE_INIT_RECEIVED);
	send(vm, 1, APIC_STARTUP | 0x12);
	assert_int_equal(mp_state(ap), KVM_MP_STATE_RUNNABLE);
	assert_ok(kvm_ioctl(ap, KVM_GET_SREGS, &s));
	assert_int_equal(s.cs.selector, 0x1200);

	assert_ok(kvm_ioctl_val(bsp, KVM_NMI, 0));
	assert_ok(kvm_ioctl(bsp, KVM_GET_VCPU_EVENTS, &e));
	assert_int_equal(e.nmi.pending, 1);
	if (kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0) {
		assert_ok(kvm_ioctl_val(bsp, KVM_SMI, 0));
		assert_ok(kvm_ioctl(bsp, KVM_GET_VCPU_EVENTS, &e));
		assert_int_equal(e.smi.pending, 1);
	}
	close(bsp);
	close(ap);
	close(vm);
}

/* -- 53 --------------------------------------------------------------------------- */

static void add_cpuid(int vcpu)
{
	static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entry[1]; } c = {
		{ .nent = 1 }, { { .function = 1, .ecx = 1 << 24 | 1 << 21 } },
	};

	assert_ok(kvm_ioctl(vcpu, KVM_SET_CPUID2, &c));
}

static void set_x2apic(int vcpu)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(vcpu, KVM_GET_SREGS, &s));
	s.apic_base |= X2APIC;
	assert_ok(kvm_ioctl(vcpu, KVM_SET_SREGS, &s));
}

static u32 lapic_reg(int vcpu, u32 reg)
{
	struct kvm_lapic_state l;
	u32 v;

	assert_ok(kvm_ioctl(vcpu, KVM_GET_LAPIC, &l));
	memcpy(&v, l.regs + reg, sizeof(v));
	return v;
}

static void set_lapic_reg(int vcpu, u32 reg, u32 v)
{
	struct kvm_lapic_state l;

	assert_ok(kvm_ioctl(vcpu, KVM_GET_LAPIC, &l));
	memcpy(l.regs + reg, &v, sizeof(v));
	assert_ok(kvm_ioctl(vcpu, KVM_SET_LAPIC, &l));
}

static void apic_id_formats(void)
{
	struct kvm_enable_cap ids32 = {
		.cap = KVM_CAP_X2APIC_API, .args = { KVM_X2APIC_API_USE_32BIT_IDS },
	};

	for (int api = 0; api < 2; api++) {
		int vm = irqchip_vm(), vcpu;

		if (api)
			assert_ok(kvm_ioctl(vm, KVM_ENABLE_CAP, &ids32));
		vcpu = new_vcpu(vm, 7);
		add_cpuid(vcpu);
		assert_int_equal(lapic_reg(vcpu, LAPIC_ID), 7 << 24);
		set_x2apic(vcpu);
		assert_int_equal(lapic_reg(vcpu, LAPIC_ID), api ? 7 : 7 << 24);
		close(vcpu);
		close(vm);
	}
}

static void the_apic_mode_is_set_before_its_registers(void **state)
{
	const u64 never = 1ull << 62;
	int vm = irqchip_vm(), vcpu = new_vcpu(vm, 0);

	apic_id_formats();
	add_cpuid(vcpu);
	set_msr(vcpu, MSR_TSC_DEADLINE, never);
	assert_int_equal(get_msr(vcpu, MSR_TSC_DEADLINE), 0);
	set_lapic_reg(vcpu, LAPIC_LVTT, LVTT_DEADLINE | 0x30);
	set_msr(vcpu, MSR_TSC_DEADLINE, never);
	assert_true(get_msr(vcpu, MSR_TSC_DEADLINE) == never);
	close(vcpu);
	close(vm);
}
