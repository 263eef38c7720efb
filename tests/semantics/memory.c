/* SPDX-License-Identifier: MIT */
#define SEMANTICS "memory.def"
#include "semantics.h"

#include <sys/wait.h>

#include "memory.h"

/* -- 37 --------------------------------------------------------------------------- */

static void a_slot_is_deleted_moved_or_logged(void **state)
{
	const u32 log = KVM_MEM_LOG_DIRTY_PAGES, ro = KVM_MEM_READONLY;
	u8 *ram = guest_ram(8 * PG);
	int vm = new_vm();

	assert_errno(EINVAL, set_region(vm, 1, 0, 0, 0, NULL));
	assert_ok(set_region(vm, 1, 0, 0x10000, 4 * PG, ram));
	assert_ok(set_region(vm, 1, 0, 0x10000, 4 * PG, ram));
	assert_ok(set_region(vm, 1, log, 0x10000, 4 * PG, ram));
	assert_ok(set_region(vm, 1, 0, 0x10000, 4 * PG, ram));
	assert_ok(set_region(vm, 1, 0, 0x20000, 4 * PG, ram));
	assert_ok(set_region(vm, 1, log, 0x10000, 4 * PG, ram));
	assert_errno(EINVAL, set_region(vm, 1, log, 0x10000, 5 * PG, ram));
	assert_errno(EINVAL, set_region(vm, 1, log, 0x10000, 4 * PG, ram + PG));
	assert_errno(EINVAL, set_region(vm, 1, log | ro, 0x10000, 4 * PG, ram));
	/* It is still where it was. */
	assert_errno(EEXIST, set_region(vm, 2, 0, 0x13000, PG, ram));
	assert_ok(set_region(vm, 1, log, 0x70000, 0, ram + 7 * PG));
	assert_errno(EINVAL, set_region(vm, 1, 0, 0, 0, NULL));
	/* Gone, it may come back as anything. */
	assert_ok(set_region(vm, 1, ro, 0x10000, 5 * PG, ram + PG));
	close(vm);
	munmap(ram, 8 * PG);
}

/* -- 38 --------------------------------------------------------------------------- */

#define SPACE(n)	((n) << 16)

static void overlaps(void)
{
	u8 *ram = guest_ram(4 * PG);
	int vm = new_vm();

	assert_ok(set_region(vm, 0, 0, 4 * PG, 2 * PG, ram));
	assert_errno(EEXIST, set_region(vm, 1, 0, 5 * PG, 2 * PG, ram));
	assert_errno(EEXIST, set_region(vm, 1, 0, 3 * PG, 2 * PG, ram));
	assert_ok(set_region(vm, 1, 0, 6 * PG, PG, ram));
	assert_errno(EEXIST, set_region(vm, 1, 0, 5 * PG, PG, ram));
	if (kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) > 1) {
		assert_ok(set_region(vm, SPACE(1) | 0, 0, 4 * PG, 4 * PG, ram));
		assert_errno(EEXIST, set_region(vm, SPACE(1) | 1, 0, 7 * PG, PG, ram));
	}
	close(vm);
	munmap(ram, 4 * PG);
}

/* Nothing is mapped there, now or later. */
static void host_memory_is_not_touched(void)
{
	int vm = new_vm();

	assert_ok(set_region(vm, 0, 0, 0, PG, (void *)0x10000));
	assert_ok(set_region(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, PG, PG, (void *)0x11000));
	assert_ok(set_region(vm, 2, KVM_MEM_READONLY, 2 * PG, PG, (void *)0x12000));
	close(vm);
}

static void all_slots(void)
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

static void slots_of_one_space_do_not_overlap(void **state)
{
	overlaps();
	host_memory_is_not_touched();
	if (!runs_guests())
		return;
	all_slots();
}

/* -- 39 --------------------------------------------------------------------------- */

/* Once the ioctl has returned, nobody reaches what the slot showed. */
static void moved_slot_is_left_at_once(void)
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

static void other_slots_do_not_disturb(void)
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

