/* SPDX-License-Identifier: MIT */
#include "watch/trace/record.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "watch/output.h"
#include "watch/watch.h"

#define NS_PER_S	1000000000ull
#define OUT_RESERVE	4	/* the end of a record */

static bool as_json;
static long zone;		/* seconds east of UTC */
static u64 to_realtime;		/* CLOCK_REALTIME - CLOCK_MONOTONIC */
static u64 compared_at;		/* when that was looked at */
static u64 lost;
static pthread_key_t key;
static __thread struct recorder *self __attribute__((tls_model("initial-exec")));

static u64 read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* -- Recorders -------------------------------------------------------------------- */

#define RECORDER_SIZE	(sizeof(struct recorder) + OUT_SIZE)

static void recorder_free(void *r)
{
	self = NULL;
	munmap(r, RECORDER_SIZE);
}

static void identify(struct recorder *r)
{
	r->pid = getpid();
	r->tid = syscall(SYS_gettid);
}

static struct recorder *recorder_new(void)
{
	struct recorder *r = mmap(NULL, RECORDER_SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (r == MAP_FAILED)
		return NULL;
	identify(r);
	r->o.start = (char *)(r + 1);
	r->o.end = r->o.start + OUT_SIZE - OUT_RESERVE;
	r->o.json = as_json;
	self = r;
	pthread_setspecific(key, r);
	return r;
}

void records_init(bool json)
{
	time_t now = time(NULL);
	struct tm tm;

	as_json = json;
	if (localtime_r(&now, &tm))
		zone = tm.tm_gmtoff;
	pthread_key_create(&key, recorder_free);
}

void records_forked(void)
{
	if (self) {
		identify(self);
		self->busy = false;
		self->head.n = 0;
	}
	lost = 0;
}

struct recorder *record_begin(void)
{
	struct recorder *r = self;

	if (!output_works())
		return NULL;
	if (unlikely(!r))
		r = recorder_new();
	if (!r || r->busy) {
		__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	WRITE_ONCE(r->busy, true);
	r->o.p = r->o.start;
	r->o.comma = false;
	r->o.overflow = false;
	return r;
}

void record_drop(struct recorder *r)
{
	WRITE_ONCE(r->busy, false);
}

/* -- The parts that all records have ------------------------------------------------ */

/* The clock may be set: once a second is often enough to notice. */
static u64 realtime(u64 ns)
{
	if (ns - READ_ONCE(compared_at) > NS_PER_S) {
		WRITE_ONCE(to_realtime, read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC));
		WRITE_ONCE(compared_at, ns);
	}
	return ns + READ_ONCE(to_realtime);
}

static void head_text(struct recorder *r, u64 second)
{
	u32 day = (second + zone) % 86400;
	struct out *o = &r->o;

	out_lit(o, "[");
	out_digits(o, r->tid, 1);
	out_lit(o, "] ");
	out_digits(o, day / 3600, 2);
	out_lit(o, ":");
	out_digits(o, day / 60 % 60, 2);
	out_lit(o, ":");
	out_digits(o, day % 60, 2);
	out_lit(o, ".");
}

static void head_json(struct recorder *r, const char *type, u64 second)
{
	struct out *o = &r->o;

	out_open(o, '{');
	out_key(o, "type");
	out_string(o, type);
	out_key(o, "pid");
	out_dec(o, r->pid);
	out_key(o, "tid");
	out_dec(o, r->tid);
	out_key(o, "time");
	out_dec(o, second);
	out_lit(o, ".");
}

void record_head(struct recorder *r, const char *type, u64 ns)
{
	const u64 real = realtime(ns), second = real / NS_PER_S;
	const u64 key[MEMO_KEYS] = { second, as_json ? (uintptr_t)type : 0 };

	if (!memo_put(&r->head, &r->o, key)) {
		if (as_json)
			head_json(r, type, second);
		else
			head_text(r, second);
		memo_keep(&r->head, &r->o, key, r->o.start);
	}
	out_micros(&r->o, real % NS_PER_S / 1000);
	if (!as_json)
		out_lit(&r->o, " ");
}

void record_end(struct recorder *r)
{
	struct out *o = &r->o;

	o->end += OUT_RESERVE;
	if (as_json)
		out_lit(o, "}\n");
	else
		out_lit(o, "\n");
	o->end -= OUT_RESERVE;
	if (o->overflow)
		__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
	else
		output_append(o->start, o->p - o->start);
	WRITE_ONCE(r->busy, false);
}

void record_result(struct out *o, long ret)
{
	const char *name = ret < 0 ? strerrorname_np(-ret) : NULL;

	if (o->json)
		out_key(o, "result");
	else
		out_lit(o, " = ");
	o->comma = false;
	out_signed(o, ret < 0 ? -1 : ret);
	if (!name)
		return;
	if (o->json) {
		out_key(o, "errno");
		out_string(o, name);
		return;
	}
	out_lit(o, " ");
	out_bytes(o, name, strlen(name));
	out_lit(o, " (");
	out_bytes(o, strerrordesc_np(-ret), strlen(strerrordesc_np(-ret)));
	out_lit(o, ")");
}

void record_lost(void)
{
	u64 n = __atomic_exchange_n(&lost, 0, __ATOMIC_RELAXED);
	struct recorder *r = n ? record_begin() : NULL;

	if (!r)
		return;
	record_head(r, "lost", watch_now());
	if (as_json) {
		out_key(&r->o, "records");
		out_dec(&r->o, n);
	} else {
		out_lit(&r->o, "lost records: ");
		out_digits(&r->o, n, 1);
	}
	record_end(r);
}
