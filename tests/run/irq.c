/* SPDX-License-Identifier: MIT */
/* HLT, interrupts, timers and IPIs with an interrupt controller in the kernel. */
#include "guest.h"

GUEST_BLOB(irq_handler);
GUEST_BLOB(irq_handler_x2);
GUEST_BLOB(irq_nmi_handler);
GUEST_BLOB(irq_handler_pic);
GUEST_BLOB(irq_sleep);
GUEST_BLOB(irq_sleep_x2);
GUEST_BLOB(irq_hlt);
GUEST_BLOB(irq_timer);
GUEST_BLOB(irq_deadline);
GUEST_BLOB(irq_pit);
GUEST_BLOB(irq_ping);
GUEST_BLOB(irq_ping_x2);

enum { HANDLER = 0x20000, NMI_HANDLER = 0x21000, CODE_1 = GUEST_CODE + 0x1000 };

static void set_args(struct guest *g, u32 i, u64 rdi, u64 rsi, u64 rdx)
{
	struct kvm_regs r;

	guest_regs(g, i, &r);
	r.rdi = rdi;
	r.rsi = rsi;
	r.rdx = rdx;
	guest_set_regs(g, i, &r);
}

static void prepare(struct guest *g, u32 flags, u32 nr)
{
	guest_create(g, flags, nr);
	guest_load(g, HANDLER, irq_handler);
	guest_load(g, NMI_HANDLER, irq_nmi_handler);
	guest_gate(g, 0x30, HANDLER);
	guest_gate(g, 2, NMI_HANDLER);
}

#define START(flags, name) struct guest g; prepare(&g, flags, 1);	\
	guest_load(&g, GUEST_CODE, name); guest_long(&g, 0, GUEST_CODE)

static u64 count(struct guest *g)
{
	return *guest_word(g, 0x40000);
}

static void assert_done(struct guest *g, int exit)
{
	assert_int_equal(exit, KVM_EXIT_IO);
	assert_int_equal(g->run[0]->io.port, 0x10);
}

static int send_msi(struct guest *g, u32 vector)
{
	struct kvm_msi m = { .address_lo = 0xfee00000, .data = vector };

	return kvm_ioctl(g->vm, KVM_SIGNAL_MSI, &m);
}

/* -- HLT -------------------------------------------------------------------------- */

static void msi_wakes_hlt(void **state)
{
	START(GUEST_IRQCHIP, irq_sleep);
	struct runner r;

	set_args(&g, 0, 200, 0, 0);
	runner_start(&r, &g, 0);
	assert_soon(*guest_word(&g, 0x40010) == 1);
	for (u32 i = 1; i <= 200; i++) {
		assert_true(send_msi(&g, 0x30) > 0);
		assert_soon(count(&g) == i);
	}
	assert_done(&g, runner_join(&r));
	guest_destroy(&g);
}

/* Whoever waits in AMD's AP reset hold wakes as from HLT. */
static void nmi_wakes_reset_hold(void **state)
{
	static const u8 code[] = { 0xe6, 0x10 };	/* out %al, $0x10 */
	struct runner r;
	struct guest g;

	prepare(&g, GUEST_IRQCHIP, 1);
	memcpy(g.mem + GUEST_CODE, code, sizeof(code));
	guest_long(&g, 0, GUEST_CODE);
	guest_set_mp_state(&g, 0, KVM_MP_STATE_AP_RESET_HOLD);
	assert_ok(kvm_ioctl_val(g.vcpu[0], KVM_NMI, 0));
	runner_start(&r, &g, 0);
	assert_soon(r.done);
	assert_done(&g, runner_join(&r));
	guest_destroy(&g);
}

