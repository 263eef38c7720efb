/* SPDX-License-Identifier: MIT */
/* What an operating system does for its processes. */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

static u64 syscall_unit(void)
{
	enum { CALLS = 10000 };
	u64 good = 0;

	for (int i = 0; i < CALLS; i++)
		good += syscall(SYS_getppid) >= 0;
	return good;
}

static u64 fault_unit(void)
{
	enum { PAGES = 1024, PAGE = 4096 };
	u8 *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 zeros = 0;

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
	for (long i = 0; i < PAGES; i++) {
		p[i * PAGE + i % PAGE] = 1;
		zeros += !p[i * PAGE + (i + 1) % PAGE];
	}
	munmap(p, PAGES * PAGE);
	return zeros;
}

/* -- Processes ------------------------------------------------------------------ */

static u64 spawn(unsigned int times, void (*child)(void))
{
	u64 good = 0;

	while (times--) {
		int status;
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			child();
		if (waitpid(pid, &status, 0) != pid)
			die("waitpid");
		good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	}
	return good;
}

static void child_exit(void)
{
	_exit(7);
}

static void child_exec(void)
{
	execl("/proc/self/exe", "workloads", "exit", "7", NULL);
	_exit(1);
}

static u64 fork_unit(void)
{
	return spawn(20, child_exit);
}

static u64 exec_unit(void)
{
	return spawn(10, child_exec);
}

/* -- Ping-pong: two processes and two pipes; two threads and a futex ---------------- */

enum { PING_PONGS = 500 };

static int to_echo, from_echo;

static void pipe_setup(void)
{
	int there[2], back[2];
	char c;

	if (pipe(there) || pipe(back))
		die("pipe");
	to_echo = there[1];
	from_echo = back[0];
	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(to_echo);
		close(from_echo);
		while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
}

static u64 pipe_unit(void)
{
	u64 sum = MIX_START;

	for (int i = 0; i < PING_PONGS; i++) {
		u8 c = (u8)i;

		if (write(to_echo, &c, 1) != 1 || read(from_echo, &c, 1) != 1)
			die("pipe");
		sum = mix(sum, c);
	}
	return sum;
}

/* Its CPU time then counts as ours. */
static void pipe_finish(void)
{
	close(to_echo);
	wait(NULL);
}

static u32 turn;	/* atomic; odd: the other thread's */

static void await_parity(u32 parity)
{
	for (;;) {
		u32 now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE);

		if (now % 2 == parity)
			return;
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
	}
}

static void pass_turn(void)
{
	__atomic_add_fetch(&turn, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *other_thread(void *unused)
{
	for (;;) {
		await_parity(1);
		pass_turn();
	}
	return unused;
}

static void switch_setup(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, other_thread, NULL))
		die("pthread_create");
}

static u64 switch_unit(void)
{
	u32 before = turn;

	for (int i = 0; i < PING_PONGS; i++) {
		await_parity(0);
		pass_turn();
	}
	await_parity(0);
	return turn - before;
}

const struct workload os_workloads[] = {
	{ "system call", "system", 100, syscall_unit },
	{ "page fault", "system", 100, fault_unit },
	{ "fork + exit", "system", 100, fork_unit },
	{ "fork + exec", "system", 100, exec_unit },
	{ "pipe ping-pong", "system", 100, pipe_unit, pipe_setup, NULL, pipe_finish },
	{ "context switch", "system", 100, switch_unit, switch_setup },
	{ 0 }
};
