/* SPDX-License-Identifier: MIT */
/*
 * One file per ioctl, named after it, for the engine and for a real /dev/kvm
 * (lib/kvm_api.h).  All are linked into one program; "ioctl_tests NAME" runs
 * those of one file.  A file tests every error of its ioctl, in the kernel's
 * check order: a call with two mistakes shows which is found first.
 */
#ifndef ANYKVM_TESTS_IOCTL_IOCTL_TEST_H
#define ANYKVM_TESTS_IOCTL_IOCTL_TEST_H

#include "lib/kvm_api.h"

struct ioctl_tests {
	const char *name;		/* the request in lower case, without KVM_ */
	const struct CMUnitTest *tests;
	size_t nr;
	struct ioctl_tests *next;
};

void ioctl_tests_add(struct ioctl_tests *t);
const struct ioctl_tests *ioctl_tests_find(const char *name);

/* At the end of a file: IOCTL_TESTS(get_regs, cmocka_unit_test(...), ...) */
#define IOCTL_TESTS(file, ...)							\
	static const struct CMUnitTest file##_cases[] = { __VA_ARGS__ };	\
	static struct ioctl_tests file##_tests = {				\
		#file, file##_cases,						\
		sizeof(file##_cases) / sizeof(file##_cases[0]), NULL,		\
	};									\
	__attribute__((constructor)) static void file##_add(void)		\
	{									\
		ioctl_tests_add(&file##_tests);					\
	}

#endif
