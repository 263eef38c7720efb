/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "watch/check/report.h"

const struct rule_desc rules[] = {
#define RULE(id, level, section, sentence, advice) \
	{ #id, LEVEL_##level, section, sentence, advice },
#include "watch/check/rules.def"
};

enum { MAX_SEEN = 1024 };

static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static struct seen *seen;
static u32 nr_seen;
static u64 not_kept;			/* of places beyond MAX_SEEN */

void findings_forget(void)
{
	pthread_mutex_init(&seen_lock, NULL);
	nr_seen = 0;
	not_kept = 0;
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
			report_finding(c, &c->found[i], &place, now);
	}
}

bool findings_any(enum level level)
{
	bool any;

	pthread_mutex_lock(&seen_lock);
	any = level == LEVEL_WARN && not_kept;
	for (u32 i = 0; i < nr_seen; i++)
		any |= rules[seen[i].rule].level <= level;
	pthread_mutex_unlock(&seen_lock);
	return any;
}

void findings_summary(void)
{
	struct totals totals;

	pthread_mutex_lock(&seen_lock);
	totals = (struct totals){ .times = not_kept };
	for (u32 i = 0; i < nr_seen; i++) {
		if (rules[seen[i].rule].level == LEVEL_ERROR)
			totals.errors++;
		else
			totals.warnings++;
		totals.times += seen[i].count;
		if (seen[i].count > 1)
			report_repeats(&seen[i]);
	}
	pthread_mutex_unlock(&seen_lock);
	report_totals(&totals);
}
