/* SPDX-License-Identifier: MIT */
/*
 * KVM_RESET_DIRTY_RINGS, KVM_CAP_DIRTY_LOG_RING and the mapping of the ring
 * (api.rst 8.29).  The kernel reports a page each time KVM itself writes it,
 * the engine once until it is re-armed: tests count on one at least.
 */
#include "dirty.h"

#define RING_BYTES	(2 * PG)
#define RING_ENTRIES	(RING_BYTES / sizeof(struct kvm_dirty_gfn))
#define RING_OFFSET	(KVM_DIRTY_LOG_PAGE_OFFSET * PG)

static int ring_vm(void)
{
	int vm = new_vm();

	assert_ok(enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, RING_BYTES));
	return vm;
}

static struct kvm_dirty_gfn *map_ring(int vcpu)
{
	void *ring = kvm_mmap(RING_BYTES, MAP_SHARED, vcpu, RING_OFFSET);

	assert_ptr_not_equal(ring, MAP_FAILED);
	return ring;
}

static uint32_t flags_of(struct kvm_dirty_gfn *e)
{
	return __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE);
}

static void mark_harvested(struct kvm_dirty_gfn *e)
{
	__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
}

/* Takes all entries from *@next on; how many, all of them for @page. */
static int harvest(struct kvm_dirty_gfn *ring, uint32_t *next, uint64_t page)
{
	int n = 0;

	for (;; n++, ++*next) {
		struct kvm_dirty_gfn *e = &ring[*next % RING_ENTRIES];

		if (flags_of(e) != KVM_DIRTY_GFN_F_DIRTY)
			return n;
		assert_int_equal(e->slot, LOG_SLOT);
		assert_int_equal(e->offset, page);
		mark_harvested(e);
	}
}

static int reset_rings(int vm)
{
	return kvm_ioctl_val(vm, KVM_RESET_DIRTY_RINGS, 0);
}

/* Is there memory?  The page would raise SIGBUS if not. */
static bool readable(const void *p)
{
	int fd[2];
	bool ok;

	assert_int_equal(pipe(fd), 0);
	ok = write(fd[1], p, 1) == 1;
	close(fd[0]);
	close(fd[1]);
	return ok;
}

/* -- Enabling ------------------------------------------------------------------ */

static void value_is_the_largest_size(void **state)
{
	int vm = new_vm();

	assert_int_equal(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING),
			 1 << 20);
	assert_int_equal(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION,
				       KVM_CAP_DIRTY_LOG_RING_ACQ_REL), 1 << 20);
	close(vm);
}

static void sizes(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, 0));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, 3 * PG));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, PG / 2));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, 3 << 20));
	assert_errno(E2BIG, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, 2 << 20));
	assert_errno(E2BIG, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0, 1u << 31));
	/* Flags and the upper half are not looked at. */
	assert_ok(enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 1, 1ull << 32 | 1 << 20));
	close(vm);
}

static void enabled_once(void **state)
{
	int vm = ring_vm();

	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, RING_BYTES));
	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0, RING_BYTES));
	assert_errno(E2BIG, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, 2 << 20));
	close(vm);
}

static void enabled_before_the_first_vcpu(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_errno(EINVAL, enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, RING_BYTES));
	assert_errno(EINVAL, reset_rings(vm));
	close(vcpu);
	close(vm);
}

/* -- Mapping --------------------------------------------------------------------- */

static int map_errno(int vcpu, size_t size, int prot, int flags, off_t offset)
{
	void *p = on_kernel() ? mmap(NULL, size, prot, flags, vcpu, offset) :
				anykvm_mmap(NULL, size, prot, flags, vcpu, offset);
	int err = errno;

	if (p == MAP_FAILED)
		return err;
	munmap(p, size);
	return 0;
}

static void mapping_is_shared_and_not_executable(void **state)
{
	int vm = ring_vm(), vcpu = new_vcpu(vm, 0);
	const int rw = PROT_READ | PROT_WRITE;
	int err;

	assert_int_equal(map_errno(vcpu, RING_BYTES, PROT_READ, MAP_PRIVATE, RING_OFFSET),
			 EINVAL);
	/* Since Linux 6.16 nothing that is no file may be executed, with EPERM. */
	err = map_errno(vcpu, RING_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, RING_OFFSET);
	assert_true(err == EINVAL || (on_kernel() && err == EPERM));
	/* The last page counts as well as the first. */
	assert_int_equal(map_errno(vcpu, 65 * PG, rw, MAP_PRIVATE, 0), EINVAL);
	assert_int_equal(map_errno(vcpu, 4 * PG, rw, MAP_PRIVATE, RING_OFFSET + PG), EINVAL);
	assert_int_equal(map_errno(vcpu, PG, rw, MAP_PRIVATE, RING_OFFSET + RING_BYTES), 0);
	assert_int_equal(map_errno(vcpu, 64 * PG, rw, MAP_PRIVATE, 0), 0);
	assert_int_equal(map_errno(vcpu, RING_BYTES, rw, MAP_SHARED, RING_OFFSET), 0);
	assert_int_equal(map_errno(vcpu, PG, PROT_READ, MAP_SHARED_VALIDATE, RING_OFFSET), 0);
	close(vcpu);
	close(vm);
}

