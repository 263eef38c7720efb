/* SPDX-License-Identifier: MIT */
/* What anykvm.h promises, seen from a program that has the shared library alone. */
#include <anykvm.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE	4096

static int kvm, vm, vcpu;
static struct kvm_run *run;

static void *map(int fd, off_t offset)
{
	return anykvm_mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

/* A guest of two bytes: jmp to itself. */
static int make_guest(void **state)
{
	struct kvm_userspace_memory_region slot = { .guest_phys_addr = PAGE, .memory_size = PAGE };
	struct kvm_regs regs = { .rip = PAGE, .rflags = 2 };
	struct kvm_sregs sregs;
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memcpy(page, "\xeb\xfe", 2);
	slot.userspace_addr = (uintptr_t)page;
	kvm = anykvm_open(O_RDWR | O_CLOEXEC);
	vm = anykvm_ioctl(kvm, KVM_CREATE_VM, 0);
	vcpu = anykvm_ioctl(vm, KVM_CREATE_VCPU, 0);
	run = map(vcpu, 0);
	if (vcpu < 0 || run == MAP_FAILED || anykvm_ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = sregs.cs.selector = 0;
	return anykvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) ||
	       anykvm_ioctl(vcpu, KVM_SET_SREGS, &sregs) ||
	       anykvm_ioctl(vcpu, KVM_SET_REGS, &regs);
}

static void names(void **state)
{
	assert_int_equal(strncmp(anykvm_version(), "anykvm ", 7), 0);
	assert_non_null(anykvm_engine());
}

static void flags_of_open(void **state)
{
	int fd = anykvm_open(O_RDONLY);

	assert_int_equal(fcntl(kvm, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

static void owns_its_own(void **state)
{
	int copy = dup(vcpu);

	errno = 77;
	assert_true(anykvm_owns(kvm) && anykvm_owns(vm) && anykvm_owns(copy));
	assert_false(anykvm_owns(STDIN_FILENO));
	assert_false(anykvm_owns(-1));
	close(copy);
	assert_false(anykvm_owns(copy));
	assert_int_equal(errno, 77);
}

static void errors_of_ioctl(void **state)
{
	assert_int_equal(anykvm_ioctl(-1, KVM_GET_API_VERSION, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(anykvm_ioctl(STDIN_FILENO, KVM_GET_API_VERSION, 0), -1);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(anykvm_ioctl(kvm, 0xabcd00000000 | KVM_GET_API_VERSION, 0), 12);
}

static void errors_of_mmap(void **state)
{
	assert_ptr_equal(map(vm, 0), MAP_FAILED);
	assert_int_equal(errno, ENODEV);
	assert_ptr_equal(map(-1, 0), MAP_FAILED);
	assert_int_equal(errno, EBADF);
}

static void a_child_has_no_vm(void **state)
{
	int status;

	if (!fork())
		_exit(anykvm_ioctl(vcpu, KVM_RUN, 0) == -1 && errno == EIO &&
		      anykvm_ioctl(kvm, KVM_GET_API_VERSION, 0) == 12 ? 0 : 1);
	wait(&status);
	assert_int_equal(status, 0);
}

static void on_signal(int sig)
{
	anykvm_signalled(sig);
}

static void *kick(void *thread)
{
	usleep(20000);
	run->immediate_exit = 1;
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

/* Without anykvm_manage_signals(): as an ordinary embedder. */
static void a_handler_ends_the_run(void **state)
{
	struct sigaction sa = { .sa_handler = on_signal };
	pthread_t self = pthread_self(), kicker;

	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&kicker, NULL, kick, &self);
	assert_int_equal(anykvm_ioctl(vcpu, KVM_RUN, 0), -1);
	assert_int_equal(errno, EINTR);
	pthread_join(kicker, NULL);
	run->immediate_exit = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(flags_of_open),
		cmocka_unit_test(owns_its_own),
		cmocka_unit_test(errors_of_ioctl),
		cmocka_unit_test(errors_of_mmap),
		cmocka_unit_test(a_child_has_no_vm),
		cmocka_unit_test(a_handler_ends_the_run),
	};

	return cmocka_run_group_tests(tests, make_guest, NULL);
}
