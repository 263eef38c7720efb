/* SPDX-License-Identifier: MIT */
/* A forked child: EIO on what the parent made, and VMs of its own. */
#include "fake_arch.h"
#include "kvm_api.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int sys, vm, vcpu;
static struct kvm_run *run;

static void setup(void)
{
	sys = kvm_open(O_RDWR);
	vm = new_vm();
	vcpu = new_vcpu(vm, 0);
	run = map_run(vcpu);
}

#define CHECK(cond) do { if (!(cond)) _exit(__LINE__ % 255 + 1); } while (0)
#define CHECK_EIO(expr) do { errno = 0; CHECK((expr) == -1 && errno == EIO); } while (0)

static void expect_success(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* EIO before the request or the pointer is looked at. */
static void check_dead(void)
{
	CHECK_EIO(kvm_ioctl_val(vcpu, KVM_RUN, 0));
	CHECK_EIO(kvm_ioctl_val(vcpu, KVM_RUN, 1));
	CHECK_EIO(kvm_ioctl(vcpu, KVM_GET_REGS, NO_POINTER));
	CHECK_EIO(kvm_ioctl_val(vcpu, 0, 0));
	CHECK_EIO(kvm_ioctl_val(vm, 0, 0));
	CHECK_EIO(kvm_ioctl_val(vm, KVM_CREATE_VCPU, 1));
	CHECK_EIO(kvm_ioctl_val(dup(vm), KVM_CHECK_EXTENSION, 0));
	CHECK(kvm_ioctl_val(sys, KVM_GET_API_VERSION, 0) == 12);
}

static void check_own_vm(void)
{
	int own = kvm_ioctl_val(sys, KVM_CREATE_VM, 0), v;

	CHECK(own >= 0);
	v = kvm_ioctl_val(own, KVM_CREATE_VCPU, 0);
	CHECK(v >= 0);
	CHECK(on_kernel() || kvm_ioctl_val(v, KVM_RUN, 0) == 0);
	/* The child has a worker of its own: it learns of the end. */
	if (!on_kernel()) {
		u32 before = vm_count();

		close(own);
		close(v);
		for (int i = 0; i < 1000 && vm_count() == before; i++)
			usleep(1000);
		CHECK(vm_count() == before - 1);
	}
}

static void child_gets_eio(void **state)
{
	pid_t pid;

	setup();
	pid = fork();
	if (!pid) {
		check_dead();
		_exit(0);
	}
	expect_success(pid);
	/* The parent is none the worse. */
	close(new_vcpu(vm, 1));
	close(vcpu);
	close(vm);
	close(sys);
	munmap(run, 3 * PG);
}

static void child_makes_its_own(void **state)
{
	pid_t pid;

	setup();
	pid = fork();
	if (!pid) {
		check_own_vm();
		check_dead();
		_exit(0);
	}
	expect_success(pid);
	close(vcpu);
	close(vm);
	close(sys);
	munmap(run, 3 * PG);
}

static void grandchild(void **state)
{
	pid_t pid;

	setup();
	pid = fork();
	if (!pid) {
		int own = kvm_ioctl_val(sys, KVM_CREATE_VM, 0), status;

		CHECK(own >= 0);
		pid = fork();
		if (!pid) {
			CHECK_EIO(kvm_ioctl_val(own, KVM_CREATE_VCPU, 0));
			check_dead();
			check_own_vm();
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		_exit(0);
	}
	expect_success(pid);
	close(vcpu);
	close(vm);
	close(sys);
	munmap(run, 3 * PG);
}

static void run_page_is_shared(void **state)
{
	pid_t pid;

	setup();
	pid = fork();
	if (!pid) {
		run->request_interrupt_window = 77;
		_exit(0);
	}
	expect_success(pid);
	assert_int_equal(run->request_interrupt_window, 77);
	close(vcpu);
	close(vm);
	close(sys);
	munmap(run, 3 * PG);
}

static int in_shared_mm(void *arg)
{
	_exit(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) != 1);
}

/* A vfork-like child shares the address space: it is no stranger. */
static void clone_vm_child_works(void **state)
{
	char *stack = guest_ram(64 * PG);
	int pid;

	setup();
	pid = clone(in_shared_mm, stack + 64 * PG, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	expect_success(pid);
	close(vcpu);
	close(vm);
	close(sys);
	munmap(run, 3 * PG);
}

/* What a program finds that was exec()ed with our descriptors open. */
static int after_exec(int inherited_sys, int inherited_vm)
{
	errno = 0;
	if (kvm_ioctl_val(inherited_vm, KVM_CREATE_VCPU, 0) != -1 || errno != EIO)
		return 2;
	if (kvm_ioctl_val(inherited_sys, KVM_GET_API_VERSION, 0) != 12)
		return 3;
	if (kvm_ioctl_val(inherited_sys, KVM_CREATE_VM, 0) < 0)
		return 4;
	return 0;
}

static void inherited_through_exec(void **state)
{
	char a[16], b[16];
	pid_t pid;

	setup();
	fcntl(vm, F_SETFD, 0);
	fcntl(sys, F_SETFD, 0);
	snprintf(a, sizeof(a), "%d", sys);
	snprintf(b, sizeof(b), "%d", vm);
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "fork", a, b, NULL);
		_exit(99);
	}
	expect_success(pid);
	close(vcpu);
	close(vm);
	close(sys);
	munmap(run, 3 * PG);
}

static void nothing_left(void **state)
{
	if (on_kernel())
		skip();
	assert_soon(vm_count() == 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_gets_eio),
		cmocka_unit_test(child_makes_its_own),
		cmocka_unit_test(grandchild),
		cmocka_unit_test(run_page_is_shared),
		cmocka_unit_test(clone_vm_child_works),
		cmocka_unit_test(inherited_through_exec),
		cmocka_unit_test(nothing_left),
	};

	if (argc == 3)
		return after_exec(atoi(argv[1]), atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
