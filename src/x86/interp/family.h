/* SPDX-License-Identifier: MIT */
/*
 * Families of handlers: one operation, a handler per operand form and size.
 * decode_insn() picks the handler, so that nothing is left to test at run time.
 *
 * In the forms with two registers in->rm is the destination and in->reg the
 * source, whatever the encoding; RI, RC and R use in->rm; RM writes in->reg.
 */
#ifndef ANYKVM_X86_INTERP_FAMILY_H
#define ANYKVM_X86_INTERP_FAMILY_H

#include "x86/decode/insn.h"

/* R register, M memory, I immediate, C the CL register, L locked memory. */
enum op_form {
	FORM_NONE,
	FORM_R, FORM_M, FORM_I,
	FORM_RR, FORM_RM, FORM_MR, FORM_RI, FORM_MI, FORM_RC, FORM_MC,
	FORM_RRI, FORM_RMI, FORM_MRI, FORM_RRC, FORM_MRC,
	FORM_LM, FORM_LMR, FORM_LMI,
	NR_FORMS,
	FORM_OTHER = NR_FORMS
};

enum { SIZE_8, SIZE_16, SIZE_32, SIZE_64, NR_SIZES };

struct op_family {
	op_fn fn[NR_FORMS][NR_SIZES];
};

#define FAMILY(mnemonic, name, flags) extern const struct op_family family_##name;
#define OP(mnemonic, handler, flags)
#include "x86/interp/ops_integer.def"
#undef OP

/* -- For the files that define families ----------------------------------------- */

#define FOR_SIZES(m, ...)	m(8, __VA_ARGS__) m(16, __VA_ARGS__) \
				m(32, __VA_ARGS__) m(64, __VA_ARGS__)
#define FOR_SIZES_16_UP(m, ...)	m(16, __VA_ARGS__) m(32, __VA_ARGS__) m(64, __VA_ARGS__)

#define ALL_SIZES(fn)		{ fn##8, fn##16, fn##32, fn##64 }
#define SIZES_16_UP(fn)		{ NULL, fn##16, fn##32, fn##64 }

#define HANDLER(name)	static enum step name(struct cpu *c, const struct insn *in)

/* Register writes: 32 bits zero-extend (SDM vol. 1 3.4.1.1). */
#define REG_WRITE_8(c, off, v)	(*gpr8(c, off) = (v))
#define REG_WRITE_16(c, off, v)	(*gpr16(c, off) = (v))
#define REG_WRITE_32(c, off, v)	(*gpr64(c, off) = (u32)(v))
#define REG_WRITE_64(c, off, v)	(*gpr64(c, off) = (v))

#endif
