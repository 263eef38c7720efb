/* SPDX-License-Identifier: MIT */
/*
 * Boots Linux with libanykvm, without QEMU, on a serial console:
 *     cc *.c $(pkg-config --cflags --libs anykvm) -pthread -o boot
 *     ./boot -c 2 -m 512 -a "console=ttyS0" vmlinuz initrd
 *
 * The machine has memory, KVM's interrupt controllers and PIT, a serial port and
 * ACPI tables.  The kernel is entered at its 64-bit entry.  Ctrl-] ends it all.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot.h"

int vm, cpus = 1;
uint8_t *ram;
uint64_t ram_size = 512 << 20;
static int kvm;

int call(int fd, unsigned long request, void *arg, const char *name)
{
	int ret = anykvm_ioctl(fd, request, arg);

	if (ret < 0)
		err(1, "%s", name);
	return ret;
}
void finish(int status, const char *what)
{
	static int finished;

	if (__atomic_exchange_n(&finished, 1, __ATOMIC_RELAXED))
		pause();
	fprintf(stderr, "\r\nboot: %s\r\n", what);
	exit(status);
}

/* -- The machine ------------------------------------------------------------------ */

static void make_vm(void)
{
	uint64_t identity_map = KVM_PAGES;
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_userspace_memory_region slot = { .memory_size = ram_size };

	kvm = anykvm_open(O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "%s cannot work here", anykvm_version());
	vm = CALL(kvm, KVM_CREATE_VM, 0);
	CALL(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
	CALL(vm, KVM_SET_TSS_ADDR, KVM_PAGES + 0x1000);
	CALL(vm, KVM_CREATE_IRQCHIP, 0);
	CALL(vm, KVM_CREATE_PIT2, &pit);
	ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED)
		err(1, "no memory");
	slot.userspace_addr = (uintptr_t)ram;
	CALL(vm, KVM_SET_USER_MEMORY_REGION, &slot);
}

/* One socket, each CPU a core. */
static void set_cpuid(int vcpu, uint32_t id)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[128];
	} list = { .head.nent = 128 };

	CALL(kvm, KVM_GET_SUPPORTED_CPUID, &list);
	for (uint32_t i = 0; i < list.head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &list.entries[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0xffff) | cpus << 16 | id << 24;
			e->ecx |= 1u << 31 | 1 << 24;	/* a hypervisor; TSC deadlines */
			e->edx |= (cpus > 1) << 28;
		} else if (e->function == 4) {
			e->eax = (e->eax & 0x3ffffff) | (cpus - 1) << 26;
		} else if (e->function == 0xb || e->function == 0x1f) {
			e->eax = e->ebx = e->ecx = e->edx = 0;
		}
	}
	CALL(vcpu, KVM_SET_CPUID2, &list);
}

/* Flat segments, and 4 GiB of identical addresses in pages of 2 MiB. */
static void make_tables(void)
{
	uint64_t *gdt = (uint64_t *)(ram + GDT), *tables = (uint64_t *)(ram + PAGE_TABLES);

	gdt[2] = 0x00af9a000000ffff;
	gdt[3] = 0x00cf92000000ffff;
	tables[0] = PAGE_TABLES + 0x1003;
	for (uint64_t i = 0; i < 4; i++)
		tables[512 + i] = PAGE_TABLES + (i + 2) * 0x1000 + 3;
	for (uint64_t i = 0; i < 4 * 512; i++)
		tables[1024 + i] = i << 21 | 0x83;
}

