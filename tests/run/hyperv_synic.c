/* SPDX-License-Identifier: MIT */
/* Guests that know Hyper-V: its interrupt controller, timers, debugging. */
#include "hyperv.h"

#include <sys/eventfd.h>

GUEST_BLOB(hv_message);
GUEST_BLOB(hv_ended);
GUEST_BLOB(hv_counted);

/* -- SynIC ------------------------------------------------------------------------------------ */

static void assert_synic_exit(struct guest *g, u32 msr)
{
	const struct kvm_hyperv_exit *e = &g->run[0]->hyperv;

	assert_int_equal(guest_run(g, 0), KVM_EXIT_HYPERV);
	assert_int_equal(e->type, KVM_EXIT_HYPERV_SYNIC);
	assert_int_equal(e->u.synic.msr, msr);
}

static void synic_needs_its_capability(void **state)
{
	struct guest g = hv_guest(~0u);

	RUN(&g, 0, { RDMSR, SCONTROL }, { WRMSR, SINT0, VECTOR }, { WRMSR, STIMER0, 1 });
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(result(&g, i), GP);
	assert_true(set(&g, 0, SCONTROL, 0));
	assert_false(set(&g, 0, SCONTROL, 1));
	assert_true(set(&g, 0, STIMER0, 0));
	assert_false(set(&g, 0, STIMER0, 1));
	assert_int_equal(got(&g, SCONTROL), 0);
	synic(&g, KVM_CAP_HYPERV_SYNIC);
	assert_int_equal(got(&g, SCONTROL), 1);
	assert_int_equal(got(&g, SVERSION), 1);
	assert_int_equal(got(&g, SINT0 + 15), MASKED);
	guest_destroy(&g);
}

static void pages_exit_and_are_cleared(void **state)
{
	struct guest g = hv_guest(~0u);

	synic(&g, KVM_CAP_HYPERV_SYNIC);
	memset(g.mem + SIMP, 0xff, 2 * PG);
	START(&g, 0, { WRMSR, SIMP_MSR, SIMP | ENABLE }, { WRMSR, SIEFP_MSR, SIEFP | ENABLE },
	      { WRMSR, SCONTROL, 0 }, { WRMSR, SIMP_MSR, GUEST_MMIO | ENABLE },
	      { WRMSR, SVERSION, 1 }, { WRMSR, SINT0, 15 }, { WRMSR, SINT0, MASKED });
	assert_synic_exit(&g, SIMP_MSR);
	assert_int_equal(g.run[0]->hyperv.u.synic.msg_page, SIMP | ENABLE);
	assert_int_equal(g.run[0]->hyperv.u.synic.control, 1);
	assert_synic_exit(&g, SIEFP_MSR);
	assert_int_equal(g.run[0]->hyperv.u.synic.evt_page, SIEFP | ENABLE);
	assert_synic_exit(&g, SCONTROL);
	assert_int_equal(g.run[0]->hyperv.u.synic.control, 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	for (u32 i = 3; i < 6; i++)
		assert_int_equal(result(&g, i), GP);
	assert_int_equal(result(&g, 6), 0);
	for (u32 i = 0; i < 2 * PG; i += 8)
		assert_int_equal(*guest_word(&g, SIMP + i), 0);
	guest_destroy(&g);
}

static void synic2_keeps_the_pages(void **state)
{
	struct guest g = hv_guest(~0u);

	synic(&g, KVM_CAP_HYPERV_SYNIC2);
	*guest_word(&g, SIMP) = 0x55;
	START(&g, 0, { WRMSR, SIMP_MSR, SIMP | ENABLE });
	assert_synic_exit(&g, SIMP_MSR);
	assert_int_equal(*guest_word(&g, SIMP), 0x55);
	guest_destroy(&g);
}

/* GSI @gsi is SINT 2 of the VP. */
static void route(struct guest *g, u32 gsi, u32 vp)
{
	struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry e; } t = {
		.head.nr = 1,
		.e = { .gsi = gsi, .type = KVM_IRQ_ROUTING_HV_SINT,
		       .u.hv_sint = { .vcpu = vp, .sint = 2 } },
	};

	assert_ok(kvm_ioctl(g->vm, KVM_SET_GSI_ROUTING, &t));
}

