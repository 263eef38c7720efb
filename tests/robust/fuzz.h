/* SPDX-License-Identifier: MIT */
/*
 * The ioctl fuzzer.  A world of a few VMs and vCPUs, whose memory lies at
 * fixed addresses, is shared by some threads; each makes one step after the
 * other.  A step depends on the seed, the thread, its number, and what is
 * alive, so that a run of one thread can be repeated.
 */
#ifndef ANYKVM_TESTS_ROBUST_FUZZ_H
#define ANYKVM_TESTS_ROBUST_FUZZ_H

#include <linux/kvm.h>
#include <pthread.h>

#include "anykvm.h"
#include "api/dispatch.h"
#include "lib/random.h"
#include "util/types.h"

enum {
	NR_VMS		= 3,
	NR_VCPUS	= 3,
	MAX_THREADS	= 4,
	NR_EVENTFDS	= 8,
	NR_STRAYS	= 8,

	RAM_SIZE	= 1 << 20,		/* of each VM, at GPA 0 */
	ZONE_SIZE	= 64 * 4096,
	ARGS_SIZE	= 256 << 10,
	RUN_PAGES	= 3,
	RING_PAGE	= 64,			/* KVM_DIRTY_LOG_PAGE_OFFSET */
	RING_PAGES	= 16,

	GPA_PML4	= 0x1000,
	GPA_GDT		= 0x7000,
	GPA_IDT		= 0x8000,
	GPA_TSS		= 0x9000,
	GPA_CODE	= 0x10000,
	GPA_DATA	= 0x40000,
	GPA_STACK	= 0x80000,
	GPA_MMIO	= 0x40000000,		/* mostly no slot there */
};

/* One row of the lists of ioctls. */
struct row {
	u32 cmd;
	const char *name;
	enum scope scope;
	enum arg_kind kind;
	u32 size;
};

struct vm_slot {
	int fd;
	int vcpu[NR_VCPUS];
	u8 *ram;
	struct kvm_run *run[NR_VCPUS];	/* always mapped, not always to a vCPU */
	u8 *ring[NR_VCPUS];		/* likewise */
};

struct world {
	int sys;
	struct vm_slot vm[NR_VMS];
	int eventfd[NR_EVENTFDS];
	int stray[NR_STRAYS];		/* duplicates, device descriptors ... */
	int foreign_vm, foreign_vcpu;	/* another process's */
	int file, closed;
	u8 *zone;			/* comes and goes; only guests touch it */
	u8 *readonly;			/* a mapping that cannot be written */
	u8 *nothing;			/* no mapping may ever be here */
	u8 *args[MAX_THREADS];		/* nothing is behind each */

	struct kvm_cpuid2 *cpuid;	/* what is supported */
	struct kvm_msr_list *msrs;
};

struct thread {
	u32 id;
	pthread_t pthread;
	u64 rng;
	u64 step, ioctls;
	const struct row *row;		/* the last ioctl */
	u64 since_ns;			/* of the step under way; 0: none */
	bool running;			/* in KVM_RUN */
	u8 *args;			/* world.args[id] */
	u8 *stage;			/* the argument is made here */
};

struct options {
	u64 seed, calls;
	u32 threads;
	bool hostile, hints, guests, poor, verbose;
};

extern struct world world;
extern struct options options;

/* A result that KVM never gives.  Does not return. */
__attribute__((noreturn, format(printf, 1, 2))) void finding(const char *fmt, ...);

/* -- Random numbers ------------------------------------------------------------ */

static inline u64 rnd(struct thread *t)
{
	return random_next(&t->rng);
}

static inline u64 pick(struct thread *t, u64 n)
{
	return (rnd(t) >> 20) % n;
}

static inline bool one_in(struct thread *t, u64 n)
{
	return !pick(t, n);
}

#define PICK(t, array)	((array)[pick(t, ARRAY_SIZE(array))])

/* A number at some boundary; a page of guest memory; one of our addresses. */
u64 word(struct thread *t);
u64 gpa(struct thread *t);
u64 address(struct thread *t);
void fill(struct thread *t, void *p, size_t n);

/* -- The world ------------------------------------------------------------------ */

void world_create(void);
void world_destroy(void);

/*
 * A vCPU's pages are mapped one file after the other, and its number may be
 * another file's by then.  True if that was the fault at @address.
 */
bool world_repair(void *address);

struct vm_slot *any_vm(struct thread *t);
int any_fd(struct thread *t, enum scope scope, struct vm_slot *vm);
/* Closes what is at @place and puts @fd there. */
void put_fd(int *place, int fd);
int get_fd(const int *place);

void vm_renew(struct thread *t, struct vm_slot *vm);
void vcpu_renew(struct thread *t, struct vm_slot *vm, u32 i);
void map_vcpu_pages(struct vm_slot *vm, u32 i);
void step_of_world(struct thread *t);

/* -- Calls ----------------------------------------------------------------------- */

extern const struct row all_rows[];
extern const u32 nr_rows;

const struct row *find_row(enum scope scope, u32 cmd);

/* The ioctl itself: notes, counts, and judges its errno. */
int call(struct thread *t, int fd, enum scope scope, u32 cmd, void *arg);

/* Any row with any argument. */
void step_of_row(struct thread *t);
void print_rows(void);

/*
 * Writes an argument for its row to t->stage and returns the size, or 0 if
 * there is nothing special about this one.
 */
size_t gen_system(struct thread *t, const struct row *row);
size_t gen_vm(struct thread *t, const struct row *row, struct vm_slot *vm);
size_t gen_irqchip(struct thread *t, const struct row *row);
size_t gen_pv(struct thread *t, const struct row *row);
size_t gen_vcpu(struct thread *t, const struct row *row);

/* -- Guests ------------------------------------------------------------------------ */

void program_load(struct thread *t, struct vm_slot *vm, u32 i);
void step_of_run(struct thread *t);

void *hostile_main(void *stop);

#endif
