/* SPDX-License-Identifier: MIT */
/*
 * Data instructions run on the host's silicon: x87, MMX, SSE to AVX-512, AES,
 * SHA, CRC32, BMI and the like are not written again in C.  A thunk holds the
 * instruction's own bytes with registers and memory operand renamed; it loads
 * what the instruction reads, executes it, and stores what it writes.
 */
#ifndef ANYKVM_X86_NATIVE_NATIVE_H
#define ANYKVM_X86_NATIVE_NATIVE_H

#include <Zydis/Zydis.h>

#include "x86/decode/insn.h"

/*
 * The thunks of one vCPU: a memfd mapped twice, writable and executable (W^X).
 * NULL and errno if the host refuses executable memory.
 */
struct native *native_create(void);
void native_destroy(struct native *n);

/* True if this process may have executable memory at all. */
bool native_available(void);

/*
 * Makes (or finds) the thunk of @zi, which the host has, and sets in->op,
 * in->aux and what op needs.  False, and in->op as it was, if the form is not
 * supported.  @ops has the hidden operands, too; operand and address fields of
 * @in are filled in already.
 */
bool native_prepare(struct native *n, const ZydisDecodedInstruction *zi,
		    const ZydisDecodedOperand *ops, const u8 *bytes,
		    struct insn *in);

/* All thunks are dropped: the block cache was emptied. */
void native_flush(struct native *n);

#endif
