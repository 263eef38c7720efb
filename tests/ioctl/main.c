/* SPDX-License-Identifier: MIT */
/* Runs the tests of the ioctls named, or of all. */
#include "ioctl_test.h"

static struct ioctl_tests *all;

void ioctl_tests_add(struct ioctl_tests *t)
{
	t->next = all;
	all = t;
}

static int run_one(const struct ioctl_tests *t)
{
	return _cmocka_run_group_tests(t->name, t->tests, t->nr, NULL, NULL);
}

const struct ioctl_tests *ioctl_tests_find(const char *name)
{
	for (const struct ioctl_tests *t = all; t; t = t->next) {
		if (!strcmp(t->name, name))
			return t;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc == 1) {
		for (const struct ioctl_tests *t = all; t; t = t->next)
			failed += run_one(t);
	}
	for (int i = 1; i < argc; i++) {
		const struct ioctl_tests *t = ioctl_tests_find(argv[i]);

		if (!t) {
			fprintf(stderr, "ioctl_tests: no tests of %s\n", argv[i]);
			return 2;
		}
		failed += run_one(t);
	}
	return failed != 0;
}
