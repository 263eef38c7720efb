/* SPDX-License-Identifier: MIT */
/* KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG (api.rst 4.8, 4.117). */
#include "fake_arch.h"
#include "kvm_api.h"

#include "api/memslot.h"

#define NPAGES 130	/* three words, the last with two bits */

static char *ram;

static int vm_with_log(u64 manual)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { manual },
	};
	int vm = new_vm();

	ram = guest_ram(NPAGES * PG);
	if (manual)
		assert_ok(kvm_ioctl(vm, KVM_ENABLE_CAP, &cap));
	assert_ok(set_region(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, 0, NPAGES * PG, ram));
	return vm;
}

static int get_log(int vm, u32 slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return kvm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
}

static int clear_log(int vm, u32 slot, u64 first, u32 n, void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = slot, .first_page = first, .num_pages = n, .dirty_bitmap = bitmap,
	};

	return kvm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &log);
}

static void get_rejects(void **state)
{
	int vm = vm_with_log(0);
	u64 bits[3];

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_DIRTY_LOG, NULL));
	assert_errno(EINVAL, get_log(vm, 32764, bits));
	assert_errno(EINVAL, get_log(vm, 2 << 16, bits));
	assert_errno(ENOENT, get_log(vm, 1, bits));
	assert_errno(ENOENT, get_log(vm, 1 << 16 | 5, bits));
	assert_ok(set_region(vm, 6, 0, 1ul << 30, PG, ram));
	assert_errno(ENOENT, get_log(vm, 6, bits));
	assert_errno(EFAULT, get_log(vm, 5, NO_POINTER));
	assert_ok(get_log(vm, 5, bits));
	close(vm);
}

static void clear_rejects(void **state)
{
	int vm = vm_with_log(0);
	u64 bits[3] = { 0 };

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, NULL));
	assert_errno(EINVAL, clear_log(vm, 32764, 0, 64, bits));
	assert_errno(EINVAL, clear_log(vm, 1, 1, 64, bits));
	assert_errno(ENOENT, clear_log(vm, 1, 0, 64, bits));
	assert_errno(EINVAL, clear_log(vm, 5, 0, 192, bits));
	assert_errno(EINVAL, clear_log(vm, 5, 192, 1, bits));
	assert_errno(EINVAL, clear_log(vm, 5, 0, 65, bits));
	assert_errno(EINVAL, clear_log(vm, 5, ~63ull, 64, bits));
	assert_errno(EFAULT, clear_log(vm, 5, 0, 64, NO_POINTER));
	assert_ok(clear_log(vm, 5, 0, 64, bits));
	assert_ok(clear_log(vm, 5, 64, 66, bits));
	assert_ok(clear_log(vm, 5, 128, 2, bits));
	close(vm);
}

static void write_page(u64 page)
{
	assert_int_equal(vm_write_guest(fake_vm, 0, page * PG + 8, "x", 1), 0);
}

static void get_clears(void **state)
{
	int vm = vm_with_log(0);
	u64 bits[4] = { ~0ull, ~0ull, ~0ull, 0x1234 };

	assert_ok(get_log(vm, 5, bits));
	assert_int_equal(bits[0] | bits[1] | bits[2], 0);
	assert_int_equal(bits[3], 0x1234);	/* the end of the bitmap */
	write_page(0);
	write_page(65);
	write_page(129);
	assert_int_equal(ram[8], 'x');
	assert_ok(get_log(vm, 5, bits));
	assert_int_equal(bits[0], 1);
	assert_int_equal(bits[1], 2);
	assert_int_equal(bits[2], 2);
	assert_ok(get_log(vm, 5, bits));
	assert_int_equal(bits[0] | bits[1] | bits[2], 0);
	/* Reads are not writes, and the VMM's own writes are not the guest's. */
	ram[0] = 1;
	assert_int_equal(vm_read_guest(fake_vm, 0, 0, bits, 8), 0);
	assert_ok(get_log(vm, 5, bits));
	assert_int_equal(bits[0], 0);
	close(vm);
}

static void manual_keeps_until_cleared(void **state)
{
	int vm = vm_with_log(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	u64 bits[3], one = 1;

	write_page(0);
	write_page(1);
	assert_ok(get_log(vm, 5, bits));
	assert_int_equal(bits[0], 3);
	assert_ok(clear_log(vm, 5, 0, 64, &one));
	assert_ok(get_log(vm, 5, bits));
	assert_int_equal(bits[0], 2);
	close(vm);
}

static void initially_all_set(void **state)
{
	int vm = vm_with_log(3);
	u64 bits[3];

	assert_ok(get_log(vm, 5, bits));
	assert_true(bits[0] == ~0ull && bits[1] == ~0ull && bits[2] == 3);
	close(vm);
}

static void logging_on_and_off(void **state)
{
	int vm = vm_with_log(0);
	u64 bits[3];

	write_page(7);
	/* A move keeps the log. */
	assert_ok(set_region(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, 256 * PG, NPAGES * PG, ram));
	assert_ok(get_log(vm, 5, bits));
	assert_int_equal(bits[0], 1 << 7);
	assert_int_equal(vm_write_guest(fake_vm, 0, 263 * PG, "x", 1), 0);
	/* Off and on starts afresh. */
	assert_ok(set_region(vm, 5, 0, 256 * PG, NPAGES * PG, ram));
	assert_errno(ENOENT, get_log(vm, 5, bits));
	assert_ok(set_region(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, 256 * PG, NPAGES * PG, ram));
	assert_ok(get_log(vm, 5, bits));
	assert_int_equal(bits[0], 0);
	close(vm);
}

static void guest_access_faults(void **state)
{
	int vm = vm_with_log(0);
	char buf[2 * PG];

	assert_int_equal(vm_read_guest(fake_vm, 0, NPAGES * PG - 1, buf, 2), -EFAULT);
	assert_int_equal(vm_read_guest(fake_vm, 1, 0, buf, 1), -EFAULT);
	assert_int_equal(vm_read_guest(fake_vm, 0, ~0ull, buf, 2), -EFAULT);
	assert_int_equal(vm_write_guest(fake_vm, 0, PG - 1, buf, PG + 2), 0);
	mprotect(ram, PG, PROT_READ);
	assert_int_equal(vm_write_guest(fake_vm, 0, 0, buf, 1), -EFAULT);
	munmap(ram, PG);
	assert_int_equal(vm_read_guest(fake_vm, 0, 0, buf, 1), -EFAULT);
	assert_ok(set_region(vm, 9, KVM_MEM_READONLY, 1 << 30, PG, ram + PG));
	assert_int_equal(vm_read_guest(fake_vm, 0, 1 << 30, buf, 1), 0);
	assert_int_equal(vm_write_guest(fake_vm, 0, 1 << 30, buf, 1), -EFAULT);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_rejects),
		cmocka_unit_test(clear_rejects),
		cmocka_unit_test(get_clears),
		cmocka_unit_test(manual_keeps_until_cleared),
		cmocka_unit_test(initially_all_set),
		cmocka_unit_test(logging_on_and_off),
		cmocka_unit_test(guest_access_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
