/* SPDX-License-Identifier: MIT */
/* What the lists must be: each ioctl has a file of tests, each capability one row. */
#include <ctype.h>

#include "ioctl_test.h"

static const char *const rows[] = {
#define IOCTL(scope, cmd, kind, fn) #cmd,
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn) #cmd,
#include "arch_ioctls.def"
};

static bool has_tests(const char *request)
{
	char name[64] = "";

	for (size_t i = 0; request[i + 4] && i < sizeof(name) - 1; i++)
		name[i] = tolower(request[i + 4]);
	return ioctl_tests_find(name);
}

static void every_row_has_a_file(void **state)
{
	size_t missing = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!has_tests(rows[i])) {
			print_error("no tests/ioctl file for %s\n", rows[i]);
			missing++;
		}
	}
	assert_int_equal(missing, 0);
}

/* The generic list says "ARCH", or has the value: then no other may have one. */
static const struct {
	long cap;
	const char *value;
} caps[] = {
#define CAP(name, value) { name, #value },
#include "api/caps.def"
};

static const struct {
	long cap;
	const char *name;
} arch_caps[] = {
#define CAP(name, value) { KVM_CAP_##name, #name },
#include "x86/api/arch_caps.def"
};

static bool is_delegated(long cap)
{
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		if (caps[i].cap == cap)
			return !strcmp(caps[i].value, "ARCH");
	}
	return false;
}

static void arch_rows_are_delegated(void **state)
{
	size_t dead = 0;

	for (size_t i = 0; i < sizeof(arch_caps) / sizeof(arch_caps[0]); i++) {
		if (!is_delegated(arch_caps[i].cap)) {
			print_error("nobody asks for the row of %s\n", arch_caps[i].name);
			dead++;
		}
	}
	assert_int_equal(dead, 0);
}

IOCTL_TESTS(coverage,
	    cmocka_unit_test(every_row_has_a_file),
	    cmocka_unit_test(arch_rows_are_delegated))
