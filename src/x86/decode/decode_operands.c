// SPDX-License-Identifier: MIT
#include "x86/decode/decode.h"

enum {
	LEGACY_HIGH_BYTES = 4,	/* SPL encodes as 4 */
	PREFIX_REPNE	= 0xf2,
	PREFIX_REP	= 0xf3,
};

u8 decode_gpr(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
		return GPR_OFF(reg - ZYDIS_REGISTER_RAX);
	if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
		return GPR_OFF(reg - ZYDIS_REGISTER_EAX);
	if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W)
		return GPR_OFF(reg - ZYDIS_REGISTER_AX);
	if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
		return GPR_OFF(reg - ZYDIS_REGISTER_AL);
	if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
		return GPR_OFF(reg - ZYDIS_REGISTER_AH) + 1;
	if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
		return GPR_OFF(reg - ZYDIS_REGISTER_SPL + LEGACY_HIGH_BYTES);
	return GPR_OFF_NONE;
}

u8 decode_seg(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS ?
		reg - ZYDIS_REGISTER_ES : SEG_NONE;
}

static bool is_ip(ZydisRegister reg)
{
	return reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP;
}

static void decode_mem(const struct decoding *d, const ZydisDecodedOperand *op,
		       struct insn *in)
{
	const ZydisDecodedOperandMem *m = &op->mem;

	in->flags |= INSN_MEM;
	if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		in->flags |= INSN_STORE;
	in->seg = decode_seg(m->segment);
	if (in->seg == SEG_NONE)	/* LEA */
		in->seg = DS;
	in->index = decode_gpr(m->index);
	in->shift = m->scale > 1 ? __builtin_ctz(m->scale) : 0;
	in->disp = (s32)m->disp.value;
	if (is_ip(m->base)) {
		/* Zydis: relative to the next instruction; ours: to this one. */
		in->base = GPR_OFF_RIP;
		in->disp = (s32)(m->disp.value + d->zi.length);
	} else {
		in->base = decode_gpr(m->base);
	}
	if (d->code_size == 8 && in->asz == 8 && in->seg != FS && in->seg != GS)
		in->flags |= INSN_EA64;
}

static void decode_reg(const ZydisDecodedOperand *op, bool first, struct insn *in)
{
	u8 off = decode_gpr(op->reg.value);

	if (off == GPR_OFF_NONE)
		return;
	switch (op->encoding) {
	case ZYDIS_OPERAND_ENCODING_MODRM_REG:
		in->reg = off;
		break;
	case ZYDIS_OPERAND_ENCODING_MODRM_RM:
		in->rm = off;
		break;
	case ZYDIS_OPERAND_ENCODING_NDSNDD:
		in->vvvv = off;
		break;
	case ZYDIS_OPERAND_ENCODING_OPCODE:
		in->reg = off;
		if (first)
			in->rm = off;
		break;
	default:	/* implied by the opcode: the accumulator, as a rule */
		if (first)
			in->rm = off;
		break;
	}
}

static void decode_imm(const struct decoding *d, const ZydisDecodedOperand *op,
		       struct insn *in)
{
	in->imm = op->imm.value.u;
	if (op->imm.is_relative)
		in->imm += d->zi.length;
}

static u8 last_rep_prefix(const ZydisDecodedInstruction *zi)
{
	u8 i, last = 0;

	for (i = 0; i < zi->raw.prefix_count; i++) {
		u8 value = zi->raw.prefixes[i].value;

		if (value == PREFIX_REP || value == PREFIX_REPNE)
			last = value;
	}
	return last;
}

/* CMPS and SCAS: A6, A7, AE, AF. */
static bool compares(const ZydisDecodedInstruction *zi)
{
	return (zi->opcode & 0xf6) == 0xa6;
}

