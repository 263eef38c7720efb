// SPDX-License-Identifier: MIT
/* Mnemonics that stand for several operations. */
#include "x86/decode/decode.h"
#include "x86/interp/ops.h"
#include "x86/interp/special.h"

static bool choose(struct insn *in, op_fn op, u8 flags)
{
	in->op = op;
	in->flags |= flags;
	return true;
}

static bool choose_family(const struct decoding *d, struct insn *in,
			  const struct op_family *family)
{
	in->op = decode_family(d, family, in);
	return in->op != NULL;
}

static ZydisRegisterClass class_of(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER ?
		ZydisRegisterGetClass(op->reg.value) : ZYDIS_REGCLASS_INVALID;
}

/* -- MOV ----------------------------------------------------------------------------- */

/* MOV between a general register and a control or debug register. */
static bool mov_special_reg(const struct decoding *d, struct insn *in,
			    const ZydisDecodedOperand *special, bool to)
{
	const ZydisDecodedOperand *general = &d->ops[to ? 1 : 0];
	bool debug = class_of(special) == ZYDIS_REGCLASS_DEBUG;

	in->sub = (u8)ZydisRegisterGetId(special->reg.value);
	in->rm = decode_gpr(general->reg.value);
	if (debug)
		return choose(in, to ? op_mov_to_dr : op_mov_from_dr, to ? INSN_END : 0);
	return choose(in, to ? op_mov_to_cr : op_mov_from_cr, to ? INSN_END : 0);
}

static bool mov_seg(struct insn *in, const ZydisDecodedOperand *seg, bool to)
{
	in->sub = decode_seg(seg->reg.value);
	/* SS opens the interrupt shadow, and may change the stack's size. */
	return choose(in, to ? op_mov_to_seg : op_mov_from_seg, to ? INSN_END : 0);
}

static bool mov_moffs(const struct decoding *d, struct insn *in)
{
	bool store = d->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY;

	/* An address, not a displacement: not sign-extended. */
	in->imm = (u64)d->ops[store ? 0 : 1].mem.disp.value;
	if (in->asz < 8)
		in->imm &= BIT_ULL(in->asz * 8) - 1;
	in->disp = 0;
	return choose(in, store ? op_mov_to_moffs : op_mov_from_moffs, 0);
}

/* A0-A3: the only MOV with memory that has no ModRM. */
static bool is_moffs(const struct decoding *d, const struct insn *in)
{
	return (in->flags & INSN_MEM) && !(d->zi.attributes & ZYDIS_ATTRIB_HAS_MODRM);
}

static bool decode_mov(const struct decoding *d, struct insn *in)
{
	int i;

	if (is_moffs(d, in))
		return mov_moffs(d, in);
	for (i = 0; i < 2; i++) {
		const ZydisDecodedOperand *op = &d->ops[i];

		switch (class_of(op)) {
		case ZYDIS_REGCLASS_CONTROL:
		case ZYDIS_REGCLASS_DEBUG:
			return mov_special_reg(d, in, op, i == 0);
		case ZYDIS_REGCLASS_SEGMENT:
			return mov_seg(in, op, i == 0);
		default:
			break;
		}
	}
	return false;
}

/* MOVZX, MOVSX: a family per size of the source. */
static bool decode_extend(const struct decoding *d, struct insn *in)
{
	bool sign = d->zi.mnemonic == ZYDIS_MNEMONIC_MOVSX;

	in->src_size = d->ops[1].size / 8;
	if (in->src_size == 1)
		return choose_family(d, in, sign ? &family_movsx8 : &family_movzx8);
	return choose_family(d, in, sign ? &family_movsx16 : &family_movzx16);
}

/*
 * Without REX.W it is a plain MOV (SDM vol. 2B, MOVSXD), to AMD's processors of
 * a doubleword into 16 bits, too.
 */
static bool decode_movsxd(const struct decoding *d, struct insn *in)
{
	in->src_size = 4;
	return choose_family(d, in, in->osz == 8 || decode_movsxd_is_wide(d) ? &family_movsx32 : &family_mov);
}

