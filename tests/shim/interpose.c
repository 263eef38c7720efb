/* SPDX-License-Identifier: MIT */
/*
 * The preload object, seen by a program that runs under it with the fake
 * engine: what open, stat, dup and sigaction do for the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake.h"

#define NO_ANSWER	(-1)

static int kvm;

static int counter(enum fake_counter which)
{
	return ioctl(kvm, FAKE_COUNT, which);
}

static void assert_is_kvm(int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, KVM_GET_API_VERSION, 0), KVM_API_VERSION);
	close(fd);
}

/* -- Paths --------------------------------------------------------------- */

static void every_open_reaches_the_engine(void **state)
{
	int dev = open("/dev", O_RDONLY | O_DIRECTORY);

	assert_is_kvm(open("/dev/kvm", O_RDWR));
	assert_is_kvm(open64("/dev/kvm", O_RDWR));
	assert_is_kvm(openat(AT_FDCWD, "/dev/kvm", O_RDWR));
	assert_is_kvm(openat64(AT_FDCWD, "/dev/kvm", O_RDWR));
	assert_is_kvm(openat(dev, "kvm", O_RDWR));
	assert_is_kvm(openat(dev, "/dev/kvm", O_RDWR));
	assert_is_kvm(creat("/dev/kvm", 0600));
	assert_is_kvm(open("/dev/kvm", O_WRONLY | O_CREAT | O_TRUNC, 0666));
	assert_is_kvm(open("//dev/./kvm", O_RDWR));
	assert_is_kvm(open("/tmp/../dev//kvm", O_RDWR));
	close(dev);
}

