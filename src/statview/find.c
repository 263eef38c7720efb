/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "statview/statview.h"

enum { DEPTH = 8, PATH_SIZE = 64 };

/* Of a process that shows it to us: same user, and not made undumpable. */
static bool is_page(const char *path)
{
	char target[64];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = 0;
	return !strncmp(target, "/memfd:" STATS_MEMFD, strlen("/memfd:" STATS_MEMFD));
}

static struct stats_page *map_page(const char *path, char *why)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stats_page *p;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		snprintf(why, WHY_MAX, "cannot read its statistics: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	p = (u64)st.st_size < sizeof(*p) ? MAP_FAILED :
	    mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED || memcmp(p->magic, STATS_MAGIC, sizeof(p->magic)) ||
	    p->version != STATS_VERSION || p->size != sizeof(*p) || p->nr_kvm != NR_STATS_KVM) {
		snprintf(why, WHY_MAX, "its statistics are those of another version of anykvm");
		if (p != MAP_FAILED)
			munmap(p, sizeof(*p));
		return NULL;
	}
	return p;
}

static struct stats_page *page_of(pid_t pid, char *why)
{
	char path[PATH_SIZE];
	struct stats_page *p = NULL;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir) {
		if (errno == ENOENT)
			snprintf(why, WHY_MAX, "there is no such process");
		else
			snprintf(why, WHY_MAX, "cannot look at it: %s", strerror(errno));
		return NULL;
	}
	while (!p && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%.16s", (int)pid, e->d_name);
		if (is_page(path))
			p = map_page(path, why);
		/* Inherited by a child that does not use it (yet). */
		if (p && p->pid != (u32)pid) {
			munmap(p, sizeof(*p));
			p = NULL;
		}
	}
	closedir(dir);
	return p;
}

static struct stats_page *find(pid_t pid, char *why, u32 depth);

static struct stats_page *find_in_children(pid_t pid, pid_t thread, u32 depth)
{
	char path[PATH_SIZE], why[WHY_MAX];
	struct stats_page *p = NULL;
	int child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)thread);
	f = fopen(path, "re");
	while (f && !p && fscanf(f, "%d", &child) == 1)
		p = find(child, why, depth + 1);
	if (f)
		fclose(f);
	return p;
}

static struct stats_page *find(pid_t pid, char *why, u32 depth)
{
	struct stats_page *p = page_of(pid, why);
	char path[PATH_SIZE];
	struct dirent *e;
	DIR *dir;

	if (p || depth >= DEPTH)
		return p;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && !p && (e = readdir(dir)))
		if (atoi(e->d_name) > 0)
			p = find_in_children(pid, atoi(e->d_name), depth);
	if (dir)
		closedir(dir);
	return p;
}

struct stats_page *page_find(pid_t pid, char why[WHY_MAX])
{
	snprintf(why, WHY_MAX, "it has no statistics; was it started with --stats, and has "
		 "it opened /dev/kvm?");
	return find(pid, why, 0);
}
