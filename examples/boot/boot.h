/* SPDX-License-Identifier: MIT */
/* The machine that boot makes: its parts, its addresses, its ports. */
#ifndef BOOT_H
#define BOOT_H

#include <anykvm.h>
#include <err.h>
#include <linux/kvm.h>
#include <stdint.h>

#define GDT		0x8000
#define PAGE_TABLES	0x9000		/* PML4, PDPT, four page directories */
#define BOOT_PARAMS	0x10000
#define CMDLINE		0x20000
#define LOW_END		0x9fc00
#define ACPI		0xe0000		/* where RSDP is searched (ACPI 5.2.5.1) */
#define KERNEL		0x100000
#define KVM_PAGES	0xfffbc000	/* one page of KVM's, and its three for the TSS */
#define IOAPIC		0xfec00000
#define LAPIC		0xfee00000
#define MIB_MAX		3072		/* below the devices */
#define CPUS_MAX	64

#define SERIAL		0x3f8
#define SERIAL_IRQ	4
#define KEYBOARD	0x64
#define PM1_STATUS	0x600
#define PM1_ENABLE	0x602
#define PM1_CONTROL	0x604
#define SLP_EN		(1 << 13)
#define RESET_CONTROL	0xcf9

/* -- boot.c: what all have in common -------------------------------------- */

extern int vm, cpus;
extern uint8_t *ram;
extern uint64_t ram_size;

/* An ioctl that succeeds, or the end of the program. */
int call(int fd, unsigned long request, void *arg, const char *name);
#define CALL(fd, request, arg)	call(fd, request, (void *)(arg), #request)

/* Ends the program, on any thread. */
void finish(int status, const char *what);

/* -- kernel.c --------------------------------------------------------------- */

void load_kernel(const char *path, const char *cmdline);
void load_initrd(const char *path);

/* -- acpi.c ----------------------------------------------------------------- */

/* RSDP, RSDT, FADT, DSDT and MADT. */
void make_acpi(void);

/* -- serial.c: a 16550A, and the terminal behind it --------------------------- */

/* Reads from the terminal on a thread of its own. */
void serial_start(void);
uint8_t serial_port(int reg, int is_write, uint8_t value);

#endif
