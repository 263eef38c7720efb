/* SPDX-License-Identifier: MIT */
#define SEMANTICS "run_signals.def"
#include "semantics.h"

#include "call.h"

GUEST_BLOB(in_then_spin);

/* -- Kicks ------------------------------------------------------------------------ */

static volatile int handled;
static struct kvm_run *volatile exit_at_once;	/* the handler sets it there */

IN_SIGNAL_HANDLER static void on_signal(int sig)
{
	if (anykvm_signal_is_masked(sig))
		return;
	if (exit_at_once)
		exit_at_once->immediate_exit = 1;
	handled++;
	anykvm_signalled(sig);
}

static void handle(int sig, int flags)
{
	handled = 0;
	exit_at_once = NULL;
	set_handler(sig, on_signal, flags);
}

/* Sends @sig to the main thread again and again. */
struct kicker {
	pthread_t thread, target;
	int sig;
	volatile bool stop;
};

static void *kicker_main(void *arg)
{
	struct kicker *k = arg;

	while (!k->stop) {
		usleep(2000);
		pthread_kill(k->target, k->sig);
	}
	return NULL;
}

static void kicker_start(struct kicker *k, int sig)
{
	*k = (struct kicker){ .target = pthread_self(), .sig = sig };
	assert_int_equal(pthread_create(&k->thread, NULL, kicker_main, k), 0);
}

static void kicker_stop(struct kicker *k)
{
	k->stop = true;
	pthread_join(k->thread, NULL);
}

/* A vCPU that sleeps in KVM_RUN: signals need no guest code. */
static void sleeper(struct guest *g)
{
	guest_create(g, GUEST_IRQCHIP, 1);
	guest_set_mp_state(g, 0, KVM_MP_STATE_HALTED);
}

static void spinner(struct guest *g)
{
	guest_create(g, GUEST_PLAIN, 1);
	guest_load(g, GUEST_CODE, in_then_spin);
	guest_long(g, 0, GUEST_CODE);
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
}

/* -- 16 ------------------------------------------------------------------------ */

static void ends_with_eintr(struct guest *g, int stale, int flags)
{
	struct kicker k;

	handle(SIGUSR1, flags);
	g->run[0]->exit_reason = stale;
	kicker_start(&k, SIGUSR1);
	assert_int_equal(guest_run(g, 0), -EINTR);
	assert_int_equal(g->run[0]->exit_reason, KVM_EXIT_INTR);
	assert_true(handled > 0);
	kicker_stop(&k);
}

static void a_signal_ends_the_run_with_eintr(void **state)
{
	struct guest g;

	sleeper(&g);
	ends_with_eintr(&g, KVM_EXIT_MMIO, 0);
	ends_with_eintr(&g, KVM_EXIT_MMIO, SA_RESTART);
	guest_destroy(&g);
	needs_guest();
	spinner(&g);
	ends_with_eintr(&g, g.run[0]->exit_reason, 0);
	ends_with_eintr(&g, KVM_EXIT_IO, SA_RESTART);
	guest_destroy(&g);
}

/* -- Masks --------------------------------------------------------------------- */

static int set_vcpu_mask(struct guest *g, u64 mask, u32 len)
{
	struct {
		struct kvm_signal_mask head;
		u8 mask[8];
	} m = { .head.len = len };

	memcpy(m.mask, &mask, sizeof(mask));
	return kvm_ioctl(g->vcpu[0], KVM_SET_SIGNAL_MASK, &m);
}

static u64 all_but(int sig)
{
	return ~(1ull << (sig - 1));
}

static void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(how, &set, NULL);
}

static bool is_pending(int sig)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, sig);
}

/* Takes the pending signal as a VMM does. */
static void take(int sig)
{
	const struct timespec none = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	assert_int_equal(sigtimedwait(&set, NULL, &none), sig);
	assert_false(is_pending(sig));
}

/* -- 17 ------------------------------------------------------------------------ */

