/* SPDX-License-Identifier: MIT */
/*
 * A guest of 15 bytes that prints through a port, with libanykvm:
 *     cc hello.c $(pkg-config --cflags --libs anykvm) -o hello && ./hello
 * The same program with open(), ioctl() and mmap() is one for /dev/kvm.
 */
#include <anykvm.h>
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define ORIGIN	0x1000

/* mov $text,%si; mov $0x3f8,%dx; 1: lodsb; test %al,%al; jz 2f; out %al,(%dx); jmp 1b; 2: hlt */
static const char guest[] =
	"\xbe\x0f\x10" "\xba\xf8\x03" "\xac" "\x84\xc0" "\x74\x03" "\xee" "\xeb\xf8" "\xf4"
	"Hello from a guest\n";

static int call(int fd, unsigned long request, void *arg, const char *name)
{
	int ret = anykvm_ioctl(fd, request, arg);

	if (ret < 0)
		err(1, "%s", name);
	return ret;
}
#define CALL(fd, request, arg)	call(fd, request, (void *)(arg), #request)

int main(void)
{
	int kvm = anykvm_open(O_RDWR | O_CLOEXEC);
	int vm, vcpu;
	struct kvm_userspace_memory_region slot = { .guest_phys_addr = ORIGIN, .memory_size = 4096 };
	struct kvm_regs regs = { .rip = ORIGIN, .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (kvm < 0 || page == MAP_FAILED)
		err(1, "%s cannot work here", anykvm_version());
	vm = CALL(kvm, KVM_CREATE_VM, 0);
	memcpy(page, guest, sizeof(guest));
	slot.userspace_addr = (uintptr_t)page;
	CALL(vm, KVM_SET_USER_MEMORY_REGION, &slot);

	vcpu = CALL(vm, KVM_CREATE_VCPU, 0);
	run = anykvm_mmap(NULL, CALL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
			  MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap of the vCPU");
	CALL(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = sregs.cs.selector = 0;
	CALL(vcpu, KVM_SET_SREGS, &sregs);
	CALL(vcpu, KVM_SET_REGS, &regs);

	for (;;) {
		CALL(vcpu, KVM_RUN, 0);
		if (run->exit_reason == KVM_EXIT_HLT)
			return 0;
		if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT)
			errx(1, "unexpected exit %u", run->exit_reason);
		putchar(((char *)run)[run->io.data_offset]);
	}
}
