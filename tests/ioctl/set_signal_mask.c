/* SPDX-License-Identifier: MIT */
/* KVM_SET_SIGNAL_MASK (api.rst 4.21). */
#include <signal.h>

#include "run/guest.h"
#include "vcpu_test.h"

#define KERNEL_LEN	8	/* of a signal set in the kernel, not in libc */

struct mask {
	struct kvm_signal_mask head;
	uint64_t set;
} __attribute__((packed));

static int set_mask(int vcpu, uint64_t set)
{
	struct mask m = { .head.len = KERNEL_LEN, .set = set };

	return kvm_ioctl(vcpu, KVM_SET_SIGNAL_MASK, &m);
}

static void length_is_the_kernels(void **state)
{
	static const uint32_t wrong[] = { 0, 4, 7, 9, 16, sizeof(sigset_t), ~0u };
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		/* Nothing is read behind a wrong length. */
		uint32_t *arg = at_page_end(sizeof(*arg));

		*arg = wrong[i];
		refused(EINVAL, m.vcpu, KVM_SET_SIGNAL_MASK, arg);
	}
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct mask *arg;

	refused(EFAULT, m.vcpu, KVM_SET_SIGNAL_MASK, NO_POINTER);
	refused(EFAULT, m.vcpu, KVM_SET_SIGNAL_MASK, at_page_end(3));
	arg = at_page_end(sizeof(*arg) - 1);
	arg->head.len = KERNEL_LEN;
	refused(EFAULT, m.vcpu, KVM_SET_SIGNAL_MASK, arg);
	arg = at_page_end(sizeof(*arg));
	arg->head.len = KERNEL_LEN;
	must(m.vcpu, KVM_SET_SIGNAL_MASK, arg);
	machine_free(m);
}

static void null_takes_it_away(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	assert_ok(kvm_ioctl(m.vcpu, KVM_SET_SIGNAL_MASK, NULL));
	assert_ok(set_mask(m.vcpu, ~0ull));	/* SIGKILL and SIGSTOP are dropped from it */
	assert_ok(kvm_ioctl(m.vcpu, KVM_SET_SIGNAL_MASK, NULL));
	assert_ok(kvm_ioctl(m.vcpu, KVM_SET_SIGNAL_MASK, NULL));
	machine_free(m);
}

/* -- In KVM_RUN --------------------------------------------------------------- */

static sigset_t only(int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	return s;
}

static void guest_that_halts(struct guest *g)
{
	guest_create(g, GUEST_PLAIN, 1);
	g->mem[GUEST_CODE] = 0xf4;	/* hlt */
	guest_long(g, 0, GUEST_CODE);
}

/* The signal ends the run and is not consumed; every run ends until it is. */
static void an_open_signal_ends_the_run_and_stays(void **state)
{
	const struct timespec now = { 0 };
	sigset_t usr2 = only(SIGUSR2), pending;
	struct guest g;

	needs_guest();
	guest_that_halts(&g);
	signal(SIGUSR2, SIG_DFL);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	raise(SIGUSR2);
	assert_ok(set_mask(g.vcpu[0], 0));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(guest_run(&g, 0), -EINTR);
		assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_INTR);
		sigpending(&pending);
		assert_true(sigismember(&pending, SIGUSR2));
	}
	assert_int_equal(sigtimedwait(&usr2, NULL, &now), SIGUSR2);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	sigprocmask(SIG_UNBLOCK, &usr2, NULL);
	guest_destroy(&g);
}

static void a_signal_blocked_in_the_mask_waits(void **state)
{
	const struct timespec now = { 0 };
	sigset_t usr2 = only(SIGUSR2);
	struct guest g;

	needs_guest();
	guest_that_halts(&g);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	raise(SIGUSR2);
	assert_ok(set_mask(g.vcpu[0], 1ull << (SIGUSR2 - 1)));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(sigtimedwait(&usr2, NULL, &now), SIGUSR2);
	sigprocmask(SIG_UNBLOCK, &usr2, NULL);
	guest_destroy(&g);
}

static void without_a_mask_the_threads_counts(void **state)
{
	const struct timespec now = { 0 };
	sigset_t usr2 = only(SIGUSR2);
	struct guest g;

	needs_guest();
	guest_that_halts(&g);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	raise(SIGUSR2);
	assert_ok(set_mask(g.vcpu[0], 0));
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SIGNAL_MASK, NULL));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(sigtimedwait(&usr2, NULL, &now), SIGUSR2);
	sigprocmask(SIG_UNBLOCK, &usr2, NULL);
	guest_destroy(&g);
}

static void the_threads_own_mask_is_restored(void **state)
{
	sigset_t before, after;
	struct guest g;

	needs_guest();
	guest_that_halts(&g);
	sigprocmask(SIG_SETMASK, NULL, &before);
	assert_ok(set_mask(g.vcpu[0], 1ull << (SIGUSR1 - 1) | 1ull << (SIGALRM - 1)));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGALRM), sigismember(&before, SIGALRM));
	assert_int_equal(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
	guest_destroy(&g);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_SIGNAL_MASK);
}

IOCTL_TESTS(set_signal_mask,
	    cmocka_unit_test(length_is_the_kernels),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(null_takes_it_away),
	    cmocka_unit_test(an_open_signal_ends_the_run_and_stays),
	    cmocka_unit_test(a_signal_blocked_in_the_mask_waits),
	    cmocka_unit_test(without_a_mask_the_threads_counts),
	    cmocka_unit_test(the_threads_own_mask_is_restored),
	    cmocka_unit_test(scope))
