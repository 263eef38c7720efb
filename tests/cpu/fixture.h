/* SPDX-License-Identifier: MIT */
/*
 * A vCPU over flat memory: linear address = index into mem[].  Addresses from
 * BAD_PAGE on raise #PF, so that every order of checks can be seen.
 */
#ifndef ANYKVM_TESTS_CPU_FIXTURE_H
#define ANYKVM_TESTS_CPU_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/cpu/protect.h"
#include "x86/x86.h"

enum { MEM_SIZE = 1 << 20, BAD_PAGE = 0xf0000 };
enum { GDT = 0x1000, IDT = 0x2000, TSS = 0x4000, TSS2 = 0x5000, LDT = 0x6000 };
enum { STACK0 = 0x8000, STACK3 = 0x9000, IST1 = 0xa000, CODE = 0x10000, HANDLER = 0x12345 };

/* Selectors in the GDT. */
enum {
	CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x1b, DATA3 = 0x23, SEL_TSS = 0x28,
	CODE64 = 0x38, CODE64_3 = 0x43, CONFORMING = 0x48, ABSENT_DATA = 0x50,
	SEL_LDT = 0x58, CODE16 = 0x70, DATA16 = 0x78, EXPAND_DOWN = 0x80,
	CALL_GATE = 0x88, SEL_TASK_GATE = 0x98, SEL_TSS2 = 0xa0, CODE1 = 0xb0,
	RO_DATA = 0xb8, XO_CODE = 0xc0, ABSENT_CODE = 0xc8, ABSENT_STACK = 0xd0,
	GDT_BYTES = 0x100,
};

/* Access bytes, and flag nibbles << 8, of descriptors. */
enum { D_CODE = 0x9b, D_DATA = 0x93, D_DPL3 = 0x60, D_BIG = 0xc00, D_LONG = 0xa00 };

extern u8 mem[MEM_SIZE];
extern struct cpu cpu;
extern struct kvm_run run;
extern struct arch_vm arch;
extern bool features[NR_FEATURES];
extern enum feature host_lacks;	/* though the guest may have it */
extern u32 flushes_all, flushes_nonglobal, flushes_page;

void set_desc(u32 sel, u32 base, u32 limit, u32 access);
void set_gate(u8 vector, u8 type, u8 dpl, u16 sel, u64 off);
void set_gate64(u8 vector, u8 type, u8 dpl, u8 ist, u64 off);
u32 get32(u32 lin);
u64 get64(u32 lin);
u16 get16(u32 lin);
void put32(u32 lin, u32 v);
void put64(u32 lin, u64 v);
void put16(u32 lin, u16 v);

/* State at CODE: real, virtual-8086, 32-bit and 64-bit, at a CPL. */
int setup(void **state);
void enter_real(void);
void enter_vm86(u32 iopl);
void enter_32(u8 cpl);
void enter_64(u8 cpl);

#define TABLES(limit) (cpu.gdtr = (struct dtable){ GDT, limit })
#define assert_step(want, expr) assert_int_equal(expr, want)
void assert_exception(enum step st, u8 vector, u32 error);
void assert_jumped(enum step st, u16 cs, u64 rip);

#endif
