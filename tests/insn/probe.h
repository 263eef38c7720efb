/* SPDX-License-Identifier: MIT */
/*
 * How the host CPU decodes bytes: they are executed with the trap flag set at
 * the end of a page that nothing follows, so that a fetch beyond them shows.
 * All registers point to nothing, so that memory operands fault harmlessly.
 */
#ifndef ANYKVM_TESTS_INSN_PROBE_H
#define ANYKVM_TESTS_INSN_PROBE_H

#include "util/types.h"

enum { PROBE_BYTES = 16 };

enum probe_result {
	PROBE_EXECUTED,		/* to its end, or to a fault of its own */
	PROBE_FETCH,		/* more bytes are needed */
	PROBE_UD,
	PROBE_GP,		/* a fault of its own, or too long */
};

/* False if the host refuses executable memory at the addresses of the test. */
bool probe_create(void);
void probe_destroy(void);
/* Within the test: cmocka has handlers of its own. */
void probe_take_signals(void);
/* False if the host has no code segment of @code_size (2, 4, 8). */
bool probe_has_mode(u8 code_size);
/* Executes @bytes with just the first @avail of them there. */
enum probe_result probe_run(const u8 *bytes, u32 avail, u8 code_size);
/* How many times that was done. */
u64 probe_count(void);

#endif
