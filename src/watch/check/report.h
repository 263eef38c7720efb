/* SPDX-License-Identifier: MIT */
/* Findings as text, or as JSON, an object a line. */
#ifndef ANYKVM_WATCH_CHECK_REPORT_H
#define ANYKVM_WATCH_CHECK_REPORT_H

#include "watch/check/check.h"

struct rule_desc {
	const char *name;
	enum level level;
	const char *section, *sentence, *advice;
};

extern const struct rule_desc rules[NR_RULES];

/* Where a rule was broken, and how often. */
struct seen {
	enum rule rule;
	u32 cmd;
	u64 count;
	struct place place;
	const char *what;
};

struct totals {
	u32 errors, warnings;		/* places */
	u64 times;
};

/* Times are relative to @now. */
void report_start(u64 now, bool as_json);

void report_finding(const struct check_call *c, const struct found *f,
		    const struct place *p, u64 now);
void report_repeats(const struct seen *s);
void report_totals(const struct totals *t);

#endif
