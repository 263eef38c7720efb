/* SPDX-License-Identifier: MIT */
/* What the two lists of MSRs have in common (api.rst 4.3). */
#ifndef ANYKVM_TESTS_IOCTL_MSR_LIST_H
#define ANYKVM_TESTS_IOCTL_MSR_LIST_H

#include "vm_test.h"

static inline size_t msr_list_size(uint32_t n)
{
	return sizeof(struct kvm_msr_list) + n * sizeof(uint32_t);
}

static inline uint32_t msr_list_count(unsigned long request)
{
	struct kvm_msr_list none = { .nmsrs = 0 };
	int sys = kvm_open(O_RDWR);

	assert_errno(E2BIG, kvm_ioctl(sys, request, &none));
	close(sys);
	return none.nmsrs;
}

static inline struct kvm_msr_list *msr_list_get(unsigned long request)
{
	uint32_t n = msr_list_count(request);
	struct kvm_msr_list *l = malloc(msr_list_size(n));
	int sys = kvm_open(O_RDWR);

	l->nmsrs = n;
	assert_int_equal(kvm_ioctl(sys, request, l), 0);
	assert_int_equal(l->nmsrs, n);
	close(sys);
	return l;
}

static inline bool msr_list_has(const struct kvm_msr_list *l, uint32_t index)
{
	for (uint32_t i = 0; i < l->nmsrs; i++) {
		if (l->indices[i] == index)
			return true;
	}
	return false;
}

/* The true count is stored in any case; the list only if all of it fits. */
static inline void msr_list_e2big(unsigned long request)
{
	uint32_t n = msr_list_count(request);
	struct kvm_msr_list *l = calloc(1, msr_list_size(n + 1));
	int sys = kvm_open(O_RDWR);

	assert_true(n > 0);
	l->nmsrs = n - 1;
	assert_errno(E2BIG, kvm_ioctl(sys, request, l));
	assert_int_equal(l->nmsrs, n);
	assert_int_equal(l->indices[0], 0);
	l->nmsrs = n + 1;
	l->indices[n] = 0x5a5a5a5a;
	assert_ok(kvm_ioctl(sys, request, l));
	assert_int_equal(l->nmsrs, n);
	assert_int_equal(l->indices[n], 0x5a5a5a5a);
	l->nmsrs = ~0u;
	assert_ok(kvm_ioctl(sys, request, l));
	assert_int_equal(l->nmsrs, n);
	close(sys);
	free(l);
}

static inline void msr_list_bad_pointers(unsigned long request)
{
	uint32_t n = msr_list_count(request);
	struct kvm_msr_list none = { .nmsrs = 0 }, *l = at_page_end(sizeof(*l));
	int sys = kvm_open(O_RDWR);

	assert_errno(EFAULT, kvm_ioctl(sys, request, NULL));
	assert_errno(EFAULT, kvm_ioctl(sys, request, NO_POINTER));
	/* Too small as well, but the count cannot be stored. */
	assert_errno(EFAULT, kvm_ioctl(sys, request, read_only(&none, sizeof(none))));
	/* Only the count is there. */
	assert_errno(E2BIG, kvm_ioctl(sys, request, l));
	assert_int_equal(l->nmsrs, n);
	assert_errno(EFAULT, kvm_ioctl(sys, request, l));
	/* All but the last. */
	l = at_page_end(msr_list_size(n - 1));
	l->nmsrs = n;
	assert_errno(EFAULT, kvm_ioctl(sys, request, l));
	l = at_page_end(msr_list_size(n));
	l->nmsrs = n;
	assert_ok(kvm_ioctl(sys, request, l));
	close(sys);
}

#endif
