/* SPDX-License-Identifier: MIT */
/*
 * The guest's instruction written anew for 64-bit code: registers renamed to
 * the slots of thunk.h, the memory operand to [RSI] (SDM vol. 2A chapter 2).
 * Prefixes that only made the address or are ignored are dropped.
 */
#include "x86/native/thunk.h"

#include <string.h>

static void put(struct emit *e, u8 byte)
{
	e->b[e->n++] = byte;
}

/* The number of the slot that stands for operand @o of @f. */
static u8 slot(const struct native_form *f, const ZydisDecodedOperand *o)
{
	bool gpr = is_gpr(o);

	if (o == f->reg)
		return gpr ? SLOT_GPR_REG : SLOT_VEC_REG;
	if (o == f->rm)
		return gpr ? SLOT_GPR_RM : SLOT_VEC_RM;
	if (o == f->vvvv)
		return gpr ? SLOT_GPR_VVVV : SLOT_VEC_VVVV;
	return SLOT_VEC_IS4;
}

static u8 modrm_reg(const struct native_form *f)
{
	return f->reg ? slot(f, f->reg) : f->zi->raw.modrm.reg;
}

static u8 modrm_rm(const struct native_form *f)
{
	if (f->mem)
		return RSI;
	return f->rm ? slot(f, f->rm) : f->zi->raw.modrm.rm;
}

static void put_modrm(const struct native_form *f, struct emit *e)
{
	put(e, (f->mem ? 0x00 : 0xc0) | (modrm_reg(f) & 7) << 3 | (modrm_rm(f) & 7));
}

static void put_imms(const struct native_form *f, struct emit *e)
{
	const ZydisDecodedInstruction *zi = f->zi;
	/* EXTRQ, INSERTQ: two fields of six bits; fewer thunks to keep. */
	u8 mask = zi->meta.isa_set == ZYDIS_ISA_SET_SSE4A ? 0x3f : 0xff;

	if (f->is4) {
		put(e, SLOT_VEC_IS4 << 4);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (zi->raw.imm[i].size)
			put(e, (u8)zi->raw.imm[i].value.u & mask);
}

static bool put_legacy(const struct native_form *f, struct emit *e)
{
	const ZydisDecodedInstruction *zi = f->zi;
	u8 rex = zi->raw.rex.W << 3 | (modrm_reg(f) >> 3) << 2 | modrm_rm(f) >> 3;

	/* Of all that run natively CRC32 alone has 16-bit operands. */
	if (zi->mnemonic == ZYDIS_MNEMONIC_CRC32 && (zi->opcode & 1) && zi->operand_width == 16)
		put(e, 0x66);
	for (int i = 0; i < zi->raw.prefix_count; i++)
		if (zi->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY)
			put(e, zi->raw.prefixes[i].value);
	if (rex)
		put(e, 0x40 | rex);
	switch (zi->opcode_map) {
	case ZYDIS_OPCODE_MAP_DEFAULT:
		break;
	case ZYDIS_OPCODE_MAP_0F:
		put(e, 0x0f);
		break;
	case ZYDIS_OPCODE_MAP_0F38:
		put(e, 0x0f);
		put(e, 0x38);
		break;
	case ZYDIS_OPCODE_MAP_0F3A:
		put(e, 0x0f);
		put(e, 0x3a);
		break;
	default:
		return false;
	}
	put(e, zi->opcode);
	if (zi->attributes & ZYDIS_ATTRIB_HAS_MODRM)
		put_modrm(f, e);
	put_imms(f, e);
	return true;
}

/* Whether VEX.W would be the width of a general register, or of what stands for it. */
static bool w_widens(const struct native_form *f)
{
	return is_gpr(f->reg) || is_gpr(f->rm) || is_gpr(f->vvvv) ||
	       f->zi->mnemonic == ZYDIS_MNEMONIC_VMOVD ||
	       f->zi->mnemonic == ZYDIS_MNEMONIC_VPEXTRD ||
	       f->zi->mnemonic == ZYDIS_MNEMONIC_VPINSRD ||
	       f->zi->mnemonic == ZYDIS_MNEMONIC_VCVTSI2SS ||
	       f->zi->mnemonic == ZYDIS_MNEMONIC_VCVTSI2SD ||
	       f->zi->mnemonic == ZYDIS_MNEMONIC_VPCMPESTRI ||	/* RAX and RDX */
	       f->zi->mnemonic == ZYDIS_MNEMONIC_VPCMPESTRM;
}

u8 native_vex_w(const struct native_form *f)
{
	const ZydisDecodedInstruction *zi = f->zi;

	if (zi->machine_mode != ZYDIS_MACHINE_MODE_LONG_64 && w_widens(f))
		return 0;
	return zi->raw.vex.W;
}

static bool put_vex(const struct native_form *f, struct emit *e)
{
	const ZydisDecodedInstruction *zi = f->zi;
	u8 vvvv = f->vvvv ? slot(f, f->vvvv) : 0;

	put(e, 0xc4);
	put(e, (modrm_reg(f) < 8) << 7 | 1 << 6 | (modrm_rm(f) < 8) << 5 |
	       zi->raw.vex.m_mmmm);
	put(e, native_vex_w(f) << 7 | (~vvvv & 15) << 3 | zi->raw.vex.L << 2 |
	       zi->raw.vex.pp);
	put(e, zi->opcode);
	if (zi->attributes & ZYDIS_ATTRIB_HAS_MODRM)
		put_modrm(f, e);
	put_imms(f, e);
	return true;
}

/* The result must mean in 64-bit code what the original meant where it was. */
static bool same_meaning(const struct native_form *f, const u8 *b, u32 n)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction zi;
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, b, n, &zi, ops)) ||
	    zi.length != n || zi.mnemonic != f->zi->mnemonic ||
	    zi.operand_count != f->zi->operand_count)
		return false;
	for (int i = 0; i < zi.operand_count; i++) {
		const ZydisDecodedOperand *o = &f->ops[i];

		if (ops[i].type != o->type || ops[i].encoding != o->encoding)
			return false;
		if (o->visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
		    ops[i].size != o->size)
			return false;
	}
	return true;
}

bool native_encode(const struct native_form *f, struct emit *e)
{
	u32 start = e->n;
	bool ok = false;

	if (f->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		ok = put_legacy(f, e);
	else if (f->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		ok = put_vex(f, e);
	return ok && same_meaning(f, e->b + start, e->n - start);
}