static void pending_runs_nothing(void)
{
	struct guest g;

	spinner(&g);
	handle(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	assert_ok(set_vcpu_mask(&g, all_but(SIGUSR1), 8));
	pthread_kill(pthread_self(), SIGUSR1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(guest_run(&g, 0), -EINTR);
	assert_int_equal(*guest_word(&g, 0x40000), 0);
	take(SIGUSR1);
	block(SIG_UNBLOCK, SIGUSR1);
	guest_destroy(&g);
}

enum { KICKS = 200 };

struct kicks {
	pthread_t target;
	struct kvm_run *run;		/* set immediate_exit first; or NULL */
	volatile int round;
};

static void *kick_once_a_round(void *arg)
{
	struct kicks *k = arg;

	for (int n = 1; n <= KICKS; n++) {
		while (k->round < n)
			;
		/* From before KVM_RUN begins to long after. */
		for (volatile int spin = n * 40; spin; spin--)
			;
		if (k->run)
			k->run->immediate_exit = 1;
		pthread_kill(k->target, SIGUSR1);
		while (handled < n)
			sched_yield();
	}
	return NULL;
}

static void every_kick_counts(struct guest *g, bool handler_sets_it)
{
	struct kicks k = { pthread_self(), handler_sets_it ? NULL : g->run[0], 0 };
	pthread_t thread;

	handle(SIGUSR1, 0);
	exit_at_once = handler_sets_it ? g->run[0] : NULL;
	assert_int_equal(pthread_create(&thread, NULL, kick_once_a_round, &k), 0);
	alarm(20);		/* ends a hang */
	for (int n = 1; n <= KICKS; n++) {
		k.round = n;
		assert_int_equal(guest_run(g, 0), -EINTR);
		while (handled < n)	/* immediate_exit may have been first */
			sched_yield();
		g->run[0]->immediate_exit = 0;
	}
	alarm(0);
	pthread_join(thread, NULL);
	exit_at_once = NULL;
}

static void a_kick_is_never_lost(void **state)
{
	struct guest g;

	sleeper(&g);
	every_kick_counts(&g, true);
	every_kick_counts(&g, false);
	guest_destroy(&g);
	needs_guest();
	pending_runs_nothing();
	spinner(&g);
	every_kick_counts(&g, true);
	every_kick_counts(&g, false);
	guest_destroy(&g);
}

/* -- 18 ------------------------------------------------------------------------ */

static void length_is_eight(struct guest *g)
{
	assert_errno(EINVAL, set_vcpu_mask(g, 0, sizeof(sigset_t)));
	assert_errno(EINVAL, set_vcpu_mask(g, 0, 4));
	assert_errno(EINVAL, set_vcpu_mask(g, 0, 0));
	assert_ok(set_vcpu_mask(g, 0, 8));
}

/* The thread blocks USR1, the vCPU does not. */
static void open_in_the_run_only(struct guest *g)
{
	sigset_t mask;
	struct kicker k;

	block(SIG_BLOCK, SIGUSR1);
	assert_ok(set_vcpu_mask(g, all_but(SIGUSR1), 8));
	g->run[0]->exit_reason = KVM_EXIT_MMIO;
	kicker_start(&k, SIGUSR1);
	assert_int_equal(guest_run(g, 0), -EINTR);
	kicker_stop(&k);
	assert_int_equal(g->run[0]->exit_reason, KVM_EXIT_INTR);
	for (int i = 0; i < 3; i++) {
		assert_true(is_pending(SIGUSR1));
		assert_int_equal(guest_run(g, 0), -EINTR);
	}
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	assert_true(sigismember(&mask, SIGUSR1));
	take(SIGUSR1);
	block(SIG_UNBLOCK, SIGUSR1);
}

/* Once it is taken the vCPU sleeps again. */
static void taken_it_is_forgotten(struct guest *g)
{
	struct call c;

	block(SIG_BLOCK, SIGUSR1);	/* the thread inherits it */
	call_start(&c, g->vcpu[0], KVM_RUN, NULL);
	usleep(20000);
	assert_false(c.done);
	pthread_kill(c.thread, SIGUSR1);
	assert_int_equal(call_join(&c), -EINTR);
	block(SIG_UNBLOCK, SIGUSR1);
}

static volatile u64 usr1_sent_at;
static volatile bool run_has_ended;

/* A signal that comes before KVM_RUN has begun does not count. */
static void *usr2_then_usr1(void *target)
{
	usleep(10000);
	pthread_kill(*(pthread_t *)target, SIGUSR2);
	usleep(20000);
	usr1_sent_at = now_ns();
	while (!run_has_ended) {
		pthread_kill(*(pthread_t *)target, SIGUSR1);
		usleep(2000);
	}
	return NULL;
}

static volatile int handled_usr2;

IN_SIGNAL_HANDLER static void on_usr2(int sig)
{
	if (anykvm_signal_is_masked(sig))
		return;
	handled_usr2++;
	anykvm_signalled(sig);
}

/* The vCPU blocks USR2, the thread does not: it comes after the run. */
static void closed_in_the_run_only(struct guest *g)
{
	pthread_t self = pthread_self(), sender;

	handle(SIGUSR1, 0);
	set_handler(SIGUSR2, on_usr2, 0);
	assert_ok(set_vcpu_mask(g, 1ull << (SIGUSR2 - 1), 8));
	run_has_ended = false;
	assert_int_equal(pthread_create(&sender, NULL, usr2_then_usr1, &self), 0);
	assert_int_equal(guest_run(g, 0), -EINTR);
	run_has_ended = true;
	assert_true(now_ns() >= usr1_sent_at && usr1_sent_at);
	pthread_join(sender, NULL);
	assert_int_equal(handled_usr2, 1);
	assert_true(handled > 0);
}

static void the_vcpus_signal_mask_holds_in_the_run_only(void **state)
{
	struct guest g;

	sleeper(&g);
	length_is_eight(&g);
	handle(SIGUSR1, 0);
	open_in_the_run_only(&g);
	taken_it_is_forgotten(&g);
	assert_int_equal(handled, 0);
	/* The default action does not happen either. */
	signal(SIGUSR1, SIG_DFL);
	open_in_the_run_only(&g);
	closed_in_the_run_only(&g);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SIGNAL_MASK, NULL));
	ends_with_eintr(&g, 0, 0);
	guest_destroy(&g);
}

