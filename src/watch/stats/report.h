/* SPDX-License-Identifier: MIT */
/* What --stats prints at exit. */
#ifndef ANYKVM_WATCH_STATS_REPORT_H
#define ANYKVM_WATCH_STATS_REPORT_H

#include <stdio.h>

#include "watch/stats/page.h"
#include "watch/stats/symbols.h"

void report_text(FILE *out, const struct stats_page *p, const struct symbols *s);

/* One object in one line. */
void report_json(FILE *out, const struct stats_page *p, const struct symbols *s);

#endif