static void pages_around_it_are_not_there(void **state)
{
	int vm = ring_vm(), vcpu = new_vcpu(vm, 0);
	uint8_t *p = kvm_mmap(68 * PG, MAP_SHARED, vcpu, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(readable(p));
	assert_false(readable(p + 3 * PG));
	assert_false(readable(p + 63 * PG));
	assert_true(readable(p + 64 * PG));
	assert_true(readable(p + 65 * PG));
	assert_false(readable(p + 66 * PG));
	munmap(p, 68 * PG);
	close(vcpu);
	close(vm);
}

static void no_ring_no_pages(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	void *p = kvm_mmap(PG, MAP_PRIVATE, vcpu, RING_OFFSET);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_false(readable(p));
	munmap(p, PG);
	close(vcpu);
	close(vm);
}

static void mappings_show_the_same_ring(void **state)
{
	int vm = ring_vm(), a = new_vcpu(vm, 0), b = new_vcpu(vm, 1);
	struct kvm_dirty_gfn *whole = map_ring(a), *other = map_ring(b);
	struct kvm_dirty_gfn *second = kvm_mmap(PG, MAP_SHARED, a, RING_OFFSET + PG);

	whole[RING_ENTRIES - 1].offset = 0x1234;
	assert_int_equal(second[RING_ENTRIES / 2 - 1].offset, 0x1234);
	assert_int_equal(other[RING_ENTRIES - 1].offset, 0);
	munmap(whole, RING_BYTES);
	munmap(other, RING_BYTES);
	munmap(second, PG);
	close(a);
	close(b);
	close(vm);
}

/* -- Resetting ---------------------------------------------------------------------- */

static void refused_unless_enabled(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, reset_rings(vm));
	close(vm);
}

static void only_on_a_vm(void **state)
{
	int vm = ring_vm(), vcpu = new_vcpu(vm, 0), sys = kvm_open(O_RDWR);

	assert_errno(EINVAL, reset_rings(vcpu));
	assert_errno(EINVAL, reset_rings(sys));
	close(sys);
	close(vcpu);
	close(vm);
}

static void nothing_to_reset(void **state)
{
	int vm = ring_vm(), vcpu;

	assert_int_equal(reset_rings(vm), 0);
	vcpu = new_vcpu(vm, 0);
	assert_int_equal(reset_rings(vm), 0);
	assert_int_equal(kvm_ioctl_val(vm, KVM_RESET_DIRTY_RINGS, 77), 0);
	close(vcpu);
	close(vm);
}

static void counts_what_was_harvested(void **state)
{
	int vm = ring_vm(), vcpu = new_vcpu(vm, 0), n;
	struct kvm_dirty_gfn *ring = map_ring(vcpu);
	uint32_t next = 0;

	add_logged_slot(vm);
	write_page(vcpu, 9);
	assert_int_equal(reset_rings(vm), 0);		/* not taken yet */
	n = harvest(ring, &next, 9);
	assert_true(n > 0);
	assert_int_equal(reset_rings(vm), n);
	assert_int_equal(flags_of(&ring[0]), 0);
	assert_int_equal(reset_rings(vm), 0);
	/* It is armed again. */
	write_page(vcpu, 9);
	assert_true(harvest(ring, &next, 9) > 0);
	munmap(ring, RING_BYTES);
	close(vcpu);
	close(vm);
}

static void stops_at_the_first_not_taken(void **state)
{
	int vm = ring_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_dirty_gfn *ring = map_ring(vcpu);

	add_logged_slot(vm);
	for (uint64_t page = 0; page < 3; page++)
		write_page(vcpu, page);
	mark_harvested(&ring[1]);
	mark_harvested(&ring[2]);
	assert_int_equal(reset_rings(vm), 0);
	mark_harvested(&ring[0]);
	assert_int_equal(reset_rings(vm), 3);
	munmap(ring, RING_BYTES);
	close(vcpu);
	close(vm);
}

static void writes_go_to_the_ring_of_their_vcpu(void **state)
{
	int vm = ring_vm(), a = new_vcpu(vm, 0), b = new_vcpu(vm, 7), n;
	struct kvm_dirty_gfn *ring_a = map_ring(a), *ring_b = map_ring(b);
	uint32_t next_a = 0, next_b = 0;

	add_logged_slot(vm);
	write_page(a, 1);
	write_page(b, 2);
	n = harvest(ring_a, &next_a, 1);
	assert_true(n > 0);
	assert_true(flags_of(&ring_b[0]) == KVM_DIRTY_GFN_F_DIRTY);
	n += harvest(ring_b, &next_b, 2);
	assert_int_equal(reset_rings(vm), n);
	munmap(ring_a, RING_BYTES);
	munmap(ring_b, RING_BYTES);
	close(a);
	close(b);
	close(vm);
}

