/* SPDX-License-Identifier: MIT */
/* Which instructions run natively, and with which handler. */
#include "x86/native/native.h"

#include <string.h>

#include "x86/interp/ops.h"
#include "x86/native/thunk.h"

/* -- What the host has ------------------------------------------------------- */

enum support {
	SUPPORT_OTHER,		/* not data: not ours */
	SUPPORT_NEVER,		/* no guest is offered it: #UD */
	SUPPORT_NO,		/* the host lacks it: #UD */
	SUPPORT_YES,
};

#define IF_HOST(name) \
	(__builtin_cpu_supports(name) ? SUPPORT_YES : SUPPORT_NO)

static enum support support_avx(ZydisISASet set)
{
	switch (set) {
	case ZYDIS_ISA_SET_AVX:		return IF_HOST("avx");
	case ZYDIS_ISA_SET_AVX2GATHER:
	case ZYDIS_ISA_SET_AVX2:	return IF_HOST("avx2");
	case ZYDIS_ISA_SET_AVXAES:
		return __builtin_cpu_supports("avx") ? IF_HOST("aes") : SUPPORT_NO;
	case ZYDIS_ISA_SET_AVX_GFNI:
		return __builtin_cpu_supports("avx") ? IF_HOST("gfni") : SUPPORT_NO;
	case ZYDIS_ISA_SET_AVX_VNNI:	return IF_HOST("avxvnni");
	case ZYDIS_ISA_SET_F16C:	return IF_HOST("f16c");
	case ZYDIS_ISA_SET_FMA:		return IF_HOST("fma");
	case ZYDIS_ISA_SET_VAES:	return IF_HOST("vaes");
	case ZYDIS_ISA_SET_VPCLMULQDQ:	return IF_HOST("vpclmulqdq");
	default:			return SUPPORT_OTHER;
	}
}

static enum support support_sse(ZydisISASet set)
{
	switch (set) {
	case ZYDIS_ISA_SET_SSE:
	case ZYDIS_ISA_SET_SSE2:
	case ZYDIS_ISA_SET_SSE2MMX:	return SUPPORT_YES;
	case ZYDIS_ISA_SET_SSE3:	return IF_HOST("sse3");
	case ZYDIS_ISA_SET_SSSE3:
	case ZYDIS_ISA_SET_SSSE3MMX:	return IF_HOST("ssse3");
	case ZYDIS_ISA_SET_SSE4:	return IF_HOST("sse4.1");
	case ZYDIS_ISA_SET_SSE42:	return IF_HOST("sse4.2");
	case ZYDIS_ISA_SET_SSE4A:	return IF_HOST("sse4a");
	case ZYDIS_ISA_SET_AES:		return IF_HOST("aes");
	case ZYDIS_ISA_SET_PCLMULQDQ:	return IF_HOST("pclmul");
	case ZYDIS_ISA_SET_SHA:		return IF_HOST("sha");
	case ZYDIS_ISA_SET_GFNI:	return IF_HOST("gfni");
	default:			return SUPPORT_OTHER;
	}
}

static enum support support_gpr(ZydisISASet set)
{
	switch (set) {
	case ZYDIS_ISA_SET_BMI1:	return IF_HOST("bmi");
	case ZYDIS_ISA_SET_BMI2:	return IF_HOST("bmi2");
	case ZYDIS_ISA_SET_LZCNT:	return IF_HOST("lzcnt");
	case ZYDIS_ISA_SET_POPCNT:	return IF_HOST("popcnt");
	case ZYDIS_ISA_SET_MOVBE:	return IF_HOST("movbe");
	case ZYDIS_ISA_SET_ADOX_ADCX:	return IF_HOST("adx");
	case ZYDIS_ISA_SET_PENTIUMMMX:	return SUPPORT_YES;
	default:			return SUPPORT_OTHER;
	}
}

/*
 * XCR0 never has the AVX-512 or AMX bits and CR4.KL is 0, so these raise #UD
 * whatever the host has; 3DNow!, XOP, FMA4 and TBM are offered to nobody.
 */
