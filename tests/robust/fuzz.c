/* SPDX-License-Identifier: MIT */
/*
 * robust_fuzz [--seed N] [--calls M] [--threads T] [--hostile] [--hints]
 *             [--guests] [--poor] [--verbose]
 *
 * M ioctls by each of T threads; --guests runs guests more often, --hostile
 * changes what is shared with them meanwhile, with --poor the host often fails.
 * A finding prints seed and step; the same arguments repeat it (exactly, but
 * for the time guests get, if T is 1).
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/vm.h"
#include "lib/signals.h"

#define RUN_LIMIT_NS	400000ull		/* then KVM_RUN is interrupted */
#define HANG_NS		30000000000ull

struct options options = { .seed = 1, .calls = 20000, .threads = 1 };

static struct thread threads[MAX_THREADS];
static bool stop;

void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

/* A finding ends the test, also where the sanitizers would go on. */
const char *__ubsan_default_options(void)
{
	return "halt_on_error=1:print_stacktrace=1";
}

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* -- Findings ------------------------------------------------------------------------ */

static void report(void)
{
	static u32 once;

	if (__atomic_exchange_n(&once, 1, __ATOMIC_ACQ_REL))
		return;
	for (u32 i = 0; i < options.threads; i++)
		fprintf(stderr, "thread %u: step %lu, ioctl %lu, %s\n", i, threads[i].step,
			threads[i].ioctls, threads[i].row ? threads[i].row->name : "-");
	fprintf(stderr, "repeat: robust_fuzz --seed %lu --calls %lu --threads %u%s%s%s%s\n",
		options.seed, options.calls, options.threads,
		options.hostile ? " --hostile" : "", options.hints ? " --hints" : "",
		options.guests ? " --guests" : "", options.poor ? " --poor" : "");
}

void finding(const char *fmt, ...)
{
	va_list ap;

	fputs("finding: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	report();
	abort();
}

/* The engine chains to this, and this to the sanitizer's. */
static struct sigaction next_handler[2];

static void on_crash(int sig, siginfo_t *info, void *context)
{
	const struct sigaction *next = &next_handler[sig == SIGBUS];

	if (world_repair(info->si_addr))
		return;
	fprintf(stderr, "finding: signal %d at %p\n", sig, info->si_addr);
	report();
	if (next->sa_flags & SA_SIGINFO)
		next->sa_sigaction(sig, info, context);
	signal(sig, SIG_DFL);
}

IN_SIGNAL_HANDLER static void on_kick(int sig)
{
	if (!anykvm_signal_is_masked(sig))
		anykvm_signalled(sig);
}

static void signals_prepare(void)
{
	struct sigaction crash = { .sa_sigaction = on_crash,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaction(SIGSEGV, &crash, &next_handler[0]);
	sigaction(SIGBUS, &crash, &next_handler[1]);
	set_handler(SIGUSR1, on_kick, 0);
	set_handler(SIGUSR2, on_kick, 0);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(report);
}

/* -- Threads -------------------------------------------------------------------------- */

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static u64 mix(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static void step(struct thread *t)
{
	t->rng = mix(options.seed * 0x9e3779b97f4a7c15 + t->id * 0x5851f42d4c957f2d + t->step) | 1;
	switch (pick(t, options.guests ? 8 : 32)) {
	case 0: case 1:
		return step_of_run(t);
	case 2: case 3:
		return step_of_world(t);
	default:
		return step_of_row(t);
	}
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	sigset_t usr2;

	/* Open only in the masks of some vCPUs. */
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	for (; t->ioctls < options.calls; t->step++) {
		const struct timespec none = { 0 };

		step(t);
		if (t->step % 64 == 0)
			sigtimedwait(&usr2, NULL, &none);
	}
	__atomic_store_n(&t->since_ns, 0, __ATOMIC_RELAXED);
	return NULL;
}

static void watch(struct thread *t, u32 round)
{
	const u64 since = __atomic_load_n(&t->since_ns, __ATOMIC_RELAXED), at = now();

	if (!since || at < since)
		return;
	if (at - since > HANG_NS)
		finding("thread %u hangs", t->id);
	if (READ_ONCE(t->running) && at - since > RUN_LIMIT_NS)
		pthread_kill(t->pthread, round & 1 ? SIGUSR1 : SIGUSR2);
}

static void *kicker_main(void *unused)
{
	for (u32 round = 0; !READ_ONCE(stop); round++) {
		usleep(200);
		for (u32 i = 0; i < options.threads; i++)
			watch(&threads[i], round);
	}
	return NULL;
}

static void thread_prepare(struct thread *t, u32 id)
{
	t->id = id;
	t->args = world.args[id];
	t->stage = malloc(ARGS_SIZE);
}

static void run_threads(void)
{
	pthread_t kicker, hostile;

	for (u32 i = 0; i < options.threads; i++)
		thread_prepare(&threads[i], i);
	for (u32 i = 0; i < options.threads; i++)
		pthread_create(&threads[i].pthread, NULL, thread_main, &threads[i]);
	pthread_create(&kicker, NULL, kicker_main, NULL);
	if (options.hostile)
		pthread_create(&hostile, NULL, hostile_main, &stop);
	for (u32 i = 0; i < options.threads; i++)
		pthread_join(threads[i].pthread, NULL);
	WRITE_ONCE(stop, true);
	pthread_join(kicker, NULL);
	if (options.hostile)
		pthread_join(hostile, NULL);
	for (u32 i = 0; i < options.threads; i++)
		free(threads[i].stage);
}

/* -- All ------------------------------------------------------------------------------- */

static u32 count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	u32 n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/*
 * Closed VMs end a little later.  The engine keeps some descriptors, who watches one
 * for its output, --stats its page's.
 */
static void check_end(u32 fds_before)
{
	const u64 until = now() + 10000000000ull;
	const bool stats = getenv("ANYKVM_STATS");
	const u32 kept = fds_before + 3 + !!getenv("ANYKVM_OUTPUT") + stats;

	while ((vm_count() || count_fds() > kept) && now() < until)
		usleep(1000);
	if (vm_count())
		finding("%u VMs remain", vm_count());
	if (count_fds() > kept)
		finding("%u descriptors remain, of %u", count_fds(), fds_before);
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "calls", required_argument, NULL, 'c' },
		{ "threads", required_argument, NULL, 't' },
		{ "hostile", no_argument, NULL, 'H' },
		{ "hints", no_argument, NULL, 'h' },
		{ "guests", no_argument, NULL, 'g' },
		{ "poor", no_argument, NULL, 'p' },
		{ "verbose", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (c) {
		case 's': options.seed = strtoull(optarg, NULL, 0); break;
		case 'c': options.calls = strtoull(optarg, NULL, 0); break;
		case 't': options.threads = MIN(strtoul(optarg, NULL, 0), MAX_THREADS); break;
		case 'H': options.hostile = true; break;
		case 'h': options.hints = true; break;
		case 'g': options.guests = true; break;
		case 'p': options.poor = true; break;
		case 'v': options.verbose = true; break;
		default: exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	u64 begin = now(), ioctls = 0;
	u32 fds;

	parse(argc, argv);
	signals_prepare();
	fds = count_fds();
	world_create();
	run_threads();
	world_destroy();
	check_end(fds);
	for (u32 i = 0; i < options.threads; i++)
		ioctls += threads[i].ioctls;
	if (options.verbose)
		print_rows();
	printf("seed %lu: %lu ioctls in %.1f s, no finding\n", options.seed, ioctls,
	       (now() - begin) / 1e9);
	return 0;
}