static int line(struct guest *g, u32 gsi)
{
	struct kvm_irq_level l = { .irq = gsi, .level = 1 };

	assert_ok(kvm_ioctl(g->vm, KVM_IRQ_LINE_STATUS, &l));
	return l.status;
}

static void enable_lapic(struct guest *g)
{
	struct kvm_lapic_state l;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_LAPIC, &l));
	*(uint32_t *)(l.regs + 0xf0) = 0x1ff;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_LAPIC, &l));
}

static void sint_is_routed_and_acknowledged(void **state)
{
	struct guest g = hv_guest(~0u);
	int trigger = eventfd(0, 0), ack = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd fd = { .fd = trigger, .resamplefd = ack, .gsi = 30,
				.flags = KVM_IRQFD_FLAG_RESAMPLE };
	u64 one = 1;

	synic(&g, KVM_CAP_HYPERV_SYNIC);
	enable_lapic(&g);
	guest_load(&g, IRQ_HANDLER, hv_ended);
	route(&g, 30, 0);
	assert_ok(kvm_ioctl(g.vm, KVM_IRQFD, &fd));
	assert_int_equal(line(&g, 30), -1);		/* masked */
	assert_true(set(&g, 0, SINT0 + 2, VECTOR));
	assert_int_equal(write(trigger, &one, sizeof(one)), sizeof(one));
	START(&g, 0, { HLT }, { RDMSR, TIME });
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(*guest_word(&g, COUNT), 1);
	assert_int_equal(read(ack, &one, sizeof(one)), sizeof(one));
	close(ack);
	close(trigger);
	guest_destroy(&g);
}

static void auto_eoi_needs_no_eoi(void **state)
{
	struct guest g = hv_guest(~0u);

	synic(&g, KVM_CAP_HYPERV_SYNIC);
	enable_lapic(&g);
	guest_load(&g, IRQ_HANDLER, hv_counted);
	route(&g, 30, 0);
	assert_true(set(&g, 0, SINT0 + 2, VECTOR | AUTO_EOI));
	for (u32 i = 1; i <= 3; i++) {
		assert_int_equal(line(&g, 30), 1);
		START(&g, 0, { HLT });
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
		assert_int_equal(*guest_word(&g, COUNT), i);
	}
	guest_destroy(&g);
}

/* -- Timers ------------------------------------------------------------------------------------ */

#define TO_SINT2	(2 << 16)
#define PERIODIC	2
#define AUTO_ENABLE	8
#define DIRECT		(1 << 12 | VECTOR << 4)
#define MS		10000		/* of 100 ns */

static struct guest timer_guest(const u8 *handler, const u8 *end)
{
	struct guest g = hv_guest(~0u);

	synic(&g, KVM_CAP_HYPERV_SYNIC);
	enable_lapic(&g);
	memcpy(g.mem + IRQ_HANDLER, handler, end - handler);
	assert_true(set(&g, 0, SIMP_MSR, SIMP | ENABLE));
	assert_true(set(&g, 0, SINT0 + 2, VECTOR));
	return g;
}

static void timer_sends_messages(void **state)
{
	struct guest g = timer_guest(guest_hv_message, guest_hv_message_end);

	RUN(&g, 0, { WRMSR, STIMER0 + 2, TO_SINT2 | PERIODIC | AUTO_ENABLE },
	    { WRMSR, STIMER0_COUNT + 2, MS }, { HLT }, { HLT }, { HLT }, { RDMSR, STIMER0 + 2 },
	    { WRMSR, STIMER0_COUNT + 2, 0 }, { RDMSR, STIMER0 + 2 });
	assert_true(*guest_word(&g, COUNT) >= 3);
	assert_int_equal(*guest_word(&g, MESSAGE_TYPE), 0x80000010);
	assert_int_equal(*guest_word(&g, MESSAGE_TIMER), 1);
	assert_int_equal(result(&g, 5), TO_SINT2 | PERIODIC | AUTO_ENABLE | ENABLE);
	assert_int_equal(result(&g, 7), TO_SINT2 | PERIODIC | AUTO_ENABLE);
	guest_destroy(&g);
}

