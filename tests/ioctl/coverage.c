/* SPDX-License-Identifier: MIT */
/* Every row of the ioctl lists has a file of tests that is named after it. */
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

IOCTL_TESTS(coverage, cmocka_unit_test(every_row_has_a_file))
