/* SPDX-License-Identifier: MIT */
/* Tests that go on in a forked child, where cmocka's asserts are no use. */
#ifndef ANYKVM_TESTS_LIB_CHILD_H
#define ANYKVM_TESTS_LIB_CHILD_H

#include <sys/wait.h>

#include "kvm_api.h"

/* The child's exit status tells the line. */
#define CHECK(cond) do { if (!(cond)) _exit(__LINE__ % 255 + 1); } while (0)
#define CHECK_ERRNO(err, expr) do {					\
	errno = 0;							\
	CHECK((expr) == -1 && errno == (err));				\
} while (0)

static inline int child_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static inline void assert_child_is_content(pid_t pid)
{
	int status = child_status(pid);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void in_child(void (*body)(void))
{
	pid_t pid = fork();

	if (!pid) {
		body();
		_exit(0);
	}
	assert_child_is_content(pid);
}

/* The signal that ends a child which reads the byte at @p; 0: none does. */
static inline int signal_of_touching(const volatile void *p)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		_exit(*(const volatile char *)p & 0);
	}
	status = child_status(pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#endif
