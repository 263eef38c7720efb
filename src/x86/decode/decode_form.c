// SPDX-License-Identifier: MIT
/* From the operands to the member of a family. */
#include "x86/decode/decode.h"

enum kind { KIND_REG, KIND_MEM, KIND_IMM, KIND_CL, KIND_OTHER };

static bool is_count(const ZydisDecodedOperand *op)
{
	return op->reg.value == ZYDIS_REGISTER_CL &&
	       op->encoding == ZYDIS_OPERAND_ENCODING_NONE;
}

static enum kind kind_of(const ZydisDecodedOperand *op)
{
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return KIND_MEM;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return KIND_IMM;
	case ZYDIS_OPERAND_TYPE_REGISTER:
		if (is_count(op))
			return KIND_CL;
		return decode_gpr(op->reg.value) == GPR_OFF_NONE ? KIND_OTHER : KIND_REG;
	default:
		return KIND_OTHER;
	}
}

static enum op_form form_of_two(enum kind a, enum kind b)
{
	static const u8 form[KIND_OTHER][KIND_OTHER] = {
		[KIND_REG] = { [KIND_REG] = FORM_RR, [KIND_MEM] = FORM_RM,
			       [KIND_IMM] = FORM_RI, [KIND_CL] = FORM_RC },
		[KIND_MEM] = { [KIND_REG] = FORM_MR, [KIND_IMM] = FORM_MI,
			       [KIND_CL] = FORM_MC },
	};

	return form[a][b];
}

static enum op_form form_of_three(enum kind a, enum kind b, enum kind n)
{
	if (n == KIND_CL)
		return a == KIND_MEM ? FORM_MRC : FORM_RRC;
	if (a == KIND_MEM)
		return FORM_MRI;
	return b == KIND_MEM ? FORM_RMI : FORM_RRI;
}

static enum op_form form_of(const struct decoding *d)
{
	enum kind kind[3];
	u8 n = d->zi.operand_count_visible, i;

	if (n > 3)
		return FORM_OTHER;
	for (i = 0; i < n; i++) {
		kind[i] = kind_of(&d->ops[i]);
		if (kind[i] == KIND_OTHER || (kind[i] == KIND_CL && i == 0))
			return FORM_OTHER;
	}
	switch (n) {
	case 0:
		return FORM_NONE;
	case 1:
		return kind[0] == KIND_REG ? FORM_R : kind[0] == KIND_MEM ? FORM_M : FORM_I;
	case 2:
		return form_of_two(kind[0], kind[1]);
	default:
		return form_of_three(kind[0], kind[1], kind[2]);
	}
}

static enum op_form locked(enum op_form form)
{
	return form == FORM_M ? FORM_LM : form == FORM_MR ? FORM_LMR :
	       form == FORM_MI ? FORM_LMI : form;
}

/* Two registers: the destination to rm, the source to reg. */
static void order_registers(const struct decoding *d, struct insn *in)
{
	in->rm = decode_gpr(d->ops[0].reg.value);
	in->reg = decode_gpr(d->ops[1].reg.value);
}

op_fn decode_family(const struct decoding *d, const struct op_family *family,
		    struct insn *in)
{
	enum op_form form = form_of(d);

	if (form == FORM_OTHER || !in->osz || in->osz > 8)
		return NULL;
	if (form == FORM_RR || form == FORM_RRI || form == FORM_RRC)
		order_registers(d, in);
	else if (form == FORM_RI || form == FORM_RC || form == FORM_R)
		in->rm = decode_gpr(d->ops[0].reg.value);
	else if (form == FORM_RM || form == FORM_RMI)
		in->reg = decode_gpr(d->ops[0].reg.value);
	else if (form == FORM_MR || form == FORM_MRI || form == FORM_MRC)
		in->reg = decode_gpr(d->ops[1].reg.value);
	if (in->flags & INSN_LOCK)
		form = locked(form);
	return family->fn[form][__builtin_ctz(in->osz)];
}