static void direct_timer_interrupts(void **state)
{
	struct guest g = timer_guest(guest_hv_ended, guest_hv_ended_end);

	RUN(&g, 0, { WRMSR, STIMER0_COUNT, 1 }, { WRMSR, STIMER0, DIRECT | ENABLE }, { HLT },
	    { RDMSR, STIMER0 });
	assert_int_equal(*guest_word(&g, COUNT), 1);
	assert_int_equal(result(&g, 3), DIRECT);	/* one shot: off again */
	guest_destroy(&g);
}

/* A period that is longer than time itself. */
static void far_period_never_ends(void **state)
{
	struct guest g = timer_guest(guest_hv_ended, guest_hv_ended_end);
	struct kvm_lapic_state l;

	RUN(&g, 0, { WRMSR, STIMER0, DIRECT | PERIODIC | AUTO_ENABLE },
	    { WRMSR, STIMER0_COUNT, ~0ull }, { RDMSR, STIMER0 }, { RDMSR, STIMER0 });
	assert_int_equal(result(&g, 3), DIRECT | PERIODIC | AUTO_ENABLE | ENABLE);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_LAPIC, &l));
	assert_false(l.regs[0x200 + VECTOR / 32 * 16 + VECTOR % 32 / 8] & 1 << VECTOR % 8);
	guest_destroy(&g);
}

/* A slot that is taken holds the message back until the guest frees it. */
static void message_waits_for_its_slot(void **state)
{
	struct guest g = timer_guest(guest_hv_message, guest_hv_message_end);
	volatile uint32_t *slot = (void *)(g.mem + SIMP + 2 * 256);

	slot[0] = 1;
	RUN(&g, 0, { WRMSR, STIMER0_COUNT, 1 }, { WRMSR, STIMER0, TO_SINT2 | ENABLE },
	    { RDMSR, STIMER0 }, { RDMSR, STIMER0 });
	assert_int_equal(slot[0], 1);
	assert_int_equal(((volatile u8 *)slot)[5], 1);	/* pending: write EOM */
	assert_int_equal(result(&g, 3), TO_SINT2 | ENABLE);
	slot[0] = 0;
	RUN(&g, 0, { WRMSR, EOM }, { HLT }, { RDMSR, STIMER0 });
	assert_int_equal(*guest_word(&g, COUNT), 1);
	assert_int_equal(*guest_word(&g, MESSAGE_TYPE), 0x80000010);
	assert_int_equal(result(&g, 2), TO_SINT2);
	guest_destroy(&g);
}

/* What a VMM saves on one side goes on on the other. */
static void timer_is_restored(void **state)
{
	struct guest g = timer_guest(guest_hv_message, guest_hv_message_end);

	assert_true(set(&g, 0, STIMER0, TO_SINT2 | PERIODIC | AUTO_ENABLE));
	assert_true(set(&g, 0, STIMER0_COUNT, MS));
	assert_int_equal(got(&g, STIMER0), TO_SINT2 | PERIODIC | AUTO_ENABLE);
	assert_true(set(&g, 0, STIMER0_COUNT, MS));
	assert_true(set(&g, 0, STIMER0, TO_SINT2 | PERIODIC | ENABLE));
	assert_int_equal(got(&g, STIMER0_COUNT), MS);
	RUN(&g, 0, { HLT }, { HLT });
	assert_true(*guest_word(&g, COUNT) >= 2);
	guest_destroy(&g);
}

/* -- Debugging ---------------------------------------------------------------------------------- */

static void debugger_in_userspace(void **state)
{
	struct guest g = hv_guest(~0u);
	struct kvm_hyperv_exit *e = &g.run[0]->hyperv;

	START(&g, 0, { WRMSR, SYNDBG_CONTROL, 3 }, { RDMSR, SYNDBG_STATUS }, HYPERCALLS,
	      { CALL, 0x6b }, { WRMSR, SYNDBG_OPTIONS, 4 }, { CALL, 0x6b });
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HYPERV);
	assert_int_equal(e->type, KVM_EXIT_HYPERV_SYNDBG);
	assert_int_equal(e->u.syndbg.msr, SYNDBG_CONTROL);
	assert_int_equal(e->u.syndbg.control, 3);
	e->u.syndbg.status = 0x99;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HYPERV);
	assert_int_equal(e->type, KVM_EXIT_HYPERV_HCALL);
	assert_int_equal(e->u.hcall.input, 0x6b);
	e->u.hcall.result = 0;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(result(&g, 1), 0x99);
	assert_int_equal(result(&g, 4), 8);		/* not by hypercalls */
	assert_int_equal(result(&g, 6), 0);
	guest_destroy(&g);
}

