/* SPDX-License-Identifier: MIT */
/* What the lists of CPUID leaves have in common (api.rst 4.46, 4.88). */
#ifndef ANYKVM_TESTS_IOCTL_CPUID_LIST_H
#define ANYKVM_TESTS_IOCTL_CPUID_LIST_H

#include "vm_test.h"

#define CPUID_MAX	256	/* more than that KVM does not look at */

static inline size_t cpuid_size(uint32_t n)
{
	return sizeof(struct kvm_cpuid2) + n * sizeof(struct kvm_cpuid_entry2);
}

static inline struct kvm_cpuid2 *cpuid_alloc(uint32_t n)
{
	struct kvm_cpuid2 *c = calloc(1, cpuid_size(n));

	c->nent = n;
	return c;
}

static inline struct kvm_cpuid2 *cpuid_get(unsigned long request)
{
	struct kvm_cpuid2 *c = cpuid_alloc(CPUID_MAX);
	int sys = kvm_open(O_RDWR);

	assert_int_equal(kvm_ioctl(sys, request, c), 0);
	assert_in_range(c->nent, 1, CPUID_MAX - 1);
	close(sys);
	return c;
}

static inline uint32_t cpuid_nent(unsigned long request)
{
	struct kvm_cpuid2 *c = cpuid_get(request);
	uint32_t n = c->nent;

	free(c);
	return n;
}

/*
 * The count is stored on success only: a VMM doubles it until all fit, and
 * @spare more.
 */
static inline void cpuid_count(unsigned long request, uint32_t spare)
{
	uint32_t n = cpuid_nent(request);
	struct kvm_cpuid2 *c = cpuid_alloc(CPUID_MAX + 1);
	int sys = kvm_open(O_RDWR);

	for (uint32_t nent = 0; nent < n + spare; nent++) {
		c->nent = nent;
		assert_errno(E2BIG, kvm_ioctl(sys, request, c));
		assert_int_equal(c->nent, nent);
	}
	c->nent = n + spare;
	assert_ok(kvm_ioctl(sys, request, c));
	assert_int_equal(c->nent, n);
	memset(c->entries, 0, CPUID_MAX * sizeof(c->entries[0]));
	c->nent = CPUID_MAX + 1;
	assert_ok(kvm_ioctl(sys, request, c));
	assert_int_equal(c->nent, n);
	close(sys);
	free(c);
}

/* @err: an array that is not there. */
static inline void cpuid_bad_pointers(unsigned long request, uint32_t spare, int err)
{
	uint32_t n = cpuid_nent(request) + spare;
	struct kvm_cpuid2 head = { .nent = 0 }, *c;
	int sys = kvm_open(O_RDWR);

	assert_errno(EFAULT, kvm_ioctl(sys, request, NULL));
	assert_errno(EFAULT, kvm_ioctl(sys, request, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(sys, request, at_page_end(4)));
	assert_errno(E2BIG, kvm_ioctl(sys, request, read_only(&head, sizeof(head))));
	c = at_page_end(sizeof(head));
	c->nent = n;
	assert_errno(err, kvm_ioctl(sys, request, c));
	c = at_page_end(cpuid_size(n));
	c->nent = n;
	assert_ok(kvm_ioctl(sys, request, c));
	c->nent = n;
	assert_errno(EFAULT, kvm_ioctl(sys, request, read_only(c, cpuid_size(n))));
	close(sys);
}

#endif
