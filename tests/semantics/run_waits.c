/* SPDX-License-Identifier: MIT */
#define SEMANTICS "run_waits.def"
#include "semantics.h"

#include "call.h"

GUEST_BLOB(irq_handler);
GUEST_BLOB(irq_nmi_handler);
GUEST_BLOB(irq_hlt);
GUEST_BLOB(sipi_target);
GUEST_BLOB(kick_cpu);
GUEST_BLOB(window);

enum { NO_REASON = 0x55, SMI_HANDLER = 0x38000, HANDLER = 0x20000, NMI_HANDLER = 0x21000 };

/* Delivery modes of an MSI (SDM vol. 3A 11.11.2). */
enum { MSI_SMI = 0x200, MSI_NMI = 0x400, MSI_INIT = 0x4500, MSI_SIPI = 0x4600 };

static void send_msi(struct guest *g, u32 apic_id, u32 data)
{
	struct kvm_msi m = { .address_lo = 0xfee00000 | apic_id << 12, .data = data };

	assert_true(kvm_ioctl(g->vm, KVM_SIGNAL_MSI, &m) > 0);
}

static void set_lapic(struct guest *g, u32 i, u32 reg, u32 value)
{
	struct kvm_lapic_state lapic;

	assert_ok(kvm_ioctl(g->vcpu[i], KVM_GET_LAPIC, &lapic));
	memcpy(lapic.regs + reg, &value, sizeof(value));
	assert_ok(kvm_ioctl(g->vcpu[i], KVM_SET_LAPIC, &lapic));
}

/* -- 19 ------------------------------------------------------------------------ */

static u64 cpu_time_ns(pthread_t thread)
{
	struct timespec ts;
	clockid_t clock;

	assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* It sleeps, and does not spin. */
static void assert_sleeps(struct call *c, struct guest *g, u32 i)
{
	u64 before;

	call_start(c, g->vcpu[i], KVM_RUN, NULL);
	usleep(5000);
	before = cpu_time_ns(c->thread);
	usleep(20000);
	assert_false(c->done);
	assert_true(cpu_time_ns(c->thread) - before < 10000000);
}

static void end_by_signal(struct call *c, struct kvm_run *run)
{
	while (!c->done) {
		pthread_kill(c->thread, SIGUSR1);
		usleep(1000);
	}
	assert_int_equal(call_join(c), -EINTR);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTR);
}