/* -- Stack and control flow ---------------------------------------------------------------- */

static bool decode_push_pop(const struct decoding *d, struct insn *in)
{
	bool pop = d->zi.mnemonic == ZYDIS_MNEMONIC_POP;

	if (class_of(&d->ops[0]) != ZYDIS_REGCLASS_SEGMENT)
		return false;
	in->sub = decode_seg(d->ops[0].reg.value);
	return choose(in, pop ? op_pop_seg : op_push_seg, pop ? INSN_END : 0);
}

static bool decode_far(const struct decoding *d, struct insn *in)
{
	const ZydisDecodedOperand *op = &d->ops[0];
	bool jmp = d->zi.mnemonic == ZYDIS_MNEMONIC_JMP;

	if (d->zi.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
		return false;
	if (d->zi.mnemonic == ZYDIS_MNEMONIC_RET)
		return choose(in, op_ret_far, INSN_END);
	if (op->type == ZYDIS_OPERAND_TYPE_POINTER) {
		in->imm = (u64)op->ptr.segment << 32 | op->ptr.offset;
		return choose(in, jmp ? op_jmp_far_imm : op_call_far_imm, INSN_END);
	}
	return choose(in, jmp ? op_jmp_far_mem : op_call_far_mem, INSN_END);
}

static bool decode_enter(const struct decoding *d, struct insn *in)
{
	in->imm = d->zi.raw.imm[0].value.u;
	in->sub = (u8)d->zi.raw.imm[1].value.u;
	return false;
}

/* LDS, LES, LFS, LGS, LSS: sub is the segment register. */
static bool decode_load_far(const struct decoding *d, struct insn *in)
{
	static const struct { ZydisMnemonic mnemonic; u8 seg; } table[] = {
		{ ZYDIS_MNEMONIC_LDS, DS }, { ZYDIS_MNEMONIC_LES, ES },
		{ ZYDIS_MNEMONIC_LFS, FS }, { ZYDIS_MNEMONIC_LGS, GS },
		{ ZYDIS_MNEMONIC_LSS, SS },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].mnemonic == d->zi.mnemonic)
			in->sub = table[i].seg;
	return false;
}

/* IN, OUT: src_size is that of the data; rm is RDX unless the port is in imm. */
static bool decode_io(const struct decoding *d, struct insn *in)
{
	const ZydisDecodedOperand *port = &d->ops[d->zi.mnemonic == ZYDIS_MNEMONIC_IN];
	const ZydisDecodedOperand *data = &d->ops[d->zi.mnemonic == ZYDIS_MNEMONIC_OUT];

	in->sub = port->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	in->rm = in->sub ? GPR_OFF_NONE : GPR_OFF(RDX);
	if (in->sub)
		in->imm = port->imm.value.u & 0xff;
	in->osz = in->src_size = data->size / 8;
	return false;
}

bool decode_is_vector(const ZydisDecodedInstruction *zi)
{
	switch (zi->mnemonic) {
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_CMPSD:
		return zi->meta.category != ZYDIS_CATEGORY_STRINGOP;
	default:
		return false;
	}
}

bool decode_special(const struct decoding *d, struct insn *in)
{
	switch (d->zi.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		return decode_mov(d, in);
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
		return decode_extend(d, in);
	case ZYDIS_MNEMONIC_MOVSXD:
		return decode_movsxd(d, in);
	case ZYDIS_MNEMONIC_PUSH:
	case ZYDIS_MNEMONIC_POP:
		return decode_push_pop(d, in);
	case ZYDIS_MNEMONIC_JMP:
	case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_RET:
		return decode_far(d, in);
	case ZYDIS_MNEMONIC_ENTER:
		return decode_enter(d, in);
	case ZYDIS_MNEMONIC_IN:
	case ZYDIS_MNEMONIC_OUT:
		return decode_io(d, in);
	default:
		return decode_load_far(d, in);
	}
}
