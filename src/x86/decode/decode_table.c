// SPDX-License-Identifier: MIT
/* ops.def as a table by mnemonic. */
#include "x86/decode/decode.h"
#include "x86/interp/ops.h"
#include "x86/interp/special.h"

enum { END = INSN_END };

const struct op_entry op_table[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
#define OP(mnemonic, handler, attr) \
	[ZYDIS_MNEMONIC_##mnemonic] = { .op = handler, .flags = attr },
#define FAMILY(mnemonic, name, attr) \
	[ZYDIS_MNEMONIC_##mnemonic] = { .family = &family_##name, .flags = attr },
#include "x86/interp/ops.def"
};
