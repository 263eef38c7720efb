/* SPDX-License-Identifier: MIT */
#define SEMANTICS "dirty.def"
#include "semantics.h"

#include "memory.h"

#define MSR_SYSTEM_TIME	0x4b564d01
#define MSR_STEAL_TIME	0x4b564d03
#define SMBASE		0x30000ul
#define RING_OFFSET	(KVM_DIRTY_LOG_PAGE_OFFSET * PG)
#define RING_ENTRIES	(PG / sizeof(struct kvm_dirty_gfn))

static int get_log(struct guest *g, u32 slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return kvm_ioctl(g->vm, KVM_GET_DIRTY_LOG, &log);
}

static int enable(int vm, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return kvm_ioctl(vm, KVM_ENABLE_CAP, &c);
}

/* -- 43 --------------------------------------------------------------------------- */

static void logged_pages_are_exact(void)
{
	u8 *ram = guest_ram(70 * PG);
	u64 log[2];
	START(mem_step, 1, GUEST_MMIO + 65 * PG, 0);

	assert_ok(set_region(g.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GUEST_MMIO, 70 * PG, ram));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(get_log(&g, 1, log));
	assert_int_equal(log[0], 0);
	assert_int_equal(log[1], 2);
	assert_ok(get_log(&g, 1, log));
	assert_int_equal(log[1], 0);
	/* The same store through a cached translation is logged again. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(get_log(&g, 1, log));
	assert_int_equal(log[1], 2);
	/* Turned off and on: empty. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, 70 * PG, ram));
	assert_errno(ENOENT, get_log(&g, 1, log));
	/* What the translation of this store leaves behind has no log. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(set_region(g.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GUEST_MMIO, 70 * PG, ram));
	assert_ok(get_log(&g, 1, log));
	assert_int_equal(log[0] | log[1], 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(get_log(&g, 1, log));
	assert_int_equal(log[1], 2);
	guest_destroy(&g);
	munmap(ram, 70 * PG);
}

/* The log moves along with its slot. */
static void log_survives_a_move(void)
{
	const u32 log = KVM_MEM_LOG_DIRTY_PAGES;
	u8 *ram = guest_ram(2 * PG);
	u64 bits;
	START(mem_step, 1, GUEST_MMIO + PG, 0);

	assert_ok(set_region(g.vm, 1, log, GUEST_MMIO, 2 * PG, ram));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(set_region(g.vm, 1, log, GUEST_MMIO, 2 * PG, ram));
	assert_ok(set_region(g.vm, 1, log, GUEST_MMIO + 16 * PG, 2 * PG, ram));
	assert_ok(get_log(&g, 1, &bits));
	assert_int_equal(bits, 2);
	guest_destroy(&g);
	munmap(ram, 2 * PG);
}

static void log_begins_full_if_asked(void)
{
	u8 *ram = guest_ram(66 * PG);
	u64 bits[2];
	int vm = new_vm();

	assert_ok(enable(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
			 KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET));
	assert_ok(set_region(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GUEST_MMIO, 66 * PG, ram));
	assert_ok(kvm_ioctl(vm, KVM_GET_DIRTY_LOG,
			    &(struct kvm_dirty_log){ .slot = 1, .dirty_bitmap = bits }));
	assert_true(bits[0] == ~0ull);
	assert_int_equal(bits[1], 3);
	close(vm);
	munmap(ram, 66 * PG);
}

static void logging_starts_empty_or_full(void **state)
{
	log_begins_full_if_asked();
	if (!runs_guests())
		return;
	logged_pages_are_exact();
	log_survives_a_move();
}

/* -- 44 --------------------------------------------------------------------------- */

/*
 * What was stored since the last copy of a page is under a bit of the next
 * log: a VMM that copies dirty pages ends up with the guest's memory.
 */
static void no_store_escapes_the_bitmap(void)
{
	enum { PAGES = 48 };
	u8 *ram = guest_ram(PAGES * PG), *copy = guest_ram(PAGES * PG);
	struct runner r[2];
	u64 log, end = now_ns() + 400000000, seen = 0;
	START(mem_touch, 2, GUEST_MMIO, PAGES);

	assert_ok(set_region(g.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GUEST_MMIO, PAGES * PG, ram));
	runner_start(&r[0], &g, 0);
	runner_start(&r[1], &g, 1);
	while (now_ns() < end || seen < 20) {
		assert_ok(get_log(&g, 1, &log));
		seen += log != 0;
		for (u32 p = 0; p < PAGES; p++)
			if (log >> p & 1)
				memcpy(copy + p * PG, ram + p * PG, PG);
	}
	runner_stop(&r[0]);
	runner_stop(&r[1]);
	assert_ok(get_log(&g, 1, &log));
	for (u32 p = 0; p < PAGES; p++)
		if (log >> p & 1)
			memcpy(copy + p * PG, ram + p * PG, PG);
	assert_memory_equal(copy, ram, PAGES * PG);
	guest_destroy(&g);
	munmap(ram, PAGES * PG);
	munmap(copy, PAGES * PG);
}

/* A copy takes nothing; a clear takes the bits that it names and no others. */
static void manual_clear_takes_what_it_names(void)
{
	u64 bits, log;
	struct kvm_clear_dirty_log clear = { .slot = 1, .num_pages = 64, .dirty_bitmap = &bits };
	u8 *ram = guest_ram(64 * PG);
	START(mem_step, 1, GUEST_MMIO, 0);

	assert_ok(enable(g.vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
			 KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	assert_ok(set_region(g.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GUEST_MMIO, 64 * PG, ram));
	for (u64 p = 0; p < 3; p++) {
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
		set_args(&g, 0, GUEST_MMIO + (p + 1) * PG, 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_ok(get_log(&g, 1, &log));
		assert_int_equal(log, 7);
	}
	bits = 2 | 1 << 20;
	assert_ok(kvm_ioctl(g.vm, KVM_CLEAR_DIRTY_LOG, &clear));
	assert_ok(get_log(&g, 1, &log));
	assert_int_equal(log, 5);
	/* A store there is logged again. */
	set_args(&g, 0, GUEST_MMIO + PG, 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(get_log(&g, 1, &log));
	assert_int_equal(log, 7);
	guest_destroy(&g);
	munmap(ram, 64 * PG);
}

static void no_store_escapes_manual_clear(void)
{
	enum { PAGES = 64 };
	u8 *ram = guest_ram(PAGES * PG), *copy = guest_ram(PAGES * PG);
	struct runner r[2];
	u64 log, end = now_ns() + 300000000;
	struct kvm_clear_dirty_log clear = {
		.slot = 1, .num_pages = PAGES, .dirty_bitmap = &log,
	};
	START(mem_touch, 2, GUEST_MMIO, PAGES);

	assert_ok(enable(g.vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
			 KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	assert_ok(set_region(g.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GUEST_MMIO, PAGES * PG, ram));
	runner_start(&r[0], &g, 0);
	runner_start(&r[1], &g, 1);
	for (bool last = false;; last = now_ns() >= end) {
		if (last) {
			runner_stop(&r[0]);
			runner_stop(&r[1]);
		}
		assert_ok(get_log(&g, 1, &log));
		assert_ok(kvm_ioctl(g.vm, KVM_CLEAR_DIRTY_LOG, &clear));
		for (u32 p = 0; p < PAGES; p++)
			if (log >> p & 1)
				memcpy(copy + p * PG, ram + p * PG, PG);
		if (last)
			break;
	}
	assert_memory_equal(copy, ram, PAGES * PG);
	guest_destroy(&g);
	munmap(ram, PAGES * PG);
	munmap(copy, PAGES * PG);
}

static void no_store_escapes_the_log(void **state)
{
	needs_guest();
	manual_clear_takes_what_it_names();
	no_store_escapes_the_bitmap();
	no_store_escapes_manual_clear();
}

/* -- 45 --------------------------------------------------------------------------- */

/* Slot 0 is logged from here on; the log so far is dropped. */
static void log_all(struct guest *g)
{
	u64 bits[GUEST_RAM / PG / 64];

	assert_ok(set_region(g->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, GUEST_RAM, g->mem));
	assert_ok(get_log(g, 0, bits));
}

static bool was_logged(struct guest *g, u64 gpa)
{
	u64 bits[GUEST_RAM / PG / 64], page = gpa / PG;

	assert_ok(get_log(g, 0, bits));
	return bits[page / 64] >> page % 64 & 1;
}

static void stores_that_change_nothing(void)
{
	START(mem_same, 1, GUEST_DATA, 0);

	log_all(&g);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_true(was_logged(&g, GUEST_DATA));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_true(was_logged(&g, GUEST_DATA + PG));
	guest_destroy(&g);
}

static void page_tables(void)
{
	START(mem_step, 1, GUEST_DATA, 0);
	u64 *pd = (u64 *)(g.mem + GUEST_PML4 + 2 * PG);

	pd[0] &= ~0x60ull;	/* neither accessed nor dirty */
	log_all(&g);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_true(was_logged(&g, GUEST_PML4 + 2 * PG));
	assert_int_equal(pd[0] & 0x60, 0x60);
	guest_destroy(&g);
}

static void set_msr(struct guest *g, u32 index, u64 value)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } m = {
		{ .nmsrs = 1 }, { .index = index, .data = value },
	};

	assert_int_equal(kvm_ioctl(g->vcpu[0], KVM_SET_MSRS, &m), 1);
}

static void clock_and_steal_time(void)
{
	START(mem_step, 1, GUEST_DATA, 0);

	log_all(&g);
	set_msr(&g, MSR_SYSTEM_TIME, 0x50000 | 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_true(was_logged(&g, 0x50000));
	set_msr(&g, MSR_STEAL_TIME, 0x51000 | 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_true(was_logged(&g, 0x51000));
	guest_destroy(&g);
}

static void state_saved_by_smm(void)
{
	static const u8 handler[] = { 0xe6, 0x20 };	/* out %al, $0x20 */
	START(mem_step, 1, GUEST_DATA, 0);

	if (kvm_ioctl_val(g.vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0) {
		memcpy(g.mem + SMBASE + 0x8000, handler, sizeof(handler));
		log_all(&g);
		assert_ok(set_region(g.vm, 1 << 16, KVM_MEM_LOG_DIRTY_PAGES, 0, GUEST_RAM, g.mem));
		assert_ok(kvm_ioctl_val(g.vcpu[0], KVM_SMI, 0));
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
		assert_int_equal(g.run[0]->io.port, 0x20);
		u64 bits[GUEST_RAM / PG / 64], page = (SMBASE + 0xfe00) / PG;

		assert_ok(get_log(&g, 1 << 16, bits));
		assert_true(bits[page / 64] >> page % 64 & 1);
	}
	guest_destroy(&g);
}

/* A far jump to another TSS leaves the state in this one. */
static void state_saved_by_a_task_switch(void)
{
	enum { TSS2 = 0xa000, SEL_TSS2 = 0x28, AT = GUEST_CODE + 0x100 };
	static const u8 out[] = { 0xe6, 0x21 }, jump[] = { 0xea, 0, 0, 0, 0, SEL_TSS2, 0 };
	struct guest g;
	u32 *tss;

	guest_create(&g, 0, 1);
	memcpy(g.mem + GUEST_CODE, jump, sizeof(jump));
	memcpy(g.mem + AT, out, sizeof(out));
	*guest_word(&g, GUEST_GDT + SEL_TSS2) = 0x0000890000000067 | (u64)TSS2 << 16;
	tss = (u32 *)(g.mem + TSS2);
	tss[8] = AT;
	tss[9] = 2;
	tss[14] = GUEST_STACK;
	for (u32 i = 18; i < 24; i++)
		tss[i] = i == 19 ? SEL_CODE32 : SEL_DATA;	/* ES CS SS DS FS GS */
	guest_prot32(&g, 0, GUEST_CODE);
	log_all(&g);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(g.run[0]->io.port, 0x21);
	assert_true(was_logged(&g, GUEST_TSS));
	guest_destroy(&g);
}

static void the_vmms_own_writes_are_not(void)
{
	START(mem_step, 1, GUEST_DATA, 0);

	log_all(&g);
	*guest_word(&g, 0x60000) = 1;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_false(was_logged(&g, 0x60000));
	guest_destroy(&g);
}

static void every_write_of_the_guests_doing_is_logged(void **state)
{
	needs_guest();
	stores_that_change_nothing();
	page_tables();
	clock_and_steal_time();
	state_saved_by_smm();
	state_saved_by_a_task_switch();
	the_vmms_own_writes_are_not();
}

/* -- 46 --------------------------------------------------------------------------- */

static u32 harvest(struct kvm_dirty_gfn *ring, u32 next)
{
	u32 n = 0;

	for (;; n++) {
		struct kvm_dirty_gfn *e = &ring[(next + n) % RING_ENTRIES];

		if (__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			return n;
		assert_int_equal(e->slot, 1);
		assert_int_equal(e->offset, (next + n) % RING_ENTRIES);
		__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	}
}

static void rules_of_enabling(void)
{
	int vm = new_vm(), vcpu;
	u64 bits;
	u8 *ram = guest_ram(PG);
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bits };
	struct kvm_clear_dirty_log clear = { .slot = 1, .num_pages = 1, .dirty_bitmap = &bits };

	assert_errno(EINVAL, enable(vm, KVM_CAP_DIRTY_LOG_RING, PG / 2));
	assert_errno(EINVAL, enable(vm, KVM_CAP_DIRTY_LOG_RING, 3 * PG));
	assert_errno(E2BIG, enable(vm, KVM_CAP_DIRTY_LOG_RING, 2 << 20));
	assert_ok(enable(vm, KVM_CAP_DIRTY_LOG_RING, PG));
	assert_ok(set_region(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 0, PG, ram));
	assert_errno(ENXIO, kvm_ioctl(vm, KVM_GET_DIRTY_LOG, &log));
	assert_errno(ENXIO, kvm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &clear));
	close(vm);
	vm = new_vm();
	vcpu = new_vcpu(vm, 0);
	assert_errno(EINVAL, enable(vm, KVM_CAP_DIRTY_LOG_RING, PG));
	close(vcpu);
	close(vm);
	munmap(ram, PG);
}

static int open_in_the_run(int vcpu, int sig)
{
	const uint64_t mask = ~(1ull << (sig - 1));
	struct {
		struct kvm_signal_mask head;
		u8 mask[8];
	} m = { .head.len = 8 };

	memcpy(m.mask, &mask, sizeof(mask));
	return kvm_ioctl(vcpu, KVM_SET_SIGNAL_MASK, &m);
}

/* As @full says: the ring is looked at before signals are, but after immediate_exit. */
static void run_with_signal(struct guest *g, bool full)
{
	sigset_t usr1, pending;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	assert_ok(open_in_the_run(g->vcpu[0], SIGUSR1));
	raise(SIGUSR1);
	if (full) {
		assert_int_equal(guest_run(g, 0), KVM_EXIT_DIRTY_RING_FULL);
		assert_int_equal(guest_run(g, 0), KVM_EXIT_DIRTY_RING_FULL);
		g->run[0]->immediate_exit = 1;
		assert_int_equal(guest_run(g, 0), -EINTR);
		g->run[0]->immediate_exit = 0;
	} else {
		assert_int_equal(guest_run(g, 0), -EINTR);
	}
	assert_ok(sigpending(&pending));
	assert_true(sigismember(&pending, SIGUSR1));
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_SIGNAL_MASK, NULL));
	assert_int_equal(sigwaitinfo(&usr1, NULL), SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
}

/* One page is dirtied between two exits; the ring has room for RING_ENTRIES. */
static void full(void)
{
	u8 *ram = guest_ram(RING_ENTRIES * PG);
	struct kvm_dirty_gfn *ring;
	u32 entries = 0;
	struct guest g;

	guest_create(&g, GUEST_DIRTY_RING, 1);
	ring = kvm_mmap(PG, MAP_SHARED, g.vcpu[0], RING_OFFSET);
	assert_ptr_not_equal(ring, MAP_FAILED);
	guest_load(&g, GUEST_CODE, mem_step);
	guest_long(&g, 0, GUEST_CODE);
	assert_ok(set_region(g.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GUEST_MMIO,
			     RING_ENTRIES * PG, ram));
	for (;; entries++) {
		assert_true(entries < RING_ENTRIES);
		set_args(&g, 0, GUEST_MMIO + entries * PG, 0);
		if (guest_run(&g, 0) == KVM_EXIT_DIRTY_RING_FULL)
			break;
		assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_IO);
	}
	assert_true(entries >= RING_ENTRIES / 4);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_DIRTY_RING_FULL);
	run_with_signal(&g, true);
	entries = harvest(ring, 0);
	/* Harvested, but not reset. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_DIRTY_RING_FULL);
	assert_int_equal(kvm_ioctl_val(g.vm, KVM_RESET_DIRTY_RINGS, 0), entries);
	assert_int_equal(kvm_ioctl_val(g.vm, KVM_RESET_DIRTY_RINGS, 0), 0);
	set_args(&g, 0, GUEST_MMIO + entries % RING_ENTRIES * PG, 0);
	run_with_signal(&g, false);
	/* It may have been stopped before its OUT. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(harvest(ring, entries), 1);
	munmap(ring, PG);
	guest_destroy(&g);
	munmap(ram, RING_ENTRIES * PG);
}

static void a_full_ring_stops_its_vcpu(void **state)
{
	rules_of_enabling();
	if (runs_guests())
		full();
}
