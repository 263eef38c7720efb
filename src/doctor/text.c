/* SPDX-License-Identifier: MIT */
/* The report for people: one screen, wrapped to the terminal's width. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "doctor/features.h"

#define MIN_WIDTH	40
#define MAX_WIDTH	120
#define LABEL_WIDTH	12

struct page {
	FILE *out;
	int width;		/* 0: one line a paragraph */
	bool colour;
};

static void page_open(struct page *p, FILE *out)
{
	const char *columns = getenv("COLUMNS");
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	bool terminal = isatty(fileno(out));
	struct winsize size;

	p->out = out;
	p->width = columns ? atoi(columns) : 0;
	if (terminal && !ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col)
		p->width = size.ws_col;
	else if (terminal && p->width <= 0)
		p->width = 80;
	if (p->width < 0)
		p->width = 0;
	if (p->width && p->width < MIN_WIDTH)
		p->width = MIN_WIDTH;
	if (p->width > MAX_WIDTH)
		p->width = MAX_WIDTH;
	p->colour = terminal && !(no_color && *no_color) &&
		    term && strcmp(term, "dumb");
}

/* @text after what stands in columns up to @at; further lines are indented. */
static void wrap(const struct page *p, const char *text, int at, int indent)
{
	bool first = true;

	while (*(text += strspn(text, " "))) {
		int len = (int)strcspn(text, " ");

		if (!first && p->width && at + 1 + len > p->width) {
			fprintf(p->out, "\n%*s", indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', p->out);
			at++;
		}
		fprintf(p->out, "%.*s", len, text);
		at += len;
		text += len;
		first = false;
	}
	fputc('\n', p->out);
}

__attribute__((format(printf, 3, 4)))
static void row(const struct page *p, const char *label, const char *fmt, ...)
{
	char text[2 * PATH_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(p->out, "  %-*s", LABEL_WIDTH - 2, label);
	wrap(p, text, LABEL_WIDTH, LABEL_WIDTH);
}

static void verdict(const struct page *p, const struct report *r)
{
	const char *colour = !p->colour ? "" : r->usable ? "\033[1;32m" : "\033[1;31m";
	char what[PATH_MAX + 64];

	fprintf(p->out, "%s%s%s: ", colour, r->usable ? "yes" : "no",
		p->colour ? "\033[0m" : "");
	snprintf(what, sizeof(what), "anykvm %s here%s%s",
		 r->usable ? "works" : "does not work",
		 r->program ? " for " : "", r->program ? r->program : "");
	wrap(p, what, r->usable ? 5 : 4, 0);
}

static void engines(const struct page *p, const struct report *r)
{
	const char *wanted = getenv("ANYKVM_ENGINE");
	bool interp = trial_has_engine(r->trial, ENGINE_INTERP);
	bool jit = trial_has_engine(r->trial, ENGINE_JIT);

	if (!interp && !jit) {
		row(p, "engines", "none");
		return;
	}
	row(p, "engines", "%s%s%s; auto is %s%s%s", interp ? "interp" : "",
	    interp && jit ? ", " : "", jit ? "jit" : "",
	    r->trial[ENGINE_AUTO].engine, wanted && *wanted ? ", asked for is " : "",
	    wanted ? wanted : "");
}

static void guest(const struct page *p, const struct report *r)
{
	static const char *const notable[] = {
		"avx", "avx2", "fma", "aes", "sha", "bmi2", "xsave", "rdrand",
		"rdtscp", "gbpages", "pcid", "x2apic",
	};
	const struct trial *t = &r->trial[ENGINE_AUTO];
	char list[256] = "", name[32], brand[49];
	const char *processor = feature_processor(t, brand), *feature;

	if (!t->nr_cpuid)
		return;
	for (size_t n = 0; n < sizeof(notable) / sizeof(notable[0]); n++)
		for (unsigned int i = 0; (feature = feature_next(t, &i, name)); )
			if (!strcmp(feature, notable[n])) {
				strcat(list, " ");
				strcat(list, name);
			}
	row(p, "guest CPU", "%s;%s; no AVX-512, VMX, SVM", feature_level(t), list);
	if (processor)
		row(p, "", "as %s", processor);
}

static const char *number(long n, char text[32])
{
	snprintf(text, 32, n < 0 ? "?" : "%ld", n);
	return text;
}

static void limits(const struct page *p, const struct limits *l)
{
	static const char *const filters[] = { "no seccomp", "seccomp strict",
					       "a seccomp filter" };
	char files[32], as[32], maps[32], inotify[32], overcommit[32];

	row(p, "host", "Linux %s, uid %u, %s", l->kernel, geteuid(),
	    l->seccomp >= 0 && l->seccomp <= 2 ? filters[l->seccomp] :
	    "seccomp not known");
	row(p, "limits", "files %s, address space %s, maps %s, inotify instances %s, overcommit %s",
	    limit_text(l->nofile, files), limit_text(l->as, as),
	    number(l->max_map_count, maps), number(l->inotify_instances, inotify),
	    number(l->overcommit, overcommit));
}

static void findings(const struct page *p, const struct report *r)
{
	static const char *const about[NR_EFFECTS] = {
		[EFFECT_SOFT] = "anykvm: ",
		[EFFECT_REAL] = "/dev/kvm: ",
		[EFFECT_PROGRAM] = "the program: ",
		[EFFECT_LIMIT] = "",
	};
	char text[1200], name[32];

	if (r->findings.n)
		fputc('\n', p->out);
	for (unsigned int i = 0; i < r->findings.n; i++) {
		const struct finding *f = &r->findings.list[i];

		snprintf(text, sizeof(text), "- %s%s. Fix: %s [%s]",
			 about[check_effect(f->check)], f->text, f->fix,
			 check_name(f->check, name));
		wrap(p, text, 0, 2);
	}
}

void doctor_text(const struct report *r, FILE *out)
{
	struct page page, *p = &page;

	page_open(p, out);
	verdict(p, r);
	engines(p, r);
	guest(p, r);
	row(p, "/dev/kvm", r->real ? "the host's is usable (--mode=auto takes it)" :
	    "the host's is not usable; anykvm does not need it");
	limits(p, &r->limits);
	row(p, "preload", "%s", *r->preload ? r->preload : "not found");
	if (*r->library)
		row(p, "library", "%s", r->library);
	if (r->program)
		row(p, "program", "%s: %s", r->program_path,
		    r->program_served ? "can be served" : "cannot be served");
	findings(p, r);
}
