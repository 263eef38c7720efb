/* SPDX-License-Identifier: MIT */
/* Time of Xen guests: timers, SCHEDOP_poll, clock, runstate (api.rst 4.128). */
#include "xen_guest.h"

static void assert_timer_wakes(void)
{
	START(xen_sleep);
	start_handler(VECTOR, guest_xen_upcall, guest_xen_upcall_end);
	*guest_word(&g, COUNT) = 0;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(*guest_word(&g, COUNT), 1);
	assert_int_equal(*guest_word(&g, SHARED + 2048), 1 << TIMER_PORT);
	*guest_word(&g, SHARED + 2048) = 0;
	assert_int_equal(xen_timer_expires(g.vcpu[0]), 0);
}

static void set_timer_op(void **state)
{
	u64 when = kvmclock_ns(g.vm) + 50 * MS;

	needs_xen_guest();
	assert_ok(xen_set_vector(g.vm, VECTOR));
	assert_int_equal(call(SET_TIMER_OP, when, 0, 0), 0);
	assert_int_equal(xen_timer_expires(g.vcpu[0]), when);
	assert_timer_wakes();
	assert_true(kvmclock_ns(g.vm) >= when);

	assert_int_equal(call(SET_TIMER_OP, when, 0, 0), 0);	/* is past */
	assert_timer_wakes();

	assert_int_equal(call(SET_TIMER_OP, 1ull << 62, 0, 0), 0);	/* overflown: soon */
	assert_in_range(xen_timer_expires(g.vcpu[0]), when, kvmclock_ns(g.vm) + 100 * MS);
	assert_int_equal(call(SET_TIMER_OP, 0, 0, 0), 0);
	assert_int_equal(xen_timer_expires(g.vcpu[0]), 0);
}

static void singleshot(u64 when, u32 flags)
{
	*guest_word(&g, ARG) = when;
	*(volatile u32 *)byte(ARG + 8) = flags;
}

static void singleshot_timers(void **state)
{
	needs_xen_guest();
	assert_ok(xen_set_vector(g.vm, VECTOR));
	singleshot(kvmclock_ns(g.vm) + 50 * MS, 1);
	assert_int_equal(call(VCPU_OP, SET_SINGLESHOT, 1, ARG), (u64)-EINVAL);
	assert_int_equal(call(VCPU_OP, SET_SINGLESHOT, 0, 0x50000000), (u64)-EFAULT);
	assert_int_equal(call(VCPU_OP, SET_SINGLESHOT, 0, ARG), 0);
	assert_timer_wakes();
	assert_int_equal(call(VCPU_OP, SET_SINGLESHOT, 0, ARG), (u64)-ETIME);
	singleshot(kvmclock_ns(g.vm) + 100000000000, 0);
	assert_int_equal(call(VCPU_OP, SET_SINGLESHOT, 0, ARG), 0);
	assert_true(xen_timer_expires(g.vcpu[0]));
	assert_int_equal(call(VCPU_OP, STOP_SINGLESHOT, 1, 0), (u64)-EINVAL);
	assert_int_equal(call(VCPU_OP, STOP_SINGLESHOT, 0, 0), 0);
	assert_int_equal(xen_timer_expires(g.vcpu[0]), 0);
	assert_call_exits(VCPU_OP, 3, 0, 0);
}

static void without_a_port_timers_are_userspaces(void **state)
{
	needs_xen_guest();
	assert_ok(xen_set_timer(g.vcpu[0], 0, 0, 0));
	assert_call_exits(SET_TIMER_OP, 1, 0, 0);
	assert_call_exits(VCPU_OP, STOP_SINGLESHOT, 0, 0);
}

/* -- SCHEDOP_poll -------------------------------------------------------------------------- */

static void poll_args(u32 nr, u32 first, u64 timeout)
{
	*guest_word(&g, ARG) = ARG + 0x100;
	*guest_word(&g, ARG + 8) = nr;
	*guest_word(&g, ARG + 16) = timeout;
	for (u32 i = 0; i < 200; i++)
		((volatile u32 *)byte(ARG + 0x100))[i] = first + i;
}

static void poll_checks_its_arguments(void **state)
{
	needs_xen_guest();
	assert_int_equal(call(SCHED_OP, POLL, 0x50000000, 0), (u64)-EFAULT);
	poll_args(129, 1, 0);
	assert_int_equal(call(SCHED_OP, POLL, ARG, 0), (u64)-EINVAL);
	poll_args(1, 4096, 0);
	assert_int_equal(call(SCHED_OP, POLL, ARG, 0), (u64)-EINVAL);
	poll_args(1, 1, 0);
	*guest_word(&g, ARG) = 0x50000000;
	assert_int_equal(call(SCHED_OP, POLL, ARG, 0), (u64)-EFAULT);
	assert_call_exits(SCHED_OP, 1, 0, 0);
	/* Userspace may write shared_info itself: it must do the waiting, too. */
	assert_ok(xen_config(g.vm, INTERCEPT, MSR));
	assert_call_exits(SCHED_OP, POLL, ARG, 0);
}

static void poll_ends_when_pending_or_late(void **state)
{
	u64 t;

	needs_xen_guest();
	poll_args(1, 9, 0);
	*guest_word(&g, SHARED + 2048) = 1 << 9;
	assert_int_equal(call(SCHED_OP, POLL, ARG, 0), 0);
	*guest_word(&g, SHARED + 2048) = 0;
	poll_args(1, 9, 5 * MS);
	t = now_ns();
	assert_int_equal(call(SCHED_OP, POLL, ARG, 0), 0);
	assert_true(now_ns() - t >= 5 * MS);
}

