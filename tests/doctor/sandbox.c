/* SPDX-License-Identifier: MIT */
/*
 * Runs a program in a sandbox of ours:
 *   sandbox RULE... -- program [args]
 * A rule is "mdwe" (PR_SET_MDWE), or a system call, conditions on arguments,
 * and what becomes of it: "ioctl,1=0xae01,EBUSY", "memfd_create,kill".  The
 * errno 0 makes it return 0.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXIT_SKIP	77
#define MAX_FILTER	128
#ifndef PR_SET_MDWE
#define PR_SET_MDWE	65
#endif

static struct sock_filter filter[MAX_FILTER];
static unsigned short length;

static const struct {
	const char *name;
	long nr;
} calls[] = {
#define CALL(name)	{ #name, SYS_##name }
	CALL(epoll_create1), CALL(inotify_add_watch), CALL(inotify_init1),
	CALL(ioctl), CALL(madvise), CALL(memfd_create), CALL(mmap),
	CALL(openat), CALL(timerfd_create),
};

static const struct {
	const char *name;
	int number;
} errnos[] = {
#define ERRNO(name)	{ #name, name }
	{ "0", 0 },
	ERRNO(EACCES), ERRNO(EBUSY), ERRNO(EINVAL), ERRNO(EIO), ERRNO(ENOMEM),
	ERRNO(ENOSYS), ERRNO(EPERM),
};

static void die(const char *what)
{
	fprintf(stderr, "sandbox: %s\n", what);
	exit(EXIT_FAILURE);
}

static void add(unsigned short code, unsigned char jt, unsigned char jf,
		unsigned int k)
{
	if (length == MAX_FILTER)
		die("too many rules");
	filter[length++] = (struct sock_filter){ code, jt, jf, k };
}

static long find_call(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].name, name))
			return calls[i].nr;
	die("unknown system call");
	return -1;
}

static unsigned int find_action(const char *name)
{
	if (!strcmp(name, "kill"))
		return SECCOMP_RET_KILL_PROCESS;
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (!strcmp(errnos[i].name, name))
			return SECCOMP_RET_ERRNO | errnos[i].number;
	die("unknown errno");
	return 0;
}

/* Each test of a rule jumps over the rest of it; the distances come last. */
static void add_rule(char *rule)
{
	unsigned short start = length;
	char *word = strtok(rule, ","), *next;

	add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, find_call(word));
	while ((next = strtok(NULL, ",")) && strchr(next, '=')) {
		int arg = atoi(next);

		add(BPF_LD | BPF_W | BPF_ABS, 0, 0,
		    offsetof(struct seccomp_data, args) + 8 * arg);
		add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1,
		    strtoul(strchr(next, '=') + 1, NULL, 0));
	}
	if (!next)
		die("a rule without an action");
	add(BPF_RET | BPF_K, 0, 0, find_action(next));
	for (unsigned short i = start; i < length; i++)
		if (BPF_CLASS(filter[i].code) == BPF_JMP)
			filter[i].jf = length - i - 1;
}

static void install(void)
{
	struct sock_fprog program = { length, filter };

	add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	program.len = length;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("sandbox: seccomp");
		exit(EXIT_SKIP);
	}
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (strcmp(argv[i], "mdwe")) {
			add_rule(argv[i]);
		} else if (prctl(PR_SET_MDWE, 1, 0, 0, 0)) {
			perror("sandbox: PR_SET_MDWE");
			return EXIT_SKIP;
		}
	}
	if (i + 1 >= argc)
		die("no program");
	if (length)
		install();
	execvp(argv[i + 1], argv + i + 1);
	die("cannot run the program");
}
