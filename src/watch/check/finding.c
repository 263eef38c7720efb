/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watch/check/check.h"

static const struct rule_desc {
	const char *name;
	enum level level;
	const char *section, *sentence, *advice;
} rules[] = {
#define RULE(id, level, section, sentence, advice) \
	{ #id, LEVEL_##level, section, sentence, advice },
#include "watch/check/rules.def"
};

/* Where a rule was broken, and how often. */
struct seen {
	enum rule rule;
	u32 cmd;
	u64 count;
	struct place place;
	const char *what;
};

enum { MAX_SEEN = 1024 };

static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static struct seen *seen;
static u32 nr_seen;
static u64 not_kept;			/* of places beyond MAX_SEEN */
static u64 start_ns;

void findings_start(u64 now)
{
	start_ns = now;
}

void findings_forget(void)
{
	pthread_mutex_init(&seen_lock, NULL);
	nr_seen = 0;
	not_kept = 0;
}

const char *rule_name(enum rule rule, char name[32])
{
	size_t i;

	for (i = 0; rules[rule].name[i] && i < 31; i++)
		name[i] = rules[rule].name[i] == '_' ? '-' : rules[rule].name[i] | 0x20;
	name[i] = 0;
	return name;
}

void check_found(struct check_call *c, enum rule rule, const char *section,
		 const char *fmt, ...)
{
	struct found *f = &c->found[c->nr_found];
	va_list ap;

	if (c->nr_found == MAX_FOUND)
		return;
	c->nr_found++;
	f->rule = rule;
	f->section = section ? section : rules[rule].section;
	va_start(ap, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
}

/* -- Text --------------------------------------------------------------------------- */

struct text {
	char buf[2048];
	size_t n;
};

__attribute__((format(printf, 2, 3)))
static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->n, sizeof(t->buf) - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n = MIN(t->n + n, sizeof(t->buf) - 1);
}

static void emit(const struct text *t)
{
	if (write(STDERR_FILENO, t->buf, t->n) < 0)
		return;		/* a closed stderr is the program's choice */
}

static void add_sentence(struct text *t, const struct found *f)
{
	const char *sentence = rules[f->rule].sentence, *hole = strstr(sentence, "%s");

	if (hole)
		add(t, "%.*s%s%s", (int)(hole - sentence), sentence, f->detail, hole + 2);
	else
		add(t, "%s", sentence);
}

static void add_place(struct text *t, const struct place *p)
{
	struct frame f;

	for (u32 i = 0; i < p->depth; i++) {
		place_describe(p->callers[i], &f);
		add(t, "    %s %s+0x%lx", i ? "by" : "at", f.module, f.offset);
		if (*f.symbol)
			add(t, " (%s+0x%lx)", f.symbol, f.into);
		add(t, "\n");
	}
}

static const char *level_name(enum rule rule)
{
	return rules[rule].level == LEVEL_ERROR ? "error" : "warning";
}

static void tell(const struct check_call *c, const struct found *f,
		 const struct place *p, u64 now)
{
	u64 us = (now - start_ns) / 1000;
	struct text t = { .n = 0 };
	char name[32];

	add(&t, "anykvm: check: %s %s: ", level_name(f->rule), rule_name(f->rule, name));
	add_sentence(&t, f);
	add(&t, "\n    %s", c->what);
	if (c->fd >= -1)
		add(&t, " on fd %d", c->fd);
	if (c->vcpu_id >= 0)
		add(&t, " (vCPU %u)", (u32)c->vcpu_id);
	if (c->call && c->ret < 0)
		add(&t, " = -1 %s", strerrorname_np(-c->ret) ?: "?");
	add(&t, ", thread %u, %llu.%06llu s\n", c->thread,
	    (unsigned long long)us / 1000000, (unsigned long long)us % 1000000);
	add_place(&t, p);
	add(&t, "    api.rst %s; %s\n", f->section, rules[f->rule].advice);
	emit(&t);
}

/* -- What has been seen ------------------------------------------------------------- */

/* True if it is new. */
static bool note_locked(const struct check_call *c, const struct found *f,
			const struct place *p)
{
	for (u32 i = 0; i < nr_seen; i++) {
		struct seen *s = &seen[i];

		if (s->rule == f->rule && s->cmd == c->cmd &&
		    place_is(&s->place, p)) {
			s->count++;
			return false;
		}
	}
	if (!seen)
		seen = calloc(MAX_SEEN, sizeof(*seen));
	if (!seen || nr_seen == MAX_SEEN) {
		not_kept++;
		return false;
	}
	seen[nr_seen++] = (struct seen){ f->rule, c->cmd, 1, *p, c->what };
	return true;
}

void findings_tell(struct check_call *c)
{
	struct place place;
	u64 now = c->call && c->call->end ? c->call->end : watch_now();
	bool fresh;

	if (!c->nr_found)
		return;
	place_find(&place);
	for (u32 i = 0; i < c->nr_found; i++) {
		pthread_mutex_lock(&seen_lock);
		fresh = note_locked(c, &c->found[i], &place);
		pthread_mutex_unlock(&seen_lock);
		if (fresh)
			tell(c, &c->found[i], &place, now);
	}
}

bool findings_any(enum level level)
{
	bool any = level == LEVEL_WARN && not_kept;

	for (u32 i = 0; i < nr_seen; i++)
		any |= rules[seen[i].rule].level <= level;
	return any;
}

static void add_repeats(struct text *t, const struct seen *s)
{
	char name[32];

	add(t, "anykvm: check: %s %llu times: %s\n", rule_name(s->rule, name),
	    (unsigned long long)s->count, s->what);
	add_place(t, &s->place);
	emit(t);
	t->n = 0;
}

void findings_summary(void)
{
	struct text t = { .n = 0 };
	u32 places[3] = { 0 };
	u64 times = not_kept;

	for (u32 i = 0; i < nr_seen; i++) {
		places[rules[seen[i].rule].level]++;
		times += seen[i].count;
		if (seen[i].count > 1)
			add_repeats(&t, &seen[i]);
	}
	if (!times)
		add(&t, "anykvm: check: nothing found\n");
	else
		add(&t, "anykvm: check: %u error%s, %u warning%s; %llu in all\n",
		    places[LEVEL_ERROR], places[LEVEL_ERROR] == 1 ? "" : "s",
		    places[LEVEL_WARN], places[LEVEL_WARN] == 1 ? "" : "s",
		    (unsigned long long)times);
	emit(&t);
}