static void a_slot_that_went_is_not_used_any_more(void **state)
{
	needs_guest();
	moved_slot_is_left_at_once();
	other_slots_do_not_disturb();
}

/* -- 40 --------------------------------------------------------------------------- */

/* The guest stores through the alias, also into the code it then calls. */
static void slots_may_share_host_memory(void **state)
{
	needs_guest();
	START(mem_alias, 1, GUEST_MMIO, 0);

	assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, GUEST_RAM, g.mem));
	assert_ok(set_region(g.vm, 2, KVM_MEM_READONLY, GUEST_MMIO + GUEST_RAM, GUEST_RAM, g.mem));
	for (u64 i = 0; i < 100; i++) {
		struct kvm_regs r;

		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
		guest_regs(&g, 0, &r);
		assert_int_equal(r.rax, i);	/* what the code says */
		assert_int_equal(r.rdx, i);	/* what the data say, read back elsewhere */
	}
	guest_destroy(&g);
}

/* -- 41 --------------------------------------------------------------------------- */

static u64 progress(struct guest *g)
{
	return *guest_word(g, 0x40000);
}

/* The page goes while the guest uses it: EFAULT; back: it goes on. */
static void vanishing_memory(void)
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

static void truncated_file(void)
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

/* Unmapped, and mapped again. */
static void unmapped_memory(void)
{
	u8 *ram = guest_ram(PG);
	struct runner r;
	START(mem_touch, 1, GUEST_MMIO, 1);

	assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, PG, ram));
	for (int i = 0; i < 5; i++) {
		runner_start(&r, &g, 0);
		assert_soon(*(volatile u64 *)ram > 10);
		munmap(ram, PG);
		assert_int_equal(runner_join(&r), -EFAULT);
		assert_ptr_equal(mmap(ram, PG, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE |
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ram);
	}
	guest_destroy(&g);
	munmap(ram, PG);
}

/* Another mapping in the same place: the guest sees it at once. */
static void remapped_memory(void)
{
	u8 *ram = guest_ram(PG);
	struct runner r;
	START(mem_touch, 1, GUEST_MMIO, 1);

	assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, PG, ram));
	runner_start(&r, &g, 0);
	for (int i = 0; i < 20; i++) {
		madvise(ram, PG, MADV_DONTNEED);	/* zeroes, too */
		assert_soon(*(volatile u64 *)ram > 10);
		assert_ptr_equal(mmap(ram, PG, PROT_READ | PROT_WRITE, MAP_FIXED |
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ram);
		assert_soon(*(volatile u64 *)ram > 10);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
	munmap(ram, PG);
}

/* The memory that holds the page tables, the IDT and the code goes, too. */
static void everything_vanishes(void)
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

static void host_mappings_are_followed(void **state)
{
	needs_guest();
	vanishing_memory();
	unmapped_memory();
	truncated_file();
	remapped_memory();
	everything_vanishes();
}

/* -- 42 --------------------------------------------------------------------------- */

static void *shared_ram(void)
{
	void *p = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void store_in_a_child(volatile u32 *p, u32 value)
{
	pid_t child = fork();

	if (child == 0) {
		*p = value;
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* mem_constant stores the operand of its MOV for ever. */
static void code_may_change_from_outside(void **state)
{
	volatile u32 *operand;
	struct runner r;
	u8 *code;

	needs_guest();
	START(mem_constant, 1, GUEST_MMIO, 0);
	code = shared_ram();
	memcpy(code, guest_mem_constant, guest_mem_constant_end - guest_mem_constant);
	operand = (void *)(code + 1);
	assert_ok(set_region(g.vm, 1, 0, GUEST_MMIO, PG, code));
	guest_long(&g, 0, GUEST_MMIO);
	runner_start(&r, &g, 0);
	for (u32 i = 1; i < 200; i++) {
		if (i % 16 == 0)
			store_in_a_child(operand, i);
		else
			*operand = i;
		assert_soon(*guest_word(&g, GUEST_DATA) == i);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
	munmap(code, PG);
}
