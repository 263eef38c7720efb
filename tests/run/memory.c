/* SPDX-License-Identifier: MIT */
/* Slots, dirty log and host memory that changes while the guest runs. */
#include "guest.h"

GUEST_BLOB(mem_touch);
GUEST_BLOB(mem_read);
GUEST_BLOB(mem_step);

static void set_args(struct guest *g, u32 i, u64 rbx, u64 rcx)
{
	struct kvm_regs r;

	guest_regs(g, i, &r);
	r.rbx = rbx;
	r.rcx = rcx;
	guest_set_regs(g, i, &r);
}

#define START(name, nr, rbx, rcx) struct guest g; guest_create(&g, 0, nr); \
	guest_load(&g, GUEST_CODE, name);			\
	for (u32 i_ = 0; i_ < nr; i_++) {			\
		guest_long(&g, i_, GUEST_CODE);			\
		set_args(&g, i_, rbx, rcx);			\
	}

static int get_log(struct guest *g, u32 slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return kvm_ioctl(g->vm, KVM_GET_DIRTY_LOG, &log);
}

/* -- Dirty log ------------------------------------------------------------------ */

static void logged_pages_are_exact(void **state)
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
	assert_ok(set_region(g.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GUEST_MMIO, 70 * PG, ram));
	assert_ok(get_log(&g, 1, log));
	assert_int_equal(log[0] | log[1], 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_ok(get_log(&g, 1, log));
	assert_int_equal(log[1], 2);
	guest_destroy(&g);
	munmap(ram, 70 * PG);
}

/*
 * What was stored since the last copy of a page is under a bit of the next
 * log: a VMM that copies dirty pages ends up with the guest's memory.
 */
static void no_store_escapes_the_log(void **state)
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

static void no_store_escapes_manual_clear(void **state)
{
	enum { PAGES = 64 };
	u8 *ram = guest_ram(PAGES * PG), *copy = guest_ram(PAGES * PG);
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	};
	struct runner r[2];
	u64 log, end = now_ns() + 300000000;
	struct kvm_clear_dirty_log clear = {
		.slot = 1, .num_pages = PAGES, .dirty_bitmap = &log,
	};
	START(mem_touch, 2, GUEST_MMIO, PAGES);

	assert_ok(kvm_ioctl(g.vm, KVM_ENABLE_CAP, &cap));
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

/* -- Slots under a running vCPU --------------------------------------------------- */

/* Once the ioctl has returned, nobody reaches what the slot showed. */
static void moved_slot_is_left_at_once(void **state)
{
	u8 *ram = guest_ram(PG);
	struct runner r;
	START(mem_touch, 1, GUEST_MMIO, 1);

	for (int i = 0; i < 50; i++) {
		u64 old;

		assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, PG, ram));
		runner_start(&r, &g, 0);
		old = *(volatile u64 *)ram;
		assert_soon(*(volatile u64 *)ram != old);
		if (i & 1)
			assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO + PG, PG, ram));
		else
			assert_ok(set_region(g.vm, 1, 0, 0, 0, NULL));
		old = *(volatile u64 *)ram;
		assert_int_equal(runner_join(&r), KVM_EXIT_MMIO);
		assert_int_equal(*(volatile u64 *)ram, old);
		if (i & 1)
			assert_ok(set_region(g.vm, 1, 0, 0, 0, NULL));
		assert_true(g.run[0]->mmio.phys_addr == GUEST_MMIO);
	}
	guest_destroy(&g);
	munmap(ram, PG);
}

static void other_slots_do_not_disturb(void **state)
{
	u8 *ram = guest_ram(PG);
	struct runner r;
	START(mem_touch, 1, GUEST_MMIO, 1);

	assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, PG, ram));
	runner_start(&r, &g, 0);
	for (u64 end = now_ns() + 200000000; now_ns() < end;) {
		assert_ok(set_region(g.vm, 2, 0, 0x3fff0000, PG, ram));
		assert_ok(set_region(g.vm, 3, 0, 0x50000000, PG, ram));
		assert_ok(set_region(g.vm, 2, 0, 0, 0, NULL));
		assert_ok(set_region(g.vm, 3, 0, 0, 0, NULL));
	}
	assert_false(r.done);
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
	munmap(ram, PG);
}

