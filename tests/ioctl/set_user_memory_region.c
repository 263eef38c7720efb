/* SPDX-License-Identifier: MIT */
/* KVM_SET_USER_MEMORY_REGION (api.rst 4.35). */
#include "vm_test.h"

#define NR_SLOTS 32764

static const struct malformed {
	const char *why;
	struct kvm_userspace_memory_region arg;
} malformed[] = {
	{ "slot out of range", { .memory_size = PG, .slot = NR_SLOTS } },
	{ "unknown flag",      { .memory_size = PG, .flags = 1u << 31 } },
	{ "size not paged",    { .memory_size = PG + 1 } },
	{ "gpa not paged",     { .memory_size = PG, .guest_phys_addr = 8 } },
	{ "hva not paged",     { .memory_size = PG, .userspace_addr = 8 } },
	{ "hva not of users",  { .memory_size = PG, .userspace_addr = 1ull << 63 } },
	{ "hva at the end",    { .memory_size = 2 * PG, .userspace_addr = 0x7fffffffe000 } },
	{ "as_id",             { .memory_size = PG, .slot = 2 << 16 } },
	{ "gpa wraps",         { .memory_size = 2 * PG, .guest_phys_addr = -PG } },
	{ "too many pages",    { .memory_size = 1ull << 43 } },
	{ "delete, no slot",   { .memory_size = 0 } },
};

static void rejects_malformed(void **state)
{
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, NO_POINTER));
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		struct kvm_userspace_memory_region r = malformed[i].arg;

		errno = 0;
		if (kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r) != -1 || errno != EINVAL)
			fail_msg("%s: %s", malformed[i].why, strerror(errno));
		assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION,
					       at_page_end(sizeof(r) - 1)));
	}
	close(vm);
}

static void overlap_keeps_old_slot(void **state)
{
	int vm = new_vm();
	char *ram = guest_ram(8 * PG);

	assert_ok(set_region(vm, 0, 0, 4 * PG, 4 * PG, ram));
	assert_errno(EEXIST, set_region(vm, 1, 0, 0, 5 * PG, ram));
	assert_errno(EEXIST, set_region(vm, 1, 0, 7 * PG, PG, ram));
	assert_errno(EEXIST, set_region(vm, 1, 0, 5 * PG, PG, ram));
	assert_errno(EEXIST, set_region(vm, 1, 0, 0, 8 * PG, ram));
	/* Neighbours are free. */
	assert_ok(set_region(vm, 1, 0, 0, 4 * PG, ram));
	assert_ok(set_region(vm, 2, 0, 8 * PG, PG, ram));
	/* A move over a neighbour. */
	assert_errno(EEXIST, set_region(vm, 2, 0, 3 * PG, PG, ram));
	/* Onto itself. */
	assert_ok(set_region(vm, 0, 0, 12 * PG, 4 * PG, ram));
	assert_ok(set_region(vm, 0, 0, 13 * PG, 4 * PG, ram));
	assert_ok(set_region(vm, 2, 0, 12 * PG, PG, ram));
	close(vm);
}

/* Mistakes of the second kind are found after those of the first. */
static void the_slot_before_its_place(void **state)
{
	const uint64_t end = 1ull << 52;
	int vm = new_vm();
	char *ram = guest_ram(8 * PG);

	assert_ok(set_region(vm, 0, 0, end - PG, PG, ram));
	/* What no slot could be, on top of another. */
	assert_errno(EINVAL, set_region(vm, NR_SLOTS + 3, 0, end - PG, PG, ram));
	assert_errno(EINVAL, set_region(vm, 1, 1u << 31, end - PG, PG, ram));
	assert_errno(EINVAL, set_region(vm, 1, 0, end - PG, PG + 1, ram));
	assert_errno(EINVAL, set_region(vm, 1, 0, end - PG, PG, ram + 1));
	assert_errno(EINVAL, set_region(vm, 2 << 16 | 1, 0, end - PG, PG, ram));
	/* Over another and over the end. */
	assert_errno(EEXIST, set_region(vm, 1, 0, end - PG, 2 * PG, ram));
	/* A change that is none, over another. */
	assert_ok(set_region(vm, 1, 0, 0, PG, ram));
	assert_errno(EINVAL, set_region(vm, 1, 0, end - PG, 2 * PG, ram));
	assert_errno(EINVAL, set_region(vm, 1, KVM_MEM_READONLY, end - PG, PG, ram));
	assert_errno(EEXIST, set_region(vm, 1, 0, end - PG, PG, ram));
	/* A deletion has size 0 and nothing else, but a malformed one is malformed. */
	assert_errno(EINVAL, set_region(vm, 1, 1u << 31, 0, 0, NULL));
	assert_errno(EINVAL, set_region(vm, 1, 0, 1, 0, NULL));
	assert_ok(set_region(vm, 1, KVM_MEM_READONLY, end - PG, 0, ram + PG));
	close(vm);
}

