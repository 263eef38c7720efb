/* SPDX-License-Identifier: MIT */
/* The table of instructions, found by decoding all encodings. */
#ifndef ANYKVM_DOCS_INSTRUCTIONS_H
#define ANYKVM_DOCS_INSTRUCTIONS_H

#include "x86/decode/decode.h"

/* Masks of code sizes. */
enum { MODE_16 = 2, MODE_32 = 4, MODE_64 = 8 };

/* Of one encoding up to its ModRM byte, what its forms have in common. */
struct encoding {
	u8 vex;			/* 0, or C4 */
	u8 prefix;		/* mandatory: 0, 66, F3, F2 */
	u8 map, opcode;
	bool has_modrm;
	u8 w, l;		/* masks of what it is valid with */
	u8 memory;		/* mask of ModRM.reg with a memory operand */
	u64 registers;		/* mask of ModRM & 63 with a register */
};

/* The encodings of a mnemonic that one handler executes. */
struct row {
	ZydisMnemonic mnemonic;
	char handler[48];
	const char *requires, *feature;
	u32 modes, written, undefined;
	struct encoding *encoding;
	u32 count;
	struct row *before;	/* of the same mnemonic */
};

/* describe.c: what the source's lists say of an instruction. */
void describe_handler(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
		      const u8 *bytes, u8 code_size, struct row *row);
/* True if a guest on a host that has everything may execute it. */
bool describe_is_offered(const ZydisDecodedInstruction *zi);
void requirements_list(void);
void handlers_list(void);

/* encodings.c */
typedef void (*found_fn)(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
			 const u8 *bytes, u8 code_size);
void encodings_each(found_fn found);

/* instructions.c */
void instructions(void);
void refused_instructions(void);

/* covered.c */
void forms_read(void);		/* from standard input */

#endif
