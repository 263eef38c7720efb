/* SPDX-License-Identifier: MIT */
/* A forked child: EIO on what the parent made, and VMs of its own. */
#include "fake_arch.h"
#include "child.h"

static int sys, vm, vcpu;
static struct kvm_run *run;

static void setup(void)
{
	sys = kvm_open(O_RDWR);
	vm = new_vm();
	vcpu = new_vcpu(vm, 0);
	run = map_run(vcpu);
}

#define CHECK_EIO(expr)	CHECK_ERRNO(EIO, expr)

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
		for (int i = 0; i < 20000 && vm_count() == before; i++)
			usleep(1000);
		CHECK(vm_count() == before - 1);
	}
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
	assert_child_is_content(pid);
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
	assert_child_is_content(pid);
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
	assert_child_is_content(pid);
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
		cmocka_unit_test(child_makes_its_own),
		cmocka_unit_test(grandchild),
		cmocka_unit_test(inherited_through_exec),
		cmocka_unit_test(nothing_left),
	};

	if (argc == 3)
		return after_exec(atoi(argv[1]), atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
