/* SPDX-License-Identifier: MIT */
/*
 * Each call that the engine makes to the host during the life of two VMs fails
 * once, in a process of its own: the VMM gets that errno, the step succeeds if
 * it is made again, nothing is lost, and the same life then succeeds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/vm.h"
#include "inject.h"
#include "life.h"
#include "x86/jit/engine.h"

enum { SURVIVED, NOT_REACHED = 77, FAILED = 1 };

static struct held expected;
static u32 nth;

static void fail(const char *what, const char *call, const char *step)
{
	fprintf(stderr, "failure %u (%s): %s in %s\n", nth, call, what, step ?: "-");
	_exit(FAILED);
}

static bool vms_end(u32 remaining)
{
	const struct timespec nap = { .tv_nsec = 200000 };

	for (int i = 0; i < 100000 && vm_count() > remaining; i++)
		nanosleep(&nap, NULL);
	return vm_count() <= remaining;
}

/* Without its watch a VM stays until the process ends (api-no-proc). */
static bool costs_the_end(const char *call)
{
	return !strncmp(call, "inotify_", 8);
}

/* The interpreter does without executable memory, and engine_name() says why. */
static bool costs_the_translator(void)
{
	return !strncmp(engine_name(), "interp:", 7);
}

/* Besides, steal time does without the host's figures (schedstat). */
static bool may_be_absorbed(const char *call)
{
	return costs_the_end(call) || costs_the_translator() ||
	       !strcmp(call, "open(schedstat)");
}

static void check_result(const struct life *l, bool lived, const char *call, int err)
{
	char text[80];

	if (!l->failed && !may_be_absorbed(call))
		fail("is not reported", call, NULL);
	if (l->failed && l->err != err) {
		snprintf(text, sizeof(text), "gives %s", strerrorname_np(l->err));
		fail(text, call, l->failed);
	}
	if (!lived)
		fail("leaves something behind", call, l->failed);
}

static void check_held(const char *call)
{
	struct held now = inject_held();
	char text[120];

	if (!memcmp(&now, &expected, sizeof(now)))
		return;
	if (costs_the_translator() && now.blocks <= expected.blocks &&
	    now.mapped < expected.mapped && now.fds <= expected.fds)
		return;
	snprintf(text, sizeof(text), "leaks %ld blocks, %ld bytes mapped, %ld descriptors",
		 now.blocks - expected.blocks, now.mapped - expected.mapped,
		 now.fds - expected.fds);
	fail(text, call, NULL);
}

static int one_process(void)
{
	const char *call;
	struct life l;
	u32 remaining;
	bool lived;
	int err;

	inject_arm(nth);
	lived = life_live(&l);
	call = inject_disarm(&err);
	life_end(&l);
	if (!call && lived)
		return NOT_REACHED;
	if (!call)
		fail("fails without reason", "none", l.failed);
	check_result(&l, lived, call, err);
	if (!vms_end(costs_the_end(call) ? 2 : 0))
		fail("keeps a VM", call, l.failed);

	remaining = vm_count();
	if (!life_live(&l) || l.failed)
		fail("spoils the next life", call, l.failed);
	life_end(&l);
	if (!vms_end(remaining))
		fail("keeps the next VM", call, NULL);
	if (!remaining)
		check_held(call);
	return SURVIVED;
}

/* Two lives without any failure: what the engine keeps. */
static void measure(int to)
{
	struct life l;

	for (int i = 0; i < 2; i++) {
		if (!life_live(&l) || l.failed)
			fail("fails without reason", "none", l.failed);
		life_end(&l);
		if (!vms_end(0))
			fail("keeps a VM", "none", NULL);
	}
	expected = inject_held();
	if (write(to, &expected, sizeof(expected)) != sizeof(expected))
		_exit(FAILED);
}

static int in_child(int pipe_to)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		alarm(60);
		if (pipe_to >= 0)
			measure(pipe_to);
		_exit(pipe_to >= 0 ? SURVIVED : one_process());
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		fprintf(stderr, "failure %u: signal %d\n", nth, WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

int main(int argc, char **argv)
{
	const u32 first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	u32 survived = 0, failed = 0;
	int ends[2], status;

	life_prepare();
	if (pipe(ends) || in_child(ends[1]) ||
	    read(ends[0], &expected, sizeof(expected)) != sizeof(expected))
		return FAILED;
	for (nth = first; (status = in_child(-1)) != NOT_REACHED; nth++) {
		survived += status == SURVIVED;
		failed += status != SURVIVED;
		if (argc > 1)
			break;
	}
	printf("%u injected failures survived, %u not\n", survived, failed);
	return failed || !survived ? FAILED : 0;
}
