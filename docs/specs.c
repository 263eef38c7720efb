/* SPDX-License-Identifier: MIT */
/* The instructions of tests/insn/differential.c. */
#include <stdio.h>
#include <string.h>

#include "insn/specs.h"
#include "instructions.h"

static bool decode(const struct spec *s, ZydisMachineMode mode, ZydisStackWidth width,
		   ZydisDecodedInstruction *zi)
{
	u8 b[16] = { s->prefix };
	u32 n = s->prefix != 0;
	ZydisDecoderContext ctx;
	ZydisDecoder d;

	memcpy(b + n, s->opcode, s->len);
	n += s->len;
	if (s->digit != NO_MODRM)
		b[n] = (s->flags & MEM_ONLY ? 0x00 : 0xc0) | (s->digit & 7) << 3;
	ZydisDecoderInit(&d, mode, width);
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, &ctx, b, sizeof(b), zi));
}

void specs_list(void)
{
	ZydisDecodedInstruction zi;
	u32 i, wide;

	for (i = 0; i < nr_specs; i++)
		for (wide = 0; wide < 2; wide++)
			if (decode(&specs[i], wide ? ZYDIS_MACHINE_MODE_LONG_64 :
						     ZYDIS_MACHINE_MODE_LEGACY_32,
				   wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32, &zi))
				printf("spec\t%s\n", ZydisMnemonicGetString(zi.mnemonic));
}
