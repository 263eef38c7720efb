/* SPDX-License-Identifier: MIT */
/*
 * Data instructions: the guest's own opcode and immediates, with the registers
 * and the address that stand for the guest's.
 */
#include "x86/decode/decode.h"
#include "x86/jit/trans.h"

/* The operands, by where they are encoded. */
struct form {
	const ZydisDecodedOperand *reg, *rm, *opcode, *mem;
	bool accumulator;	/* an opcode of AL, AX, EAX or RAX */
	bool bytes;		/* a byte register: needs REX */
};

int operand_gpr(const ZydisDecodedOperand *o)
{
	u8 off = decode_gpr(o->reg.value);

	return off == GPR_OFF_NONE || off % sizeof(u64) ? -1 : off / (int)sizeof(u64);
}

static bool form_register(struct form *f, const ZydisDecodedOperand *o)
{
	int g = operand_gpr(o);

	if (g < 0)
		return false;
	f->bytes |= o->size == 8;
	switch (o->encoding) {
	case ZYDIS_OPERAND_ENCODING_MODRM_REG:
		f->reg = o;
		return true;
	case ZYDIS_OPERAND_ENCODING_MODRM_RM:
		f->rm = o;
		return true;
	case ZYDIS_OPERAND_ENCODING_OPCODE:
		f->opcode = o;
		return true;
	case ZYDIS_OPERAND_ENCODING_NONE:
		f->accumulator |= g == RAX;
		return g == RAX || g == RCX;	/* CL of shifts stays where it is */
	default:
		return false;
	}
}

