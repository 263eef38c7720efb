/* SPDX-License-Identifier: MIT */
/* Guarded access: every kind of bad memory is -EFAULT, again and again. */
#include "kvm_api.h"

#include <pthread.h>
#include <sys/wait.h>

#include "util/guard.h"

/* cmocka takes these signals for itself in every test. */
static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	if (!guard_fault(sig, info, ucontext))
		signal(sig, SIG_DFL);
}

static void take_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static void copies(void **state)
{
	char a[64] = "hello", b[64] = "";

	assert_int_equal(copy_from_user(b, a, sizeof(a)), 0);
	assert_string_equal(b, "hello");
	assert_int_equal(copy_to_user(a, "bye", 4), 0);
	assert_string_equal(a, "bye");
}

static void unmapped_is_efault(void **state)
{
	char buf[8];

	take_faults();
	/* More than once: the signal must not stay blocked. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(copy_from_user(buf, NULL, 8), -EFAULT);
		assert_int_equal(copy_to_user(NO_POINTER, buf, 8), -EFAULT);
		/* Not canonical: SI_KERNEL, without an address. */
		assert_int_equal(copy_from_user(buf, 1ul << 63, 8), -EFAULT);
	}
}

/* As in the kernel, without touching it: no handler is installed here. */
static void kernel_addresses_are_efault(void **state)
{
	static const uint64_t bad[] = { USER_SPACE_END - 63, 1ul << 63, -64ul, -1ul };
	char buf[64] = "";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(copy_from_user(buf, bad[i], 64), -EFAULT);
		assert_int_equal(copy_to_user(bad[i], buf, 64), -EFAULT);
		assert_int_equal(copy_to_user(bad[i], buf, 0), 0);
	}
}

static void tail_in_missing_page(void **state)
{
	char *p = guest_ram(2 * PG), buf[16];

	take_faults();
	munmap(p + PG, PG);
	assert_int_equal(copy_from_user(buf, p + PG - 8, 8), 0);
	assert_int_equal(copy_from_user(buf, p + PG - 8, 16), -EFAULT);
	munmap(p, PG);
}

static void read_only_refuses_writes(void **state)
{
	char *p = guest_ram(PG), buf[8] = "";

	take_faults();
	mprotect(p, PG, PROT_READ);
	assert_int_equal(copy_from_user(buf, p, 8), 0);
	assert_int_equal(copy_to_user(p, buf, 8), -EFAULT);
	munmap(p, PG);
}

static void truncated_file_is_efault(void **state)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	char buf[8], *p;

	take_faults();
	assert_ok(ftruncate(fd, PG));
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0);
	assert_int_equal(copy_from_user(buf, p, 8), 0);
	assert_ok(ftruncate(fd, 0));
	assert_int_equal(copy_from_user(buf, p, 8), -EFAULT);	/* SIGBUS */
	munmap(p, PG);
	close(fd);
}

static void nested_guards_unwind_one_level(void **state)
{
	struct guard g;
	char buf[8];
	volatile bool after = false;

	take_faults();
	if (guard_enter(&g) == 0) {
		assert_int_equal(copy_from_user(buf, NULL, 8), -EFAULT);
		after = true;
		*(volatile int *)NULL = 1;
		fail();
	}
	assert_true(after);
	assert_int_equal(copy_from_user(buf, NULL, 8), -EFAULT);
}

static void mask_is_restored(void **state)
{
	sigset_t before, after;
	char buf[8];

	take_faults();
	sigprocmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(copy_from_user(buf, NULL, 8), -EFAULT);
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < 65; sig++)
		assert_int_equal(sigismember(&before, sig), sigismember(&after, sig));
}

static void *faults_with_all_blocked(void *arg)
{
	char buf[8];

	guard_prepare_thread();
	return (void *)(long)copy_from_user(buf, NULL, 8);
}

static void thread_that_blocks_everything(void **state)
{
	sigset_t all, old;
	pthread_t t;
	void *ret;

	take_faults();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	assert_int_equal(pthread_create(&t, NULL, faults_with_all_blocked, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_join(t, &ret);
	assert_int_equal((long)ret, -EFAULT);
}

/* A child that crashes outside any guard dies of it, not silently. */
static int status_of_child(void (*crash)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		crash();
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void crash_unguarded(void)
{
	signal(SIGSEGV, SIG_DFL);
	guard_install_handlers();
	*(volatile int *)NULL = 1;
}

static void raise_segv(void)
{
	struct guard g;

	signal(SIGSEGV, SIG_DFL);
	guard_install_handlers();
	/* Sent, not caused by an access: the guard must not swallow it. */
	if (guard_enter(&g) == 0)
		raise(SIGSEGV);
}

static void unguarded_faults_still_kill(void **state)
{
	int status = status_of_child(crash_unguarded);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = status_of_child(raise_segv);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static sigjmp_buf program_env;

static void program_handler(int sig)
{
	siglongjmp(program_env, 1);
}

static void fault_in_program_then_guard(void)
{
	char buf[8];

	signal(SIGSEGV, program_handler);
	guard_install_handlers();
	for (int i = 0; i < 2; i++) {
		if (copy_from_user(buf, NULL, 8) != -EFAULT)
			_exit(2);
		if (sigsetjmp(program_env, 1) == 0) {
			*(volatile int *)NULL = 1;
			_exit(3);
		}
	}
	_exit(0);
}

static void chains_to_the_program(void **state)
{
	assert_int_equal(status_of_child(fault_in_program_then_guard), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies),
		cmocka_unit_test(unmapped_is_efault),
		cmocka_unit_test(kernel_addresses_are_efault),
		cmocka_unit_test(tail_in_missing_page),
		cmocka_unit_test(read_only_refuses_writes),
		cmocka_unit_test(truncated_file_is_efault),
		cmocka_unit_test(nested_guards_unwind_one_level),
		cmocka_unit_test(mask_is_restored),
		cmocka_unit_test(thread_that_blocks_everything),
		cmocka_unit_test(unguarded_faults_still_kill),
		cmocka_unit_test(chains_to_the_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
