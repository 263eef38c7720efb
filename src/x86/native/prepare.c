/* SPDX-License-Identifier: MIT */
/* The handler, and the thunk, of an instruction that runs natively. */
#include "x86/native/native.h"

#include <string.h>

#include "x86/decode/decode.h"
#include "x86/native/thunk.h"

/* -- Properties of an instruction ------------------------------------------------ */

static bool converts_mmx(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_CVTPI2PS:
	case ZYDIS_MNEMONIC_CVTPI2PD:
	case ZYDIS_MNEMONIC_CVTPS2PI:
	case ZYDIS_MNEMONIC_CVTTPS2PI:
	case ZYDIS_MNEMONIC_CVTPD2PI:
	case ZYDIS_MNEMONIC_CVTTPD2PI:
		return true;
	default:
		return false;
	}
}

/* Reads MXCSR and may raise SIMD floating-point exceptions. */
static bool is_simd_fp(const ZydisDecodedInstruction *zi)
{
	switch (zi->meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_SSE2:
	case ZYDIS_EXCEPTION_CLASS_SSE3:
	case ZYDIS_EXCEPTION_CLASS_AVX2:
	case ZYDIS_EXCEPTION_CLASS_AVX3:
	case ZYDIS_EXCEPTION_CLASS_AVX11:
		return true;
	default:
		return zi->meta.isa_set == ZYDIS_ISA_SET_FMA ||
		       converts_mmx(zi->mnemonic);
	}
}

static bool allows_unaligned(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_MOVUPS:
	case ZYDIS_MNEMONIC_MOVUPD:
	case ZYDIS_MNEMONIC_MOVDQU:
	case ZYDIS_MNEMONIC_LDDQU:
	case ZYDIS_MNEMONIC_PCMPESTRI:
	case ZYDIS_MNEMONIC_PCMPESTRM:
	case ZYDIS_MNEMONIC_PCMPISTRI:
	case ZYDIS_MNEMONIC_PCMPISTRM:
		return true;
	default:
		return false;
	}
}

/* SDM vol. 1 14.9: 16 bytes without VEX; with VEX only what asks for it. */
static bool must_align(const struct native_form *f)
{
	const ZydisDecodedInstruction *zi = f->zi;

	if (!f->mem || f->mem->size < 128)
		return false;
	if (zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		return zi->meta.exception_class == ZYDIS_EXCEPTION_CLASS_AVX1;
	/* AMD's SHA instructions take any address, against their class. */
	if (zi->meta.isa_set == ZYDIS_ISA_SET_SHA && __builtin_cpu_is("amd"))
		return false;
	return !allows_unaligned(zi->mnemonic);
}

/* AMD's do not look for a pending x87 exception either, if they read memory. */
static bool leaves_x87_alone(const struct native_form *f)
{
	return converts_mmx(f->zi->mnemonic) && __builtin_cpu_is("amd") &&
	       f->ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY && is_vec(&f->ops[0]);
}

enum native_check native_check_of(const struct native_form *f)
{
	bool mmx = false, vec = false;

	if (f->zi->meta.isa_ext == ZYDIS_ISA_EXT_X87 ||
	    f->zi->meta.category == ZYDIS_CATEGORY_X87_ALU)
		return CHECK_X87;
	for (int i = 0; i < f->zi->operand_count; i++) {
		mmx |= is_mmx(&f->ops[i]);
		vec |= is_vec(&f->ops[i]);
	}
	/* CVTSD2SI and the like of memory have no vector operand. */
	vec |= is_simd_fp(f->zi);
	if (f->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		return vec ? CHECK_AVX : CHECK_BMI;
	if (converts_mmx(f->zi->mnemonic))
		return CHECK_MMX_SSE;
	if (mmx)
		return vec ? CHECK_MMX_SSE : CHECK_MMX;
	return vec ? CHECK_SSE : CHECK_NONE;
}

/* -- Operands ----------------------------------------------------------------------- */

static u16 operand_off(const ZydisDecodedOperand *o)
{
	if (!o)
		return 0;
	if (is_gpr(o))
		return decode_gpr(o->reg.value);
	if (is_mmx(o))
		return MMX_OFF(o->reg.value - ZYDIS_REGISTER_MM0);
	if (is_vec(o))
		return VEC_OFF(ZydisRegisterGetId(o->reg.value));
	return 0;
}

/* Sorts the operands by where they are encoded. False if one is foreign. */
static bool form_operand(struct native_form *f, const ZydisDecodedOperand *o)
{
	if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return true;
	if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		f->mem = o;
		return o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
	}
	if (!is_gpr(o) && !is_mmx(o) && !is_vec(o))
		return f->check == CHECK_X87;
	switch (o->encoding) {
	case ZYDIS_OPERAND_ENCODING_MODRM_REG:
		f->reg = o;
		return true;
	case ZYDIS_OPERAND_ENCODING_MODRM_RM:
		f->rm = o;
		return true;
	case ZYDIS_OPERAND_ENCODING_NDSNDD:
		f->vvvv = o;
		return true;
	case ZYDIS_OPERAND_ENCODING_IS4:
		f->is4 = o;
		return true;
	default:
		return false;
	}
}

static bool form_operands(struct native_form *f)
{
	for (int i = 0; i < f->zi->operand_count; i++) {
		const ZydisDecodedOperand *o = &f->ops[i];

		if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
			if (!form_operand(f, o))
				return false;
		} else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			f->mem = o;	/* MASKMOVDQU */
		}
	}
	return true;
}

