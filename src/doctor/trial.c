/* SPDX-License-Identifier: MIT */
#include "doctor/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/launcher.h"

#define SECONDS		10
#define SELF		"/proc/self/exe"

__attribute__((noreturn))
static void be_child(const char *preload, const char *engine, int out, int err)
{
	const struct rlimit no_core = { 0, 0 };

	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	/* Much on stderr is lost rather than waited for. */
	fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
	setrlimit(RLIMIT_CORE, &no_core);
	alarm(SECONDS);
	preload_add(NULL);
	setenv("ANYKVM_ENGINE", engine, 1);
	setenv("ANYKVM_QUIET", "1", 1);
	execl(SELF, TRIAL_NAME, preload, NULL);
	_exit(errno);
}

/* Keeps the last whole report. */
static void read_reports(int fd, struct trial *t)
{
	struct trial next;
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, (char *)&next + have, sizeof(next) - have)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		have += n;
		if (have == sizeof(next)) {
			*t = next;
			have = 0;
		}
	}
}

static void read_stderr(int fd, struct trial *t)
{
	ssize_t n = read(fd, t->said, sizeof(t->said) - 1);

	t->said[n < 0 ? 0 : n] = '\0';
}

static void run_child(const char *preload, const char *engine, int out[2],
		      int err[2], struct trial *t)
{
	pid_t pid = fork();
	int status = 0;

	if (pid < 0) {
		t->no_process = errno;
		return;
	}
	if (!pid)
		be_child(preload, engine, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	out[1] = err[1] = -1;
	read_reports(out[0], t);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	read_stderr(err[0], t);
	if (WIFSIGNALED(status))
		t->signal = WTERMSIG(status);
	else if (!t->step[0])
		t->no_process = WEXITSTATUS(status);
}

void trial_run(const char *preload, const char *engine, struct trial *t)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };

	memset(t, 0, sizeof(*t));
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		t->no_process = errno;
	else
		run_child(preload, engine, out, err, t);
	for (int i = 0; i < 2; i++) {
		if (out[i] >= 0)
			close(out[i]);
		if (err[i] >= 0)
			close(err[i]);
	}
}
