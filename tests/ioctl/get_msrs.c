/* SPDX-License-Identifier: MIT */
/* KVM_GET_MSRS (api.rst 4.18), on /dev/kvm and on a vCPU. */
#include "vm_test.h"

#define MAX_MSRS	256	/* one too many */

enum {
	MSR_TSC = 0x10, MSR_SYSENTER_CS = 0x174, MSR_STAR = 0xc0000081,
	MSR_NONE = 0x12345678, MSR_FEATURE = 0x8b,	/* microcode level */
};

static size_t size_of(uint32_t n)
{
	return sizeof(struct kvm_msrs) + n * sizeof(struct kvm_msr_entry);
}

struct fds {
	int sys, vm, vcpu;
};

static struct fds fds_open(void)
{
	struct fds f = { .sys = kvm_open(O_RDONLY), .vm = new_vm() };

	f.vcpu = new_vcpu(f.vm, 0);
	return f;
}

static void fds_close(struct fds f)
{
	close(f.vcpu);
	close(f.vm);
	close(f.sys);
}

static void checks(int fd, uint32_t index)
{
	struct kvm_msrs head = { .nmsrs = MAX_MSRS }, *m;

	assert_errno(EFAULT, kvm_ioctl(fd, KVM_GET_MSRS, NULL));
	assert_errno(EFAULT, kvm_ioctl(fd, KVM_GET_MSRS, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(fd, KVM_GET_MSRS, at_page_end(4)));
	/* The count before the array, which is not there. */
	m = at_page_end(sizeof(head));
	m->nmsrs = MAX_MSRS;
	assert_errno(E2BIG, kvm_ioctl(fd, KVM_GET_MSRS, m));
	m->nmsrs = ~0u;
	assert_errno(E2BIG, kvm_ioctl(fd, KVM_GET_MSRS, m));
	m->nmsrs = MAX_MSRS - 1;
	assert_errno(EFAULT, kvm_ioctl(fd, KVM_GET_MSRS, m));
	/* None is none. */
	m->nmsrs = 0;
	assert_int_equal(kvm_ioctl(fd, KVM_GET_MSRS, m), 0);
	m = at_page_end(size_of(2));
	m->nmsrs = 3;
	assert_errno(EFAULT, kvm_ioctl(fd, KVM_GET_MSRS, m));
	m->nmsrs = 2;
	m->entries[0].index = m->entries[1].index = index;
	assert_int_equal(kvm_ioctl(fd, KVM_GET_MSRS, m), 2);
	/* They cannot be stored. */
	assert_errno(EFAULT, kvm_ioctl(fd, KVM_GET_MSRS,
				       read_only((void *)((uintptr_t)m & ~(PG - 1)), PG) +
				       PG - size_of(2)));
}

static void errors(void **state)
{
	struct fds f = fds_open();

	checks(f.sys, MSR_FEATURE);
	checks(f.vcpu, MSR_STAR);
	fds_close(f);
}

/*
 * The result is the number of those before the first that there is not, whose
 * value becomes 0; those behind it are left alone.
 */
static void stops_at_the_first_unknown(void **state)
{
	struct fds f = fds_open();
	struct kvm_msrs *m = calloc(1, size_of(3));

	m->nmsrs = 3;
	for (uint32_t bad = 0; bad < 3; bad++) {
		for (uint32_t i = 0; i < 3; i++) {
			m->entries[i].index = i == bad ? MSR_NONE : MSR_FEATURE;
			m->entries[i].data = 0x5a;
		}
		assert_int_equal(kvm_ioctl(f.sys, KVM_GET_MSRS, m), bad);
		assert_int_equal(m->entries[bad].data, 0);
		for (uint32_t i = bad + 1; i < 3; i++)
			assert_int_equal(m->entries[i].data, 0x5a);
		for (uint32_t i = 0; i < 3; i++) {
			m->entries[i].index = i == bad ? MSR_NONE : MSR_SYSENTER_CS;
			m->entries[i].data = 0x5a;
		}
		assert_int_equal(kvm_ioctl(f.vcpu, KVM_GET_MSRS, m), bad);
		assert_int_equal(m->entries[bad].data, 0);
		for (uint32_t i = bad + 1; i < 3; i++)
			assert_int_equal(m->entries[i].data, 0x5a);
	}
	free(m);
	fds_close(f);
}

static void as_many_as_allowed(void **state)
{
	struct fds f = fds_open();
	struct kvm_msrs *m = calloc(1, size_of(MAX_MSRS - 1));

	m->nmsrs = MAX_MSRS - 1;
	for (uint32_t i = 0; i < m->nmsrs; i++)
		m->entries[i].index = MSR_TSC;
	assert_int_equal(kvm_ioctl(f.vcpu, KVM_GET_MSRS, m), MAX_MSRS - 1);
	free(m);
	fds_close(f);
}

/*
 * /dev/kvm has the MSRs that tell features, not those of a vCPU; since 6.12 or so
 * it gives 0 for one that KVM_GET_MSR_INDEX_LIST lists.
 */
static void system_has_features_only(void **state)
{
	struct fds f = fds_open();
	struct kvm_msrs *m = calloc(1, size_of(1));

	m->nmsrs = 1;
	m->entries[0].index = MSR_STAR;
	if (kvm_ioctl(f.sys, KVM_GET_MSRS, m)) {
		assert_true(on_kernel());
		assert_int_equal(m->entries[0].data, 0);
	}
	m->entries[0].index = MSR_FEATURE;
	assert_int_equal(kvm_ioctl(f.sys, KVM_GET_MSRS, m), 1);
	free(m);
	fds_close(f);
}

static void values(void **state)
{
	struct fds f = fds_open();
	struct kvm_msrs *m = calloc(1, size_of(2));

	m->nmsrs = 2;
	m->entries[0] = (struct kvm_msr_entry){ .index = MSR_STAR, .data = 0x1234567890abcdef };
	m->entries[1] = (struct kvm_msr_entry){ .index = MSR_SYSENTER_CS, .data = 0x33 };
	assert_int_equal(kvm_ioctl(f.vcpu, KVM_SET_MSRS, m), 2);
	m->entries[0].data = m->entries[1].data = 0;
	assert_int_equal(kvm_ioctl(f.vcpu, KVM_GET_MSRS, m), 2);
	assert_true(m->entries[0].data == 0x1234567890abcdef);
	assert_int_equal(m->entries[1].data, 0x33);
	free(m);
	fds_close(f);
}

static void not_on_a_vm(void **state)
{
	assert_not_on_vm(KVM_GET_MSRS);
}

IOCTL_TESTS(get_msrs,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(stops_at_the_first_unknown),
	    cmocka_unit_test(as_many_as_allowed),
	    cmocka_unit_test(system_has_features_only),
	    cmocka_unit_test(values),
	    cmocka_unit_test(not_on_a_vm))
