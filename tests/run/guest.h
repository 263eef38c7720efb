/* SPDX-License-Identifier: MIT */
/* A VM with RAM from 0 up and vCPUs in a known mode, for tests of guest code. */
#ifndef ANYKVM_TESTS_RUN_GUEST_H
#define ANYKVM_TESTS_RUN_GUEST_H

#include <pthread.h>

#include "lib/kvm_api.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

enum {
	GUEST_RAM	= 4 << 20,
	GUEST_PML4	= 0x1000,	/* identity map of 4 GiB, 2 MiB pages */
	GUEST_GDT	= 0x7000,
	GUEST_IDT	= 0x8000,
	GUEST_TSS	= 0x9000,
	GUEST_CODE	= 0x10000,
	GUEST_DATA	= 0x40000,
	GUEST_STACK	= 0x80000,	/* of vCPU 0; 64 KiB further for each next */
	GUEST_MMIO	= 0x40000000,	/* no slot there */
	GUEST_MAX_VCPUS	= 8,
};

enum { SEL_CODE64 = 0x08, SEL_DATA = 0x10, SEL_CODE32 = 0x18, SEL_TSS = 0x20 };

enum guest_flags {
	GUEST_PLAIN = 0, GUEST_IRQCHIP = 1, GUEST_SPLIT = 2, GUEST_PIT = 4,
	GUEST_DIRTY_RING = 8,	/* of one page each */
};

struct guest {
	int vm;
	u8 *mem;
	u32 nr;
	int vcpu[GUEST_MAX_VCPUS];
	struct kvm_run *run[GUEST_MAX_VCPUS];
};

/* What vCPU @i executes is the blob between guest_NAME and guest_NAME_end. */
#define GUEST_BLOB(name)	extern const u8 guest_##name[], guest_##name##_end[]
#define guest_load(g, gpa, name) \
	memcpy((g)->mem + (gpa), guest_##name, guest_##name##_end - guest_##name)

void guest_create(struct guest *g, u32 flags, u32 nr_vcpus);
void guest_destroy(struct guest *g);

/* vCPU @i begins at @ip (flat, RSP at its stack, RFLAGS 2) at the next run. */
void guest_real(struct guest *g, u32 i, u64 ip);
void guest_prot32(struct guest *g, u32 i, u64 ip);
void guest_long(struct guest *g, u32 i, u64 ip);

/* Gate of the long mode IDT; present for everything that guest_long() set up. */
void guest_gate(struct guest *g, u8 vector, u64 handler);

/* One KVM_RUN: its exit reason, or -errno. */
int guest_run(struct guest *g, u32 i);
void guest_regs(struct guest *g, u32 i, struct kvm_regs *r);
void guest_set_regs(struct guest *g, u32 i, const struct kvm_regs *r);
u64 guest_rip(struct guest *g, u32 i);
u64 guest_rax(struct guest *g, u32 i);
u32 guest_mp_state(struct guest *g, u32 i);
void guest_set_mp_state(struct guest *g, u32 i, u32 state);

/* The next run ends with this exit. */
void assert_io(struct guest *g, u8 direction, u8 size, u16 port, u32 count);
void assert_mmio_read(struct guest *g, u64 addr, u32 len, const void *answer);
void assert_mmio_write(struct guest *g, u64 addr, u32 len, const void *data);

static inline u8 *guest_pio(struct guest *g, u32 i)
{
	return (u8 *)g->run[i] + g->run[i]->io.data_offset;
}

static inline volatile u64 *guest_word(struct guest *g, u64 gpa)
{
	return (volatile u64 *)(g->mem + gpa);
}

/* SIGUSR1 ends KVM_RUN with EINTR from here on. */
void kick_prepare(void);

/* A thread that runs vCPU @i until anything but EINTR or an exit it may ignore. */
struct runner {
	pthread_t thread;
	struct guest *g;
	u32 i;
	volatile bool begun;	/* about to enter KVM_RUN */
	volatile bool stop;	/* with a kick: the thread ends */
	volatile bool done;
	volatile int result;	/* exit reason or -errno of the last run */
};

void runner_start(struct runner *r, struct guest *g, u32 i);
/* Waits until it ended by itself, or makes it end. */
int runner_join(struct runner *r);
int runner_stop(struct runner *r);
/* Waits until the guest is in a HLT, and makes KVM_RUN end there. */
void runner_stop_halted(struct runner *r);

#endif
