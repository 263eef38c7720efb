/* SPDX-License-Identifier: MIT */
/*
 * A VMM whose exits are known: @n at each of two OUT instructions, one HLT.
 *     stats_guest N [live]
 * With "live" it goes on until it is killed, a line for each N.  It is run by
 * the launcher, and knows libc alone.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE	0x1000

static const unsigned char code[] = {
	0x66, 0xb9, 0, 0, 0, 0,		/* 1000: mov ecx, N */
	0xe6, 0x80,			/* 1006: out 0x80, al */
	0x90,				/* 1008: nop */
	0xe6, 0x81,			/* 1009: out 0x81, al */
	0x66, 0x49,			/* 100b: dec ecx */
	0x75, 0xf7,			/* 100d: jnz 1006 */
	0xf4,				/* 100f: hlt */
};

static void *check(void *map)
{
	if (map == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return map;
}

static int try(int ret)
{
	if (ret < 0) {
		perror("kvm");
		exit(1);
	}
	return ret;
}

static void load(unsigned char *mem, unsigned int n)
{
	memcpy(mem + CODE, code, sizeof(code));
	memcpy(mem + CODE + 2, &n, sizeof(n));
}

static void begin(int vcpu)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	try(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	try(ioctl(vcpu, KVM_SET_SREGS, &sregs));
	try(ioctl(vcpu, KVM_SET_REGS, &regs));
}

static void run(int vcpu, struct kvm_run *r)
{
	do
		try(ioctl(vcpu, KVM_RUN, 0));
	while (r->exit_reason == KVM_EXIT_IO);
	if (r->exit_reason != KVM_EXIT_HLT) {
		fprintf(stderr, "exit %u\n", r->exit_reason);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct kvm_userspace_memory_region slot = { .memory_size = 0x4000 };
	int kvm = try(open("/dev/kvm", O_RDWR)), live = argc > 2;
	int vm = try(ioctl(kvm, KVM_CREATE_VM, 0));
	int vcpu = try(ioctl(vm, KVM_CREATE_VCPU, 0));
	struct kvm_run *r = check(mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
				       PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0));
	unsigned char *mem = check(mmap(NULL, slot.memory_size, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	slot.userspace_addr = (unsigned long)mem;
	try(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot));
	load(mem, argc > 1 ? atoi(argv[1]) : 1);
	do {
		begin(vcpu);
		run(vcpu, r);
		if (live) {
			usleep(2000);
			putchar('.');
			fflush(stdout);
		}
	} while (live);
	return 0;
}