static void other_names_do_not(void **state)
{
	int root = open("/", O_RDONLY | O_DIRECTORY);

	assert_int_equal(openat(root, "kvm", O_RDONLY), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(open("/dev/kvm.no", O_RDONLY), -1);
	assert_int_equal(open("/no/dev/kvm", O_RDONLY), -1);
	assert_int_equal(open("/dev/notkvm", O_RDONLY), -1);
	close(root);
}

static void relative_to_the_working_directory(void **state)
{
	int here = open(".", O_RDONLY | O_DIRECTORY);

	assert_int_equal(chdir("/dev"), 0);
	assert_is_kvm(open("kvm", O_RDWR));
	assert_is_kvm(open("./kvm", O_RDWR));
	assert_int_equal(fchdir(here), 0);
	close(here);
}

static void open_flags_are_honoured(void **state)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	fd = open("/dev/kvm", O_RDWR);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(fd);
	assert_int_equal(open("/dev/kvm", O_RDWR | O_CREAT | O_EXCL, 0600), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(open("/dev/kvm", O_RDONLY | O_DIRECTORY), -1);
	assert_int_equal(errno, ENOTDIR);
}

static void fopen_reaches_the_engine(void **state)
{
	FILE *file = fopen("/dev/kvm", "r+e");

	assert_non_null(file);
	assert_int_equal(ioctl(fileno(file), KVM_GET_API_VERSION, 0),
			 KVM_API_VERSION);
	assert_int_equal(fcntl(fileno(file), F_GETFD), FD_CLOEXEC);
	fclose(file);
}

static void access_says_read_and_write(void **state)
{
	assert_int_equal(access("/dev/kvm", F_OK), 0);
	assert_int_equal(access("/dev/kvm", R_OK | W_OK), 0);
	assert_int_equal(eaccess("/dev/kvm", R_OK | W_OK), 0);
	assert_int_equal(euidaccess("/dev/kvm", R_OK | W_OK), 0);
	assert_int_equal(faccessat(AT_FDCWD, "/dev/kvm", R_OK | W_OK,
				   AT_EACCESS), 0);
	assert_int_equal(access("/dev/kvm", X_OK), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(access("/dev/kvm", 0x100), -1);
	assert_int_equal(errno, EINVAL);
}

static void assert_kvm_stat(const struct stat *st)
{
	assert_int_equal(st->st_mode, S_IFCHR | 0660);
	assert_int_equal(st->st_rdev, makedev(10, 232));
	assert_int_equal(st->st_uid, 0);
	assert_int_equal(st->st_size, 0);
}

static void stat_shows_the_device(void **state)
{
	struct stat st;

	assert_int_equal(stat("/dev/kvm", &st), 0);
	assert_kvm_stat(&st);
	assert_int_equal(lstat("/dev/kvm", &st), 0);
	assert_kvm_stat(&st);
	assert_int_equal(fstatat(AT_FDCWD, "/dev/kvm", &st, 0), 0);
	assert_kvm_stat(&st);
	assert_int_equal(fstat(kvm, &st), 0);
	assert_kvm_stat(&st);
	assert_int_equal(fstatat(kvm, "", &st, AT_EMPTY_PATH), 0);
	assert_kvm_stat(&st);
}

static void statx_shows_the_device(void **state)
{
	struct statx stx;

	assert_int_equal(statx(AT_FDCWD, "/dev/kvm", 0, STATX_ALL, &stx), 0);
	assert_int_equal(stx.stx_mode, S_IFCHR | 0660);
	assert_int_equal(stx.stx_rdev_major, 10);
	assert_int_equal(stx.stx_rdev_minor, 232);
	assert_int_equal(statx(kvm, "", AT_EMPTY_PATH, STATX_ALL, &stx), 0);
	assert_int_equal(stx.stx_mode, S_IFCHR | 0660);
}

static void foreign_files_are_untouched(void **state)
{
	struct stat st;
	int fd = open("/dev/null", O_RDWR);

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	assert_int_equal(ioctl(fd, KVM_GET_API_VERSION, 0), -1);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ioctl(-1, KVM_GET_API_VERSION, 0), -1);
	assert_int_equal(errno, EBADF);
}

/* -- Descriptors --------------------------------------------------------- */

static void only_the_system_descriptor_is_a_device(void **state)
{
	struct stat st;
	int vm = ioctl(kvm, FAKE_VM, 0);

	assert_true(vm >= 0);
	assert_int_equal(fstat(vm, &st), 0);
	assert_false(S_ISCHR(st.st_mode));
	close(vm);
}

static void engine_hears_of_dup_and_close(void **state)
{
	int duped = counter(FAKE_DUPED), closed = counter(FAKE_CLOSED);
	int a = dup(kvm), b = fcntl(kvm, F_DUPFD_CLOEXEC, 100);

	assert_int_equal(dup2(kvm, 120), 120);
	assert_int_equal(dup3(kvm, 121, O_CLOEXEC), 121);
	assert_int_equal(counter(FAKE_DUPED), duped + 4);
	assert_int_equal(ioctl(120, KVM_GET_API_VERSION, 0), KVM_API_VERSION);
	assert_int_equal(fcntl(b, F_GETFD), FD_CLOEXEC);
	close(a);
	close(b);
	assert_int_equal(counter(FAKE_CLOSED), closed + 2);
	assert_int_equal(close_range(120, 121, 0), 0);
	assert_int_equal(counter(FAKE_CLOSED), closed + 4);
	assert_int_equal(ioctl(120, KVM_GET_API_VERSION, 0), -1);
	assert_int_equal(errno, EBADF);
}

static void failed_calls_are_not_told(void **state)
{
	int duped = counter(FAKE_DUPED);

	assert_int_equal(dup2(kvm, -1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(dup2(kvm, kvm), kvm);
	assert_int_equal(counter(FAKE_DUPED), duped);
}

static void a_vfork_child_leaves_no_trace(void **state)
{
	int duped = counter(FAKE_DUPED);
	pid_t pid = vfork();

	if (!pid) {
		dup2(kvm, 120);
		close(120);
		signal(SIGUSR1, SIG_DFL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	assert_int_equal(counter(FAKE_DUPED), duped);
}

static void mmap_goes_through_the_engine_once(void **state)
{
	int before = counter(FAKE_MMAPS);
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, kvm, 0);

	assert_true(page != MAP_FAILED);
	assert_int_equal(counter(FAKE_MMAPS), before + 1);
	assert_int_equal(counter(FAKE_REENTERED), 0);
	munmap(page, 4096);
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(page != MAP_FAILED);
	assert_int_equal(counter(FAKE_MMAPS), before + 1);
	munmap(page, 4096);
}

/* -- Signals ------------------------------------------------------------- */

static volatile int hits;
static volatile int *volatile nowhere = (int *)32;
static void *volatile fault_address;
static sigjmp_buf escape;

static void count_hit(int sig)
{
	hits++;
}

static void count_hit_info(int sig, siginfo_t *info, void *ucontext)
{
	hits++;
	fault_address = info->si_addr;
}

static void jump_out(int sig)
{
	siglongjmp(escape, 1);
}

static void set(int sig, void (*handler)(int), int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };

	assert_int_equal(sigaction(sig, &act, NULL), 0);
}

static void before_load_handlers_were_set(void **state)
{
	struct sigaction old;

	/* main() set this one before /dev/kvm was opened. */
	assert_int_equal(sigaction(SIGUSR2, NULL, &old), 0);
	assert_ptr_equal(old.sa_handler, count_hit);
	assert_int_equal(old.sa_flags & (SA_SIGINFO | SA_NODEFER), SA_NODEFER);
}

static void handlers_run_and_the_engine_hears(void **state)
{
	int told = counter(FAKE_SIGNALLED);

	hits = 0;
	raise(SIGUSR2);
	set(SIGUSR1, count_hit, 0);
	raise(SIGUSR1);
	assert_int_equal(hits, 2);
	assert_int_equal(counter(FAKE_SIGNALLED), told + 2);
}

static void oldact_is_the_programs_own(void **state)
{
	struct sigaction act = { .sa_flags = SA_SIGINFO | SA_RESTART }, old;

	act.sa_sigaction = count_hit_info;
	sigaddset(&act.sa_mask, SIGHUP);
	assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
	set(SIGUSR2, count_hit, SA_NODEFER);
	assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
	assert_ptr_equal(old.sa_sigaction, count_hit_info);
	assert_int_equal(old.sa_flags & (SA_SIGINFO | SA_RESTART | SA_NODEFER |
					 SA_RESETHAND), act.sa_flags);
	assert_int_equal(sigismember(&old.sa_mask, SIGHUP), 1);
	assert_int_equal(sigismember(&old.sa_mask, SIGINT), 0);
	signal(SIGSEGV, SIG_DFL);	/* cmocka has its own */
	assert_int_equal(sigaction(SIGSEGV, NULL, &old), 0);
	assert_ptr_equal(old.sa_handler, SIG_DFL);
	assert_ptr_equal(signal(SIGUSR1, SIG_DFL), count_hit_info);
	assert_ptr_equal(signal(SIGUSR1, SIG_IGN), SIG_DFL);
	assert_ptr_equal(signal(SIGUSR1, SIG_DFL), SIG_IGN);
}

static void bad_signals_are_refused(void **state)
{
	struct sigaction act = { .sa_handler = count_hit };

	assert_int_equal(sigaction(SIGKILL, &act, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sigaction(0, &act, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sigaction(NSIG + 1, &act, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sigaction(33, &act, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_true(signal(SIGUSR1, SIG_ERR) == SIG_ERR);
}

static void resethand_runs_once(void **state)
{
	struct sigaction old;
	pid_t pid;
	int status;

	set(SIGUSR1, count_hit, SA_RESETHAND);
	hits = 0;
	raise(SIGUSR1);
	assert_int_equal(hits, 1);
	assert_int_equal(sigaction(SIGUSR1, NULL, &old), 0);
	assert_ptr_equal(old.sa_handler, SIG_DFL);

	pid = fork();
	if (!pid) {
		set(SIGUSR1, count_hit, SA_RESETHAND);
		raise(SIGUSR1);
		raise(SIGUSR1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGUSR1);
}

static void own_faults_reach_the_program(void **state)
{
	struct sigaction act = { .sa_flags = SA_SIGINFO };
	int told = counter(FAKE_FAULTS);

	set(SIGSEGV, jump_out, 0);
	if (!sigsetjmp(escape, 1))
		*nowhere = 1;
	assert_int_equal(counter(FAKE_FAULTS), told);
	act.sa_sigaction = count_hit_info;
	assert_int_equal(sigaction(SIGSEGV, &act, NULL), 0);
	hits = 0;
	raise(SIGSEGV);
	assert_int_equal(hits, 1);
	signal(SIGSEGV, SIG_DFL);
}

static void engine_faults_do_not(void **state)
{
	int told = counter(FAKE_FAULTS);

	for (int i = 0; i < 3; i++)
		assert_int_equal(ioctl(kvm, FAKE_TOUCH, 0), 0);
	set(SIGSEGV, count_hit, SA_RESETHAND);
	hits = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(ioctl(kvm, FAKE_TOUCH, 0), 0);
	assert_int_equal(hits, 0);
	assert_int_equal(counter(FAKE_FAULTS), told + 6);
	signal(SIGSEGV, SIG_DFL);
	assert_int_equal(ioctl(kvm, FAKE_TOUCH, 0), 0);
}

static int death_of(void (*victim)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		victim();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : NO_ANSWER;
}

static void fault(void)
{
	*nowhere = 1;
}

static void send_segv(void)
{
	kill(getpid(), SIGSEGV);
}

static void fault_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	kill(getpid(), SIGSEGV);
	*nowhere = 1;
}

static void default_faults_kill(void **state)
{
	assert_int_equal(death_of(fault), SIGSEGV);
	assert_int_equal(death_of(send_segv), SIGSEGV);
	assert_int_equal(death_of(fault_ignored), SIGSEGV);
}

static sigset_t seen_mask;

static void see_mask(int sig)
{
	pthread_sigmask(SIG_SETMASK, NULL, &seen_mask);
}

static void the_mask_is_the_programs(void **state)
{
	struct sigaction act = { .sa_handler = see_mask };
	static const int signals[] = { SIGUSR1, SIGSEGV };

	sigaddset(&act.sa_mask, SIGHUP);
	for (int i = 0; i < 2; i++) {
		act.sa_flags = 0;
		sigaction(signals[i], &act, NULL);
		raise(signals[i]);
		assert_int_equal(sigismember(&seen_mask, SIGHUP), 1);
		assert_int_equal(sigismember(&seen_mask, signals[i]), 1);
		act.sa_flags = SA_NODEFER;
		sigaction(signals[i], &act, NULL);
		raise(signals[i]);
		assert_int_equal(sigismember(&seen_mask, signals[i]), 0);
		signal(signals[i], SIG_DFL);
		see_mask(0);
		assert_int_equal(sigismember(&seen_mask, SIGHUP), 0);
	}
}

static void a_signal_ends_the_run(void **state)
{
	set(SIGALRM, count_hit, SA_RESTART);
	hits = 0;
	alarm(1);
	assert_int_equal(ioctl(kvm, KVM_RUN, 0), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(hits, 1);
}

static void masked_signals_end_the_run_unseen(void **state)
{
	int masked = counter(FAKE_MASKED);

	set(SIGALRM, count_hit, 0);
	ioctl(kvm, FAKE_MASK, SIGALRM);
	hits = 0;
	alarm(1);
	assert_int_equal(ioctl(kvm, KVM_RUN, 0), -1);
	assert_int_equal(hits, 0);
	assert_int_equal(counter(FAKE_MASKED), masked + 1);
	ioctl(kvm, FAKE_MASK, 0);
}

/* Without a handler, a masked signal must not kill. */
static void signal_mask_covers_defaults(void **state)
{
	char room[sizeof(struct kvm_signal_mask) + 8];
	struct kvm_signal_mask *mask = (void *)room;
	int masked = counter(FAKE_MASKED);
	struct sigaction old;
	sigset_t set, saved;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
	pthread_sigmask(SIG_BLOCK, &set, &saved);
	mask->len = 8;
	memset(mask->sigset, 0, 8);
	assert_int_equal(ioctl(kvm, KVM_SET_SIGNAL_MASK, mask), 0);
	assert_int_equal(sigaction(SIGUSR1, NULL, &old), 0);
	assert_ptr_equal(old.sa_handler, SIG_DFL);
	ioctl(kvm, FAKE_MASK, SIGUSR1);
	raise(SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	assert_int_equal(counter(FAKE_MASKED), masked + 1);
	ioctl(kvm, FAKE_MASK, 0);
}

static int open_kvm(void **state)
{
	set(SIGUSR2, count_hit, SA_NODEFER);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return kvm < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_load_handlers_were_set),
		cmocka_unit_test(every_open_reaches_the_engine),
		cmocka_unit_test(other_names_do_not),
		cmocka_unit_test(relative_to_the_working_directory),
		cmocka_unit_test(open_flags_are_honoured),
		cmocka_unit_test(fopen_reaches_the_engine),
		cmocka_unit_test(access_says_read_and_write),
		cmocka_unit_test(stat_shows_the_device),
		cmocka_unit_test(statx_shows_the_device),
		cmocka_unit_test(foreign_files_are_untouched),
		cmocka_unit_test(only_the_system_descriptor_is_a_device),
		cmocka_unit_test(engine_hears_of_dup_and_close),
		cmocka_unit_test(failed_calls_are_not_told),
		cmocka_unit_test(a_vfork_child_leaves_no_trace),
		cmocka_unit_test(mmap_goes_through_the_engine_once),
		cmocka_unit_test(handlers_run_and_the_engine_hears),
		cmocka_unit_test(oldact_is_the_programs_own),
		cmocka_unit_test(bad_signals_are_refused),
		cmocka_unit_test(resethand_runs_once),
		cmocka_unit_test(own_faults_reach_the_program),
		cmocka_unit_test(engine_faults_do_not),
		cmocka_unit_test(default_faults_kill),
		cmocka_unit_test(the_mask_is_the_programs),
		cmocka_unit_test(a_signal_ends_the_run),
		cmocka_unit_test(masked_signals_end_the_run_unseen),
		cmocka_unit_test(signal_mask_covers_defaults),
	};

	return cmocka_run_group_tests(tests, open_kvm, NULL);
}