static void assert_poll_woken(u32 nr, u32 polled, u32 raised)
{
	struct runner r;

	poll_args(nr, polled, 0);
	begin_call(SCHED_OP, POLL, ARG, 0);
	run_to_sleep(&r);
	usleep(1000);
	assert_false(r.done);
	/* Only what is raised after the poll has begun can wake it. */
	for (u32 port = raised; !r.done; port += 64) {
		assert_ok(xen_send(g.vm, port, 0, XEN_2LEVEL));
		usleep(100);
	}
	assert_int_equal(runner_join(&r), KVM_EXIT_IO);
	assert_int_equal(guest_rax(&g, 0), 0);
}

/* Interrupts are off all the time. */
static void poll_is_woken_by_its_port(void **state)
{
	needs_xen_guest();
	*guest_word(&g, SHARED + 2560) = 7 << 9;
	assert_poll_woken(1, 9, 9);
	*guest_word(&g, SHARED + 2048) = 0;
	assert_poll_woken(2, 9, 10);
	*guest_word(&g, INFO + 8) = 0;
	assert_poll_woken(1, 20, 64);		/* not masked: any */
}

static void poll_is_over_when_kvm_run_is_interrupted(void **state)
{
	struct kvm_mp_state mp;
	struct runner r;

	needs_xen_guest();
	poll_args(1, 9, 60000ull * MS);
	begin_call(SCHED_OP, POLL, ARG, 0);
	run_to_sleep(&r);
	usleep(1000);
	assert_int_equal(runner_stop(&r), -EINTR);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_MP_STATE, &mp));
	assert_int_equal(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_rax(&g, 0), 0);
}

/* -- Time ----------------------------------------------------------------------------------- */

struct time_info {
	u32 version, pad;
	u64 tsc, system;
	u32 mul;
	int8_t shift;
	u8 flags, pad2[2];
};

static void time_is_in_three_pages(void **state)
{
	const struct time_info *clock = (void *)(g.mem + 0x46000);
	const struct time_info *info = (void *)(g.mem + INFO + 32);
	const struct time_info *extra = (void *)(g.mem + 0x46800);
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } msr = {
		.head.nmsrs = 1, .e = { .index = 0x4b564d01, .data = 0x46001 },
	};

	needs_xen_guest();
	assert_ok(xen_set_address(g.vcpu[0], KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO, 0x46800));
	assert_int_equal(kvm_ioctl(g.vcpu[0], KVM_SET_MSRS, &msr), 1);
	START(xen_open);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_true(info->version && !(info->version & 1));
	assert_true(info->mul);
	assert_memory_equal(&info->tsc, &clock->tsc, sizeof(*info) - 8);
	assert_memory_equal(&info->tsc, &extra->tsc, sizeof(*info) - 8);
}

struct runstate {
	u32 state, pad;
	u64 entry, time[4];
};

static void runstate_is_kept_across_two_pages(void **state)
{
	struct kvm_xen_vcpu_attr a = { .type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA };
	const struct runstate *r = (void *)(g.mem + 0x47ff0);

	needs_xen_guest();
	assert_ok(xen_set_address(g.vcpu[0], KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR, 0x47ff0));
	START(xen_open);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(r->state, XEN_RUNNING);
	assert_int_equal(r->entry, r->time[0] + r->time[1] + r->time[2] + r->time[3]);
	assert_true(r->time[XEN_RUNNING] + r->time[XEN_RUNNABLE] > 0);
	assert_true(r->time[XEN_OFFLINE] > 0);		/* before it first ran */
	assert_int_equal(r->time[XEN_BLOCKED], 0);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_XEN_VCPU_GET_ATTR, &a));
	assert_int_equal(a.u.runstate.state_entry_time, r->entry);
	assert_int_equal(a.u.runstate.time_running, r->time[XEN_RUNNING]);
}

static void runstate_of_32_bit_guests_is_packed(void **state)
{
	struct kvm_xen_vcpu_attr a = { .type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA };
	u64 entry;

	needs_xen_guest();
	assert_ok(xen_set_long_mode(g.vm, false));
	assert_ok(xen_set_address(g.vcpu[0], KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR, 0x47000));
	START(xen_open);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_XEN_VCPU_GET_ATTR, &a));
	memcpy(&entry, g.mem + 0x47004, sizeof(entry));
	assert_int_equal(entry, a.u.runstate.state_entry_time);
	memcpy(&entry, g.mem + 0x4700c + 3 * 8, sizeof(entry));
	assert_int_equal(entry, a.u.runstate.time_offline);
	memcpy(&entry, g.mem + 0x4702c, sizeof(entry));
	assert_int_equal(entry, 0);		/* 44 bytes, no more */
}

static void a_blocked_vcpu_runs_again_at_kvm_run(void **state)
{
	struct kvm_xen_vcpu_attr a = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT, .u.runstate.state = XEN_BLOCKED,
	};

	needs_xen_guest();
	START(xen_open);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_XEN_VCPU_SET_ATTR, &a));
	usleep(2000);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	a.type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_XEN_VCPU_GET_ATTR, &a));
	assert_int_equal(a.u.runstate.state, XEN_RUNNING);
	assert_true(a.u.runstate.time_blocked >= 2 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_guest(set_timer_op),
		with_guest(singleshot_timers),
		with_guest(without_a_port_timers_are_userspaces),
		with_guest(poll_checks_its_arguments),
		with_guest(poll_ends_when_pending_or_late),
		with_guest(poll_is_woken_by_its_port),
		with_guest(poll_is_over_when_kvm_run_is_interrupted),
		with_guest(time_is_in_three_pages),
		with_guest(runstate_is_kept_across_two_pages),
		with_guest(runstate_of_32_bit_guests_is_packed),
		with_guest(a_blocked_vcpu_runs_again_at_kvm_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
