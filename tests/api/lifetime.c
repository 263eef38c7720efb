/* SPDX-License-Identifier: MIT */
/* A VM lives as long as anything refers to it, and no longer. */
#include "fake_arch.h"
#include "kvm_api.h"
#include "scm.h"

#define assert_all_gone()	assert_soon(vm_count() == 0)

/* Long enough for the worker to have heard of a close. */
static void settle(void)
{
	usleep(20000);
}

static void vm_alone(void **state)
{
	int vm = new_vm();

	assert_int_equal(vm_count(), 1);
	close(vm);
	assert_all_gone();
}

static void vcpu_keeps_it(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_regs regs;

	close(vm);
	settle();
	assert_int_equal(vm_count(), 1);
	assert_ok(kvm_ioctl(vcpu, KVM_GET_REGS, &regs));
	assert_ok(kvm_ioctl_val(vcpu, KVM_RUN, 0));
	close(vcpu);
	assert_all_gone();
}

static void mapping_keeps_it(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_run *run = map_run(vcpu);
	void *plain = mmap(NULL, PG, PROT_READ, MAP_SHARED, vcpu, 0);

	close(vm);
	close(vcpu);
	munmap(run, 3 * PG);
	settle();
	assert_int_equal(vm_count(), 1);
	munmap(plain, PG);
	assert_all_gone();
}

static void dup_keeps_it(void **state)
{
	int vm = new_vm(), copy = dup(vm), moved;

	close(vm);
	settle();
	assert_int_equal(vm_count(), 1);
	assert_int_equal(kvm_ioctl_val(copy, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), 1);
	moved = fcntl(copy, F_DUPFD_CLOEXEC, 300);
	close(copy);
	assert_true(anykvm_owns(moved));
	close(new_vcpu(moved, 0));
	close(moved);
	assert_all_gone();
}

static void looking_does_not_end_it(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", vcpu);
	close(open(path, O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", vm);
	close(open(path, O_RDWR));
	settle();
	assert_int_equal(vm_count(), 1);
	assert_ok(kvm_ioctl_val(vcpu, KVM_RUN, 0));
	close(vm);
	close(vcpu);
	assert_all_gone();
}

static void in_flight_in_a_socket(void **state)
{
	int vm = new_vm(), s[2];

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	send_fd(s[0], vm);
	close(vm);
	settle();
	assert_int_equal(vm_count(), 1);
	vm = receive_fd(s[1]);
	assert_int_equal(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), 1);
	close(vm);
	assert_all_gone();
	close(s[0]);
	close(s[1]);
}

static int closing_fds[2];

static int close_everything(struct vcpu *vcpu, bool immediate_exit)
{
	close(closing_fds[0]);
	close(closing_fds[1]);
	settle();
	assert_int_equal(vm_count(), 1);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;	/* still mapped */
	return 0;
}

static void closed_during_run(void **state)
{
	int (*old)(struct vcpu *, bool) = fake_guest;

	closing_fds[0] = new_vm();
	closing_fds[1] = new_vcpu(closing_fds[0], 0);
	fake_guest = close_everything;
	assert_ok(kvm_ioctl_val(closing_fds[1], KVM_RUN, 0));
	fake_guest = old;
	assert_all_gone();
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void *close_half(void *arg)
{
	int *fds = arg;

	for (int i = 0; i < 50; i++)
		close(fds[i]);
	return NULL;
}

/* Many open files of one inode, closed all at once, and one that is not. */
static void statistics_keep_it(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0), fds[100], last;
	struct kvm_stats_header h;
	pthread_t thread;

	for (int i = 0; i < 100; i++)
		assert_true((fds[i] = kvm_ioctl_val(vcpu, KVM_GET_STATS_FD, 0)) >= 0);
	last = dup(fds[0]);
	close(vm);
	close(vcpu);
	pthread_create(&thread, NULL, close_half, fds);
	close_half(fds + 50);
	pthread_join(thread, NULL);
	settle();
	assert_int_equal(vm_count(), 1);
	assert_int_equal(pread(last, &h, sizeof(h), 0), sizeof(h));
	close(last);
	assert_all_gone();
}

/* One at a time, each of a VM that has nothing else any more. */
static void statistics_alone(void **state)
{
	for (int i = 0; i < 50; i++) {
		int vm = new_vm(), stats = kvm_ioctl_val(vm, KVM_GET_STATS_FD, 0);

		assert_true(stats >= 0);
		close(stats);
		stats = kvm_ioctl_val(vm, KVM_GET_STATS_FD, 0);
		close(vm);
		assert_int_equal(vm_count(), 1);
		assert_errno(ENOTTY, kvm_ioctl_val(stats, KVM_GET_STATS_FD, 0));
		close(stats);
		assert_all_gone();
	}
}

static void nothing_leaks(void **state)
{
	int before = open_fds();

	for (int i = 0; i < 200; i++) {
		int vm = new_vm(), vcpu = new_vcpu(vm, 0);
		struct kvm_run *run = map_run(vcpu);

		if (i & 1)
			close(vm);
		close(vcpu);
		munmap(run, 3 * PG);
		if (!(i & 1))
			close(vm);
	}
	assert_all_gone();
	assert_int_equal(open_fds(), before);
}

/* Numbers are reused at once; the old object must not answer. */
static void reused_number(void **state)
{
	int a = new_vm(), b;

	close(a);
	b = new_vm();
	close(new_vcpu(b, 3));
	assert_errno(EEXIST, kvm_ioctl_val(b, KVM_CREATE_VCPU, 3));
	close(b);
	b = new_vm();
	close(new_vcpu(b, 3));
	close(b);
	assert_all_gone();
}

static void foreign_descriptors_are_not_ours(void **state)
{
	int fd = memfd_create("other", MFD_CLOEXEC), ours;

	ours = kvm_open(O_RDWR);
	assert_true(anykvm_owns(ours));
	assert_false(anykvm_owns(fd));
	assert_false(anykvm_owns(-1));
	assert_false(anykvm_owns(1 << 30));
	assert_errno(ENOTTY, kvm_ioctl_val(fd, KVM_GET_API_VERSION, 0));
	assert_errno(EBADF, kvm_ioctl_val(-1, KVM_GET_API_VERSION, 0));
	/* The number changes hands without a hint. */
	dup2(fd, ours);
	assert_false(anykvm_owns(ours));
	assert_errno(ENOTTY, kvm_ioctl_val(ours, KVM_GET_API_VERSION, 0));
	close(ours);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vm_alone),
		cmocka_unit_test(vcpu_keeps_it),
		cmocka_unit_test(mapping_keeps_it),
		cmocka_unit_test(dup_keeps_it),
		cmocka_unit_test(looking_does_not_end_it),
		cmocka_unit_test(in_flight_in_a_socket),
		cmocka_unit_test(closed_during_run),
		cmocka_unit_test(statistics_keep_it),
		cmocka_unit_test(statistics_alone),
		cmocka_unit_test(nothing_leaks),
		cmocka_unit_test(reused_number),
		cmocka_unit_test(foreign_descriptors_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