/* FOP: 3 bits of the opcode and the ModRM byte (SDM vol. 1 8.1.9). */
static u64 x87_opcode(const ZydisDecodedInstruction *zi, const u8 *bytes)
{
	return (zi->opcode & 7) << 8 | bytes[zi->raw.modrm.offset];
}

static void set_operands(const struct native_form *f, const u8 *bytes,
			 struct insn *in)
{
	const struct native_operands o = {
		.reg = operand_off(f->reg), .rm = operand_off(f->rm),
		.is4 = operand_off(f->is4), .vvvv = operand_off(f->vvvv),
	};

	memcpy(&in->imm, &o, sizeof(o));
	if (f->check == CHECK_X87)
		in->imm = x87_opcode(f->zi, bytes);
	in->sub = 0;
	in->src_size = f->mem ? f->mem->size / 8 : 0;
	if (must_align(f))
		in->sub |= NATIVE_ALIGNED;
	if (op_writes(f->rm))
		in->sub |= NATIVE_DEST_RM;
	if (f->zi->mnemonic == ZYDIS_MNEMONIC_FLDCW)
		in->sub |= NATIVE_CONTROL;
	/* CVTPI2PS and CVTPI2PD of memory leave the x87 state alone. */
	if (is_mmx(f->reg) || is_mmx(f->rm))
		in->sub |= NATIVE_MMX;
}

static enum native_mem mem_kind(const struct native_form *f)
{
	if (!f->mem)
		return MEM_NONE;
	return op_writes(f->mem) ? MEM_STORE : MEM_LOAD;
}

static bool prepare_thunk(const struct native_form *f, struct insn *in)
{
	enum native_mem mem = mem_kind(f);
	struct emit e;
	void *thunk;

	if (f->mem && (f->mem->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
		       f->mem->size > 256 || (op_reads(f->mem) && op_writes(f->mem))))
		return false;
	if (!native_emit(f, &e))
		return false;
	thunk = arena_thunk(&e);
	if (!thunk)
		return false;
	in->aux = thunk;
	in->op = f->check == CHECK_X87 ? x87_handler(mem) :
		 native_handler(f->check, mem, is_simd_fp(f->zi));
	return in->op;
}

bool native_form_of(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops,
		    struct native_form *f)
{
	*f = (struct native_form){ .zi = zi, .ops = ops };
	f->check = native_check_of(f);
	if (leaves_x87_alone(f))
		f->check = CHECK_SSE;
	return form_operands(f);
}

bool native_prepare(struct native *n, const ZydisDecodedInstruction *zi,
		    const ZydisDecodedOperand *ops, const u8 *bytes,
		    struct insn *in)
{
	struct native_form f;

	if (!n)
		return false;
	if (!native_form_of(zi, ops, &f))
		return false;
	set_operands(&f, bytes, in);
	return native_masked(&f, in) || native_plain_move(&f, in) ||
	       prepare_thunk(&f, in);
}
