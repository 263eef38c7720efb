/* SPDX-License-Identifier: MIT */
/* ANYKVM_ENGINE and what is printed of translations. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "guest.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

/* memfd_create fails with EPERM where the code would be executable. */
static void refuse_execution(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MFD_EXEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(77);
}

/* mov ecx, 50; dec ecx; jnz; cpuid; mov [0x40000], eax; hlt */
static const u8 program[] = {
	0xb9, 50, 0, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0x0f, 0xa2,
	0x89, 0x04, 0x25, 0, 0, 4, 0, 0xf4,
};

/* 0 if a guest runs, in the engine of this name. */
static int run_guest(const char *name)
{
	const char *is = anykvm_engine();
	struct guest g;

	if (!is || strcmp(is, name))
		return 2;
	guest_create(&g, GUEST_PLAIN, 1);
	memcpy(g.mem + GUEST_CODE, program, sizeof(program));
	guest_long(&g, 0, GUEST_CODE);
	if (guest_run(&g, 0) != KVM_EXIT_HLT)
		return 3;
	guest_destroy(&g);
	return 0;
}

/* A child with that environment; its exit status. */
static int in_child(const char *engine, const char *name, bool refused)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		freopen("/dev/null", "w", stderr);
		if (refused)
			refuse_execution();
		if (engine)
			setenv("ANYKVM_ENGINE", engine, 1);
		else
			unsetenv("ANYKVM_ENGINE");
		if (!name)
			_exit(anykvm_open(O_RDWR) == -1 && errno == EINVAL &&
			      !anykvm_engine() ? 0 : 1);
		exit(run_guest(name));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void names(void **state)
{
	assert_int_equal(in_child("interp", "interp", false), 0);
	assert_int_equal(in_child("jit", "jit", false), 0);
	assert_int_equal(in_child("lockstep", "lockstep", false), 0);
	assert_int_equal(in_child("", "interp", false), in_child("auto", "interp", false));
	assert_int_equal(in_child(NULL, "interp", false), in_child("auto", "interp", false));
}

static void unknown_name(void **state)
{
	assert_int_equal(in_child("nonsense", NULL, false), 0);
	assert_int_equal(in_child("jit ", NULL, false), 0);
}

static void without_executable_memory(void **state)
{
	const char *why = "interp: the host refuses executable memory";

	assert_int_equal(in_child("jit", why, true), 0);
	assert_int_equal(in_child("lockstep", why, true), 0);
	assert_int_equal(in_child("interp", "interp", true), 0);
}

/* -- What is printed ------------------------------------------------------------------ */

static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, size - 1);

	assert_true(n >= 0);
	text[n] = 0;
	close(fd);
	unlink(path);
}

static void dumps(void **state)
{
	char path[] = "/tmp/anykvm-dump-XXXXXX", text[16384];

	close(mkstemp(path));
	setenv("ANYKVM_JIT_DUMP", "guest,host,punts", 1);
	setenv("ANYKVM_JIT_FILE", path, 1);
	assert_int_equal(in_child("jit", "jit", false), 0);
	unsetenv("ANYKVM_JIT_DUMP");
	unsetenv("ANYKVM_JIT_FILE");
	read_text(path, text, sizeof(text));
	assert_non_null(strstr(text, "guest 0000000000010005, "));
	assert_non_null(strstr(text, "0000000000010005  dec ecx"));
	assert_non_null(strstr(text, " of guest 0000000000010005, "));
	assert_non_null(strstr(text, "no translation"));
	assert_non_null(strstr(text, "\ncpuid "));
}

static void perf_map(void **state)
{
	char path[64], text[16384];
	unsigned long at;
	unsigned int n;
	int status;
	pid_t pid;

	setenv("ANYKVM_JIT_PERF", "1", 1);
	setenv("ANYKVM_ENGINE", "jit", 1);
	pid = fork();
	if (!pid)
		exit(run_guest("jit"));
	unsetenv("ANYKVM_JIT_PERF");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)pid);
	read_text(path, text, sizeof(text));
	assert_int_equal(sscanf(text, "%lx %x guest_00000000000100", &at, &n), 2);
	assert_in_range(n, 8, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(unknown_name),
		cmocka_unit_test(without_executable_memory),
		cmocka_unit_test(dumps),
		cmocka_unit_test(perf_map),
	};

	setenv("ANYKVM_JIT_HOT", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
