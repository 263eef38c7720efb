/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_VCPU (api.rst 4.7). */
#include "vm_test.h"

static void makes_a_descriptor(void **state)
{
	char link[32], name[64] = "";
	int vm = new_vm(), vcpu = new_vcpu(vm, 17);

	assert_int_equal(fcntl(vcpu, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(vcpu, F_GETFL) & O_ACCMODE, O_RDWR);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", vcpu);
	assert_true(readlink(link, name, sizeof(name) - 1) > 0);
	assert_non_null(strstr(name, "anon_inode:kvm-vcpu:17"));
	close(vcpu);
	close(vm);
}

static void ids_have_a_limit(void **state)
{
	int vm = new_vm();

	close(new_vcpu(vm, 4095));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 4096));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 0xffffffff));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, ~0ul));
	close(vm);
}

/* Linux 6.1 looks at 32 bits of the argument; 6.18 refuses more. */
static void id_is_32_bits(void **state)
{
	int vm = new_vm(), vcpu = kvm_ioctl_val(vm, KVM_CREATE_VCPU, 1ul << 32 | 5);

	if (on_kernel() && vcpu < 0) {
		assert_int_equal(errno, EINVAL);
	} else {
		assert_true(vcpu >= 0);
		close(vcpu);
		assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 5));
	}
	close(vm);
}

static void id_stays_taken_after_close(void **state)
{
	int vm = new_vm();

	close(new_vcpu(vm, 7));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 7));
	close(new_vcpu(vm, 3));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 3));
	close(vm);
}

static void limit_set_by_max_vcpu_id(void **state)
{
	int vm = new_vm();

	assert_ok(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 0, 4));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 4));
	close(new_vcpu(vm, 3));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 3));
	close(vm);
}

static void no_descriptor_left(void **state)
{
	int vm = new_vm();

	close(new_vcpu(vm, 0));
	descriptors_exhaust();
	assert_errno(EMFILE, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 1));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 0));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 4096));
	descriptors_restore(state);
	/* Nothing of it stays behind: the id is free. */
	close(new_vcpu(vm, 1));
	close(vm);
}

static void run_pages(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_run *a = map_run(vcpu), *b = map_run(vcpu);
	char *page, *private;

	a->immediate_exit = 1;
	assert_int_equal(b->immediate_exit, 1);
	page = kvm_mmap(PG, MAP_SHARED, vcpu, PG);
	((char *)a)[PG] = 42;
	assert_int_equal(page[0], 42);
	private = kvm_mmap(3 * PG, MAP_PRIVATE, vcpu, 0);
	assert_ptr_not_equal(private, MAP_FAILED);
	munmap(private, 3 * PG);
	/* It cannot be resized under the engine. */
	assert_int_equal(ftruncate(vcpu, 0), -1);
	close(vcpu);
	close(vm);
	assert_int_equal(b->immediate_exit, 1);
	munmap(page, PG);
	munmap(a, 3 * PG);
	munmap(b, 3 * PG);
}

/* The count is looked at before the limit of ids and before a duplicate. */
static void many(void **state)
{
	int vm = new_vm(), max = check_extension(vm, KVM_CAP_MAX_VCPUS);

	if (on_kernel())
		skip();		/* takes it seconds */
	assert_int_equal(max, 1024);
	for (int i = 0; i < max; i++)
		close(new_vcpu(vm, 4095 - i));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 0));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 4095));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_CREATE_VCPU);
}

IOCTL_TESTS(create_vcpu,
	    cmocka_unit_test(makes_a_descriptor),
	    cmocka_unit_test(ids_have_a_limit),
	    cmocka_unit_test(id_is_32_bits),
	    cmocka_unit_test(id_stays_taken_after_close),
	    cmocka_unit_test(limit_set_by_max_vcpu_id),
	    cmocka_unit_test_teardown(no_descriptor_left, descriptors_restore),
	    cmocka_unit_test(run_pages),
	    cmocka_unit_test(many),
	    cmocka_unit_test(wrong_scope))
