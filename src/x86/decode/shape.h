/* SPDX-License-Identifier: MIT */
/*
 * Instructions that differ in displacement and immediate alone are decoded once.
 */
#ifndef ANYKVM_X86_DECODE_SHAPE_H
#define ANYKVM_X86_DECODE_SHAPE_H

#include "x86/decode/insn.h"

enum { SHAPE_BITS = 14, NR_SHAPES = 1 << SHAPE_BITS };

/* What is the same of all that begin with the bytes of @key. */
struct shape {
	u64 key;		/* 0: none */
	struct insn insn;	/* .disp and .imm: to be added to what the bytes have */
	u8 disp, imm;		/* their sizes */
	bool sign;		/* the immediate is sign-extended */
};

/* As decode_insn(), which it asks for what @shapes (NR_SHAPES of them) has not. */
enum decode_result shape_decode(struct shape *shapes, struct native *native,
				const u8 *bytes, unsigned int avail, u8 code_size,
				struct insn *in);

#endif
