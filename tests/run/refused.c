/* SPDX-License-Identifier: MIT */
/* Hosts that refuse what the engine is made of: one line, and an errno. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/memfd.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "anykvm.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

/* memfd_create fails with EPERM if any of @flags is set; always if 0. */
static int refuse_memfd(unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags ? flags : ~0u, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* Runs @body in a child; its exit status, and what it wrote to stderr. */
static int in_child(int (*body)(void), char *text, size_t size)
{
	int pipe_fd[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(pipe_fd[1], STDERR_FILENO);
		_exit(body());
	}
	close(pipe_fd[1]);
	while ((n = read(pipe_fd[0], text + used, size - 1 - used)) > 0)
		used += n;
	text[used] = 0;
	close(pipe_fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_without_memfd(void)
{
	if (refuse_memfd(0))
		return 77;
	return anykvm_open(O_RDWR) == -1 && errno == EPERM ? 0 : 1;
}

static void no_memfd(void **state)
{
	char text[1024];

	assert_int_equal(in_child(open_without_memfd, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "refuses memfd_create"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static int vcpus_without_executable_memory(void)
{
	int fd, vm;

	if (refuse_memfd(MFD_EXEC))
		return 77;
	fd = anykvm_open(O_RDWR);
	vm = fd < 0 ? -1 : anykvm_ioctl(fd, KVM_CREATE_VM, NULL);
	if (vm < 0)
		return 1;
	for (uintptr_t id = 0; id < 2; id++)
		if (anykvm_ioctl(vm, KVM_CREATE_VCPU, (void *)id) < 0)
			return 2;
	return 0;
}

/* The interpreter goes on without it, and says once what will be missing. */
static void no_executable_memory(void **state)
{
	char text[1024];

	assert_int_equal(in_child(vcpus_without_executable_memory, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "refuses executable memory"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memfd),
		cmocka_unit_test(no_executable_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
