/* SPDX-License-Identifier: MIT */
#define SEMANTICS "lifetime.def"
#include "semantics.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "api/fd.h"
#include "api/vm.h"
#include "child.h"
#include "scm.h"

GUEST_BLOB(two_outs);

/* True if @n VMs exist, as far as one can know. */
static bool vms_are(u32 n)
{
	return by_libc() || vm_count() == n;
}

/* Long enough for a close to be noticed. */
static void settle(void)
{
	usleep(20000);
}

static int run_at_once(int vcpu, struct kvm_run *run)
{
	run->immediate_exit = 1;
	return kvm_ioctl_val(vcpu, KVM_RUN, 0);
}

/* There may be no kind of device that needs nothing else. */
static int new_device(int vm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };

	return kvm_ioctl(vm, KVM_CREATE_DEVICE, &device) ? -1 : (int)device.fd;
}

/* -- 1 ------------------------------------------------------------------------- */

static void vcpu_alone_runs(void)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_run *run = map_run(vcpu);
	struct kvm_regs regs;

	close(vm);
	settle();
	assert_ok(kvm_ioctl(vcpu, KVM_GET_REGS, &regs));
	assert_ok(kvm_ioctl(vcpu, KVM_SET_REGS, &regs));
	assert_errno(EINTR, run_at_once(vcpu, run));
	assert_true(vms_are(1));
	munmap(run, 3 * PG);
	close(vcpu);
	assert_soon(vms_are(0));
}

/* @copy makes a second descriptor of the VM; the first is closed. */
static void copy_is_as_good(int (*copy)(int))
{
	int vm = new_vm(), second;

	close(new_vcpu(vm, 5));
	second = copy(vm);
	settle();
	assert_true(vms_are(1));
	assert_errno(EEXIST, kvm_ioctl_val(second, KVM_CREATE_VCPU, 5));
	close(second);
	assert_soon(vms_are(0));
}

static int by_dup(int fd)
{
	int copy = dup(fd);

	close(fd);
	return copy;
}

static int by_socket(int fd)
{
	int s[2];

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	send_fd(s[0], fd);
	close(fd);
	settle();
	fd = receive_fd(s[1]);
	close(s[0]);
	close(s[1]);
	return fd;
}

/* A child that has a copy keeps the VM. */
static void child_keeps_it(void)
{
	int vm = new_vm(), p[2];
	char byte;
	pid_t pid;

	assert_ok(pipe(p));
	pid = fork();
	if (!pid) {
		close(p[1]);
		_exit(read(p[0], &byte, 1) != 0);
	}
	close(p[0]);
	close(vm);
	settle();
	assert_true(vms_are(1));
	close(p[1]);
	assert_child_is_content(pid);
	assert_soon(vms_are(0));
}

static void device_keeps_it(void)
{
	int vm = new_vm(), device = new_device(vm);

	close(vm);
	if (device < 0)
		return;
	settle();
	assert_true(vms_are(1));
	assert_errno(ENOTTY, kvm_ioctl_val(device, 0, 0));
	close(device);
	assert_soon(vms_are(0));
}

static void stats_keep_it(void)
{
	int vm = new_vm(), stats = stats_fd(vm, vm);
	struct kvm_stats_header header;

	close(vm);
	if (stats < 0)
		return;
	settle();
	assert_true(vms_are(1));
	assert_int_equal(pread(stats, &header, sizeof(header), 0), sizeof(header));
	close(stats);
	assert_soon(vms_are(0));
}

static void a_vm_lives_until_its_last_descriptor_is_closed(void **state)
{
	vcpu_alone_runs();
	copy_is_as_good(by_dup);
	copy_is_as_good(by_socket);
	child_keeps_it();
	stats_keep_it();
	device_keeps_it();
}

/* -- 2 ------------------------------------------------------------------------- */

