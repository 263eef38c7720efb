/* SPDX-License-Identifier: MIT */
/* Flags that the manuals leave undefined: the decoder's table, and what it lacks. */
#include "silicon.h"

static const struct {
	ZydisMnemonic mnemonic;
	u32 flags;
} rows[] = {
	/* SDM vol. 2B: CF for counts of the size and above, OF for all but 1. */
	{ ZYDIS_MNEMONIC_SHL, FLAG_CF | FLAG_OF | FLAG_AF },
	{ ZYDIS_MNEMONIC_SHR, FLAG_CF | FLAG_OF | FLAG_AF },
	{ ZYDIS_MNEMONIC_SAR, FLAG_OF | FLAG_AF },
	{ ZYDIS_MNEMONIC_ROL, FLAG_OF }, { ZYDIS_MNEMONIC_ROR, FLAG_OF },
	{ ZYDIS_MNEMONIC_RCL, FLAG_OF }, { ZYDIS_MNEMONIC_RCR, FLAG_OF },
	/* For counts above the size all of them. */
	{ ZYDIS_MNEMONIC_SHLD, FLAGS_STATUS }, { ZYDIS_MNEMONIC_SHRD, FLAGS_STATUS },
	{ ZYDIS_MNEMONIC_TZCNT, FLAG_OF | FLAG_SF | FLAG_PF | FLAG_AF },
	{ ZYDIS_MNEMONIC_LZCNT, FLAG_OF | FLAG_SF | FLAG_PF | FLAG_AF },
};

u32 undefined_flags(const ZydisDecodedInstruction *zi)
{
	u32 flags = zi->cpu_flags ? zi->cpu_flags->undefined & FLAGS_STATUS : 0;

	for (u32 i = 0; i < COUNT(rows); i++)
		if (rows[i].mnemonic == zi->mnemonic)
			flags |= rows[i].flags;
	return flags;
}
