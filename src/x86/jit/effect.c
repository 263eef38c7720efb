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
	case ZYDIS_MNEMONIC_INC:
	case ZYDIS_MNEMONIC_DEC:
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
	case ZYDIS_MNEMONIC_SAR:
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_RCL:
	case ZYDIS_MNEMONIC_RCR:
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
	case ZYDIS_MNEMONIC_CMC:
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

/* A comparison of what stays where it is, which has been written to @start: once more. */
static bool recipe_compare(const struct trans *t, const u8 *start, struct recipe *r)
{
	r->gprs = 0;
	for (int i = 0; i < t->zi.operand_count_visible; i++) {
		const ZydisDecodedOperand *o = &t->ops[i];

		if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			continue;
		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    pinned[operand_gpr(o)] == NOT_PINNED)
			return false;
		r->gprs |= BIT(operand_gpr(o));
	}
	r->len = t->k.p - start;
	memcpy(r->code, start, r->len);
	return true;
}

/* The host's register of @o, if it is one of 32 or 64 bits, or NOT_PINNED. */
static u8 whole_register(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->size >= 32 ?
	       pinned[operand_gpr(o)] : NOT_PINNED;
}

/* AND, OR, XOR to a register: TEST of it. */
static bool recipe_logic(const struct trans *t, struct recipe *r)
{
	u8 to = whole_register(&t->ops[0]);
	struct code k = { .p = r->code };

	if (to == NOT_PINNED)
		return false;
	put_op(&k, t->ops[0].size == 64, 0x85, to, RM_REG(to));
	r->len = k.p - r->code;
	r->gprs = BIT(operand_gpr(&t->ops[0]));
	return true;
}

enum { EXT_ADD = 0, EXT_SUB = 5 };

static void put_sum(struct code *k, const ZydisDecodedOperand *ops, u8 ext, u8 from)
{
	struct rm to = RM_REG(whole_register(&ops[0]));
	bool wide = ops[0].size == 64;

	if (ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		put_op(k, wide, ext << 3 | 1, from, to);
	} else {
		put_op(k, wide, 0x81, ext, to);
		put32(k, (u32)ops[1].imm.value.u);
	}
}

/* ADD and SUB to a register of another one, or a constant: the inverse, and again. */
static bool recipe_sum(const struct trans *t, struct recipe *r)
{
	bool add = t->zi.mnemonic == ZYDIS_MNEMONIC_ADD;
	bool imm = t->ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	u8 to = whole_register(&t->ops[0]), from = imm ? 0 : whole_register(&t->ops[1]);
	struct code k = { .p = r->code };

	if (to == NOT_PINNED || from == NOT_PINNED || (!imm && to == from))
		return false;
	put_sum(&k, t->ops, add ? EXT_SUB : EXT_ADD, from);
	put_sum(&k, t->ops, add ? EXT_ADD : EXT_SUB, from);
	r->len = k.p - r->code;
	r->gprs = BIT(operand_gpr(&t->ops[0]));
	if (!imm)
		r->gprs |= BIT(operand_gpr(&t->ops[1]));
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
		case SETS_ALL:
		case SETS_SOME:
		case READS:
			return false;
		default:
			break;
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
	enum effect e = effect_of(t->zi.mnemonic);

	return e == SETS_ALL || e == SETS_SOME;
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

/* Registers only, without a fault, and flags stay. */
static bool is_harmless(const struct trans *t, const struct insn *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_LEA:
		return in->op != op_ud;
	case ZYDIS_MNEMONIC_MOV:
		return !(in->flags & INSN_MEM) && is_simple_move(t, in);
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
	case ZYDIS_MNEMONIC_NOT:
	case ZYDIS_MNEMONIC_BSWAP:
		return !(in->flags & INSN_MEM);
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