/* True if somebody takes what is written to the eventfd. */
static bool has_reader(int event)
{
	struct pollfd p = { .fd = event, .events = POLLIN };
	u64 n = 1;

	assert_int_equal(write(event, &n, sizeof(n)), sizeof(n));
	for (int i = 0; i < 50; i++) {
		if (poll(&p, 1, 0) == 0)
			return true;
		usleep(200);
	}
	return read(event, &n, sizeof(n)) != sizeof(n);
}

static void irqfd_goes_with_the_vm_descriptor(void)
{
	struct kvm_irqfd irqfd = { .fd = eventfd(0, EFD_NONBLOCK), .gsi = 4 };
	int vm = new_vm(), vcpu;

	assert_ok(kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	vcpu = new_vcpu(vm, 0);
	assert_ok(kvm_ioctl(vm, KVM_IRQFD, &irqfd));
	assert_soon(has_reader(irqfd.fd));
	close(vm);
	/* With us a moment later (quirk api-late-end). */
	assert_soon(!has_reader(irqfd.fd));
	close(vcpu);
	close(irqfd.fd);
}

static void closing_the_vm_detaches_irqfds_but_not_ioeventfds(void **state)
{
	struct kvm_ioeventfd io = {
		.addr = 0x10, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	struct guest g;
	u64 n = 0;

	irqfd_goes_with_the_vm_descriptor();
	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	guest_load(&g, GUEST_CODE, two_outs);
	guest_long(&g, 0, GUEST_CODE);
	io.fd = eventfd(0, EFD_NONBLOCK);
	assert_ok(kvm_ioctl(g.vm, KVM_IOEVENTFD, &io));
	close(g.vm);
	settle();
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(g.run[0]->io.port, 0x11);
	assert_int_equal(read(io.fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	close(io.fd);
	g.vm = -1;
	guest_destroy(&g);
}

/* -- 3, 4 ------------------------------------------------------------------------ */

static void closing_a_vcpu_does_not_free_its_id(void **state)
{
	int vm = new_vm();

	close(new_vcpu(vm, 3));
	settle();
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 3));
	close(new_vcpu(vm, 4));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 3));
	close(vm);
	vm = new_vm();
	close(new_vcpu(vm, 3));
	close(vm);
}

static void a_vcpu_mapping_keeps_vcpu_and_vm(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_run *run = map_run(vcpu), *again = map_run(vcpu);

	assert_errno(EINTR, run_at_once(vcpu, run));
	close(vm);
	close(vcpu);
	settle();
	assert_true(vms_are(1));
	assert_int_equal(again->immediate_exit, 1);
	run->request_interrupt_window = 77;
	assert_int_equal(again->request_interrupt_window, 77);
	munmap(run, 3 * PG);
	settle();
	assert_true(vms_are(1));
	assert_int_equal(again->request_interrupt_window, 77);
	munmap(again, 3 * PG);
	assert_soon(vms_are(0));
}

/* -- 8 ------------------------------------------------------------------------- */

static struct {
	int sys, vm, vcpu, device;
	struct kvm_run *run;
} parent;

static void parent_create(void)
{
	parent.sys = kvm_open(O_RDWR);
	parent.vm = new_vm();
	parent.vcpu = new_vcpu(parent.vm, 0);
	parent.run = map_run(parent.vcpu);
	parent.device = new_device(parent.vm);
}

static void parent_destroy(void)
{
	munmap(parent.run, 3 * PG);
	close(parent.device);
	close(parent.vcpu);
	close(parent.vm);
	close(parent.sys);
}

#define CHECK_EIO(expr)	CHECK_ERRNO(EIO, expr)

