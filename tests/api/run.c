/* SPDX-License-Identifier: MIT */
/* KVM_RUN's own protocol (api.rst 4.10, 5): arguments, exits, signals, kicks. */
#include "fake_arch.h"
#include "kvm_api.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static int vm, vcpu;
static struct kvm_run *run;

static int setup(void **state)
{
	vm = new_vm();
	vcpu = new_vcpu(vm, 0);
	run = map_run(vcpu);
	return 0;
}

static int teardown(void **state)
{
	munmap(run, 3 * PG);
	close(vcpu);
	close(vm);
	return 0;
}

static void sleep_ms(int ms)
{
	usleep(ms * 1000);
}

/* -- Guests --------------------------------------------------------------------- */

static int guest_exits(struct vcpu *v, bool immediate_exit)
{
	if (immediate_exit)
		return -EINTR;
	v->run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

/* HLT with the in-kernel LAPIC: sleeps until told otherwise. */
static int guest_halts(struct vcpu *v, bool immediate_exit)
{
	vcpu_enter_guest(v);
	for (;;) {
		vcpu_block(v);
		if (vcpu_take_requests(v, REQ_SYNC))
			vcpu_ack_sync(v);
		if (vcpu_take_requests(v, REQ_SIGNAL)) {
			vcpu_leave_guest(v);
			return -EINTR;
		}
		if (vcpu_take_requests(v, REQ_UNHALT)) {
			vcpu_leave_guest(v);
			v->run->exit_reason = KVM_EXIT_HLT;
			return 0;
		}
	}
}

/* A loop that polls its requests. */
static int guest_spins(struct vcpu *v, bool immediate_exit)
{
	u32 posted;

	vcpu_enter_guest(v);
	while (!(posted = vcpu_take_requests(v, ~0u)))
		;
	vcpu_leave_guest(v);
	v->run->exit_reason = KVM_EXIT_HLT;
	return posted & REQ_SIGNAL ? -EINTR : 0;
}

/* -- Tests ---------------------------------------------------------------------- */

static void argument_must_be_zero(void **state)
{
	fake_guest = guest_exits;
	assert_errno(EINVAL, kvm_ioctl_val(vcpu, KVM_RUN, 1));
	assert_errno(EINVAL, kvm_ioctl(vcpu, KVM_RUN, run));
	assert_ok(kvm_ioctl_val(vcpu, KVM_RUN, 0));
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
}

static void immediate_exit_keeps_exit_reason(void **state)
{
	fake_guest = guest_exits;
	run->immediate_exit = 1;
	run->exit_reason = 123;
	assert_errno(EINTR, kvm_ioctl_val(vcpu, KVM_RUN, 0));
	assert_int_equal(run->exit_reason, 123);
	assert_int_equal(run->immediate_exit, 1);
	run->immediate_exit = 0;
}

static volatile int handled;

IN_SIGNAL_HANDLER static void on_signal(int sig)
{
	handled++;
	anykvm_signalled(sig);
}

static void handle(int sig, int flags)
{
	handled = 0;
	set_handler(sig, on_signal, flags);
}

static void *kick_later(void *target)
{
	sleep_ms(20);
	pthread_kill(*(pthread_t *)target, SIGUSR1);
	return NULL;
}

static void run_until_kicked(int sa_flags)
{
	pthread_t self = pthread_self(), kicker;

	handle(SIGUSR1, sa_flags);
	run->exit_reason = KVM_EXIT_IO;
	pthread_create(&kicker, NULL, kick_later, &self);
	assert_errno(EINTR, kvm_ioctl_val(vcpu, KVM_RUN, 0));
	pthread_join(kicker, NULL);
	assert_int_equal(handled, 1);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTR);
}

static void signal_ends_a_halt(void **state)
{
	fake_guest = guest_halts;
	run_until_kicked(0);
	run_until_kicked(SA_RESTART);
}

static void signal_ends_a_loop(void **state)
{
	fake_guest = guest_spins;
	run_until_kicked(0);
	run_until_kicked(SA_RESTART);
}

/* In the kernel a handler that ran before KVM_RUN has no effect on it. */
static void earlier_signal_does_not_count(void **state)
{
	handle(SIGUSR1, 0);
	raise(SIGUSR1);
	fake_guest = guest_exits;
	assert_ok(kvm_ioctl_val(vcpu, KVM_RUN, 0));
}

static int guest_raises_then_exits(struct vcpu *v, bool immediate_exit)
{
	raise(SIGUSR1);
	return guest_exits(v, immediate_exit);
}

static void signal_after_the_exit_is_not_kept(void **state)
{
	handle(SIGUSR1, 0);
	fake_guest = guest_raises_then_exits;
	assert_ok(kvm_ioctl_val(vcpu, KVM_RUN, 0));
	fake_guest = guest_spins;
	run_until_kicked(0);	/* by the signal of now, not by the earlier one */
}

static int guest_handles_and_asks(struct vcpu *v, bool immediate_exit)
{
	struct kvm_regs regs;

	/* As a handler on top of KVM_RUN would. */
	assert_errno(EBUSY, kvm_ioctl(vcpu, KVM_GET_REGS, &regs));
	return guest_exits(v, immediate_exit);
}

static void handler_on_top_does_not_hang(void **state)
{
	fake_guest = guest_handles_and_asks;
	assert_ok(kvm_ioctl_val(vcpu, KVM_RUN, 0));
}

static void *run_thread(void *unused)
{
	return (void *)(long)kvm_ioctl_val(vcpu, KVM_RUN, 0);
}