/* boot.rst, "64-bit Boot Protocol". */
static void enter_kernel(int vcpu)
{
	struct kvm_segment data = { .limit = ~0u, .selector = 0x18, .type = 3, .present = 1,
				    .db = 1, .s = 1, .g = 1 };
	struct kvm_segment code = { .limit = ~0u, .selector = 0x10, .type = 11, .present = 1,
				    .l = 1, .s = 1, .g = 1 };
	struct kvm_regs regs = { .rip = KERNEL + 0x200, .rsi = BOOT_PARAMS, .rflags = 2 };
	struct kvm_sregs sregs;

	make_tables();
	CALL(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.cr0 = 0x80000011;		/* PG, ET, PE */
	sregs.cr3 = PAGE_TABLES;
	sregs.cr4 = 0x20;		/* PAE */
	sregs.efer = 0x500;		/* LME, LMA */
	CALL(vcpu, KVM_SET_SREGS, &sregs);
	CALL(vcpu, KVM_SET_REGS, &regs);
}

/* -- Running it --------------------------------------------------------------------- */

static uint32_t pm1_enable;

static uint32_t port_read(uint16_t port, int size)
{
	if (port - SERIAL < 8u && size == 1)
		return serial_port(port - SERIAL, 0, 0);
	if (port == PM1_ENABLE)
		return pm1_enable;
	if (port == PM1_STATUS || port == PM1_CONTROL)
		return 0;
	return ~0u;
}

static void port_write(uint16_t port, int size, uint32_t value)
{
	if (size == 1 && port - SERIAL < 8u)
		serial_port(port - SERIAL, 1, value);
	else if (port == PM1_ENABLE)
		pm1_enable = value;
	else if (size == 2 && port == PM1_CONTROL && (value & SLP_EN))
		finish(0, "the guest has powered off");
	else if (size == 1 && ((port == RESET_CONTROL && (value & 4)) ||
			       (port == KEYBOARD && value == 0xfe)))
		finish(0, "the guest has reset the machine");
}

static void do_port(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		uint32_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, run->io.size);
			port_write(run->io.port, run->io.size, value);
		} else {
			value = port_read(run->io.port, run->io.size);
			memcpy(data, &value, run->io.size);
		}
	}
}

static void run_cpu(int vcpu)
{
	struct kvm_run *run = anykvm_mmap(NULL, CALL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
					  PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		err(1, "mmap of a vCPU");
	for (;;) {
		if (anykvm_ioctl(vcpu, KVM_RUN, NULL)) {
			if (errno != EINTR && errno != EAGAIN)
				err(1, "KVM_RUN");
			continue;
		}
		if (run->exit_reason == KVM_EXIT_IO)
			do_port(run);
		else if (run->exit_reason == KVM_EXIT_MMIO)
			memset(run->mmio.data, 0xff, run->mmio.is_write ? 0 : 8);
		else if (run->exit_reason == KVM_EXIT_SHUTDOWN)
			finish(0, "the guest has reset the machine by a triple fault");
		else
			errx(1, "unexpected exit %u", run->exit_reason);
	}
}

/* Those but the first wait in KVM_RUN for the first to start them. */
static void *run_other_cpu(void *vcpu)
{
	run_cpu((intptr_t)vcpu);
	return NULL;
}

static int make_cpus(void)
{
	int first = -1;
	pthread_t thread;

	for (intptr_t id = 0; id < cpus; id++) {
		intptr_t vcpu = CALL(vm, KVM_CREATE_VCPU, id);

		set_cpuid(vcpu, id);
		if (id == 0) {
			first = vcpu;
			continue;
		}
		errno = pthread_create(&thread, NULL, run_other_cpu, (void *)vcpu);
		if (errno)
			err(1, "pthread_create");
	}
	return first;
}

static void usage(void)
{
	fputs("Usage: boot [-c CPUS] [-m MIB] [-a COMMAND_LINE] BZIMAGE [INITRD]\n"
	      "Boots a Linux kernel of 64 bits; its serial console is the terminal.\n"
	      "Ctrl-] ends it.  The default is -c 1 -m 512 -a console=ttyS0.\n", stderr);
	exit(2);
}

static long number(const char *text, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 1 || n > max)
		usage();
	return n;
}

int main(int argc, char **argv)
{
	const char *cmdline = "console=ttyS0";
	int option, vcpu;

	while ((option = getopt(argc, argv, "a:c:m:")) != -1) {
		if (option == 'a')
			cmdline = optarg;
		else if (option == 'c')
			cpus = number(optarg, CPUS_MAX);
		else if (option == 'm')
			ram_size = number(optarg, MIB_MAX) << 20;
		else
			usage();
	}
	if (argc - optind < 1 || argc - optind > 2)
		usage();
	make_vm();
	load_kernel(argv[optind], cmdline);
	if (argv[optind + 1])
		load_initrd(argv[optind + 1]);
	make_acpi();
	vcpu = make_cpus();
	enter_kernel(vcpu);
	serial_start();
	run_cpu(vcpu);
}
