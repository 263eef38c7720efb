/* SPDX-License-Identifier: MIT */
/*
 * Runs one workload, natively or in a guest:
 *
 *	workloads list
 *	workloads run [-s SCALE] [-l SECONDS] [-p PROCESSES] [-d DIRECTORY] [-w] NAME
 *
 * SCALE times the workload's units are done, or as many as begin within
 * SECONDS.  One unit before them warms up; its checksum is what the others
 * have to have.  PROCESSES do the same at once.  With -w it waits, set up and
 * warm, for a line on its standard input.  The last line is the result:
 * "result" and NAME=VALUE pairs, or "skipped".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

static const struct workload *const families[] = {
	integer_workloads, compress_workloads, memory_workloads, fp_workloads,
	simd_workloads, os_workloads, io_workloads,
};
enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

struct options {
	double scale, limit;
	int processes;
	bool wait;
};

struct result {
	u64 units, wall, best, cpu, sum;	/* nanoseconds */
};

void die(const char *what)
{
	fprintf(stderr, "workloads: %s: %s\n", what, strerror(errno));
	exit(1);
}

static u64 wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static u64 usage_ns(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return ((u64)r.ru_utime.tv_sec + (u64)r.ru_stime.tv_sec) * 1000000000 +
	       ((u64)r.ru_utime.tv_usec + (u64)r.ru_stime.tv_usec) * 1000;
}

static u64 cpu_ns(void)
{
	return usage_ns(RUSAGE_SELF) + usage_ns(RUSAGE_CHILDREN);
}

static void wait_for_line(void)
{
	char c;

	puts("ready");
	fflush(stdout);
	do {
		if (read(STDIN_FILENO, &c, 1) != 1)
			die("standard input");
	} while (c != '\n');
}

static void measure(const struct workload *w, const struct options *o, struct result *r)
{
	u64 units = (u64)(w->units * o->scale), cpu = cpu_ns(), start = wall_ns(), now = start;

	r->best = ~0ull;
	for (r->units = 0; r->units < units || !r->units; r->units++) {
		u64 before = now, sum;

		if (r->units && (double)(now - start) * 1e-9 >= o->limit)
			break;
		sum = w->unit();
		now = wall_ns();
		if (sum != r->sum) {
			fprintf(stderr, "workloads: %s: checksum %llx, and %llx before\n", w->name,
				(unsigned long long)sum, (unsigned long long)r->sum);
			exit(1);
		}
		if (now - before < r->best)
			r->best = now - before;
	}
	r->wall = now - start;
	if (w->finish)
		w->finish();
	r->cpu = cpu_ns() - cpu;
}

/* -- Several copies at once ------------------------------------------------------- */

static void copy_main(const struct workload *w, const struct options *o, struct result *r,
		      const int start[2], u64 *units)
{
	char c;

	close(start[1]);
	if (read(start[0], &c, 1))	/* ends when the parent closes its end */
		_exit(1);
	measure(w, o, r);
	__atomic_add_fetch(units, r->units, __ATOMIC_RELAXED);
	_exit(0);
}

static void run_copies(const struct workload *w, const struct options *o, struct result *r)
{
	u64 *units = mmap(NULL, sizeof(*units), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	u64 began;
	int start[2], status;

	if (units == MAP_FAILED || pipe(start))
		die("mmap or pipe");
	for (int i = 0; i < o->processes; i++) {
		switch (fork()) {
		case -1:
			die("fork");
		case 0:
			copy_main(w, o, r, start, units);
		}
	}
	if (o->wait)
		wait_for_line();
	began = wall_ns();
	close(start[1]);
	for (int i = 0; i < o->processes; i++)
		if (wait(&status) < 0 || status)
			die("a copy failed");
	r->wall = wall_ns() - began;
	r->units = *units;
	r->best = r->wall / r->units;
	r->cpu = usage_ns(RUSAGE_CHILDREN);
}

static void run_one(const struct workload *w, const struct options *o, struct result *r)
{
	if (o->wait)
		wait_for_line();
	measure(w, o, r);
}

static const struct workload *find(const char *name)
{
	for (int i = 0; i < FAMILIES; i++)
		for (const struct workload *w = families[i]; w->name; w++)
			if (!strcmp(w->name, name))
				return w;
	fprintf(stderr, "workloads: no workload '%s'\n", name);
	exit(2);
}

static int run(const char *name, const struct options *o)
{
	const struct workload *w = find(name);
	struct result r = { 0 };

	if (w->usable && !w->usable()) {
		puts("skipped");
		return 0;
	}
	if (w->setup)
		w->setup();
	r.sum = w->unit();
	if (o->processes)
		run_copies(w, o, &r);
	else
		run_one(w, o, &r);
	printf("result units=%llu wall=%llu best=%llu cpu=%llu sum=%016llx\n",
	       (unsigned long long)r.units, (unsigned long long)r.wall,
	       (unsigned long long)r.best, (unsigned long long)r.cpu,
	       (unsigned long long)r.sum);
	return 0;
}

static int list(void)
{
	for (int i = 0; i < FAMILIES; i++)
		for (const struct workload *w = families[i]; w->name; w++)
			printf("%s\t%s\n", w->group, w->name);
	return 0;
}

static int usage(void)
{
	fputs("usage: workloads list | run [-s SCALE] [-l SECONDS] [-p PROCESSES] "
	      "[-d DIRECTORY] [-w] NAME\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct options o = { .scale = 1, .limit = 1e9 };
	int option;

	if (argc == 3 && !strcmp(argv[1], "exit"))
		_exit(atoi(argv[2]));
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list();
	if (argc < 3 || strcmp(argv[1], "run"))
		return usage();
	optind = 2;
	while ((option = getopt(argc, argv, "s:l:p:d:w")) != -1) {
		switch (option) {
		case 's': o.scale = atof(optarg); break;
		case 'l': o.limit = atof(optarg); break;
		case 'p': o.processes = atoi(optarg); break;
		case 'd':
			if (chdir(optarg))
				die(optarg);
			break;
		case 'w': o.wait = true; break;
		default: return usage();
		}
	}
	return optind == argc - 1 ? run(argv[optind], &o) : usage();
}
