/* SPDX-License-Identifier: MIT */
/*
 * A vCPU with memory slots made by hand, no API around it.
 *
 *   0x00000000  RAM, 16 MiB: identity page tables are built in it
 *   0x02000000  ROM, 64 KiB: a read-only slot
 *   0x03000000  logged RAM, 64 KiB: KVM_MEM_LOG_DIRTY_PAGES
 *   0x100000000 RAM, 64 KiB: above 4 GiB
 *   all else is MMIO; at DEVICE_GPA a "chip" answers in the engine
 */
#ifndef ANYKVM_TESTS_MMU_MACHINE_H
#define ANYKVM_TESTS_MMU_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/stats.h"
#include "x86/mmu/access.h"
#include "x86/x86.h"

#define RAM_SIZE	(16ul << 20)
#define ROM_GPA		0x02000000ull
#define LOGGED_GPA	0x03000000ull
#define HIGH_GPA	0x100000000ull
#define SMALL_SIZE	(64ul << 10)
#define MMIO_GPA	0x0d000000ull
#define DEVICE_GPA	0xfee00000ull
#define DEVICE_PORT	0x20

/* Page-table entry bits. */
#define P	1ull
#define W	2ull
#define U	4ull
#define A	0x20ull
#define D	0x40ull
#define PS	0x80ull
#define G	0x100ull
#define NX	(1ull << 63)

struct machine {
	struct cpu cpu;
	struct vm vm;
	struct arch_vm arch;
	struct vcpu vcpu;
	struct vcpu_stats stats;
	struct kvm_run *run;
	u8 *ram, *rom, *logged, *high;
	u64 dirty;
	void (*on_dirty)(void);		/* called when a page is marked */

	/* What the chip at DEVICE_GPA and DEVICE_PORT has seen. */
	u32 device_reads, device_writes;
	u64 device_value;
	/* Doorbell: an ioeventfd at this address takes writes. */
	u64 doorbell, doorbell_value;
	bool no_gbpages;
	/* How often the vCPU was alone; slots changed before it was that often. */
	u32 alone, slots_change;
};

extern struct machine *m;

int machine_setup(void **state);
int machine_teardown(void **state);

/* Modes, with paging over the given root; the TLB is empty afterwards. */
void mode_real(void);
void mode_flat32(void);			/* protected, no paging */
void mode_paging32(u64 cr3);		/* 32-bit paging, PSE on */
void mode_pae(u64 cr3);			/* loads the PDPTEs */
void mode_long(u64 cr3);		/* 64-bit code */
/* After control bits were changed by hand. */
void mode_changed(void);

static inline u64 pte64(gpa_t gpa)		{ u64 v; memcpy(&v, m->ram + gpa, 8); return v; }
static inline u32 pte32(gpa_t gpa)		{ u32 v; memcpy(&v, m->ram + gpa, 4); return v; }
static inline void set64(gpa_t gpa, u64 v)	{ memcpy(m->ram + gpa, &v, 8); }
static inline void set32(gpa_t gpa, u32 v)	{ memcpy(m->ram + gpa, &v, 4); }

/*
 * 4-level tables at LONG_CR3: 4 KiB pages map the first 4 MiB one to one, and
 * LONG_WINDOW, 2 MiB of linear space, through the page table at LONG_PT.
 */
#define LONG_CR3	0x10000ull
#define LONG_PT		0x20000ull
#define LONG_WINDOW	0x40000000ull
void build_long(void);
/* Page @i of the window. */
static inline void window_map(u32 i, u64 pte)	{ set64(LONG_PT + i * 8, pte); }
#define WINDOW(i)	(LONG_WINDOW + (u64)(i) * PAGE_SIZE)

/* The exception of a STEP_FAULT. */
void assert_exception(enum step step, u8 vector, u32 error);
void assert_page_fault(enum step step, u64 cr2, u32 error);

/* The KVM_EXIT_MMIO in the run page, completed with @data if it is a read. */
void assert_mmio_exit(enum step step, u64 gpa, u32 len, bool is_write);
void complete_mmio(u64 data);

#endif
