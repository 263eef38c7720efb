/* SPDX-License-Identifier: MIT */
/* anykvm --stats=live: the view, part of the launcher. */
#ifndef ANYKVM_STATVIEW_STATVIEW_H
#define ANYKVM_STATVIEW_STATVIEW_H

#include <sys/types.h>

#include "watch/stats/page.h"
#include "watch/stats/symbols.h"

/* Exits with 125 if --symbols names what has none; else they are the view's. */
void statview_check_symbols(void);

/* The process whose view is asked for, not a program to start; 0: neither. */
pid_t statview_pid(int argc, char **argv);

/* The view of process @pid on standard output; the launcher's exit status. */
int statview_attach(pid_t pid);

/*
 * The caller is about to become the program: the view of that is somebody
 * else's child, so that the program waits for its own only.
 */
void statview_begin(void);

/* -- find.c: the page of another process ------------------------------------- */

enum { WHY_MAX = 128 };

/* Of @pid, or else of one that it or its children have started.  NULL, and @why. */
struct stats_page *page_find(pid_t pid, char why[WHY_MAX]);

/* -- screen.c: the terminal ---------------------------------------------------- */

struct screen {
	int in, out;		/* @in: -1 without keys */
	bool full;		/* else lines, one after another */
	bool colour;
	int rows, columns;
};

/* @own: the program's terminal, if there is one; else standard output. */
void screen_open(struct screen *s, bool own);
/* As it was.  May be called twice. */
void screen_close(struct screen *s);
void screen_size(struct screen *s);

/* Waits for a key, a signal, the end of @pidfd or @ms; a key, or one of these: */
enum { NO_KEY = -1, KEY_QUIT = 'q', KEY_RESIZED = -2 };
int screen_wait(struct screen *s, int pidfd, int ms);

/* -- table.c: what is shown ------------------------------------------------------ */

struct table {
	const struct stats_page *page;
	struct symbols *symbols;
	bool by_pc, paused;
	struct view_sample {
		u64 ns;
		u64 exits, insns, guest_ns, halted_ns, vmm_ns;
		u64 reasons[STATS_REASONS], kvm[NR_STATS_KVM], pcs[STATS_PCS];
	} last, now;
	struct view_row {
		u64 total;
		double rate;
		u32 what;	/* a reason, an index of kvm[] or of pcs[] */
	} rows[STATS_PCS];
};

/* The present becomes the past, and is looked at again. */
void table_sample(struct table *t);
void table_draw(const struct screen *s, struct table *t);

#endif
