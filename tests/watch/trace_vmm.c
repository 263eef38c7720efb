/* SPDX-License-Identifier: MIT */
/*
 * A VMM for trace.py, through /dev/kvm: trace_vmm EXITS [THREADS [fork]].
 * Each thread has a vCPU, whose guest writes "A" to port 0x3f8 again and again.
 * Prints what it has done, so that what tracing does to it is seen.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE	0x1000

static const unsigned char code[] = {
	0xb0, 'A',		/* mov $'A', %al */
	0xba, 0xf8, 0x03,	/* mov $0x3f8, %dx */
	0xee,			/* out %al, (%dx) */
	0xeb, 0xfd,		/* jmp .-1 */
};

static int system_fd, vm;
static long exits;

static void check(long ret, const char *what)
{
	if (ret >= 0)
		return;
	perror(what);
	exit(1);
}

static void make_vm(void)
{
	unsigned char *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = CODE, .memory_size = 4096,
		.userspace_addr = (unsigned long)mem,
	};

	memcpy(mem, code, sizeof(code));
	system_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	check(system_fd, "open");
	vm = ioctl(system_fd, KVM_CREATE_VM, 0);
	check(vm, "KVM_CREATE_VM");
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

static void *run_vcpu(void *arg)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, arg);
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;

	check(vcpu, "KVM_CREATE_VCPU");
	run = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	check(run == MAP_FAILED ? -1 : 0, "mmap");
	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	for (long i = 0; i < exits; i++)
		check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
	return NULL;
}

int main(int argc, char **argv)
{
	long nr = argc > 2 ? atol(argv[2]) : 1;
	pthread_t threads[64];

	exits = atol(argv[1]);
	make_vm();
	if (argc > 3 && !fork()) {
		printf("child %d\n", ioctl(system_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP));
		exit(0);
	}
	for (long i = 0; i < nr; i++)
		pthread_create(&threads[i], NULL, run_vcpu, (void *)i);
	for (long i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	if (argc > 3)
		wait(NULL);
	printf("%ld exits\n", exits * nr);
	return 0;
}
