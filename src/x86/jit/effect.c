/* SPDX-License-Identifier: MIT */
/* What instructions do to the status flags, and how to make flags again. */
#include "x86/decode/decode.h"
#include "x86/jit/trans.h"

/*
 * The logical operations leave AF undefined; no processor known takes it from
 * the AF before.
 */
enum effect effect_of(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
	case ZYDIS_MNEMONIC_NOT:
	case ZYDIS_MNEMONIC_BSWAP:
	case ZYDIS_MNEMONIC_XCHG:
	case ZYDIS_MNEMONIC_MOVBE:
	case ZYDIS_MNEMONIC_CRC32:
	case ZYDIS_MNEMONIC_MOVNTI:
		return NO_FLAGS;
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_NEG:
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_TEST:
	case ZYDIS_MNEMONIC_XADD:
		return SETS_ALL;
	case ZYDIS_MNEMONIC_ADC:
	case ZYDIS_MNEMONIC_SBB:
	case ZYDIS_MNEMONIC_RCL:
	case ZYDIS_MNEMONIC_RCR:
	case ZYDIS_MNEMONIC_CMC:
		return MERGES;
	case ZYDIS_MNEMONIC_INC:
	case ZYDIS_MNEMONIC_DEC:
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
	case ZYDIS_MNEMONIC_SAR:
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD:
	case ZYDIS_MNEMONIC_IMUL:
	case ZYDIS_MNEMONIC_BT:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
	case ZYDIS_MNEMONIC_BSF:
	case ZYDIS_MNEMONIC_BSR:
	case ZYDIS_MNEMONIC_TZCNT:
	case ZYDIS_MNEMONIC_LZCNT:
	case ZYDIS_MNEMONIC_POPCNT:
	case ZYDIS_MNEMONIC_CLC:
	case ZYDIS_MNEMONIC_STC:
		return SETS_SOME;
#define CONDITION(mnemonic, name, cc)		\
	case ZYDIS_MNEMONIC_SET##mnemonic:	\
	case ZYDIS_MNEMONIC_CMOV##mnemonic:
#include "x86/interp/conditions.def"
		return READS;
	default:
		return NOT_HERE;
	}
}

/* -- Making flags again ------------------------------------------------------------ */

