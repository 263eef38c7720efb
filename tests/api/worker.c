/* SPDX-License-Identifier: MIT */
/* The helper thread: timers in order, cancellation, watches. */
#include "kvm_api.h"

#include <sys/eventfd.h>

#include "api/worker.h"

#define NR_TIMERS 50

static struct worker_timer timers[NR_TIMERS];
static u64 fired_at[NR_TIMERS], fired;

static void on_timer(struct worker_timer *t)
{
	fired_at[t - timers] = worker_now_ns();
	__atomic_add_fetch(&fired, 1, __ATOMIC_ACQ_REL);
}

/* Late enough for all of them to be armed and moved before the first is due. */
#define FIRST	300000000ull

static u64 due_after(u64 now, u32 i)
{
	return now + FIRST + (i * 37 % NR_TIMERS) * 100000;
}

static void fire_in_order(void **state)
{
	u64 now, worst = 0;

	assert_int_equal(worker_start(), 0);
	fired = 0;
	now = worker_now_ns();
	for (int i = 0; i < NR_TIMERS; i++) {
		worker_timer_init(&timers[i], on_timer);
		worker_timer_arm(&timers[i], due_after(now, i));
	}
	/* Some are moved, some are taken back. */
	worker_timer_arm(&timers[0], now + FIRST / 2);
	worker_timer_arm(&timers[1], 0);
	worker_timer_cancel(&timers[2]);
	assert_soon(__atomic_load_n(&fired, __ATOMIC_ACQUIRE) == NR_TIMERS - 2);
	for (int i = 3; i < NR_TIMERS; i++) {
		u64 due = due_after(now, i);

		assert_true(fired_at[i] >= due);
		worst = MAX(worst, fired_at[i] - due);
	}
	assert_int_equal(fired_at[1] | fired_at[2], 0);
	assert_true(fired_at[0] && fired_at[0] < fired_at[3]);
	print_message("latest timer: %lu us\n", worst / 1000);
}

static void past_fires_at_once(void **state)
{
	fired = 0;
	worker_timer_init(&timers[0], on_timer);
	worker_timer_arm(&timers[0], 1);
	assert_soon(__atomic_load_n(&fired, __ATOMIC_ACQUIRE) == 1);
	worker_timer_cancel(&timers[0]);
}

static void rearms_itself(struct worker_timer *t)
{
	if (__atomic_add_fetch(&fired, 1, __ATOMIC_ACQ_REL) < 5)
		worker_timer_arm(t, worker_now_ns() + 100000);
}

static void may_rearm(void **state)
{
	fired = 0;
	worker_timer_init(&timers[0], rearms_itself);
	worker_timer_arm(&timers[0], worker_now_ns());
	assert_soon(__atomic_load_n(&fired, __ATOMIC_ACQUIRE) == 5);
	worker_timer_cancel(&timers[0]);
}

static void slow_timer(struct worker_timer *t)
{
	__atomic_store_n(&fired, 1, __ATOMIC_RELEASE);
	usleep(20000);
	__atomic_store_n(&fired, 2, __ATOMIC_RELEASE);
}

static void cancel_waits(void **state)
{
	fired = 0;
	worker_timer_init(&timers[0], slow_timer);
	worker_timer_arm(&timers[0], 1);
	assert_soon(__atomic_load_n(&fired, __ATOMIC_ACQUIRE));
	worker_timer_cancel(&timers[0]);
	assert_int_equal(fired, 2);
}

static struct worker_watch watch;
static u32 calls;

static void on_event(struct worker_watch *w, u32 events)
{
	eventfd_t n;

	eventfd_read(w->fd, &n);
	usleep(5000);
	__atomic_add_fetch(&calls, 1, __ATOMIC_ACQ_REL);
}

static void watch_and_remove(void **state)
{
	watch = (struct worker_watch){ .fn = on_event, .fd = eventfd(0, EFD_NONBLOCK) };
	assert_int_equal(worker_watch_add(&watch, EPOLLIN), 0);
	assert_int_equal(worker_watch_add(&watch, EPOLLIN), -EEXIST);
	eventfd_write(watch.fd, 1);
	assert_soon(__atomic_load_n(&calls, __ATOMIC_ACQUIRE) == 1);
	/* Removed while it runs: returns when it has finished. */
	eventfd_write(watch.fd, 1);
	usleep(2000);
	worker_watch_remove(&watch);
	u32 seen = calls;
	eventfd_write(watch.fd, 1);
	usleep(10000);
	assert_int_equal(calls, seen);
	close(watch.fd);
}

/* Armed, moved and cancelled in any order, those that are due fire, no others. */
static void any_order(void **state)
{
	const u64 never = worker_now_ns() + 3600000000000ull;
	u64 x = 1, due = 0;

	assert_int_equal(worker_start(), 0);
	for (int i = 0; i < NR_TIMERS; i++)
		worker_timer_init(&timers[i], on_timer);
	for (int i = 0; i < 20000; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		worker_timer_arm(&timers[(x >> 32) % NR_TIMERS],
				 x >> 62 ? never + (x >> 40) : 0);
	}
	fired = 0;
	memset(fired_at, 0, sizeof(fired_at));
	for (int i = 0; i < NR_TIMERS; i += 3, due++)
		worker_timer_arm(&timers[i], 1);
	assert_soon(__atomic_load_n(&fired, __ATOMIC_ACQUIRE) == due);
	for (int i = 0; i < NR_TIMERS; i++) {
		assert_int_equal(!!fired_at[i], i % 3 == 0);
		worker_timer_cancel(&timers[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fire_in_order),
		cmocka_unit_test(past_fires_at_once),
		cmocka_unit_test(may_rearm),
		cmocka_unit_test(cancel_waits),
		cmocka_unit_test(watch_and_remove),
		cmocka_unit_test(any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