/* -- 25 ------------------------------------------------------------------------ */

static void other_ioctls_wait(struct guest *g)
{
	struct kvm_regs regs = { .rip = 0x1234 };
	struct runner r;
	struct call c;

	runner_start(&r, g, 0);
	usleep(10000);
	call_start(&c, g->vcpu[0], KVM_GET_REGS, &regs);
	usleep(10000);
	for (int i = 0; i < 5; i++) {
		pthread_kill(c.thread, SIGUSR1);
		usleep(1000);
	}
	assert_false(c.done);
	assert_false(r.done);
	assert_int_equal(runner_stop(&r), -EINTR);
	assert_int_equal(call_join(&c), 0);
	assert_int_not_equal(regs.rip, 0x1234);
}

static void threads_take_turns(struct guest *g)
{
	for (int i = 0; i < 20; i++) {
		struct runner r;

		runner_start(&r, g, 0);
		usleep(1000);
		assert_int_equal(runner_stop(&r), -EINTR);
		assert_int_equal(g->run[0]->exit_reason, KVM_EXIT_INTR);
		g->run[0]->immediate_exit = 1;
		assert_int_equal(guest_run(g, 0), -EINTR);
		g->run[0]->immediate_exit = 0;
	}
}

static void vcpu_ioctls_wait_for_the_run(void **state)
{
	struct guest g;
	u64 before;

	sleeper(&g);
	other_ioctls_wait(&g);
	threads_take_turns(&g);
	guest_destroy(&g);
	needs_guest();
	spinner(&g);
	other_ioctls_wait(&g);
	before = *guest_word(&g, 0x40000);
	threads_take_turns(&g);
	assert_true(*guest_word(&g, 0x40000) > before);
	guest_destroy(&g);
}
