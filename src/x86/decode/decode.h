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

enum { INSN_MAX_BYTES = 15 };

extern const struct op_entry op_table[ZYDIS_MNEMONIC_MAX_VALUE + 1];

/* One instruction on its way through the decoder. */
struct decoding {
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u8 code_size;
};

/* decode.c: as decode_insn() uses it for code of @code_size. */
const ZydisDecoder *decode_decoder(u8 code_size);

/* decode_operands.c: registers, address, sizes and prefixes. */
void decode_operands(const struct decoding *d, struct insn *in);
/* The offset in struct cpu of a general register; GPR_OFF_NONE if it is none. */
u8 decode_gpr(ZydisRegister reg);
/* The enum seg of a segment register, SEG_NONE if it is none. */
u8 decode_seg(ZydisRegister reg);

/* decode_form.c: the handler of a family; NULL if it has none for the form. */
op_fn decode_family(const struct decoding *d, const struct op_family *family,
		    struct insn *in);

/* decode_isa.c: who executes it, as isa.def has it. */
enum decode_isa {
	ISA_REFUSED,	/* #UD: no guest is offered it, or the host lacks it */
	ISA_ENGINE,
	ISA_NATIVE,
};
enum decode_isa decode_isa(const ZydisDecodedInstruction *zi);

/* decode_host.c: what the processor does, against Zydis. */
enum decode_alias {
	ALIAS_NONE,
	ALIAS_SAME,	/* means what the bytes have become */
	ALIAS_CR8,	/* the same, with CR8 for CR0 */
};

/* Comes first; true if the host is AMD's, or as good as. */
bool decode_host_init(void);
/* #UD, although Zydis takes it for an instruction. */
bool decode_is_undefined(const struct decoding *d);
/* A branch whose 66 prefix cuts RIP to 16 bits, where Zydis has 64. */
bool decode_cuts_rip(const struct decoding *d);
/* MOVSXD of 16 bits reads 32. */
bool decode_movsxd_is_wide(const struct decoding *d);
/* A PAUSE to Zydis, something else to the processor. */
bool decode_is_no_pause(const struct decoding *d);
/* Invalid to Zydis, but not to the processor: @bytes become what it does take. */
enum decode_alias decode_alias(u8 *bytes, unsigned int avail, u8 code_size);

bool decode_is_prefix(u8 byte, u8 code_size);
/* Why @bytes are not an instruction; @otherwise where only Zydis knows. */
enum decode_result decode_failure(const u8 *bytes, unsigned int avail, u8 code_size,
				  enum decode_result otherwise);

/*
 * decode_length.c: how many bytes an AMD processor fetches for @bytes, given
 * what is available of them: more than @avail if that does not suffice.
 */
u32 decode_length(const u8 *bytes, u32 avail, u8 code_size);

/*
 * Of them, those before displacement and immediate; 0 if @avail does not have
 * them all, and for encodings of vector instructions.  @modrm: where it is, or 0.
 */
u32 decode_head(const u8 *bytes, u32 avail, u8 code_size, u32 *modrm);

/* decode_special.c: true if the mnemonic alone does not decide, and it has. */
bool decode_special(const struct decoding *d, struct insn *in);
/* Is it a vector instruction under the name of a string instruction? */
bool decode_is_vector(const ZydisDecodedInstruction *zi);

#endif