static void *get_regs_thread(void *done)
{
	struct kvm_regs regs;

	kvm_ioctl(vcpu, KVM_GET_REGS, &regs);
	__atomic_store_n((int *)done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void other_ioctls_wait_for_the_run(void **state)
{
	pthread_t runner, reader;
	int done = 0;

	fake_guest = guest_halts;
	pthread_create(&runner, NULL, run_thread, NULL);
	while (!__atomic_load_n(&fake_vm->vcpus[0]->sleeping, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	pthread_create(&reader, NULL, get_regs_thread, &done);
	sleep_ms(10);
	assert_int_equal(__atomic_load_n(&done, __ATOMIC_ACQUIRE), 0);
	vcpu_request(fake_vm->vcpus[0], REQ_UNHALT);
	pthread_join(runner, NULL);
	pthread_join(reader, NULL);
	assert_int_equal(done, 1);
}

static void request_wakes_without_signal(void **state)
{
	pthread_t runner;

	fake_guest = guest_halts;
	for (int i = 0; i < 100; i++) {
		void *ret;

		pthread_create(&runner, NULL, run_thread, NULL);
		/* Sometimes before it sleeps, sometimes after. */
		if (i & 1)
			usleep(300);
		vcpu_request(fake_vm->vcpus[0], REQ_UNHALT);
		pthread_join(runner, &ret);
		assert_null(ret);
	}
}

/* Kicks at every point of going to sleep, each waited for: none is lost. */
static void *kick_until_handled(void *target)
{
	for (int n = 1; n <= 200; n++) {
		/* The runner is in KVM_RUN, on its way to sleep or asleep. */
		while (!READ_ONCE(fake_vm->vcpus[0]->in_guest) &&
		       !READ_ONCE(fake_vm->vcpus[0]->sleeping))
			;
		for (volatile int spin = n * 20; spin; spin--)
			;
		pthread_kill(*(pthread_t *)target, SIGUSR1);
		while (READ_ONCE(handled) < n)
			;
		/* It must leave because of this kick: there is no other. */
		while (READ_ONCE(run->s.regs.regs.rax) < (u64)n)
			;
	}
	return NULL;
}

static void no_kick_is_lost(void **state)
{
	pthread_t self = pthread_self(), kicker;

	handle(SIGUSR1, 0);
	fake_guest = guest_halts;
	run->s.regs.regs.rax = 0;
	alarm(10);		/* ends a hang */
	pthread_create(&kicker, NULL, kick_until_handled, &self);
	for (int n = 1; n <= 200; n++) {
		assert_errno(EINTR, kvm_ioctl_val(vcpu, KVM_RUN, 0));
		WRITE_ONCE(run->s.regs.regs.rax, n);
	}
	pthread_join(kicker, NULL);
	alarm(0);
}

static void *run_cancellable(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	kvm_ioctl_val(vcpu, KVM_RUN, 0);
	return NULL;
}

/* Neither slots nor the vCPU may wait for a thread that is no more. */
static void cancelled_thread_leaves_the_guest(void **state)
{
	int (*guests[])(struct vcpu *, bool) = { guest_halts, guest_spins };
	struct kvm_regs regs;
	u8 *mem = guest_ram(PG);

	for (u32 i = 0; i < 2; i++) {
		pthread_t thread;
		void *result;

		fake_guest = guests[i];
		pthread_create(&thread, NULL, run_cancellable, NULL);
		sleep_ms(20);
		assert_int_equal(pthread_cancel(thread), 0);
		pthread_join(thread, &result);
		assert_ptr_equal(result, PTHREAD_CANCELED);
		assert_ok(set_region(vm, 0, 0, 0, PG, mem));
		assert_ok(set_region(vm, 0, 0, 0, 0, mem));
		kvm_ioctl(vcpu, KVM_GET_REGS, &regs);
	}
}

static int guest_enters(struct vcpu *v, bool immediate_exit)
{
	vcpu_enter_guest(v);
	vcpu_leave_guest(v);
	v->run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

/* A thread that waits while another vCPU is alone gives its turn on when it ends. */
static void cancelled_thread_gives_its_turn_on(void **state)
{
	int other = new_vcpu(vm, 1);
	struct vcpu *alone = fake_vm->vcpus[1];
	pthread_t thread;

	fake_guest = guest_enters;
	vcpu_enter_guest(alone);
	assert_true(vcpu_alone_begin(alone));
	pthread_create(&thread, NULL, run_cancellable, NULL);
	while (__atomic_load_n(&fake_vm->turn_next, __ATOMIC_SEQ_CST) < 2)
		usleep(100);
	assert_int_equal(pthread_cancel(thread), 0);
	sleep_ms(5);
	vcpu_alone_end(alone);
	pthread_join(thread, NULL);
	alarm(20);
	assert_true(vcpu_alone_begin(alone));
	vcpu_alone_end(alone);
	alarm(0);
	vcpu_leave_guest(alone);
	close(other);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(argument_must_be_zero),
		T(immediate_exit_keeps_exit_reason),
		T(signal_ends_a_halt),
		T(signal_ends_a_loop),
		T(earlier_signal_does_not_count),
		T(signal_after_the_exit_is_not_kept),
		T(handler_on_top_does_not_hang),
		T(other_ioctls_wait_for_the_run),
		T(request_wakes_without_signal),
		T(cancelled_thread_leaves_the_guest),
		T(cancelled_thread_gives_its_turn_on),
		T(no_kick_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
