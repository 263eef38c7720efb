/* SPDX-License-Identifier: MIT */
/* Between the files of the decoder. */
#ifndef ANYKVM_X86_DECODE_DECODE_H
#define ANYKVM_X86_DECODE_DECODE_H

#include <Zydis/Zydis.h>

#include "x86/interp/family.h"

/* What ops.def says of a mnemonic: a handler or a family, or neither. */
struct op_entry {
	op_fn op;
	const struct op_family *family;
	u8 flags;
};

extern const struct op_entry op_table[ZYDIS_MNEMONIC_MAX_VALUE + 1];

/* One instruction on its way through the decoder. */
struct decoding {
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u8 code_size;
};

/* decode_operands.c: registers, address, sizes and prefixes. */
void decode_operands(const struct decoding *d, struct insn *in);
/* The offset in struct cpu of a general register; GPR_OFF_NONE if it is none. */
u8 decode_gpr(ZydisRegister reg);
/* The enum seg of a segment register, SEG_NONE if it is none. */
u8 decode_seg(ZydisRegister reg);

/* decode_form.c: the handler of a family; NULL if it has none for the form. */
op_fn decode_family(const struct decoding *d, const struct op_family *family,
		    struct insn *in);

/* decode_isa.c: can any guest have the extension that the instruction is of? */
bool decode_is_offered(const ZydisDecodedInstruction *zi);

/* decode.c: the host's vendor is AMD, or Hygon. */
bool decode_for_amd(void);

/* decode_special.c: true if the mnemonic alone does not decide, and it has. */
bool decode_special(const struct decoding *d, struct insn *in);
/* Is it a vector instruction under the name of a string instruction? */
bool decode_is_vector(const struct decoding *d);

#endif
