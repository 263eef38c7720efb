/* SPDX-License-Identifier: MIT */
/*
 * Where those who watch write: the file that ANYKVM_OUTPUT names, else standard
 * error as it was when the first of them began.  Several processes may append to
 * one file; the launcher has emptied it.
 *
 * Only whole records are handed over, text lines as a rule, and only whole ones
 * are written.  If that fails, one line on standard error says so, nothing more
 * is written, and the guest goes on.  Any thread; cancellation does no harm.
 */
#ifndef ANYKVM_WATCH_OUTPUT_H
#define ANYKVM_WATCH_OUTPUT_H

#include "util/types.h"

/* Once or again, while watchers are added; a failure is told as above. */
void output_open(void);

/*
 * Behind all that was handed over before.  It is written with the next flush,
 * which comes by itself when much has gathered, after OUTPUT_DELAY_NS, and when
 * the process forks or exits.
 */
void output_append(const void *records, size_t n);
void output_flush(void);

#define OUTPUT_DELAY_NS	50000000ull

/* False once it has failed: what would be handed over need not be made. */
bool output_works(void);

/* watch_forked() calls it. */
void output_forked(void);

#endif
