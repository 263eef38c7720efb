/* SPDX-License-Identifier: MIT */
/* The instructions of the differential test (specs.c). */
#ifndef ANYKVM_TESTS_INSN_SPECS_H
#define ANYKVM_TESTS_INSN_SPECS_H

#include "util/types.h"

enum spec_flags {
	BYTE		= BIT(0),	/* 8-bit operands; else 16, 32, 64 */
	LOCKABLE	= BIT(1),
	MEM_ONLY	= BIT(2),
	REG_ONLY	= BIT(3),
	D64		= BIT(4),	/* 64-bit by default: 16 or 64 */
	PLUS_R		= BIT(5),	/* register in the opcode */
	STACK		= BIT(6),	/* RSP points to the stack */
	FRAME		= BIT(7),	/* RBP too */
	BRANCH		= BIT(8),	/* the immediate is a displacement */
	BIT_INDEX	= BIT(9),	/* ModRM.reg is a bit index */
	ALIGN16		= BIT(10),
	XLAT_TABLE	= BIT(11),
	NO_SIZE		= BIT(12),	/* no operand-size prefixes */
	ONLY_32_64	= BIT(13),
	TARGET_RM	= BIT(14),	/* the operand is the landing place */
	RETURNS		= BIT(15),	/* the top of stack is */
	RET_IMM		= BIT(16),
	NO_67		= BIT(17),
	ONLY_64		= BIT(18),	/* does not exist in 32-bit code */
	ONLY_32		= BIT(19),	/* nor in 64-bit code */
};

enum { NO_MODRM = -1, R = 8 };	/* R: ModRM.reg is a register; else the digit */

struct spec {
	const char *name;
	u8 prefix;
	u8 opcode[3];
	u8 len;
	s8 digit;
	char imm;	/* b w z(16/32) v(16/32/64) o(moffs) d(32) e(ENTER) 0 */
	u32 flags;
};

extern const struct spec specs[];
extern const size_t nr_specs;

#endif