/* Either prefix repeats what does not compare (SDM vol. 2B, REP). */
static void decode_rep(const ZydisDecodedInstruction *zi, struct insn *in)
{
	u8 prefix = last_rep_prefix(zi);

	if (!prefix)
		return;
	if (prefix == PREFIX_REPNE && compares(zi))
		in->flags |= INSN_REPNE;
	else
		in->flags |= INSN_REP;
}

/* DS, or the override; only FS and GS count in 64-bit code. */
static u8 data_segment(const struct decoding *d)
{
	ZydisInstructionAttributes a = d->zi.attributes;

	if (a & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
		return FS;
	if (a & ZYDIS_ATTRIB_HAS_SEGMENT_GS)
		return GS;
	if (d->code_size == 8)
		return DS;
	return a & ZYDIS_ATTRIB_HAS_SEGMENT_ES ? ES : a & ZYDIS_ATTRIB_HAS_SEGMENT_CS ? CS :
	       a & ZYDIS_ATTRIB_HAS_SEGMENT_SS ? SS : DS;
}

/* The same of CLZERO, whose operand Zydis does not know. */
static u8 implied_segment(const struct decoding *d)
{
	u8 seg = DS;

	for (u32 i = 0; i < d->zi.raw.prefix_count; i++)
		switch (d->zi.raw.prefixes[i].value) {
		case 0x26: seg = d->code_size == 8 ? seg : ES; break;
		case 0x2e: seg = d->code_size == 8 ? seg : CS; break;
		case 0x36: seg = d->code_size == 8 ? seg : SS; break;
		case 0x3e: seg = d->code_size == 8 ? seg : DS; break;
		case 0x64: seg = FS; break;
		case 0x65: seg = GS; break;
		}
	return seg;
}

/* STOS, SCAS, INS have no source in memory: ES:rDI alone. */
static bool only_destination(const ZydisDecodedInstruction *zi)
{
	switch (zi->opcode) {
	case 0x6c: case 0x6d: case 0xaa: case 0xab: case 0xae: case 0xaf:
		return true;
	default:
		return false;
	}
}

/* Zydis shows no operands here: they are all implied. */
static void decode_string(const struct decoding *d, struct insn *in)
{
	if (only_destination(&d->zi))
		in->seg = ES;
	if (d->zi.meta.category == ZYDIS_CATEGORY_IOSTRINGOP)
		in->osz = MIN(in->osz, 4);
	in->flags |= INSN_MEM;
	decode_rep(&d->zi, in);
}

static bool is_string(const ZydisDecodedInstruction *zi)
{
	return zi->meta.category == ZYDIS_CATEGORY_STRINGOP ||
	       zi->meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

void decode_operands(const struct decoding *d, struct insn *in)
{
	const ZydisDecodedInstruction *zi = &d->zi;
	u8 i;

	in->mnemonic = zi->mnemonic;
	in->len = zi->length;
	in->osz = zi->operand_width / 8;
	in->asz = zi->address_width / 8;
	/* A doubleword in 16-bit code, too. */
	if (zi->mnemonic == ZYDIS_MNEMONIC_MOVNTI)
		in->osz = MAX(in->osz, 4);
	in->base = in->index = GPR_OFF_NONE;
	in->seg = zi->mnemonic == ZYDIS_MNEMONIC_CLZERO ? implied_segment(d) : data_segment(d);
	in->sub = zi->raw.modrm.reg;
	if (zi->attributes & ZYDIS_ATTRIB_HAS_LOCK)
		in->flags |= INSN_LOCK;
	if (in->osz == 2 && d->code_size != 2)
		in->flags |= INSN_OPSZ16;
	if (is_string(zi)) {
		decode_string(d, in);
		return;
	}
	for (i = 0; i < zi->operand_count_visible; i++) {
		const ZydisDecodedOperand *op = &d->ops[i];

		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY)
			decode_mem(d, op, in);
		else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER)
			decode_reg(op, i == 0, in);
		else if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			decode_imm(d, op, in);
	}
}