static void child_of_another_memory(void)
{
	int own;

	CHECK_EIO(kvm_ioctl_val(parent.vcpu, KVM_RUN, 0));
	CHECK_EIO(kvm_ioctl_val(parent.vcpu, KVM_RUN, 1));
	CHECK_EIO(kvm_ioctl(parent.vcpu, KVM_GET_REGS, NO_POINTER));
	CHECK_EIO(kvm_ioctl_val(parent.vcpu, 0, 0));
	CHECK_EIO(kvm_ioctl_val(parent.vm, 0, 0));
	CHECK_EIO(kvm_ioctl(parent.vm, KVM_IRQ_LINE, NO_POINTER));
	CHECK_EIO(kvm_ioctl_val(parent.vm, KVM_CREATE_VCPU, 1));
	CHECK_EIO(kvm_ioctl_val(dup(parent.vm), KVM_CHECK_EXTENSION, 0));
	if (parent.device >= 0) {
		CHECK_EIO(kvm_ioctl_val(parent.device, 0, 0));
		CHECK_EIO(kvm_ioctl(parent.device, KVM_HAS_DEVICE_ATTR, NO_POINTER));
	}

	CHECK(kvm_ioctl_val(parent.sys, KVM_GET_API_VERSION, 0) == 12);
	own = kvm_ioctl_val(parent.sys, KVM_CREATE_VM, 0);
	CHECK(own >= 0);
	CHECK(kvm_ioctl_val(own, KVM_CREATE_VCPU, 0) >= 0);
	CHECK(parent.run->request_interrupt_window == 55);
	parent.run->request_interrupt_window = 77;
}

static int child_of_the_same_memory(void *arg)
{
	struct kvm_regs regs;

	if (kvm_ioctl_val(parent.vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) != 1)
		_exit(1);
	_exit(kvm_ioctl(parent.vcpu, KVM_GET_REGS, &regs) != 0);
}

static void *thread_of_it(void *result)
{
	struct kvm_regs regs;

	*(int *)result = kvm_ioctl(parent.vcpu, KVM_GET_REGS, &regs);
	return NULL;
}

static void a_forked_child_gets_eio(void **state)
{
	char *stack = guest_ram(64 * PG);
	pthread_t thread;
	int result = -1;

	parent_create();
	parent.run->request_interrupt_window = 55;
	in_child(child_of_another_memory);
	assert_int_equal(parent.run->request_interrupt_window, 77);
	assert_child_is_content(clone(child_of_the_same_memory, stack + 64 * PG,
				      CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
	assert_int_equal(pthread_create(&thread, NULL, thread_of_it, &result), 0);
	pthread_join(thread, NULL);
	assert_int_equal(result, 0);
	/* The parent is none the worse for it. */
	close(new_vcpu(parent.vm, 1));
	parent_destroy();
	munmap(stack, 64 * PG);
}

/* -- 9 ------------------------------------------------------------------------- */

/* Only the engine's inside can be told to be broken. */
static void a_dead_vm_answers_eio(void **state)
{
	struct kvm_regs regs;
	struct kfile *f;

	if (by_libc())
		skip();
	parent_create();
	f = kfile_get(parent.vm);
	f->vm->dead = true;
	kfile_put(f);
	for (int i = 0; i < 3; i++) {
		assert_errno(EIO, kvm_ioctl_val(parent.vcpu, KVM_RUN, 0));
		assert_errno(EIO, kvm_ioctl_val(parent.vcpu, KVM_RUN, 1));
		assert_errno(EIO, kvm_ioctl(parent.vcpu, KVM_GET_REGS, &regs));
		assert_errno(EIO, kvm_ioctl_val(parent.vcpu, 0, 0));
		assert_errno(EIO, kvm_ioctl_val(parent.vm, KVM_CHECK_EXTENSION, 1));
		assert_errno(EIO, kvm_ioctl_val(parent.vm, 0, 0));
		if (parent.device >= 0)
			assert_errno(EIO, kvm_ioctl_val(parent.device, 0, 0));
	}
	assert_ok(kvm_ioctl_val(parent.sys, KVM_GET_API_VERSION, 0));
	parent_destroy();
	assert_soon(vms_are(0));
}
