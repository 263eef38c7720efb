/* SPDX-License-Identifier: MIT */
#include "watch/check/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "watch/output.h"

static u64 start_ns;
static bool json;

void report_start(u64 now, bool as_json)
{
	start_ns = now;
	json = as_json;
}

/* -- Lines ------------------------------------------------------------------------ */

struct text {
	char buf[4096];
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
	output_append(t->buf, t->n);
	output_flush();
}

static const char *rule_name(enum rule rule, char name[32])
{
	size_t i;

	for (i = 0; rules[rule].name[i] && i < 31; i++)
		name[i] = rules[rule].name[i] == '_' ? '-' : rules[rule].name[i] | 0x20;
	name[i] = 0;
	return name;
}

static const char *level_name(enum rule rule)
{
	return rules[rule].level == LEVEL_ERROR ? "error" : "warning";
}

static void add_sentence(struct text *t, const struct found *f)
{
	const char *sentence = rules[f->rule].sentence, *hole = strstr(sentence, "%s");

	if (hole)
		add(t, "%.*s%s%s", (int)(hole - sentence), sentence, f->detail, hole + 2);
	else
		add(t, "%s", sentence);
}

/* -- Text -------------------------------------------------------------------------- */

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

static void finding_text(struct text *t, const struct check_call *c, const struct found *f,
			 const struct place *p, u64 us)
{
	char name[32];

	add(t, "anykvm: check: %s %s: ", level_name(f->rule), rule_name(f->rule, name));
	add_sentence(t, f);
	add(t, "\n    %s on fd %d", c->what, c->fd);
	if (c->vcpu_id >= 0)
		add(t, " (vCPU %u)", (u32)c->vcpu_id);
	if (c->ret < 0)
		add(t, " = -1 %s", strerrorname_np(-c->ret) ?: "?");
	add(t, ", thread %u, %llu.%06llu s\n", c->thread,
	    (unsigned long long)us / 1000000, (unsigned long long)us % 1000000);
	add_place(t, p);
	add(t, "    api.rst %s; %s\n", f->section, rules[f->rule].advice);
}

static void repeats_text(struct text *t, const struct seen *s)
{
	char name[32];

	add(t, "anykvm: check: %s %llu times: %s\n", rule_name(s->rule, name),
	    (unsigned long long)s->count, s->what);
	add_place(t, &s->place);
}

static void totals_text(struct text *t, const struct totals *n)
{
	if (!n->times)
		add(t, "anykvm: check: nothing found\n");
	else
		add(t, "anykvm: check: %u error%s, %u warning%s; %llu in all\n",
		    n->errors, n->errors == 1 ? "" : "s", n->warnings,
		    n->warnings == 1 ? "" : "s", (unsigned long long)n->times);
}

/* -- JSON -------------------------------------------------------------------------- */

/* Names of modules and symbols may be anything; ours are plain. */
static void add_string(struct text *t, const char *s)
{
	add(t, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			add(t, "\\%c", *s);
		else if (*s >= 0x20 && *s < 0x7f)
			add(t, "%c", *s);
		else
			add(t, "\\u%04x", *s & 0x80 ? 0xfffd : *s);
	}
	add(t, "\"");
}

static void add_callers(struct text *t, const struct place *p)
{
	struct frame f;

	add(t, ", \"callers\": [");
	for (u32 i = 0; i < p->depth; i++) {
		place_describe(p->callers[i], &f);
		add(t, "%s{\"module\": ", i ? ", " : "");
		add_string(t, f.module);
		add(t, ", \"offset\": %lu", f.offset);
		if (*f.symbol) {
			add(t, ", \"symbol\": ");
			add_string(t, f.symbol);
			add(t, ", \"symbol_offset\": %lu", f.into);
		}
		add(t, "}");
	}
	add(t, "]");
}

/* What each object begins with, as those of --trace. */
static void add_type(struct text *t, const char *type, u32 thread)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	add(t, "{\"type\": \"%s\", \"pid\": %d, \"tid\": %u, \"time\": %lld.%06ld", type,
	    getpid(), thread, (long long)now.tv_sec, now.tv_nsec / 1000);
}

static void finding_json(struct text *t, const struct check_call *c, const struct found *f,
			 const struct place *p)
{
	struct text sentence = { .n = 0 };
	char name[32];

	add_sentence(&sentence, f);
	add_type(t, "finding", c->thread);
	add(t, ", \"rule\": \"%s\", \"level\": \"%s\", \"section\": \"%s\", \"text\": ",
	    rule_name(f->rule, name), level_name(f->rule), f->section);
	add_string(t, sentence.buf);
	add(t, ", \"advice\": ");
	add_string(t, rules[f->rule].advice);
	add(t, ", \"request\": ");
	add_string(t, c->what);
	add(t, ", \"fd\": %d", c->fd);
	if (c->vcpu_id >= 0)
		add(t, ", \"vcpu\": %u", (u32)c->vcpu_id);
	if (c->ret < 0)
		add(t, ", \"errno\": \"%s\"", strerrorname_np(-c->ret) ?: "?");
	add_callers(t, p);
	add(t, "}\n");
}

static void repeats_json(struct text *t, const struct seen *s)
{
	char name[32];

	add_type(t, "repeats", syscall(SYS_gettid));
	add(t, ", \"rule\": \"%s\", \"request\": ", rule_name(s->rule, name));
	add_string(t, s->what);
	add(t, ", \"times\": %llu", (unsigned long long)s->count);
	add_callers(t, &s->place);
	add(t, "}\n");
}

static void totals_json(struct text *t, const struct totals *n)
{
	add_type(t, "summary", syscall(SYS_gettid));
	add(t, ", \"errors\": %u, \"warnings\": %u, \"times\": %llu}\n",
	    n->errors, n->warnings, (unsigned long long)n->times);
}

/* -- Either ------------------------------------------------------------------------ */

void report_finding(const struct check_call *c, const struct found *f,
		    const struct place *p, u64 now)
{
	struct text t = { .n = 0 };

	if (json)
		finding_json(&t, c, f, p);
	else
		finding_text(&t, c, f, p, (now - start_ns) / 1000);
	emit(&t);
}

void report_repeats(const struct seen *s)
{
	struct text t = { .n = 0 };

	(json ? repeats_json : repeats_text)(&t, s);
	emit(&t);
}

void report_totals(const struct totals *n)
{
	struct text t = { .n = 0 };

	(json ? totals_json : totals_text)(&t, n);
	emit(&t);
}