/* In SMM an INIT is latched: nobody is woken by it. */
static void init_waits_for_rsm(void)
{
	struct kvm_vcpu_events smm = { .flags = KVM_VCPUEVENT_VALID_SMM, .smi.smm = 1 };
	struct guest g;
	struct call c;

	guest_create(&g, GUEST_IRQCHIP, 2);
	if (kvm_ioctl_val(g.vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0) {
		set_lapic(&g, 1, 0xf0, 0xff);
		assert_ok(kvm_ioctl(g.vcpu[1], KVM_SET_VCPU_EVENTS, &smm));
		send_msi(&g, 1, MSI_INIT);
		assert_sleeps(&c, &g, 1);
		end_by_signal(&c, g.run[1]);
		assert_int_equal(guest_mp_state(&g, 1), KVM_MP_STATE_UNINITIALIZED);
	}
	guest_destroy(&g);
}

static void a_woken_ap_returns_eagain(void **state)
{
	struct guest g;
	struct call c;

	kick_prepare();
	guest_create(&g, GUEST_IRQCHIP, 2);
	assert_int_equal(guest_mp_state(&g, 1), KVM_MP_STATE_UNINITIALIZED);
	/* Linux looks for APICs when one is written, not when one is new. */
	set_lapic(&g, 1, 0xf0, 0xff);
	assert_sleeps(&c, &g, 1);
	end_by_signal(&c, g.run[1]);
	g.run[1]->exit_reason = NO_REASON;
	assert_sleeps(&c, &g, 1);
	send_msi(&g, 1, MSI_INIT);
	assert_int_equal(call_join(&c), -EAGAIN);
	assert_int_equal(g.run[1]->exit_reason, NO_REASON);
	assert_int_equal(guest_mp_state(&g, 1), KVM_MP_STATE_INIT_RECEIVED);
	/* Once more; now it waits for the SIPI. */
	assert_sleeps(&c, &g, 1);
	if (runs_guests()) {
		guest_load(&g, 0x20000, sipi_target);
		send_msi(&g, 1, MSI_SIPI | 0x20);
		assert_int_equal(call_join(&c), 0);
		assert_int_equal(g.run[1]->exit_reason, KVM_EXIT_IO);
	} else {
		end_by_signal(&c, g.run[1]);
	}
	guest_destroy(&g);
	init_waits_for_rsm();
	needs_guest();
}

/* -- 20 ------------------------------------------------------------------------ */

static u64 awakenings(struct guest *g)
{
	return *guest_word(g, 0x40010);
}

static void start_timer(struct guest *g)
{
	static const struct { u32 reg, value; } timer[] = {
		{ 0x3e0, 0xb }, { 0x320, 0x30 }, { 0x380, 1000000 },
	};

	for (int i = 0; i < 3; i++)
		set_lapic(g, 0, timer[i].reg, timer[i].value);
}

/* A halted guest in a thread. */
static void halted_guest(struct guest *g, struct runner *r)
{
	guest_create(g, GUEST_IRQCHIP, 2);
	guest_load(g, HANDLER, irq_handler);
	guest_load(g, NMI_HANDLER, irq_nmi_handler);
	guest_load(g, GUEST_CODE, irq_hlt);
	memcpy(g->mem + SMI_HANDLER, "\x0f\xaa", 2);	/* RSM */
	assert_ok(set_region(g->vm, 1 << 16, 0, 0, GUEST_RAM, g->mem));
	guest_gate(g, 0x30, HANDLER);
	guest_gate(g, 2, NMI_HANDLER);
	guest_long(g, 0, GUEST_CODE);
	set_lapic(g, 0, 0xf0, 0x1ff);
	runner_start(r, g, 0);
}

static void stop_and_start(struct guest *g, struct runner *r, void (*between)(struct guest *))
{
	runner_stop_halted(r);
	between(g);
	runner_start(r, g, 0);
}

static void make_runnable(struct guest *g)
{
	guest_set_mp_state(g, 0, KVM_MP_STATE_RUNNABLE);
}

static void nothing(struct guest *g)
{
}

static void kick_by_hypercall(struct guest *g)
{
	guest_load(g, GUEST_CODE + 0x1000, kick_cpu);
	guest_long(g, 1, GUEST_CODE + 0x1000);
	assert_int_equal(guest_run(g, 1), KVM_EXIT_IO);
}

static void wakes_by(struct guest *g)
{
	struct runner r;

	halted_guest(g, &r);
	stop_and_start(g, &r, nothing);
	usleep(5000);
	assert_int_equal(awakenings(g), 0);
	send_msi(g, 0, 0x30);
	assert_soon(awakenings(g) == 1);
	stop_and_start(g, &r, nothing);
	send_msi(g, 0, MSI_NMI);
	assert_soon(awakenings(g) == 2);
	stop_and_start(g, &r, nothing);
	send_msi(g, 0, MSI_SMI);
	assert_soon(awakenings(g) == 3);
	stop_and_start(g, &r, nothing);
	kick_by_hypercall(g);
	assert_soon(awakenings(g) == 4);
	stop_and_start(g, &r, make_runnable);
	assert_soon(awakenings(g) == 5);
	stop_and_start(g, &r, start_timer);
	assert_soon(awakenings(g) == 6);
	/* Vector 0x30 by message and by timer, one NMI. */
	assert_int_equal(*guest_word(g, 0x40000), 2);
	assert_int_equal(*guest_word(g, 0x40008), 1);
	/* Reset, it runs where there is no memory. */
	send_msi(g, 0, MSI_INIT);
	assert_int_equal(runner_join(&r), KVM_EXIT_INTERNAL_ERROR);
	guest_destroy(g);
}

static void hlt_sleeps_in_the_run(void **state)
{
	struct guest g;
	struct call c;

	kick_prepare();
	guest_create(&g, GUEST_IRQCHIP, 1);
	guest_set_mp_state(&g, 0, KVM_MP_STATE_HALTED);
	for (int i = 0; i < 2; i++) {
		assert_sleeps(&c, &g, 0);
		end_by_signal(&c, g.run[0]);
		assert_int_equal(guest_mp_state(&g, 0), KVM_MP_STATE_HALTED);
	}
	guest_destroy(&g);
	needs_guest();
	wakes_by(&g);
}

/* -- 22 ------------------------------------------------------------------------ */

static void set_if(struct guest *g, bool on)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rflags = on ? 0x202 : 2;
	guest_set_regs(g, 0, &r);
}

static bool is_ready(struct guest *g)
{
	g->run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(g, 0), -EINTR);
	g->run[0]->immediate_exit = 0;
	return g->run[0]->ready_for_interrupt_injection;
}

enum event_kind {
	NO_EVENT, SHADOW_STI, SHADOW_MOV_SS, EXC_PENDING, EXC_INJECTED, IRQ_INJECTED,
	NMI_INJECTED, NR_EVENT_KINDS
};

static void set_event(struct guest *g, enum event_kind kind)
{
	struct kvm_vcpu_events ev = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .nr = 6, .pending = kind == EXC_PENDING,
			       .injected = kind == EXC_INJECTED },
		.interrupt = { .nr = 0x30, .injected = kind == IRQ_INJECTED },
		.nmi = { .injected = kind == NMI_INJECTED },
	};

	if (kind == SHADOW_STI)
		ev.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	if (kind == SHADOW_MOV_SS)
		ev.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_VCPU_EVENTS, &ev));
}

