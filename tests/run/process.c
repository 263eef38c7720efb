/* SPDX-License-Identifier: MIT */
/* Signals, descriptors and processes around a running vCPU; state that moves. */
#include <sys/wait.h>

#include "guest.h"

GUEST_BLOB(proc_spin);
GUEST_BLOB(proc_state);

#define START(name) struct guest g; guest_create(&g, 0, 1); \
	guest_load(&g, GUEST_CODE, name); guest_long(&g, 0, GUEST_CODE)

static u64 progress(struct guest *g)
{
	return *guest_word(g, 0x40000);
}

static void start_spinning(struct guest *g, struct runner *r)
{
	u64 old = progress(g);

	runner_start(r, g, 0);
	assert_soon(progress(g) != old);
}

/* -- Signals ------------------------------------------------------------------------ */

static void kicks_end_the_run(void **state)
{
	START(proc_spin);
	struct runner r;

	for (int i = 0; i < 30; i++) {
		start_spinning(&g, &r);
		assert_int_equal(runner_stop(&r), -EINTR);
		assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_INTR);
	}
	guest_destroy(&g);
}

static void immediate_exit_runs_nothing(void **state)
{
	START(proc_spin);

	g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&g, 0), -EINTR);
	assert_int_equal(progress(&g), 0);
	g.run[0]->immediate_exit = 0;
	guest_destroy(&g);
}

/* -- Descriptors and processes --------------------------------------------------------- */

static void closed_while_running(void **state)
{
	START(proc_spin);
	struct runner r;
	u64 old;

	start_spinning(&g, &r);
	close(g.vcpu[0]);
	close(g.vm);
	old = progress(&g);
	assert_soon(progress(&g) != old);
	r.stop = true;
	runner_stop(&r);
	munmap(g.run[0], 3 * PG);
	munmap(g.mem, GUEST_RAM);
}

static void vm_ioctls_do_not_wait(void **state)
{
	START(proc_spin);
	struct runner r;

	start_spinning(&g, &r);
	for (int i = 0; i < 20; i++) {
		struct kvm_userspace_memory_region m = { .slot = 9 };

		assert_errno(EINVAL, kvm_ioctl(g.vm, KVM_SET_USER_MEMORY_REGION, &m));
	}
	assert_false(r.done);
	runner_stop(&r);
	assert_in_range(guest_rip(&g, 0), GUEST_CODE, GUEST_CODE + 16);
	guest_destroy(&g);
}

/* The child has nothing of the VM, the parent all of it. */
static void fork_while_running(void **state)
{
	START(proc_spin);
	struct runner r;

	start_spinning(&g, &r);
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		int status;
		u64 old;

		if (!pid) {
			struct kvm_regs regs;
			int ok = kvm_ioctl(g.vcpu[0], KVM_GET_REGS, &regs) == -1 &&
				 errno == EIO && guest_run(&g, 0) == -EIO;

			_exit(ok ? 0 : 1);
		}
		assert_true(waitpid(pid, &status, 0) == pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		old = progress(&g);
		assert_soon(progress(&g) != old);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
}

static void child_with_guests(bool by_signal)
{
	struct runner r[4];
	struct guest g;

	guest_create(&g, GUEST_IRQCHIP | GUEST_PIT, 4);
	guest_load(&g, GUEST_CODE, proc_spin);
	for (u32 i = 0; i < 4; i++) {
		guest_long(&g, i, GUEST_CODE);
		runner_start(&r[i], &g, i);
	}
	while (progress(&g) < 100)
		;
	if (by_signal)
		pause();
	exit(7);
}

/* A process that ends in the middle of it all ends at once. */
static void exit_while_running(void **state)
{
	for (int i = 0; i < 6; i++) {
		bool by_signal = i & 1;
		pid_t pid = fork();
		int status;

		if (!pid)
			child_with_guests(by_signal);
		usleep(20000);
		if (by_signal)
			kill(pid, SIGKILL);
		for (u64 end = now_ns() + 20000000000; waitpid(pid, &status, WNOHANG) == 0;) {
			assert_true(now_ns() < end);
			usleep(500);
		}
		if (by_signal)
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		else
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
}

/* -- State ---------------------------------------------------------------------------- */

static void copy_state(int from, int to)
{
	static const struct { unsigned long get, set; } req[] = {
		{ KVM_GET_SREGS, KVM_SET_SREGS },
		{ KVM_GET_XSAVE, KVM_SET_XSAVE },
		{ KVM_GET_XCRS, KVM_SET_XCRS },
		{ KVM_GET_REGS, KVM_SET_REGS },
		{ KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS },
		{ KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS },
		{ KVM_GET_MP_STATE, KVM_SET_MP_STATE },
	};
	static u8 buf[8192];

	for (u32 i = 0; i < sizeof(req) / sizeof(req[0]); i++) {
		assert_ok(kvm_ioctl(from, req[i].get, buf));
		assert_ok(kvm_ioctl(to, req[i].set, buf));
	}
}

/* Each IN is answered by another VM. */
static void state_moves_between_vms(void **state)
{
	struct guest g[2];
	struct kvm_regs r;
	u32 now = 0;
	int exit;

	for (u32 i = 0; i < 2; i++) {
		guest_create(&g[i], 0, 1);
		guest_load(&g[i], GUEST_CODE, proc_state);
		guest_long(&g[i], 0, GUEST_CODE);
	}
	guest_regs(&g[0], 0, &r);
	r.rcx = 50;
	guest_set_regs(&g[0], 0, &r);
	while ((exit = guest_run(&g[now], 0)) == KVM_EXIT_IO) {
		/* What waits is completed before the state is complete. */
		g[now].run[0]->immediate_exit = 1;
		assert_int_equal(guest_run(&g[now], 0), -EINTR);
		g[now].run[0]->immediate_exit = 0;
		copy_state(g[now].vcpu[0], g[!now].vcpu[0]);
		now = !now;
	}
	assert_int_equal(exit, KVM_EXIT_HLT);
	guest_regs(&g[now], 0, &r);
	assert_int_equal(r.rdx, 50);
	assert_int_equal(*guest_word(&g[now], 0x40000), 0x400921fb54442d18);	/* pi */
	guest_destroy(&g[0]);
	guest_destroy(&g[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kicks_end_the_run),
		cmocka_unit_test(immediate_exit_runs_nothing),
		cmocka_unit_test(closed_while_running),
		cmocka_unit_test(vm_ioctls_do_not_wait),
		cmocka_unit_test(fork_while_running),
		cmocka_unit_test(exit_while_running),
		cmocka_unit_test(state_moves_between_vms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