static void nmi_wakes_hlt(void **state)
{
	START(GUEST_IRQCHIP, irq_hlt);
	struct runner r;

	runner_start(&r, &g, 0);
	for (u32 i = 1; i <= 20; i++) {
		/* KVM_NMI is a vCPU ioctl: it waits until the run returns. */
		runner_stop_halted(&r);
		assert_ok(kvm_ioctl_val(g.vcpu[0], KVM_NMI, 0));
		runner_start(&r, &g, 0);
		assert_soon(*guest_word(&g, 0x40008) == i);
		assert_soon(*guest_word(&g, 0x40010) == i);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
}

/* -- Timers ------------------------------------------------------------------------- */

enum { LVT_PERIODIC = 1 << 17 };

static void lapic_timer_one_shot(void **state)
{
	START(GUEST_IRQCHIP, irq_timer);
	u64 t = now_ns();

	set_args(&g, 0, 1, 0x30, 20000000);	/* 1 GHz: 20 ms */
	assert_done(&g, guest_run(&g, 0));
	assert_true(now_ns() - t >= 20000000);
	assert_int_equal(count(&g), 1);
	assert_int_equal(guest_rax(&g, 0), 0);
	guest_destroy(&g);
}

static void lapic_timer_periodic(void **state)
{
	START(GUEST_IRQCHIP, irq_timer);
	u64 t = now_ns();

	set_args(&g, 0, 20, 0x30 | LVT_PERIODIC, 2000000);
	assert_done(&g, guest_run(&g, 0));
	t = now_ns() - t;
	assert_true(t >= 38000000);
	assert_true(guest_rax(&g, 0) <= 2000000);
	guest_destroy(&g);
}

static void tsc_deadline(void **state)
{
	START(GUEST_IRQCHIP, irq_deadline);

	set_args(&g, 0, 1, 0, 20000000);
	assert_done(&g, guest_run(&g, 0));
	assert_int_equal(count(&g), 1);
	assert_true((int64_t)guest_rax(&g, 0) >= 0);	/* never early */
	guest_destroy(&g);
}

static void pit_through_pic(void **state)
{
	START(GUEST_IRQCHIP | GUEST_PIT, irq_pit);
	u64 t = now_ns();

	guest_load(&g, HANDLER, irq_handler_pic);
	set_args(&g, 0, 20, 0, 0);
	assert_done(&g, guest_run(&g, 0));
	assert_true(now_ns() - t >= 17000000);
	assert_true(count(&g) >= 20);	/* ticks that came late come all at once */
	guest_destroy(&g);
}

/* -- IPIs ------------------------------------------------------------------------------ */

static void ping(bool x2)
{
	struct runner r[2];
	struct guest g;

	prepare(&g, GUEST_IRQCHIP, 2);
	if (x2) {
		guest_load(&g, GUEST_CODE, irq_ping_x2);
		guest_load(&g, CODE_1, irq_sleep_x2);
		guest_load(&g, HANDLER, irq_handler_x2);
	} else {
		guest_load(&g, GUEST_CODE, irq_ping);
		guest_load(&g, CODE_1, irq_sleep);
	}
	guest_long(&g, 0, GUEST_CODE);
	guest_long(&g, 1, CODE_1);
	set_args(&g, 0, 300, 1, 0);
	set_args(&g, 1, 1000000, 0, 0);
	runner_start(&r[1], &g, 1);
	runner_start(&r[0], &g, 0);
	assert_done(&g, runner_join(&r[0]));
	assert_int_equal(runner_stop(&r[1]), -EINTR);
	assert_int_equal(count(&g), 300);
	guest_destroy(&g);
}

static void ipi_xapic(void **state)
{
	ping(false);
}

static void ipi_x2apic(void **state)
{
	ping(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(msi_wakes_hlt),
		cmocka_unit_test(nmi_wakes_reset_hold),
		cmocka_unit_test(nmi_wakes_hlt),
		cmocka_unit_test(lapic_timer_one_shot),
		cmocka_unit_test(lapic_timer_periodic),
		cmocka_unit_test(tsc_deadline),
		cmocka_unit_test(pit_through_pic),
		cmocka_unit_test(ipi_xapic),
		cmocka_unit_test(ipi_x2apic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
