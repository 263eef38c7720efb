/* SPDX-License-Identifier: MIT */
/* KVM_CAP_HALT_POLL: who is woken soon after a HLT has not slept. */
#include "guest.h"
#include "stats.h"

GUEST_BLOB(halt_poll_sleep);
GUEST_BLOB(halt_poll_handler);

enum { HANDLER = 0x20000, VECTOR = 0x30, POLL_CONTROL = 0x4b564d05 };

#define LONG_NS		500000000u

struct sleeper {
	struct guest g;
	struct runner r;
	int stats;
	u64 sent;
};

static void set_limit(struct sleeper *s, u32 ns)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args = { ns } };

	assert_ok(kvm_ioctl(s->g.vm, KVM_ENABLE_CAP, &cap));
}

static void poll_control(struct sleeper *s, u64 v)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } m = {
		{ .nmsrs = 1 }, { .index = POLL_CONTROL, .data = v },
	};

	assert_int_equal(kvm_ioctl(s->g.vcpu[0], KVM_SET_MSRS, &m), 1);
}

static void create(struct sleeper *s)
{
	needs_guest();
	memset(s, 0, sizeof(*s));
	guest_create(&s->g, GUEST_IRQCHIP, 1);
	guest_load(&s->g, GUEST_CODE, halt_poll_sleep);
	guest_load(&s->g, HANDLER, halt_poll_handler);
	guest_long(&s->g, 0, GUEST_CODE);
	guest_gate(&s->g, VECTOR, HANDLER);
	s->stats = kvm_ioctl_val(s->g.vcpu[0], KVM_GET_STATS_FD, 0);
	assert_true(s->stats >= 0);
}

static u64 count(struct sleeper *s, const char *name)
{
	return number(s->stats, name);
}

static void start(struct sleeper *s)
{
	runner_start(&s->r, &s->g, 0);
	assert_soon(count(s, "halt_exits") == 1);
}

/* Woken once, and halted again. */
static void wake(struct sleeper *s)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };

	assert_true(kvm_ioctl(s->g.vm, KVM_SIGNAL_MSI, &msi) > 0);
	s->sent++;
	assert_soon(*guest_word(&s->g, 0x40000) == s->sent &&
		    count(s, "halt_exits") == s->sent + 1);
}

static void wake_times(struct sleeper *s, u32 n)
{
	while (n--)
		wake(s);
}

static void destroy(struct sleeper *s)
{
	runner_stop(&s->r);
	close(s->stats);
	guest_destroy(&s->g);
}

/* A kernel's default is its module's parameter: docs/quirks.md, api-halt-poll. */
static void nobody_polls_at_first(void **state)
{
	struct sleeper s;

	if (on_kernel())
		skip();
	create(&s);
	start(&s);
	wake_times(&s, 20);
	assert_int_equal(count(&s, "halt_attempted_poll"), 0);
	destroy(&s);
}

/* The first wake-up makes the time 10 us, and each further one doubles it. */
static void the_time_grows_until_it_suffices(void **state)
{
	struct sleeper s;

	create(&s);
	set_limit(&s, LONG_NS);
	start(&s);
	assert_int_equal(count(&s, "halt_attempted_poll"), 0);
	for (u32 i = 0; i < 40 && !count(&s, "halt_successful_poll"); i++) {
		usleep(1000);
		wake(&s);
	}
	assert_true(count(&s, "halt_successful_poll") > 0);
	assert_true(count(&s, "halt_poll_success_ns") > 0);
	/* 10 us seldom suffice for a millisecond. */
	if (count(&s, "halt_attempted_poll") > count(&s, "halt_successful_poll"))
		assert_true(count(&s, "halt_poll_fail_ns") >= 10000);
	assert_int_equal(count(&s, "halt_poll_invalid"), 0);
	destroy(&s);
}

static void a_long_halt_ends_it(void **state)
{
	struct sleeper s;
	u64 attempted;

	create(&s);
	set_limit(&s, LONG_NS);
	start(&s);
	wake_times(&s, 2);
	assert_true(count(&s, "halt_attempted_poll") > 0);
	/* Too long for this one; the next does not poll. */
	set_limit(&s, 20000);
	assert_soon(count(&s, "blocking"));
	usleep(2000);
	wake(&s);
	assert_soon(count(&s, "blocking"));
	attempted = count(&s, "halt_attempted_poll");
	usleep(2000);
	wake(&s);
	assert_int_equal(count(&s, "halt_attempted_poll"), attempted);
	destroy(&s);
}

static void a_limit_of_zero_ends_it(void **state)
{
	struct sleeper s;
	u64 attempted;

	create(&s);
	set_limit(&s, LONG_NS);
	start(&s);
	wake_times(&s, 3);
	assert_true(count(&s, "halt_attempted_poll") > 0);
	set_limit(&s, 0);
	wake(&s);
	assert_soon(count(&s, "blocking"));
	attempted = count(&s, "halt_attempted_poll");
	wake_times(&s, 10);
	assert_int_equal(count(&s, "halt_attempted_poll"), attempted);
	destroy(&s);
}

/* MSR_KVM_POLL_CONTROL. */
static void the_guest_may_forbid_it(void **state)
{
	struct sleeper s;

	create(&s);
	set_limit(&s, LONG_NS);
	poll_control(&s, 0);
	start(&s);
	wake_times(&s, 20);
	assert_int_equal(count(&s, "halt_attempted_poll"), 0);
	destroy(&s);
}

/* Slots change, and a signal ends KVM_RUN, although nobody sleeps. */
static void others_are_heard_meanwhile(void **state)
{
	struct sleeper s;
	u64 begin;

	create(&s);
	set_limit(&s, 4000000000u);
	start(&s);
	for (u32 i = 0; i < 40 && !count(&s, "halt_successful_poll"); i++) {
		usleep(2000);
		wake(&s);
	}
	begin = now_ns();
	assert_ok(set_region(s.g.vm, 5, 0, 1ull << 32, PG, s.g.mem));
	assert_ok(set_region(s.g.vm, 5, 0, 1ull << 32, 0, s.g.mem));
	assert_int_equal(runner_stop(&s.r), -EINTR);
	assert_true(now_ns() - begin < 1000000000);
	runner_start(&s.r, &s.g, 0);
	destroy(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_polls_at_first),
		cmocka_unit_test(the_time_grows_until_it_suffices),
		cmocka_unit_test(a_long_halt_ends_it),
		cmocka_unit_test(a_limit_of_zero_ends_it),
		cmocka_unit_test(the_guest_may_forbid_it),
		cmocka_unit_test(others_are_heard_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