/* Around the ring twice. */
static void goes_round(void **state)
{
	int vm = ring_vm(), vcpu = new_vcpu(vm, 0), n;
	struct kvm_dirty_gfn *ring = map_ring(vcpu);
	uint32_t next = 0;

	add_logged_slot(vm);
	for (uint64_t page = 0; next < 2 * RING_ENTRIES; page = (page + 1) % LOG_PAGES) {
		write_page(vcpu, page);
		n = harvest(ring, &next, page);
		assert_true(n > 0);
		assert_int_equal(reset_rings(vm), n);
	}
	munmap(ring, RING_BYTES);
	close(vcpu);
	close(vm);
}

static void entries_may_say_anything(void **state)
{
	static const struct kvm_dirty_gfn lies[] = {
		{ .slot = ~0u, .offset = ~0ull }, { .slot = 2 << 16, .offset = 0 },
		{ .slot = 32764 }, { .slot = 1 << 16 | LOG_SLOT }, { .slot = 3 },
		{ .slot = LOG_SLOT, .offset = LOG_PAGES },
		{ .slot = LOG_SLOT, .offset = ~0ull }, { .slot = LOG_SLOT, .offset = 1ull << 63 },
	};
	const int nr = sizeof(lies) / sizeof(lies[0]);
	int vm = ring_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_dirty_gfn *ring = map_ring(vcpu);
	int taken = 0;

	add_logged_slot(vm);
	for (int i = 0; i < nr; i++)
		write_page(vcpu, i);
	for (; flags_of(&ring[taken]); taken++) {
		ring[taken] = lies[taken % nr];
		ring[taken].flags = ~0u;
	}
	assert_true(taken >= nr);
	assert_int_equal(reset_rings(vm), taken);
	munmap(ring, RING_BYTES);
	close(vcpu);
	close(vm);
}

static void slot_may_be_gone(void **state)
{
	int vm = ring_vm(), vcpu = new_vcpu(vm, 0), n;
	struct kvm_dirty_gfn *ring = map_ring(vcpu);
	uint32_t next = 0;

	add_logged_slot(vm);
	write_page(vcpu, 100);
	assert_ok(set_region(vm, LOG_SLOT, 0, LOG_GPA, 0, NULL));
	n = harvest(ring, &next, 100);
	assert_true(n > 0);
	assert_int_equal(reset_rings(vm), n);
	munmap(ring, RING_BYTES);
	close(vcpu);
	close(vm);
}

/* More than it holds, and nobody harvests: no entry beside it, none undone. */
static void overflow_is_harmless(void **state)
{
	int vm = new_vm(), vcpu, n = 0;
	struct kvm_dirty_gfn *ring;

	if (on_kernel())	/* it warns in its log */
		skip();
	assert_ok(enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, 0, PG));
	vcpu = new_vcpu(vm, 0);
	ring = kvm_mmap(PG, MAP_SHARED, vcpu, RING_OFFSET);
	assert_ok(set_region(vm, LOG_SLOT, KVM_MEM_LOG_DIRTY_PAGES, LOG_GPA, 512 * PG,
			     guest_ram(512 * PG)));
	for (uint64_t page = 0; page < 300; page++)
		write_page(vcpu, page);
	for (; n < 256; n++) {
		assert_int_equal(ring[n].offset, n);
		assert_int_equal(flags_of(&ring[n]), KVM_DIRTY_GFN_F_DIRTY);
		mark_harvested(&ring[n]);
	}
	assert_int_equal(reset_rings(vm), 256);
	/* What found no room is not taken for reported. */
	write_page(vcpu, 299);
	assert_int_equal(ring[0].offset, 299);
	assert_int_equal(flags_of(&ring[0]), KVM_DIRTY_GFN_F_DIRTY);
	munmap(ring, PG);
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(reset_dirty_rings,
	    cmocka_unit_test(value_is_the_largest_size),
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(enabled_once),
	    cmocka_unit_test(enabled_before_the_first_vcpu),
	    cmocka_unit_test(mapping_is_shared_and_not_executable),
	    cmocka_unit_test(pages_around_it_are_not_there),
	    cmocka_unit_test(no_ring_no_pages),
	    cmocka_unit_test(mappings_show_the_same_ring),
	    cmocka_unit_test(refused_unless_enabled),
	    cmocka_unit_test(only_on_a_vm),
	    cmocka_unit_test(nothing_to_reset),
	    cmocka_unit_test(counts_what_was_harvested),
	    cmocka_unit_test(stops_at_the_first_not_taken),
	    cmocka_unit_test(writes_go_to_the_ring_of_their_vcpu),
	    cmocka_unit_test(goes_round),
	    cmocka_unit_test(entries_may_say_anything),
	    cmocka_unit_test(slot_may_be_gone),
	    cmocka_unit_test(overflow_is_harmless))