/* -- Anything ------------------------------------------------------------------------------------ */

static u64 rnd(void)
{
	static u64 x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* Pages stay where no code and no table is, or where no memory is. */
static u64 random_value(void)
{
	switch (rnd() % 5) {
	case 0:
		return (TSC_PAGE + rnd() % 16 * PG) | (rnd() & 1);
	case 1:
		return GUEST_MMIO | (rnd() & 1);
	case 2:
		return rnd() & 0x3fffe;
	case 3:
		return rnd() & 0xff;
	default:
		return (rnd() & ~(u64)GUEST_RAM) | 1ull << 40;
	}
}

static u64 random_call(void)
{
	static const u16 calls[] = { 2, 3, 8, 0xb, 0x13, 0x14, 0x15, 0x5c, 0x5d, 0x69, 0x6a, 0x6b };
	u64 call = calls[rnd() % (sizeof(calls) / sizeof(calls[0]))] | (rnd() & FAST);

	if (rnd() % 2)
		call |= (rnd() % 66) << 17;
	if (rnd() % 2)
		call |= (rnd() % 3) << 32;
	return rnd() % 16 ? call : call | 1ull << rnd() % 64;
}

static struct op random_op(void)
{
	static const u32 base[] = { 0x00, 0x20, 0x70, 0x80, 0x90, 0xb0, 0xf0, 0x100 };
	u32 msr = 0x40000000 + base[rnd() % 8] + rnd() % 16;

	switch (rnd() % 4) {
	case 0:
		return (struct op){ RDMSR, msr };
	case 1:
		return (struct op){ CALL, random_call(), random_value(), random_value() };
	case 2:
		return (struct op){ WRMSR, STIMER0 + rnd() % 8, random_value() };
	default:
		/* The page that CALL goes through stays; no INIT for itself. */
		if (msr <= HYPERCALL || msr == ICR)
			msr = STIMER0;
		return (struct op){ WRMSR, msr, random_value() };
	}
}

static bool known_exit(int exit)
{
	return exit == KVM_EXIT_IO || exit == KVM_EXIT_HYPERV || exit == KVM_EXIT_SYSTEM_EVENT;
}

static void anything_goes(void **state)
{
	struct guest g = hv_guest(~0u);
	struct op ops[60];

	synic(&g, KVM_CAP_HYPERV_SYNIC);
	enable_lapic(&g);
	for (u32 i = 0; i < 2000; i++) {
		ops[0] = (struct op){ WRMSR, OS_ID, LINUX_ID };
		ops[1] = (struct op){ WRMSR, HYPERCALL, 0x3e0000 | ENABLE };
		for (u32 k = 2; k < 60; k++)
			ops[k] = random_op();
		start(&g, 0, ops, 60);
		set_rbx(&g, 0, 0x3e0000);
		do
			assert_true(known_exit(guest_run(&g, 0)));
		while (g.run[0]->exit_reason != KVM_EXIT_IO);
	}
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(synic_needs_its_capability),
		cmocka_unit_test(pages_exit_and_are_cleared),
		cmocka_unit_test(synic2_keeps_the_pages),
		cmocka_unit_test(sint_is_routed_and_acknowledged),
		cmocka_unit_test(auto_eoi_needs_no_eoi),
		cmocka_unit_test(timer_sends_messages),
		cmocka_unit_test(direct_timer_interrupts),
		cmocka_unit_test(far_period_never_ends),
		cmocka_unit_test(message_waits_for_its_slot),
		cmocka_unit_test(timer_is_restored),
		cmocka_unit_test(debugger_in_userspace),
		cmocka_unit_test(anything_goes),
	};

	kick_prepare();
	alarm(20);	/* an interrupt that is lost is slept for */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