static void all_slots(void **state)
{
	enum { SLOTS = 32764 };
	u64 base = 0x80000000;
	struct guest g;
	struct kvm_regs r;
	u8 *ram = guest_ram(SLOTS * PG);

	guest_create(&g, 0, 1);
	guest_load(&g, GUEST_CODE, mem_step);
	guest_long(&g, 0, GUEST_CODE);
	for (u32 i = 1; i < SLOTS; i++)
		assert_ok(set_region(g.vm, i, 0, base + i * PG, PG, ram + i * PG));
	assert_errno(EINVAL, set_region(g.vm, SLOTS, 0, base, PG, ram));
	for (u32 i = 1; i < SLOTS; i = i * 2 + 1) {
		guest_regs(&g, 0, &r);
		r.rip = GUEST_CODE;
		r.rbx = base + i * PG + 9;
		guest_set_regs(&g, 0, &r);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
		assert_int_equal(ram[i * PG + 9], 1);
	}
	guest_destroy(&g);
	munmap(ram, SLOTS * PG);
}

/* -- Host memory -------------------------------------------------------------------- */

static u64 progress(struct guest *g)
{
	return *guest_word(g, 0x40000);
}

/* The page goes while the guest uses it: EFAULT; back: it goes on. */
static void vanishing_memory(void **state)
{
	const struct { int prot; bool write; } *c, cases[] = {
		{ PROT_NONE, true }, { PROT_NONE, false }, { PROT_READ, true },
	};
	u8 *ram = guest_ram(PG);
	struct runner r;
	u64 old;

	for (c = cases; c < cases + 3; c++) {
		struct guest g;

		guest_create(&g, 0, 1);
		if (c->write)
			guest_load(&g, GUEST_CODE, mem_touch);
		else
			guest_load(&g, GUEST_CODE, mem_read);
		guest_long(&g, 0, GUEST_CODE);
		set_args(&g, 0, GUEST_MMIO, 1);
		assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, PG, ram));
		for (int i = 0; i < 10; i++) {
			runner_start(&r, &g, 0);
			old = progress(&g);
			assert_soon(progress(&g) != old);
			mprotect(ram, PG, c->prot);
			assert_int_equal(runner_join(&r), -EFAULT);
			mprotect(ram, PG, PROT_READ | PROT_WRITE);
		}
		runner_start(&r, &g, 0);
		old = progress(&g);
		assert_soon(progress(&g) != old);
		runner_stop(&r);
		/* No increment was lost or done twice. */
		if (c->write) {
			u64 n = *(volatile u64 *)ram;

			assert_in_range(n - progress(&g), 0, 1);
			memset(ram, 0, PG);
		}
		guest_destroy(&g);
	}
	munmap(ram, PG);
}

static void truncated_file(void **state)
{
	int fd = memfd_create("ram", 0);
	struct runner r;
	u64 old;
	u8 *ram;
	START(mem_touch, 1, GUEST_MMIO, 2);

	assert_ok(ftruncate(fd, 2 * PG));
	ram = mmap(NULL, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, 2 * PG, ram));
	runner_start(&r, &g, 0);
	assert_soon(progress(&g) > 100);
	assert_ok(ftruncate(fd, PG));
	assert_int_equal(runner_join(&r), -EFAULT);
	assert_ok(ftruncate(fd, 2 * PG));
	runner_start(&r, &g, 0);
	old = progress(&g);
	assert_soon(progress(&g) != old);
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
	munmap(ram, 2 * PG);
	close(fd);
}

/* Another mapping in the same place: the guest sees it at once. */
static void remapped_memory(void **state)
{
	u8 *ram = guest_ram(PG);
	struct runner r;
	START(mem_touch, 1, GUEST_MMIO, 1);

	assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, PG, ram));
	runner_start(&r, &g, 0);
	for (int i = 0; i < 20; i++) {
		assert_ptr_equal(mmap(ram, PG, PROT_READ | PROT_WRITE, MAP_FIXED |
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ram);
		assert_soon(*(volatile u64 *)ram > 10);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
	munmap(ram, PG);
}

/* The memory that holds the page tables, the IDT and the code goes, too. */
static void everything_vanishes(void **state)
{
	struct runner r;
	START(mem_touch, 1, GUEST_DATA, 1);

	runner_start(&r, &g, 0);
	assert_soon(progress(&g) > 100);
	mprotect(g.mem, GUEST_RAM, PROT_NONE);
	assert_int_equal(runner_join(&r), -EFAULT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(guest_run(&g, 0), -EFAULT);
	mprotect(g.mem, GUEST_RAM, PROT_READ | PROT_WRITE);
	runner_start(&r, &g, 0);
	usleep(2000);
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logged_pages_are_exact),
		cmocka_unit_test(no_store_escapes_the_log),
		cmocka_unit_test(no_store_escapes_manual_clear),
		cmocka_unit_test(moved_slot_is_left_at_once),
		cmocka_unit_test(other_slots_do_not_disturb),
		cmocka_unit_test(all_slots),
		cmocka_unit_test(vanishing_memory),
		cmocka_unit_test(truncated_file),
		cmocka_unit_test(remapped_memory),
		cmocka_unit_test(everything_vanishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