static bool is_gpr(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static bool is_homed(const ZydisDecodedOperand *o)
{
	return is_gpr(o) && pinned[operand_gpr(o)] == NOT_PINNED;
}

/*
 * A comparison of what stays where it is, which has been written to @start: once
 * more.  One register may be in its home, none in a scratch register.
 */
static bool recipe_compare(const struct trans *t, const u8 *start, struct recipe *r)
{
	u32 size = t->k.p - start, homed = 0;

	if (size > sizeof(r->code))
		return false;
	r->gprs = 0;
	for (int i = 0; i < t->zi.operand_count_visible; i++) {
		const ZydisDecodedOperand *o = &t->ops[i];

		if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			continue;
		if (!is_gpr(o))
			return false;
		homed += is_homed(o);
		r->gprs |= BIT(operand_gpr(o));
	}
	if (homed > t->in_home)
		return false;
	r->len = size;
	memcpy(r->code, start, size);
	return true;
}

/* Is @o a register of 32 or 64 bits? */
static bool is_whole(const ZydisDecodedOperand *o)
{
	return is_gpr(o) && o->size >= 32;
}

/* AND, OR, XOR to a register: TEST of it. */
static bool recipe_logic(const struct trans *t, struct recipe *r)
{
	const ZydisDecodedOperand *to = &t->ops[0];
	struct code k = { .p = r->code };
	struct rm m;

	if (!is_whole(to))
		return false;
	m = gpr_operand(operand_gpr(to));
	if (m.mem) {
		put_op(&k, to->size == 64, 0xf7, 0, m);		/* test [], -1 */
		put32(&k, ~0u);
	} else {
		put_op(&k, to->size == 64, 0x85, m.reg, m);
	}
	r->len = k.p - r->code;
	r->gprs = BIT(operand_gpr(to));
	return true;
}

enum { EXT_ADD = 0, EXT_SUB = 5 };

static void put_sum(struct code *k, const ZydisDecodedOperand *ops, u8 ext)
{
	struct rm to = gpr_operand(operand_gpr(&ops[0])), from;
	bool wide = ops[0].size == 64;

	if (!is_gpr(&ops[1])) {
		put_op(k, wide, 0x81, ext, to);
		put32(k, (u32)ops[1].imm.value.u);
		return;
	}
	from = gpr_operand(operand_gpr(&ops[1]));
	if (from.mem)
		put_op(k, wide, ext << 3 | 3, to.reg, from);
	else
		put_op(k, wide, ext << 3 | 1, from.reg, to);
}

/* ADD and SUB to a register of another one, or a constant: the inverse, and again. */
static bool recipe_sum(const struct trans *t, struct recipe *r)
{
	const ZydisDecodedOperand *to = &t->ops[0], *from = &t->ops[1];
	bool add = t->zi.mnemonic == ZYDIS_MNEMONIC_ADD;
	struct code k = { .p = r->code };

	if (!is_whole(to) || (is_gpr(from) && (operand_gpr(to) == operand_gpr(from) ||
					       (is_homed(to) && is_homed(from)))) ||
	    (!is_gpr(from) && from->type != ZYDIS_OPERAND_TYPE_IMMEDIATE))
		return false;
	put_sum(&k, t->ops, add ? EXT_SUB : EXT_ADD);
	put_sum(&k, t->ops, add ? EXT_ADD : EXT_SUB);
	r->len = k.p - r->code;
	r->gprs = BIT(operand_gpr(to));
	if (is_gpr(from))
		r->gprs |= BIT(operand_gpr(from));
	return true;
}

/*
 * Do the flags go on to the end of the block?  There they have to be in memory,
 * so that making them again would be in vain.
 */
static bool reach_end(const struct trans *t)
{
	for (const struct insn *in = t->in + 1; in < t->block->insn + t->count; in++) {
		switch (effect_of(in->mnemonic)) {
		case NOT_HERE:
		case NO_FLAGS:
			break;
		default:
			return false;
		}
		if (in->mnemonic >= ZYDIS_MNEMONIC_JB && in->mnemonic <= ZYDIS_MNEMONIC_JZ &&
		    in->mnemonic != ZYDIS_MNEMONIC_JMP)
			return false;
	}
	return true;
}

bool recipe_of(const struct trans *t, const u8 *start, struct recipe *r)
{
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_TEST:
		return recipe_compare(t, start, r);
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_XOR:
		return !reach_end(t) && recipe_logic(t, r);
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		return !reach_end(t) && recipe_sum(t, r);
	default:
		return false;
	}
}

/* -- Looking ahead ----------------------------------------------------------------- */

bool insn_sets_flags(const struct trans *t)
{
	return effect_of(t->zi.mnemonic) >= SETS_ALL;
}

/* A MOV between general registers, or of a constant: control registers may fault. */
static bool is_simple_move(const struct trans *t, const struct insn *in)
{
	const u8 *bytes = (const u8 *)t->block + t->block->bytes_off + in->end - in->len;
	const ZydisDecoder *d = decode_decoder(t->block->code_size);
	ZydisDecodedInstruction zi;

	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(d, NULL, bytes, in->len, &zi)) &&
	       zi.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	       zi.opcode != 0x8c && zi.opcode != 0x8e;
}

/* Registers only, without a fault, and no flags are read. */
static bool is_harmless(const struct trans *t, const struct insn *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_LEA:
		return in->op != op_ud && in->osz >= 4 &&
		       in->asz == (t->wide ? 8 : 4);
	case ZYDIS_MNEMONIC_MOV:
		return !(in->flags & INSN_MEM) && is_simple_move(t, in);
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_ENDBR64:
	case ZYDIS_MNEMONIC_CWDE:
	case ZYDIS_MNEMONIC_CDQE:
	case ZYDIS_MNEMONIC_CDQ:
	case ZYDIS_MNEMONIC_CQO:
		return in->op != op_ud;
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
	case ZYDIS_MNEMONIC_NOT:
	case ZYDIS_MNEMONIC_BSWAP:
	case ZYDIS_MNEMONIC_INC:
	case ZYDIS_MNEMONIC_DEC:
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
	case ZYDIS_MNEMONIC_SAR:
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD:
		return !(in->flags & INSN_MEM);
	case ZYDIS_MNEMONIC_IMUL:
		return !(in->flags & INSN_MEM) && in->osz >= 4;
	default:
		return false;
	}
}

bool insn_ends_flags(const struct trans *t)
{
	const struct insn *in = t->in + 1, *end = t->block->insn + t->count;

	while (in < end && is_harmless(t, in))
		in++;
	return in < end && !(in->flags & INSN_MEM) && in->op != op_ud &&
	       effect_of(in->mnemonic) == SETS_ALL;
}
