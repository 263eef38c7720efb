/* SPDX-License-Identifier: MIT */
/* The operations behind guarded.def, for when what they require is so. */
#ifndef ANYKVM_X86_INTERP_EXEC_H
#define ANYKVM_X86_INTERP_EXEC_H

#include "x86/decode/insn.h"

#define GUARDED(name, requirements) \
	enum step exec_##name(struct cpu *c, const struct insn *in);
#include "x86/interp/guarded.def"

#endif
