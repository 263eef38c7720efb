/* SPDX-License-Identifier: MIT */
/* Name, total, rate and share, the highest rate first, as kvm_stat has them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "statview/statview.h"
#include "watch/stats/sum.h"

enum {
	NUMBERS_WIDTH	= 26,		/* total, rate, share */
	NAME_WIDTH_MIN	= 12,
	PLAIN_ROWS	= 16,
	LINE_MAX	= 512,
	PAGE_MAX	= 256 << 10,
};

/* One picture, written at once. */
struct picture {
	const struct screen *s;
	int lines;
	size_t n;
	char text[PAGE_MAX];
};

/* -- Samples ------------------------------------------------------------------------- */

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void table_sample(struct table *t)
{
	struct view_sample *v = &t->now;
	struct stats_sum sum;

	t->last = t->now;
	if (!t->last.ns)
		t->last.ns = t->page->start_ns;
	stats_sum(&sum, t->page);
	symbols_move(t->symbols, stats_get(&t->page->syscall_entry));
	v->ns = now_ns();
	v->exits = sum.exits;
	v->insns = sum.insns;
	v->guest_ns = sum.guest_ns;
	v->halted_ns = sum.halted_ns;
	v->vmm_ns = sum.vmm_ns;
	for (u32 i = 0; i < STATS_REASONS; i++)
		v->reasons[i] = sum.by_reason[i].count;
	memcpy(v->kvm, sum.kvm, sizeof(v->kvm));
	for (u32 i = 0; i < STATS_PCS; i++)
		v->pcs[i] = stats_get(&t->page->pcs[i].count);
}

/* Time of halts is known when they are over, so that parts may seem to fall. */
static u64 since(u64 now, u64 last)
{
	return now > last ? now - last : 0;
}

static double per_second(const struct table *t, u64 n)
{
	return n * 1e9 / MAX(since(t->now.ns, t->last.ns), 1u);
}

static int by_rate(const void *a, const void *b)
{
	const struct view_row *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return x->what < y->what ? -1 : x->what > y->what;
}

/* Those that are not 0, sorted, into t->rows; their number. */
static u32 make_rows(struct table *t, const u64 *now, const u64 *last, u32 n)
{
	u32 made = 0;

	for (u32 i = 0; i < n; i++)
		if (now[i])
			t->rows[made++] = (struct view_row){
				.total = now[i], .what = i,
				.rate = per_second(t, since(now[i], last[i])),
			};
	qsort(t->rows, made, sizeof(t->rows[0]), by_rate);
	return made;
}

/* -- Lines --------------------------------------------------------------------------- */

static void append(struct picture *p, const char *text, size_t n)
{
	n = MIN(n, PAGE_MAX - p->n);
	memcpy(p->text + p->n, text, n);
	p->n += n;
}

static void append_text(struct picture *p, const char *text)
{
	append(p, text, strlen(text));
}

/* Bytes that are not ASCII would be counted wrong, or do worse. */
static void clean(char *line)
{
	for (; *line; line++)
		if (*line < 0x20 || *line >= 0x7f)
			*line = '?';
}

static int room(const struct picture *p)
{
	return (p->s->full ? p->s->rows : PLAIN_ROWS) - p->lines;
}

