/* SPDX-License-Identifier: MIT */
/*
 * The helper thread: one epoll set, one timerfd and a heap of timers.
 *
 * epoll events carry {slot, generation} of a table, not a pointer, so that an
 * event that was fetched before its watch was removed finds nobody.
 *
 * A removal waits for the callback of the removed watch or timer, unless the
 * worker itself removes: then that callback is below us on the stack or not
 * running at all.
 */
#include "api/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "util/guard.h"

#define TIMER_EVENT	UINT64_MAX
#define MAX_EVENTS	16
#define NSEC_PER_SEC	1000000000ull

struct watch_slot {
	struct worker_watch *watch;
	u32 gen;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static pthread_t thread;
static u32 started;

static int epoll_fd = -1, timer_fd = -1;
static u64 programmed_ns;		/* what timer_fd is set to; 0: nothing */

static struct worker_timer *heap;	/* the earliest */

static struct watch_slot *slots;
static u32 nr_slots;
static struct worker_watch *running_watch;

static bool on_worker(void)
{
	return started && pthread_equal(pthread_self(), thread);
}

u64 worker_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* -- Timers ---------------------------------------------------------------- */

/*
 * A pairing heap, so that arming a timer needs no memory.  @child is the first
 * of those below, @next its sibling, @prev the sibling before or the parent.
 */
static struct worker_timer *heap_merge(struct worker_timer *a, struct worker_timer *b)
{
	struct worker_timer *top = a;

	if (!a || !b)
		return a ?: b;
	if (b->deadline_ns < a->deadline_ns) {
		top = b;
		b = a;
	}
	b->prev = top;
	b->next = top->child;
	if (b->next)
		b->next->prev = b;
	top->child = b;
	return top;
}

/* Of siblings, two at a time, and then those from the last to the first. */
static struct worker_timer *heap_merge_siblings(struct worker_timer *first)
{
	struct worker_timer *pairs = NULL, *top = NULL;

	while (first) {
		struct worker_timer *a = first, *b = a->next;

		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = heap_merge(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct worker_timer *a = pairs;

		pairs = a->next;
		a->next = NULL;
		top = heap_merge(top, a);
	}
	return top;
}

static void heap_remove(struct worker_timer *t)
{
	struct worker_timer *below;

	/* Nothing of the parent's is in the heap of a forked child. */
	if (!t->deadline_ns || !heap)
		return;
	below = heap_merge_siblings(t->child);
	if (t == heap) {
		heap = below;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		heap = heap_merge(heap, below);
	}
	t->child = t->next = t->prev = NULL;
}

/*
 * The timerfd only ever moves earlier here: a deadline that moves later costs
 * no system call, the early expiry reprograms it.
 */
static void program_timer(void)
{
	u64 next = heap ? heap->deadline_ns : 0;
	struct itimerspec its = {
		.it_value.tv_sec = next / NSEC_PER_SEC,
		.it_value.tv_nsec = next % NSEC_PER_SEC,
	};

	if (!next || (programmed_ns && programmed_ns <= next))
		return;
	programmed_ns = next;
	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

void worker_timer_init(struct worker_timer *t, void (*fn)(struct worker_timer *t))
{
	*t = (struct worker_timer){ .fn = fn };
}

void worker_timer_arm(struct worker_timer *t, u64 deadline_ns)
{
	pthread_mutex_lock(&lock);
	heap_remove(t);
	t->deadline_ns = deadline_ns;
	if (deadline_ns) {
		heap = heap_merge(heap, t);
		program_timer();
	}
	pthread_mutex_unlock(&lock);
}

/* In KVM_RUN, too, which is no cancellation point: the lock would stay. */
static void wait_idle_locked(void)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_cond_wait(&idle, &lock);
	pthread_setcancelstate(cancel, NULL);
}

void worker_timer_cancel(struct worker_timer *t)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		heap_remove(t);
		t->deadline_ns = 0;
		if (!t->running || on_worker())
			break;
		wait_idle_locked();
	}
	pthread_mutex_unlock(&lock);
}

