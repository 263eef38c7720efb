/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_VCPU (api.rst 4.7). */
#include "kvm_api.h"

#include <sys/resource.h>

static void rejects_bad_ids(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 4096));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, ~0ul));
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
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MAX_VCPU_ID, .args = { 4 } };
	int vm = new_vm();

	assert_ok(kvm_ioctl(vm, KVM_ENABLE_CAP, &cap));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 4));
	close(new_vcpu(vm, 3));
	close(vm);
}

static void no_descriptor_left(void **state)
{
	struct rlimit old, none;
	int vm = new_vm();

	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = vm + 1;
	setrlimit(RLIMIT_NOFILE, &none);
	/* Fill what is free below. */
	for (int fd = 0; fd >= 0; fd = dup(0))
		;
	assert_errno(EMFILE, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 1));
	setrlimit(RLIMIT_NOFILE, &old);
	/* Nothing of it stays behind: the id is free. */
	close(new_vcpu(vm, 1));
	close(vm);
}

static void run_pages(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_run *a = map_run(vcpu), *b = map_run(vcpu);
	char *page, *private;

	assert_int_equal(fcntl(vcpu, F_GETFD), FD_CLOEXEC);
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

static void many(void **state)
{
	int vm = new_vm(), max = kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	if (on_kernel())
		skip();
	assert_int_equal(max, 1024);
	for (int i = 0; i < max; i++)
		close(new_vcpu(vm, 4095 - i));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_VCPU, 0));
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rejects_bad_ids),
		cmocka_unit_test(id_stays_taken_after_close),
		cmocka_unit_test(limit_set_by_max_vcpu_id),
		cmocka_unit_test(run_pages),
		cmocka_unit_test(many),
		cmocka_unit_test(no_descriptor_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
