/* SPDX-License-Identifier: MIT */
/* What vCPUs count (api.rst 4.133) while they run. */
#include "guest.h"
#include "stats.h"

GUEST_BLOB(stats_one_of_each);
GUEST_BLOB(stats_window);

struct counted {
	struct guest g;
	int stats;
};

static void counted_create(struct counted *c, u32 flags)
{
	needs_guest();
	guest_create(&c->g, flags, 1);
	c->stats = kvm_ioctl_val(c->g.vcpu[0], KVM_GET_STATS_FD, 0);
	assert_true(c->stats >= 0);
}

static void counted_destroy(struct counted *c)
{
	close(c->stats);
	guest_destroy(&c->g);
}

static void exits_by_kind(void **state)
{
	struct counted c;
	u64 exits;

	counted_create(&c, GUEST_PLAIN);
	guest_load(&c.g, GUEST_CODE, stats_one_of_each);
	guest_long(&c.g, 0, GUEST_CODE);
	exits = number(c.stats, "exits");
	assert_int_equal(guest_run(&c.g, 0), KVM_EXIT_IO);
	assert_int_equal(number(c.stats, "io_exits"), 1);
	assert_true(number(c.stats, "exits") > exits);
	assert_int_equal(guest_run(&c.g, 0), KVM_EXIT_MMIO);
	assert_int_equal(number(c.stats, "mmio_exits"), 1);
	assert_int_equal(number(c.stats, "insn_emulation"), 1);
	assert_int_equal(number(c.stats, "halt_exits"), 0);
	assert_int_equal(guest_run(&c.g, 0), KVM_EXIT_HLT);
	assert_int_equal(number(c.stats, "invlpg"), 1);
	assert_int_equal(number(c.stats, "hypercalls"), 1);
	assert_int_equal(number(c.stats, "halt_exits"), 1);
	assert_int_equal(number(c.stats, "signal_exits"), 0);
	assert_true(number(c.stats, "exits") >= exits + 4);
	counted_destroy(&c);
}

static void interrupt_of_userspace(void **state)
{
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct counted c;

	counted_create(&c, GUEST_PLAIN);
	guest_load(&c.g, GUEST_CODE, stats_window);
	guest_gate(&c.g, 0x40, GUEST_CODE + 3);	/* the HLT's neighbourhood will do */
	guest_long(&c.g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&c.g, 0), KVM_EXIT_IO);
	c.g.run[0]->request_interrupt_window = 1;
	assert_int_equal(guest_run(&c.g, 0), KVM_EXIT_IRQ_WINDOW_OPEN);
	assert_int_equal(number(c.stats, "request_irq_exits"), 1);
	assert_int_equal(number(c.stats, "irq_injections"), 0);
	c.g.run[0]->request_interrupt_window = 0;
	assert_ok(kvm_ioctl(c.g.vcpu[0], KVM_INTERRUPT, &irq));
	assert_int_equal(guest_run(&c.g, 0), KVM_EXIT_HLT);
	assert_int_equal(number(c.stats, "irq_injections"), 1);
	counted_destroy(&c);
}

static void sleep_and_signal(void **state)
{
	struct runner t;
	struct counted c;

	counted_create(&c, GUEST_IRQCHIP);
	c.g.mem[GUEST_CODE] = 0xf4;		/* HLT */
	guest_long(&c.g, 0, GUEST_CODE);
	runner_start(&t, &c.g, 0);
	assert_soon(number(c.stats, "blocking") == 1);
	assert_int_equal(number(c.stats, "halt_exits"), 1);
	usleep(2000);
	assert_int_equal(runner_stop(&t), -EINTR);
	assert_int_equal(number(c.stats, "blocking"), 0);
	assert_true(number(c.stats, "signal_exits") >= 1);
	assert_true(number(c.stats, "halt_wait_ns") > 1000000);
	assert_int_equal(number(c.stats, "halt_wakeup"), 0);
	counted_destroy(&c);
}

/* immediate_exit is no signal. */
static void immediate_exit_counts_nothing(void **state)
{
	struct counted c;

	counted_create(&c, GUEST_PLAIN);
	guest_long(&c.g, 0, GUEST_CODE);
	c.g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&c.g, 0), -EINTR);
	assert_int_equal(number(c.stats, "signal_exits"), 0);
	assert_int_equal(number(c.stats, "exits"), 0);
	counted_destroy(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exits_by_kind),
		cmocka_unit_test(interrupt_of_userspace),
		cmocka_unit_test(sleep_and_signal),
		cmocka_unit_test(immediate_exit_counts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
