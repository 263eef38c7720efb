/* SPDX-License-Identifier: MIT */
/* The instructions that tests/silicon makes, and their handlers. */
#include <stdio.h>
#include <string.h>

#include "instructions.h"

/* "covered", by whom, mnemonic, handler; nothing if @b is no instruction. */
static void covered(const char *by, const u8 *b, u8 code_size)
{
	static const struct { ZydisMachineMode mode; ZydisStackWidth stack; } kind[] = {
		{ ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		{ ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		{ ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction zi;
	static char last[128];
	struct row row;
	ZydisDecoder d;
	char line[128];

	ZydisDecoderInit(&d, kind[code_size >> 2].mode, kind[code_size >> 2].stack);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&d, b, 15, &zi, ops)))
		return;
	describe_handler(&zi, ops, b, code_size, &row);
	snprintf(line, sizeof(line), "covered\t%s\t%s\t%s", by,
		 ZydisMnemonicGetString(row.mnemonic), row.handler);
	/* Encodings that follow each other are mostly of the same instruction. */
	if (strcmp(line, last))
		puts(line);
	strcpy(last, line);
}

/* Lines of silicon --forms: family, size of code, bytes. */
void forms_read(void)
{
	char family[32], by[64], hex[40];
	u32 code_size, n;
	u8 b[16];

	while (scanf("%31s %u %32s", family, &code_size, hex) == 3) {
		snprintf(by, sizeof(by), "silicon: %s", family);
		for (n = 0; n < 16; n++)
			sscanf(hex + 2 * n, "%2hhx", &b[n]);
		covered(by, b, code_size);
	}
}
