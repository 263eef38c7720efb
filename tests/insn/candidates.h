/* SPDX-License-Identifier: MIT */
/* Bytes that may be an instruction: all opcode maps, then random ones. */
#ifndef ANYKVM_TESTS_INSN_CANDIDATES_H
#define ANYKVM_TESTS_INSN_CANDIDATES_H

#include "util/types.h"

enum { FULL_PRODUCT = 2 };	/* of the two, with each other */

struct candidates {
	u8 code_size;
	u64 seed;
	u64 share;	/* one in so many of the maps */
	bool sliced;	/* not by chance, but those whose number leaves... */
	u64 slice;	/* ...this remainder */
	u64 rounds;	/* of random ones */
	u32 full;	/* every ModRM byte and VEX prefix */
	void (*compare)(const u8 *bytes);	/* PROBE_BYTES of them */
};

void candidates_each(const struct candidates *wanted);

#endif