/* Cut at the screen's width. */
__attribute__((format(printf, 3, 4)))
static void line(struct picture *p, const char *style, const char *fmt, ...)
{
	char text[LINE_MAX];
	va_list ap;

	if (room(p) <= 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clean(text);
	if (p->s->full && p->lines)
		append_text(p, "\r\n");
	if (p->s->colour)
		append_text(p, style);
	append(p, text, MIN(strlen(text), (size_t)p->s->columns));
	if (p->s->colour)
		append_text(p, "\033[0m");
	append_text(p, p->s->full ? "\033[K" : "\n");
	p->lines++;
}

#define PLAIN	""
#define BOLD	"\033[1m"
#define REVERSE	"\033[7m"

/* In 9 columns. */
static const char *short_number(char text[16], double n)
{
	static const char units[] = { 'K', 'M', 'G', 'T', 'P', 'E' };
	u32 i = 0;

	if (n < 1e9) {
		snprintf(text, 16, "%.0f", n);
		return text;
	}
	for (n /= 1000; n >= 1e7 && i < ARRAY_SIZE(units) - 1; i++)
		n /= 1000;
	snprintf(text, 16, "%.0f%c", n, units[i]);
	return text;
}

static int name_width(const struct screen *s)
{
	return MAX(s->columns - NUMBERS_WIDTH, (int)NAME_WIDTH_MIN);
}

static void row(struct picture *p, const char *name, const struct view_row *r, double share)
{
	char total[16], rate[16], percent[16] = "";
	int width = name_width(p->s);

	if (share >= 0)
		snprintf(percent, sizeof(percent), "%.1f", share);
	line(p, PLAIN, "%-*.*s %9s %9s %5s", width, width, name, short_number(total, r->total),
	     short_number(rate, r->rate), percent);
}

static void titles(struct picture *p, const char *name)
{
	int width = name_width(p->s);

	line(p, REVERSE, "%-*.*s %9s %9s %5s", width, width, name, "total", "per s", "%");
}

/* -- The picture ---------------------------------------------------------------------- */

static double percent(u64 part, u64 whole)
{
	return whole ? part * 100.0 / whole : 0;
}

static void head(struct picture *p, const struct table *t)
{
	const struct view_sample *a = &t->last, *b = &t->now;
	u64 guest = since(b->guest_ns, a->guest_ns), halted = since(b->halted_ns, a->halted_ns);
	u64 vmm = since(b->vmm_ns, a->vmm_ns), all = guest + halted + vmm;
	char rate[16];

	line(p, BOLD, "anykvm %u  %.0f s  exits/s %s%s", t->page->pid,
	     since(b->ns, t->page->start_ns) / 1e9,
	     short_number(rate, per_second(t, since(b->exits, a->exits))),
	     t->paused ? "  paused" : "");
	line(p, PLAIN, "guest %.0f%% halt %.0f%% VMM %.0f%% MIPS %.0f", percent(guest, all),
	     percent(halted, all), percent(vmm, all),
	     stats_mips(since(b->insns, a->insns), guest));
}

static void pc_name(const struct table *t, u32 i, char *text, size_t size)
{
	u64 key = stats_get(&t->page->pcs[i].key), pc = stats_key_pc(key), offset;
	const char *symbol = symbols_find(t->symbols, pc, &offset);
	char reason[STATS_NAME_MAX];

	stats_reason(stats_key_reason(key), reason);
	if (symbol)
		snprintf(text, size, "%.200s+0x%llx %s", symbol, (unsigned long long)offset,
			 stats_reason(stats_key_reason(key), reason));
	else
		snprintf(text, size, "%llx %s", (unsigned long long)pc,
			 stats_reason(stats_key_reason(key), reason));
}

static void draw_pcs(struct picture *p, struct table *t)
{
	u32 n = make_rows(t, t->now.pcs, t->last.pcs, STATS_PCS);
	char name[LINE_MAX];

	titles(p, "guest address, exit");
	for (u32 i = 0; i < n && room(p) > 0; i++) {
		pc_name(t, t->rows[i].what, name, sizeof(name));
		row(p, name, &t->rows[i], percent(t->rows[i].total, t->now.exits));
	}
}

static void draw_exits(struct picture *p, struct table *t)
{
	u32 n = make_rows(t, t->now.reasons, t->last.reasons, STATS_REASONS);
	char name[STATS_NAME_MAX];

	titles(p, "exit");
	for (u32 i = 0; i < n; i++)
		row(p, stats_reason(t->rows[i].what, name), &t->rows[i],
		    percent(t->rows[i].total, t->now.exits));
}

static void draw_counters(struct picture *p, struct table *t)
{
	u32 n = make_rows(t, t->now.kvm, t->last.kvm, NR_STATS_KVM);

	if (room(p) < 3)
		return;
	line(p, PLAIN, "%s", "");
	titles(p, "counter");
	for (u32 i = 0; i < n; i++)
		row(p, stats_kvm_name(t->rows[i].what), &t->rows[i], -1);
}

static void foot(struct picture *p, const struct screen *s)
{
	static const char keys[] = "q quit  p addresses  r exits  space pause";
	char at[32];

	snprintf(at, sizeof(at), "\033[J\033[%d;1H", s->rows);
	append_text(p, at);
	append(p, keys, MIN(sizeof(keys) - 1, (size_t)s->columns));
	append_text(p, "\033[K");
}

static void show(const struct picture *p)
{
	size_t done = 0;

	while (done < p->n) {
		ssize_t n = write(p->s->out, p->text + done, p->n - done);

		if (n <= 0)
			return;
		done += n;
	}
}

void table_draw(const struct screen *s, struct table *t)
{
	static struct picture p;
	struct screen body = *s;

	body.rows -= s->rows > 6;	/* the last is the foot's */
	p.s = &body;
	p.n = p.lines = 0;
	if (s->full)
		append_text(&p, "\033[H");
	head(&p, t);
	if (!t->by_pc)
		draw_exits(&p, t);
	if (!t->by_pc && s->full)
		draw_counters(&p, t);
	else
		draw_pcs(&p, t);
	if (s->full)
		foot(&p, s);
	else
		append_text(&p, "\n");
	show(&p);
}
