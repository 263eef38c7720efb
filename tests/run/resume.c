/* SPDX-License-Identifier: MIT */
/* What a VMM changes while it serves an exit holds for what follows the instruction. */
#include <string.h>
#include <sys/mman.h>

#include "guest.h"

GUEST_BLOB(resume_mmio);
GUEST_BLOB(resume_pio);

enum { ROUNDS = 200, AT = 50, SLOT = 5, OTHER = 0x20000000, IMM = 3 };

static void start(struct guest *g, u64 rdi)
{
	struct kvm_regs r;

	guest_long(g, 0, GUEST_CODE);
	guest_regs(g, 0, &r);
	r.rcx = ROUNDS;
	r.rbx = GUEST_MMIO;
	r.rdi = rdi;
	r.r12 = 0;
	guest_set_regs(g, 0, &r);
}

static void *pages(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void set_slot(struct guest *g, void *mem)
{
	struct kvm_userspace_memory_region r = {
		.slot = SLOT, .guest_phys_addr = OTHER,
		.memory_size = mem ? 4096 : 0, .userspace_addr = (u64)mem,
	};

	assert_ok(kvm_ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &r));
}

/* Exits until RCX, which was ROUNDS, is @left. */
static void serve_until(struct guest *g, u32 reason, u32 left)
{
	for (u32 i = ROUNDS; i >= left; i--)
		assert_int_equal(guest_run(g, 0), reason);
}

static void another_memory(void **state)
{
	volatile u32 *before = pages(), *after = pages();
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 1);
	guest_load(&g, GUEST_CODE, resume_mmio);
	set_slot(&g, (void *)before);
	start(&g, OTHER);
	serve_until(&g, KVM_EXIT_MMIO, AT);
	set_slot(&g, NULL);
	set_slot(&g, (void *)after);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_MMIO);
	assert_int_equal(before[0], AT);
	assert_int_equal(before[2], AT + 1);
	assert_int_equal(before[4], AT + 1);
	assert_int_equal(after[2], AT);
	assert_int_equal(after[4], AT);
	assert_int_equal(after[0], AT - 1);
	guest_destroy(&g);
}

static void another_register(void **state)
{
	volatile u32 *other = pages();
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 1);
	guest_load(&g, GUEST_CODE, resume_mmio);
	set_slot(&g, (void *)other);
	start(&g, GUEST_DATA);
	g.run[0]->kvm_valid_regs = KVM_SYNC_X86_REGS;
	serve_until(&g, KVM_EXIT_MMIO, AT);
	g.run[0]->kvm_valid_regs = 0;
	assert_int_equal(g.run[0]->s.regs.regs.rdi, GUEST_DATA);
	g.run[0]->s.regs.regs.rdi = OTHER;
	g.run[0]->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_MMIO);
	assert_int_equal(*(u32 *)(g.mem + GUEST_DATA + 8), AT + 1);
	assert_int_equal(other[2], AT);
	assert_int_equal(other[4], AT);
	assert_int_equal(other[0], AT - 1);
	guest_destroy(&g);
}

static void other_code(void **state)
{
	struct guest g;
	struct kvm_regs r;

	needs_guest();
	guest_create(&g, 0, 1);
	guest_load(&g, GUEST_CODE, resume_pio);
	start(&g, 0);
	serve_until(&g, KVM_EXIT_IO, AT);
	g.mem[GUEST_CODE + IMM] = 0x40;
	while (guest_run(&g, 0) == KVM_EXIT_IO)
		;
	guest_regs(&g, 0, &r);
	assert_int_equal(r.r12, ROUNDS - AT + AT * 0x40);
	guest_destroy(&g);
}

static void another_place(void **state)
{
	struct guest g;
	struct kvm_regs r;

	needs_guest();
	guest_create(&g, 0, 1);
	guest_load(&g, GUEST_CODE, resume_pio);
	start(&g, 0);
	serve_until(&g, KVM_EXIT_IO, AT);
	guest_regs(&g, 0, &r);
	r.rip = GUEST_CODE + (guest_resume_pio_end - guest_resume_pio) - 1;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.r12, ROUNDS - AT);
	assert_int_equal(r.rcx, AT);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_memory),
		cmocka_unit_test(another_register),
		cmocka_unit_test(other_code),
		cmocka_unit_test(another_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
