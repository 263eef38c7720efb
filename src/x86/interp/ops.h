/* SPDX-License-Identifier: MIT */
/* Prototypes of all instruction handlers of ops.def and ops_special.def. */
#ifndef ANYKVM_X86_INTERP_OPS_H
#define ANYKVM_X86_INTERP_OPS_H

#include "x86/decode/insn.h"

#define OP(mnemonic, handler, flags) \
	enum step handler(struct cpu *c, const struct insn *in);
#include "x86/interp/ops.def"
#define SPECIAL(handler) \
	enum step handler(struct cpu *c, const struct insn *in);
#include "x86/interp/ops_special.def"

#endif