/* With @always as the answer to everything, or only if nothing is in the way. */
static void assert_ready_depends(u32 flags, bool always)
{
	struct kvm_enable_cap payload = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 } };
	struct guest g;

	guest_create(&g, flags, 1);
	assert_ok(kvm_ioctl(g.vm, KVM_ENABLE_CAP, &payload));
	assert_int_equal(is_ready(&g), always);
	set_if(&g, true);
	for (int kind = NO_EVENT; kind < NR_EVENT_KINDS; kind++) {
		set_event(&g, kind);
		assert_int_equal(is_ready(&g), always || kind == NO_EVENT);
	}
	set_event(&g, NO_EVENT);
	assert_true(is_ready(&g));
	guest_destroy(&g);
}

static void one_interrupt_at_a_time(u32 flags)
{
	struct kvm_interrupt irq = { 0x30 };
	struct guest g;

	guest_create(&g, flags, 1);
	set_if(&g, true);
	assert_true(is_ready(&g));
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_INTERRUPT, &irq));
	assert_false(is_ready(&g));
	guest_destroy(&g);
}

/* In split mode it must find its way through LINT0. */
static void lint0_must_be_open(void)
{
	struct guest g;

	guest_create(&g, GUEST_SPLIT, 1);
	set_if(&g, true);
	assert_true(is_ready(&g));
	set_lapic(&g, 0, 0x350, 0x10700);
	assert_false(is_ready(&g));
	set_lapic(&g, 0, 0x350, 0x00400);	/* NMI */
	assert_false(is_ready(&g));
	set_lapic(&g, 0, 0x350, 0x00700);
	assert_true(is_ready(&g));
	guest_destroy(&g);
}

static void ready_for_interrupt_injection_means_now(void **state)
{
	assert_ready_depends(GUEST_PLAIN, false);
	assert_ready_depends(GUEST_SPLIT, false);
	assert_ready_depends(GUEST_IRQCHIP, true);
	one_interrupt_at_a_time(GUEST_PLAIN);
	one_interrupt_at_a_time(GUEST_SPLIT);
	lint0_must_be_open();
}

/* -- 23 ------------------------------------------------------------------------ */

static void start_window(struct guest *g, u32 flags)
{
	guest_create(g, flags, 1);
	guest_load(g, HANDLER, irq_handler);
	guest_gate(g, 0x30, HANDLER);
	guest_load(g, GUEST_CODE, window);
	guest_long(g, 0, GUEST_CODE);
	g->run[0]->request_interrupt_window = 1;
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
	assert_int_equal(g->run[0]->io.port, 0x10);
	assert_int_equal(g->run[0]->if_flag, 0);
}

static u64 guest_rcx(struct guest *g)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	return r.rcx;
}

static void window_opens(u32 flags)
{
	struct kvm_interrupt irq = { 0x30 };
	struct guest g;

	start_window(&g, flags);
	assert_false(g.run[0]->ready_for_interrupt_injection);
	/* The instruction after STI is in its shadow. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IRQ_WINDOW_OPEN);
	assert_int_equal(g.run[0]->if_flag, 1);
	assert_true(g.run[0]->ready_for_interrupt_injection);
	assert_int_equal(guest_rcx(&g), 1);
	/* Open it is: no further instruction is executed. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IRQ_WINDOW_OPEN);
	assert_int_equal(guest_rcx(&g), 1);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_INTERRUPT, &irq));
	g.run[0]->request_interrupt_window = 0;
	if (flags == GUEST_PLAIN) {
		/* The handler's EOI has nobody to go to but us. */
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_MMIO);
		assert_int_equal(g.run[0]->mmio.phys_addr, 0xfee000b0);
	}
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(g.run[0]->io.port, 0x11);
	assert_int_equal(*guest_word(&g, 0x40000), 1);
	guest_destroy(&g);
}

/* The boundary where it opens may be behind a HLT, which sleeps here. */
static void window_opens_behind_hlt(void)
{
	struct kvm_interrupt irq = { 0x30 };
	struct runner r;
	struct guest g;

	guest_create(&g, GUEST_SPLIT, 1);
	guest_load(&g, HANDLER, irq_handler);
	guest_gate(&g, 0x30, HANDLER);
	memcpy(g.mem + GUEST_CODE, "\xfb\xf4\xe6\x11", 4);	/* STI, HLT, OUT */
	guest_long(&g, 0, GUEST_CODE);
	g.run[0]->request_interrupt_window = 1;
	runner_start(&r, &g, 0);
	assert_soon(r.done);
	assert_int_equal(runner_join(&r), KVM_EXIT_IRQ_WINDOW_OPEN);
	assert_true(g.run[0]->ready_for_interrupt_injection);
	g.run[0]->request_interrupt_window = 0;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_INTERRUPT, &irq));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(g.run[0]->io.port, 0x11);
	assert_int_equal(*guest_word(&g, 0x40000), 1);
	guest_destroy(&g);
}

static void the_interrupt_window_opens_as_soon_as_it_can(void **state)
{
	struct guest g;

	needs_guest();
	window_opens_behind_hlt();
	window_opens(GUEST_PLAIN);
	window_opens(GUEST_SPLIT);
	start_window(&g, GUEST_IRQCHIP);
	assert_true(g.run[0]->ready_for_interrupt_injection);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(g.run[0]->io.port, 0x11);
	guest_destroy(&g);
}
