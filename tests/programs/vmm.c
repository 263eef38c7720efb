/* SPDX-License-Identifier: MIT */
/*
 * A VMM as its author has it under a debugger: real mode, one port.  The guest
 * writes "3\n2\n1\n0\n", with a loop in between that is worth translating.
 * "vmm --leak" forgets a buffer of its own, "vmm --overrun" reads behind one.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUEST_BASE	0x1000
#define PORT		0x3f8

static const unsigned char code[] = {
	0xba, PORT & 0xff, PORT >> 8,	/*    mov $PORT, %dx */
	0xb3, '3',			/*    mov $'3', %bl */
	0x88, 0xd8, 0xee,		/* 1: mov %bl, %al; out %al, %dx */
	0xb0, '\n', 0xee,		/*    mov $'\n', %al; out %al, %dx */
	0xb9, 0x00, 0x40,		/*    mov $0x4000, %cx */
	0xe2, 0xfe,			/* 2: loop 2b */
	0xfe, 0xcb,			/*    dec %bl */
	0x80, 0xfb, '0',		/*    cmp $'0', %bl */
	0x73, 0xee,			/*    jae 1b */
	0xf4,				/*    hlt */
};

static int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void add_memory(int vm)
{
	struct kvm_userspace_memory_region slot = {
		.guest_phys_addr = GUEST_BASE, .memory_size = 0x1000,
	};
	void *memory = mmap(NULL, slot.memory_size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap");
	memcpy(memory, code, sizeof(code));
	slot.userspace_addr = (unsigned long)memory;
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

static void set_registers(int vcpu)
{
	struct kvm_regs regs = { .rip = GUEST_BASE, .rflags = 2 };
	struct kvm_sregs sregs;

	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void serve(int vcpu, struct kvm_run *run)
{
	for (;;) {
		check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_HLT)
			return;
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT)
			errx(1, "exit %u", run->exit_reason);
		putchar(*((char *)run + run->io.data_offset));
	}
}

static void misbehave(const char *how)
{
	volatile char *buffer = malloc(100);

	if (!strcmp(how, "--overrun"))
		exit(buffer[100]);
	buffer[0] = 1;
	buffer = NULL;
}

int main(int argc, char **argv)
{
	int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_run *run;
	int vcpu;

	add_memory(vm);
	vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap of the vCPU");
	set_registers(vcpu);
	serve(vcpu, run);
	fflush(stdout);
	if (argc > 1)
		misbehave(argv[1]);
	return 0;
}
