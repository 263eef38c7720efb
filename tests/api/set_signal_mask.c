/* SPDX-License-Identifier: MIT */
/* KVM_SET_SIGNAL_MASK (api.rst 4.21). */
#include "fake_arch.h"
#include "kvm_api.h"

#include <pthread.h>
#include <signal.h>

static int vm, vcpu;
static struct kvm_run *run;

static int guest_halts(struct vcpu *v, bool immediate_exit)
{
	vcpu_enter_guest(v);
	for (;;) {
		vcpu_block(v);
		if (vcpu_take_requests(v, REQ_SIGNAL)) {
			vcpu_leave_guest(v);
			return -EINTR;
		}
	}
}

static int setup(void **state)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	vm = new_vm();
	vcpu = new_vcpu(vm, 0);
	run = map_run(vcpu);
	fake_guest = guest_halts;
	return 0;
}

static int teardown(void **state)
{
	munmap(run, 3 * PG);
	close(vcpu);
	close(vm);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	return 0;
}

static int set_mask(uint64_t mask, uint32_t len)
{
	struct {
		struct kvm_signal_mask head;
		uint8_t sigset[8];
	} m = { .head.len = len };

	memcpy(m.sigset, &mask, 8);
	return kvm_ioctl(vcpu, KVM_SET_SIGNAL_MASK, &m);
}

#define OPEN_ONLY(sig)	(~(1ull << ((sig) - 1)))

static void rejects(void **state)
{
	own_faults();
	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_SET_SIGNAL_MASK, NO_POINTER));
	assert_errno(EINVAL, set_mask(0, 0));
	assert_errno(EINVAL, set_mask(0, sizeof(sigset_t)));
	assert_ok(set_mask(0, 8));
	assert_ok(kvm_ioctl(vcpu, KVM_SET_SIGNAL_MASK, NULL));
}

static bool is_pending(int sig)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, sig);
}

static void consume(int sig)
{
	const struct timespec none = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	assert_int_equal(sigtimedwait(&set, NULL, &none), sig);
}

static void assert_blocked(int sig)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	assert_true(sigismember(&set, sig));
}

static volatile int handled;

/* What a wrapper of the program's handlers does. */
IN_SIGNAL_HANDLER static void wrapped_handler(int sig)
{
	if (anykvm_signal_is_masked(sig))
		return;
	handled++;
	anykvm_signalled(sig);
}

static void *kick_later(void *target)
{
	usleep(10000);
	pthread_kill(*(pthread_t *)target, SIGUSR1);
	return NULL;
}

/* Ends the run, stays pending, handler not run, mask restored. */
static void run_and_check(void)
{
	pthread_t self = pthread_self(), kicker;

	handled = 0;
	run->exit_reason = KVM_EXIT_MMIO;
	assert_ok(set_mask(OPEN_ONLY(SIGUSR1), 8));
	alarm(20);
	pthread_create(&kicker, NULL, kick_later, &self);
	assert_errno(EINTR, kvm_ioctl_val(vcpu, KVM_RUN, 0));
	pthread_join(kicker, NULL);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTR);
	assert_true(is_pending(SIGUSR1));
	assert_blocked(SIGUSR1);
	/* It is pending, so it ends every following run at once. */
	assert_errno(EINTR, kvm_ioctl_val(vcpu, KVM_RUN, 0));
	assert_errno(EINTR, kvm_ioctl_val(vcpu, KVM_RUN, 0));
	alarm(0);
	consume(SIGUSR1);
	assert_false(is_pending(SIGUSR1));
	assert_int_equal(handled, 0);
}

static void with_a_handler(void **state)
{
	set_handler(SIGUSR1, wrapped_handler, SA_RESTART);
	run_and_check();
}

/* The default action, death, must not happen. */
static void without_a_handler(void **state)
{
	run_and_check();
}

/* Blocked by both masks: no effect. */
static void *kick_in_turn(void *target)
{
	usleep(10000);
	pthread_kill(*(pthread_t *)target, SIGUSR2);
	usleep(20000);
	pthread_kill(*(pthread_t *)target, SIGUSR1);
	return NULL;
}

static void masked_in_both(void **state)
{
	pthread_t self = pthread_self(), kicker;

	set_handler(SIGUSR1, wrapped_handler, SA_RESTART);
	set_handler(SIGUSR2, wrapped_handler, SA_RESTART);
	assert_ok(set_mask(OPEN_ONLY(SIGUSR1), 8));
	alarm(20);
	pthread_create(&kicker, NULL, kick_in_turn, &self);
	assert_errno(EINTR, kvm_ioctl_val(vcpu, KVM_RUN, 0));
	alarm(0);
	pthread_join(kicker, NULL);
	assert_true(is_pending(SIGUSR1));
	assert_true(is_pending(SIGUSR2));
	consume(SIGUSR1);
	consume(SIGUSR2);
}

static volatile bool run_has_ended;

/* One that comes before KVM_RUN has begun does not count. */
static void *kick_until_it_ends(void *target)
{
	while (!run_has_ended) {
		usleep(10000);
		pthread_kill(*(pthread_t *)target, SIGUSR1);
	}
	return NULL;
}

static void disabled_by_null(void **state)
{
	pthread_t self = pthread_self(), kicker;
	sigset_t set;

	assert_ok(set_mask(OPEN_ONLY(SIGUSR1), 8));
	assert_ok(kvm_ioctl(vcpu, KVM_SET_SIGNAL_MASK, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	handled = 0;
	set_handler(SIGUSR1, wrapped_handler, SA_RESTART);
	run_has_ended = false;
	alarm(20);
	pthread_create(&kicker, NULL, kick_until_it_ends, &self);
	assert_errno(EINTR, kvm_ioctl_val(vcpu, KVM_RUN, 0));
	run_has_ended = true;
	alarm(0);
	pthread_join(kicker, NULL);
	assert_true(handled > 0);
	assert_false(is_pending(SIGUSR1));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rejects),
		T(with_a_handler),
		T(without_a_handler),
		T(masked_in_both),
		T(disabled_by_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
