/* SPDX-License-Identifier: MIT */
#include "doctor/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
	ENOUGH_FILES = 256,
	ENOUGH_INSTANCES = 16,
	ENOUGH_MAPS = 16384,
	ENOUGH_COMMIT = 4 << 20,	/* KiB: 4 GiB */
};

const char *limit_text(rlim_t limit, char text[32])
{
	if (limit == RLIM_INFINITY)
		return "unlimited";
	snprintf(text, 32, "%llu", (unsigned long long)limit);
	return text;
}

/* -- Reading ------------------------------------------------------------------- */

static long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long n = -1;

	if (file && fscanf(file, "%ld", &n) != 1)
		n = -1;
	if (file)
		fclose(file);
	return n;
}

/* The number after @key in a file of "key  number" lines. */
static long read_field(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long n = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			n = atol(line + strlen(key));
	if (file)
		fclose(file);
	return n;
}

static rlim_t soft_limit(int resource)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

	getrlimit(resource, &r);
	return r.rlim_cur;
}

/* Of a limit of the host and one of the user namespace the smaller holds. */
static long smaller(long a, long b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static void read_pids(struct limits *l)
{
	char line[512] = "", path[640];
	FILE *file = fopen("/proc/self/cgroup", "re");
	char *group = NULL;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "0::", 3)) {
			group = line + 3;
			break;
		}
	if (file)
		fclose(file);
	if (!group)
		group = strcpy(line, "");
	group[strcspn(group, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/pids.max", group);
	l->pids_max = read_number(path);
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/pids.current", group);
	l->pids_now = read_number(path);
}

void limits_read(struct limits *l)
{
	struct utsname name;

	*l = (struct limits){
		.as = soft_limit(RLIMIT_AS),
		.nofile = soft_limit(RLIMIT_NOFILE),
		.fsize = soft_limit(RLIMIT_FSIZE),
		.nproc = soft_limit(RLIMIT_NPROC),
		.max_map_count = read_number("/proc/sys/vm/max_map_count"),
		.overcommit = read_number("/proc/sys/vm/overcommit_memory"),
		.commit_left = read_field("/proc/meminfo", "CommitLimit:") -
			       read_field("/proc/meminfo", "Committed_AS:"),
		.inotify_instances =
			smaller(read_number("/proc/sys/fs/inotify/max_user_instances"),
				read_number("/proc/sys/user/max_inotify_instances")),
		.inotify_watches =
			smaller(read_number("/proc/sys/fs/inotify/max_user_watches"),
				read_number("/proc/sys/user/max_inotify_watches")),
		.memfd_noexec = read_number("/proc/sys/vm/memfd_noexec"),
		.seccomp = read_field("/proc/self/status", "Seccomp:"),
		.selinux = read_number("/sys/fs/selinux/enforce") == 1,
		.proc = !access("/proc/self/fd", F_OK),
	};
	if (!uname(&name))
		snprintf(l->kernel, sizeof(l->kernel), "%s", name.release);
	read_pids(l);
}

/* -- Judgement ------------------------------------------------------------------- */

static void judge_number(struct findings *all, enum check check, long n, long enough)
{
	char text[32];

	if (n < 0 || n >= enough)
		return;
	snprintf(text, sizeof(text), "%ld", n);
	finding_add(all, check, text, NULL);
}

static void judge_overcommit(const struct limits *l, struct findings *all)
{
	char text[32];

	if (l->overcommit != 2 || l->commit_left >= ENOUGH_COMMIT)
		return;
	snprintf(text, sizeof(text), "%ld MiB",
		 l->commit_left > 0 ? l->commit_left / 1024 : 0);
	finding_add(all, CHECK_OVERCOMMIT, text, NULL);
}

void limits_judge(const struct limits *l, struct findings *all)
{
	char text[32];

	if (!l->proc)
		finding_add(all, CHECK_NO_PROC, NULL, NULL);
	if (l->as != RLIM_INFINITY &&
	    !findings_have_check(all, CHECK_ADDRESS_LIMIT))
		finding_add(all, CHECK_ADDRESS_LOW, limit_text(l->as, text), NULL);
	if (l->nofile < ENOUGH_FILES &&
	    !findings_have_check(all, CHECK_FILES_LIMIT))
		finding_add(all, CHECK_FILES_LOW, limit_text(l->nofile, text), NULL);
	if (!findings_have_check(all, CHECK_INOTIFY_INSTANCES))
		judge_number(all, CHECK_INOTIFY_LOW, l->inotify_instances,
			     ENOUGH_INSTANCES);
	judge_number(all, CHECK_MAP_COUNT, l->max_map_count, ENOUGH_MAPS);
	judge_overcommit(l, all);
}
