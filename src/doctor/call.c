/* SPDX-License-Identifier: MIT */
#include "doctor/call.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS		5

static void be_child(int (*call)(void))
{
	const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGXFSZ, SIG_DFL);
	alarm(SECONDS);
	_exit(call());
}

struct call_result call_try(int (*call)(void))
{
	struct call_result r = { 0 };
	pid_t pid = fork();
	int status;

	if (pid < 0) {
		r.no_process = errno;
		return r;
	}
	if (!pid)
		be_child(call);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return r;
	if (WIFSIGNALED(status))
		r.signal = WTERMSIG(status);
	else
		r.error = WEXITSTATUS(status);
	return r;
}