/* The upper half of the slot; kvm_pvm has one space only. */
static void address_spaces(void **state)
{
	int vm = new_vm();
	char *ram = guest_ram(8 * PG);

	if (check_extension(vm, KVM_CAP_MULTI_ADDRESS_SPACE) != 2)
		skip();
	assert_ok(set_region(vm, 0, 0, 4 * PG, 4 * PG, ram));
	assert_ok(set_region(vm, 1 << 16, 0, 4 * PG, 4 * PG, ram));
	assert_errno(EEXIST, set_region(vm, 1 << 16 | 1, 0, 5 * PG, PG, ram));
	assert_errno(EINVAL, set_region(vm, 1 << 16 | 1, 0, 0, 0, NULL));
	assert_errno(EINVAL, set_region(vm, 2 << 16, 0, 4 * PG, 4 * PG, ram));
	assert_errno(EINVAL, set_region(vm, 0xffff0000, 0, 4 * PG, 4 * PG, ram));
	assert_ok(set_region(vm, 0, 0, 0, 0, NULL));
	assert_errno(EEXIST, set_region(vm, 1 << 16 | 1, 0, 5 * PG, PG, ram));
	close(vm);
}

static void what_may_change(void **state)
{
	int vm = new_vm();
	char *ram = guest_ram(8 * PG);

	assert_ok(set_region(vm, 0, 0, 0, 4 * PG, ram));
	assert_ok(set_region(vm, 0, 0, 0, 4 * PG, ram));
	assert_errno(EINVAL, set_region(vm, 0, 0, 0, 5 * PG, ram));
	assert_errno(EINVAL, set_region(vm, 0, 0, 0, 4 * PG, ram + PG));
	assert_errno(EINVAL, set_region(vm, 0, KVM_MEM_READONLY, 0, 4 * PG, ram));
	assert_ok(set_region(vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 4 * PG, ram));
	assert_ok(set_region(vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 16 * PG, 4 * PG, ram));
	assert_ok(set_region(vm, 0, 0, 16 * PG, 4 * PG, ram));
	/* Deletion looks at nothing but the slot. */
	assert_ok(set_region(vm, 0, 0, PG, 0, ram + PG));
	assert_errno(EINVAL, set_region(vm, 0, 0, 0, 0, NULL));
	assert_ok(set_region(vm, 0, KVM_MEM_READONLY, 0, 8 * PG, ram));
	close(vm);
}

static void above_the_physical_width(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, set_region(vm, 0, 0, 1ull << 52, PG, NULL));
	assert_errno(EINVAL, set_region(vm, 0, 0, (1ull << 52) - PG, 2 * PG, NULL));
	close(vm);
}

static void largest_and_last(void **state)
{
	const uint64_t pages = (1ull << 31) - 1;
	int vm = new_vm();

	assert_errno(EINVAL, set_region(vm, 0, 0, 0, (pages + 1) * PG, NULL));
	if (on_kernel())
		skip();		/* allocates for every page */
	assert_ok(set_region(vm, 0, 0, 0, pages * PG, (void *)PG));
	assert_ok(set_region(vm, NR_SLOTS - 1, 0, pages * PG, PG, NULL));
	close(vm);
}

/* Nothing is touched at registration: the HVA need not exist. */
static void hva_need_not_be_mapped(void **state)
{
	int vm = new_vm();
	char *ram = guest_ram(PG);

	munmap(ram, PG);
	assert_ok(set_region(vm, 0, 0, 0, PG, ram));
	close(vm);
}

static void fill(int vm, uint32_t step)
{
	char *ram = guest_ram(NR_SLOTS * PG);

	/* Multiplication by an odd number permutes the 32768 places. */
	for (uint32_t i = 0; i < NR_SLOTS; i++)
		assert_ok(set_region(vm, i, 0, (uint64_t)(i * step % 32768) * 2 * PG, PG,
				     ram + i * PG));
	munmap(ram, NR_SLOTS * PG);
}

static void all_slots(void **state)
{
	int vm;

	if (on_kernel())
		skip();
	vm = new_vm();
	fill(vm, 1);
	assert_errno(EINVAL, set_region(vm, NR_SLOTS, 0, 0, PG, NULL));
	for (uint32_t i = 0; i < NR_SLOTS; i++)
		assert_ok(set_region(vm, i, 0, 0, 0, NULL));
	close(vm);
	vm = new_vm();
	fill(vm, 12345);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_USER_MEMORY_REGION);
}

IOCTL_TESTS(set_user_memory_region,
	    cmocka_unit_test(rejects_malformed),
	    cmocka_unit_test(the_slot_before_its_place),
	    cmocka_unit_test(overlap_keeps_old_slot),
	    cmocka_unit_test(address_spaces),
	    cmocka_unit_test(what_may_change),
	    cmocka_unit_test(above_the_physical_width),
	    cmocka_unit_test(largest_and_last),
	    cmocka_unit_test(hva_need_not_be_mapped),
	    cmocka_unit_test(all_slots),
	    cmocka_unit_test(wrong_scope))