static void run_timers(void)
{
	u64 expirations;

	/* Nonblocking: a spurious wake-up reads nothing. */
	if (read(timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&lock);
	programmed_ns = 0;
	while (heap && heap->deadline_ns <= worker_now_ns()) {
		struct worker_timer *t = heap;

		heap_remove(t);
		t->deadline_ns = 0;
		t->running = true;
		pthread_mutex_unlock(&lock);
		t->fn(t);
		pthread_mutex_lock(&lock);
		t->running = false;
		pthread_cond_broadcast(&idle);
	}
	program_timer();
	pthread_mutex_unlock(&lock);
}

/* -- Descriptors ----------------------------------------------------------- */

static u64 slot_token(u32 i)
{
	return (u64)slots[i].gen << 32 | i;
}

static int slot_alloc(struct worker_watch *w)
{
	struct watch_slot *bigger;
	u32 i;

	for (i = 0; i < nr_slots && slots[i].watch; i++)
		;
	if (i == nr_slots) {
		bigger = realloc(slots, (nr_slots + 32) * sizeof(*slots));
		if (!bigger)
			return -ENOMEM;
		slots = bigger;
		memset(slots + nr_slots, 0, 32 * sizeof(*slots));
		nr_slots += 32;
	}
	slots[i].watch = w;
	return i;
}

int worker_watch_add(struct worker_watch *w, u32 events)
{
	struct epoll_event ev = { .events = events };
	int slot, ret = worker_start();

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&lock);
	slot = ret = slot_alloc(w);
	if (slot >= 0) {
		ev.data.u64 = slot_token(slot);
		ret = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) ? -errno : 0;
		if (ret < 0)
			slots[slot].watch = NULL;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

void worker_watch_remove(struct worker_watch *w)
{
	pthread_mutex_lock(&lock);
	for (u32 i = 0; i < nr_slots; i++) {
		if (slots[i].watch != w)
			continue;
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
		slots[i].watch = NULL;
		slots[i].gen++;
	}
	while (running_watch == w && !on_worker())
		wait_idle_locked();
	pthread_mutex_unlock(&lock);
}

static void run_watch(const struct epoll_event *ev)
{
	u32 i = (u32)ev->data.u64;
	struct worker_watch *w = NULL;

	pthread_mutex_lock(&lock);
	if (i < nr_slots && slot_token(i) == ev->data.u64)
		w = slots[i].watch;
	running_watch = w;
	pthread_mutex_unlock(&lock);
	if (!w)
		return;
	w->fn(w, ev->events);
	pthread_mutex_lock(&lock);
	running_watch = NULL;
	pthread_cond_broadcast(&idle);
	pthread_mutex_unlock(&lock);
}

/* -- The thread ------------------------------------------------------------ */

static void *worker_main(void *unused)
{
	struct epoll_event events[MAX_EVENTS];

	pthread_setname_np(pthread_self(), "anykvm-worker");
	guard_prepare_thread();
	for (;;) {
		int n = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == TIMER_EVENT)
				run_timers();
			else
				run_watch(&events[i]);
		}
	}
	return NULL;
}

static int create_fds(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = TIMER_EVENT };

	if (epoll_fd < 0)
		epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return -errno;
	if (timer_fd >= 0)
		return 0;
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer_fd < 0)
		return -errno;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &ev) ? -errno : 0;
}

static int create_thread(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, &attr, worker_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int worker_start(void)
{
	int ret = 0;

	if (__atomic_load_n(&started, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&lock);
	if (!started) {
		ret = create_fds();
		if (!ret)
			ret = create_thread();
		if (!ret)
			__atomic_store_n(&started, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

/*
 * The descriptors are the parent's, and their numbers may be anybody's by now:
 * they are left alone.
 */
void worker_reinit_child(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&idle, NULL);
	started = 0;
	epoll_fd = timer_fd = -1;
	programmed_ns = 0;
	heap = NULL;
	running_watch = NULL;
	for (u32 i = 0; i < nr_slots; i++) {
		slots[i].watch = NULL;
		slots[i].gen++;
	}
}