static bool form_of(const struct trans *t, struct form *f)
{
	memset(f, 0, sizeof(*f));
	for (int i = 0; i < t->zi.operand_count_visible; i++) {
		const ZydisDecodedOperand *o = &t->ops[i];

		switch (o->type) {
		case ZYDIS_OPERAND_TYPE_REGISTER:
			if (!form_register(f, o))
				return false;
			break;
		case ZYDIS_OPERAND_TYPE_MEMORY:
			if (o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
				return false;
			f->mem = o;
			break;
		case ZYDIS_OPERAND_TYPE_IMMEDIATE:
			break;
		default:
			return false;
		}
	}
	return true;
}

/* -- Encoding ------------------------------------------------------------------- */

static void put_prefixes(struct trans *t)
{
	for (int i = 0; i < t->zi.raw.prefix_count; i++) {
		u8 p = t->zi.raw.prefixes[i].value;
		bool mandatory = t->zi.raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY;

		if (p == 0x66 || p == 0xf0 || mandatory)
			put8(&t->k, p);
	}
}

static void put_imms(struct trans *t)
{
	for (int i = 0; i < 2; i++) {
		u8 n = t->zi.raw.imm[i].size / 8;

		memcpy(t->k.p, t->bytes + t->zi.raw.imm[i].offset, n);
		t->k.p += n;
	}
}

static u32 full_opcode(const ZydisDecodedInstruction *zi)
{
	switch (zi->opcode_map) {
	case ZYDIS_OPCODE_MAP_0F:
		return 0x0f00 | zi->opcode;
	case ZYDIS_OPCODE_MAP_0F38:
		return 0x0f3800 | zi->opcode;
	default:	/* 82 is 80 in 32-bit code */
		return zi->opcode == 0x82 ? 0x80 : zi->opcode;
	}
}

/* With ModRM: @reg is the register or the opcode's extension. */
static void put_with_modrm(struct trans *t, const struct form *f, u32 opcode,
			   u8 reg, struct rm m)
{
	u8 rex = rex_of(t->zi.raw.rex.W, reg, &m);

	put_prefixes(t);
	if (rex || f->bytes)
		put8(&t->k, 0x40 | rex);
	put_opcode(&t->k, opcode);
	put_modrm(&t->k, reg, &m);
	put_imms(t);
}

/* INC and DEC of 32-bit code, where 64-bit code has REX. */
static bool is_short_inc(const ZydisDecodedInstruction *zi)
{
	return zi->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (zi->opcode & 0xf0) == 0x40;
}

static void put_with_opcode(struct trans *t, const struct form *f, u8 reg)
{
	u8 rex = t->zi.raw.rex.W << 3 | reg >> 3;

	if (is_short_inc(&t->zi)) {
		put_with_modrm(t, f, 0xff, t->zi.opcode >> 3 & 1, RM_REG(reg));
		return;
	}
	put_prefixes(t);
	if (rex || f->bytes)
		put8(&t->k, 0x40 | rex);
	put_opcode(&t->k, (full_opcode(&t->zi) & ~7u) | (reg & 7));
	put_imms(t);
}

/* The short forms of the accumulator, as the long ones (SDM vol. 2, ADD, TEST, XCHG). */
static bool put_accumulator(struct trans *t, const struct form *f, u8 other)
{
	u8 op = t->zi.opcode;
	struct rm m = RM_REG(R_GUEST_RAX);

	if (t->zi.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return false;
	if (op < 0x40 && (op & 6) == 4)
		put_with_modrm(t, f, 0x80 | (op & 1), op >> 3, m);
	else if (op == 0xa8 || op == 0xa9)
		put_with_modrm(t, f, 0xf6 | (op & 1), 0, m);
	else if ((op & 0xf8) == 0x90 && f->opcode)
		put_with_modrm(t, f, 0x87, other, m);
	else
		return false;
	return true;
}

/* -- One instruction --------------------------------------------------------------- */

/* A guest's register as an operand: @host is where it is meanwhile. */
struct slot {
	const ZydisDecodedOperand *o;
	u8 guest, host;
};

static bool writes(const ZydisDecodedOperand *o)
{
	return o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

static bool reads(const ZydisDecodedOperand *o)
{
	return o->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
}

/* BSF and BSR of 0 leave it (SDM vol. 2A, BSF: undefined; AMD's manual has it). */
static bool keeps_destination(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_BSF || m == ZYDIS_MNEMONIC_BSR;
}

/* 8 and 16 bits written, and what is written under a condition, keep the rest. */
static void slot_load(struct trans *t, struct slot *s, const ZydisDecodedOperand *o,
		      u8 scratch)
{
	s->o = o;
	if (!o)
		return;
	s->guest = operand_gpr(o);
	s->host = pinned[s->guest];
	if (s->host != NOT_PINNED)
		return;
	s->host = scratch;
	if (reads(o) || o->size < 32 || keeps_destination(t->zi.mnemonic) ||
	    (o->actions & ZYDIS_OPERAND_ACTION_CONDWRITE))
		mov_load(&t->k, scratch, GPR_HOME(s->guest));
}

static void slot_store(struct trans *t, const struct slot *s)
{
	if (s->o && pinned[s->guest] == NOT_PINNED && writes(s->o))
		mov_store(&t->k, GPR_HOME(s->guest), s->host);
}

/* A shift count of 0 leaves all flags; the count is masked by the size. */
static bool possible(const struct trans *t, const struct form *f)
{
	if (t->zi.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	/* Bit offsets in registers reach beyond the operand. */
	if (f->mem && f->reg && t->zi.meta.category == ZYDIS_CATEGORY_BITBYTE &&
	    (t->zi.mnemonic == ZYDIS_MNEMONIC_BT || t->zi.mnemonic == ZYDIS_MNEMONIC_BTS ||
	     t->zi.mnemonic == ZYDIS_MNEMONIC_BTR || t->zi.mnemonic == ZYDIS_MNEMONIC_BTC))
		return false;
	return !f->mem || ea_possible(t);
}

/* -- Operands in their homes --------------------------------------------------------- */

/* Opcodes of a register and an r/m, which change places with a bit of the opcode. */
static bool swapped_opcode(const struct trans *t, u32 *opcode)
{
	if (t->zi.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return false;
	if (*opcode < 0x40 || (*opcode & ~3u) == 0x88)
		*opcode ^= 2;
	else if ((*opcode & ~1u) != 0x84)			/* TEST is symmetrical */
		return false;
	return true;
}

/*
 * May @o be the r/m operand where the guest's register is in memory?  What is
 * written is all of it: parts would be slow to read, 32 bits change the rest.
 */
static bool may_be_home(const struct trans *t, const ZydisDecodedOperand *o)
{
	if (!o || pinned[operand_gpr(o)] != NOT_PINNED || (writes(o) && o->size != 64))
		return false;
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_XCHG:	/* locks */
	case ZYDIS_MNEMONIC_XADD:
	case ZYDIS_MNEMONIC_BT:		/* of a bit string */
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		return false;
	default:
		return true;
	}
}

/* Registers only: the r/m operand becomes its home, after a swap if need be. */
static bool use_home(const struct trans *t, struct form *f, u32 *opcode)
{
	const ZydisDecodedOperand *rm = f->rm;

	if (may_be_home(t, f->rm))
		return true;
	if (!f->rm || pinned[operand_gpr(f->rm)] == NOT_PINNED || !may_be_home(t, f->reg) ||
	    !swapped_opcode(t, opcode))
		return false;
	f->rm = f->reg;
	f->reg = rm;
	return true;
}

static void set_flags(struct trans *t, const u8 *start)
{
	struct recipe r;

	if (recipe_of(t, start, &r))
		flags_set_by(t, &r);
	else
		flags_set(t);
}

/* The host's flags before the instruction, as far as it has need of them. */
static void flags_before(struct trans *t, enum effect effect)
{
	if (effect == READS || effect == MERGES)
		flags_load(t);
	else if (effect == SETS_SOME)
		flags_merge(t);
}

/*
 * With AH to BH there is no REX: all registers are where the guest has them,
 * but for RAX, which comes to RAX for the time.
 */
static bool insn_high_byte(struct trans *t)
{
	enum effect effect = effect_of(t->zi.mnemonic);

	for (int i = 0; i < t->zi.operand_count_visible; i++) {
		const ZydisDecodedOperand *o = &t->ops[i];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY ||
		    (o->type == ZYDIS_OPERAND_TYPE_REGISTER && operand_gpr(o) == RSP))
			return false;
	}
	if (t->zi.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && t->zi.opcode == 0x82)
		return false;	/* 32-bit code alone has that */
	flags_before(t, effect);
	mov_rr(&t->k, RAX, R_GUEST_RAX);
	memcpy(t->k.p, t->bytes, t->in->len);
	if (t->zi.raw.modrm.offset)
		t->k.p[t->zi.raw.modrm.offset - 1] = (u8)full_opcode(&t->zi);
	t->k.p += t->in->len;
	if (t->outlook[t->in - t->block->insn].written & BIT(RAX))
		mov_rr(&t->k, R_GUEST_RAX, RAX);
	if (effect >= SETS_ALL)
		flags_set(t);
	return true;
}

static bool has_high_byte(const struct trans *t)
{
	for (int i = 0; i < t->zi.operand_count_visible; i++)
		if (t->ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    t->ops[i].reg.value >= ZYDIS_REGISTER_AH &&
		    t->ops[i].reg.value <= ZYDIS_REGISTER_BH)
			return true;
	return false;
}

bool insn_generic(struct trans *t)
{
	enum effect effect = effect_of(t->zi.mnemonic);
	u32 opcode = full_opcode(&t->zi);
	struct slot reg, other = { 0 };
	const u8 *start;
	struct form f;
	struct rm m;

	if (effect != NOT_HERE && has_high_byte(t))
		return insn_high_byte(t);
	if (effect == NOT_HERE || !form_of(t, &f) || !possible(t, &f))
		return false;
	if (f.accumulator && (f.mem || f.reg || f.rm))
		return false;
	if (t->zi.mnemonic == ZYDIS_MNEMONIC_IMUL && t->zi.operand_count_visible == 1)
		return false;
	t->in_home = !f.mem && use_home(t, &f, &opcode);
	if (f.mem)
		m = mem_operand(t, f.mem->size / 8, writes(f.mem),
				effect != NO_FLAGS && effect != SETS_ALL);
	flags_before(t, effect);
	slot_load(t, &reg, f.reg, R_C);
	if (t->in_home)
		m = gpr_operand(operand_gpr(f.rm));
	else if (!f.mem) {
		slot_load(t, &other, f.rm ? f.rm : f.opcode, R_B);
		m = RM_REG(other.o ? other.host : 0);
	}
	start = t->k.p;
	if (f.accumulator) {
		if (!put_accumulator(t, &f, other.o ? other.host : 0))
			return false;
	} else if (f.opcode) {
		put_with_opcode(t, &f, other.host);
	} else if (t->zi.attributes & ZYDIS_ATTRIB_HAS_MODRM) {
		put_with_modrm(t, &f, opcode, f.reg ? reg.host : t->zi.raw.modrm.reg, m);
	} else {
		put_prefixes(t);
		put_opcode(&t->k, opcode);
	}
	slot_store(t, &reg);
	slot_store(t, &other);
	if (effect >= SETS_ALL)
		set_flags(t, start);
	return true;
}