static bool never_offered(const ZydisDecodedInstruction *zi)
{
	switch (zi->encoding) {
	case ZYDIS_INSTRUCTION_ENCODING_EVEX:
	case ZYDIS_INSTRUCTION_ENCODING_MVEX:
	case ZYDIS_INSTRUCTION_ENCODING_XOP:
	case ZYDIS_INSTRUCTION_ENCODING_3DNOW:
		return true;
	default:
		break;
	}
	switch (zi->meta.isa_ext) {
	case ZYDIS_ISA_EXT_XOP:		/* VPERMIL2PS has a VEX prefix */
	case ZYDIS_ISA_EXT_AVX512VEX:
	case ZYDIS_ISA_EXT_AVX512EVEX:
	case ZYDIS_ISA_EXT_AMD3DNOW:
	case ZYDIS_ISA_EXT_AMX_BF16:
	case ZYDIS_ISA_EXT_AMX_INT8:
	case ZYDIS_ISA_EXT_AMX_TILE:
	case ZYDIS_ISA_EXT_FMA4:
	case ZYDIS_ISA_EXT_KEYLOCKER:
	case ZYDIS_ISA_EXT_KEYLOCKER_WIDE:
	case ZYDIS_ISA_EXT_KNC:
	case ZYDIS_ISA_EXT_KNCE:
	case ZYDIS_ISA_EXT_KNCV:
		return true;
	default:
		return false;
	}
}

static enum support native_support(const ZydisDecodedInstruction *zi)
{
	ZydisISASet set = zi->meta.isa_set;
	enum support s;

	if (never_offered(zi))
		return SUPPORT_NEVER;
	/* FISTTP needs SSE3, which every host in 64-bit mode of today has. */
	if (zi->meta.category == ZYDIS_CATEGORY_X87_ALU ||
	    zi->meta.isa_ext == ZYDIS_ISA_EXT_X87)
		return SUPPORT_YES;
	s = support_sse(set);
	if (s == SUPPORT_OTHER)
		s = support_avx(set);
	return s == SUPPORT_OTHER ? support_gpr(set) : s;
}

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
bool native_must_align(const struct native_form *f)
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

static enum native_check check_of(const struct native_form *f)
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
	if (leaves_x87_alone(f))
		return CHECK_SSE;
	if (converts_mmx(f->zi->mnemonic))
		return CHECK_MMX_SSE;
	if (mmx)
		return vec ? CHECK_MMX_SSE : CHECK_MMX;
	return vec ? CHECK_SSE : CHECK_NONE;
}

/* -- Operands ----------------------------------------------------------------------- */

static u8 gpr_off(ZydisRegister r)
{
	if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
		return GPR_OFF(r - ZYDIS_REGISTER_AH) + 1;
	if (r >= ZYDIS_REGISTER_AL && r <= ZYDIS_REGISTER_BL)
		return GPR_OFF(r - ZYDIS_REGISTER_AL);
	if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B)
		return GPR_OFF(r - ZYDIS_REGISTER_SPL + RSP);
	return GPR_OFF(ZydisRegisterGetId(r));
}

static u16 operand_off(const ZydisDecodedOperand *o)
{
	if (!o)
		return 0;
	if (is_gpr(o))
		return gpr_off(o->reg.value);
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
	if (native_must_align(f))
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
	if (native_support(zi) != SUPPORT_YES)
		return false;
	*f = (struct native_form){ .zi = zi, .ops = ops };
	f->check = check_of(f);
	return form_operands(f);
}

/* Decodes again, because the caller's operands may lack the hidden ones. */
static bool decode_hidden(const ZydisDecodedInstruction *zi, const u8 *bytes,
			  ZydisDecodedInstruction *out,
			  ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT])
{
	ZydisStackWidth width;
	ZydisDecoder d;

	switch (zi->machine_mode) {
	case ZYDIS_MACHINE_MODE_LONG_64:
		width = ZYDIS_STACK_WIDTH_64;
		break;
	case ZYDIS_MACHINE_MODE_LONG_COMPAT_32:
	case ZYDIS_MACHINE_MODE_LEGACY_32:
		width = ZYDIS_STACK_WIDTH_32;
		break;
	default:
		width = ZYDIS_STACK_WIDTH_16;
		break;
	}
	ZydisDecoderInit(&d, zi->machine_mode, width);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, zi->length, out, ops));
}

bool native_prepare(struct native *n, const ZydisDecodedInstruction *zi,
		    const ZydisDecodedOperand *visible, const u8 *bytes,
		    struct insn *in)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction full;
	struct native_form f;

	switch (native_support(zi)) {
	case SUPPORT_OTHER:
		return false;
	case SUPPORT_NEVER:
	case SUPPORT_NO:
		in->op = op_ud;
		return true;
	case SUPPORT_YES:
		break;
	}
	if (!n || !decode_hidden(zi, bytes, &full, ops) ||
	    !native_form_of(&full, ops, &f))
		return false;
	set_operands(&f, bytes, in);
	return native_masked(&f, in) || native_plain_move(&f, in) ||
	       prepare_thunk(&f, in);
}
