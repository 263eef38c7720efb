/* SPDX-License-Identifier: MIT */
/*
 * Thunks: loads of what the instruction reads, the instruction, stores of what
 * it wrote.  Register use is that of thunk_fn: RDI reg, RSI r/m or memory,
 * RDX is4, RCX vvvv, R8 vCPU.
 */
#include "x86/native/thunk.h"

#include <string.h>

#include "x86/cpu/cpu.h"

static void put(struct emit *e, const void *bytes, u32 n)
{
	memcpy(e->b + e->n, bytes, n);
	e->n += n;
}
#define PUT(e, ...) put(e, (const u8[]){ __VA_ARGS__ }, \
			sizeof((const u8[]){ __VA_ARGS__ }))

static void put32(struct emit *e, u32 v)
{
	put(e, &v, 4);
}

static bool is_vex(const struct native_form *f)
{
	return f->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
}

/* MOVUPS, or VMOVDQU of 16 or 32 bytes, between slot @n and [@base]. */
static void put_vec(const struct native_form *f, struct emit *e, u8 n, u8 base,
		    bool store, bool ymm)
{
	u8 modrm = n << 3 | base;

	if (!is_vex(f))
		PUT(e, 0x0f, store ? 0x11 : 0x10, modrm);
	else if (store || ymm)	/* VEX zeroes the upper half */
		PUT(e, 0xc5, 0xfe, store ? 0x7f : 0x6f, modrm);
	else
		PUT(e, 0xc5, 0xfa, 0x6f, modrm);
}

/* MOV between R9-R11 and [@base]. */
static void put_gpr(struct emit *e, u8 n, u8 base, bool store)
{
	PUT(e, 0x4c, store ? 0x89 : 0x8b, (n & 7) << 3 | base);
}

/* MOVQ; a write sets the exponent to ones (SDM vol. 1 9.6.2). */
static void put_mmx(struct emit *e, u8 n, u8 base, bool store)
{
	PUT(e, 0x0f, store ? 0x7f : 0x6f, n << 3 | base);
	if (store)
		PUT(e, 0x66, 0xc7, 0x40 | base, 8, 0xff, 0xff);
}

struct operand_slot {
	const ZydisDecodedOperand *o;
	u8 base, vec, gpr;
};

static void put_operand(const struct native_form *f, struct emit *e,
			const struct operand_slot *s, bool store)
{
	if (is_gpr(s->o))
		put_gpr(e, s->gpr, s->base, store);
	else if (is_mmx(s->o))
		put_mmx(e, s->vec, s->base, store);
	else if (is_vec(s->o))
		put_vec(f, e, s->vec, s->base, store,
			s->o->reg.value >= ZYDIS_REGISTER_YMM0);
}

/* [R8 + disp32] with the REX, opcode and ModRM.reg given. */
static void put_cpu(struct emit *e, u8 rex, u8 opcode, u8 reg, u32 off)
{
	PUT(e, rex, opcode, 0x80 | reg << 3);
	put32(e, off);
}

/* -- Implicit operands --------------------------------------------------------- */

static void put_xmm0(const struct native_form *f, struct emit *e, bool store)
{
	/* REX.B or VEX.B for R8. */
	if (is_vex(f))
		PUT(e, 0xc4, 0xc1, store ? 0x7e : 0x7a, store ? 0x7f : 0x6f, 0x80);
	else
		PUT(e, 0x41, 0x0f, store ? 0x11 : 0x10, 0x80);
	put32(e, VEC_OFF(0));
}

static bool put_implicit_one(const struct native_form *f, struct emit *e,
			     const ZydisDecodedOperand *o, bool store)
{
	if (is_vec(o)) {
		if (o->reg.value != ZYDIS_REGISTER_XMM0)
			return false;
		put_xmm0(f, e, store);
		return true;
	}
	if (is_gpr(o)) {
		u8 n = (u8)ZydisRegisterGetId(o->reg.value);

		if (n > RDX)
			return false;
		put_cpu(e, 0x49, store ? 0x89 : 0x8b, n, GPR_OFF(n));
	}
	/* RFLAGS, MXCSR and x87 status are dealt with elsewhere. */
	return true;
}

static bool put_implicit(const struct native_form *f, struct emit *e, bool store)
{
	for (int i = 0; i < f->zi->operand_count; i++) {
		const ZydisDecodedOperand *o = &f->ops[i];

		if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			continue;
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (store ? op_writes(o) : op_reads(o)) &&
		    !put_implicit_one(f, e, o, store))
			return false;
	}
	return true;
}

/* -- RFLAGS ---------------------------------------------------------------------- */

static u32 flags_written(const struct native_form *f)
{
	const ZydisAccessedFlags *a = f->zi->cpu_flags;

	return a ? (a->modified | a->set_0 | a->set_1 | a->undefined) &
		   (u32)X86_EFLAGS_STATUS : 0;
}

static void put_flags_in(const struct native_form *f, struct emit *e)
{
	u32 written = flags_written(f);

	if (!f->zi->cpu_flags ||
	    (!f->zi->cpu_flags->tested &&
	     (!written || written == (u32)X86_EFLAGS_STATUS)))
		return;
	/* mov eax, status; and eax, STATUS; push rax; popfq */
	put_cpu(e, 0x41, 0x8b, RAX, offsetof(struct cpu, status));
	PUT(e, 0x25);
	put32(e, (u32)X86_EFLAGS_STATUS);
	PUT(e, 0x50, 0x9d);
}

static void put_flags_out(const struct native_form *f, struct emit *e)
{
	if (!flags_written(f))
		return;
	PUT(e, 0x9c);					/* pushfq */
	put_cpu(e, 0x41, 0x8f, 0, offsetof(struct cpu, status));	/* pop */
}

/* -- Whole thunks ------------------------------------------------------------------ */

/* What this instruction puts in use, for XINUSE. */
static u8 in_use(const struct native_form *f)
{
	switch (f->check) {
	case CHECK_SSE:
		return XFEATURE_SSE;
	case CHECK_AVX:
		return XFEATURE_SSE | XFEATURE_YMM;
	case CHECK_MMX:
		return XFEATURE_X87;
	case CHECK_MMX_SSE:
		return XFEATURE_X87 | XFEATURE_SSE;
	default:
		return 0;
	}
}

static void put_leave(const struct native_form *f, struct emit *e)
{
	u8 use = in_use(f);

	if (use) {	/* or dword [xinuse], use */
		put_cpu(e, 0x41, 0x83, 1, offsetof(struct cpu, fpu.xinuse));
		PUT(e, use);
	}
	if (f->check == CHECK_MMX || f->check == CHECK_MMX_SSE)
		PUT(e, 0x0f, 0x77);			/* emms */
	if (f->check == CHECK_AVX)
		PUT(e, 0xc5, 0xf8, 0x77);		/* vzeroupper */
	PUT(e, 0xc3);
}

static bool emit_data(const struct native_form *f, struct emit *e)
{
	const struct operand_slot slots[] = {
		/* VVVV before REG: MULX with one destination keeps the high half. */
		{ f->vvvv, RCX, SLOT_VEC_VVVV, SLOT_GPR_VVVV },
		{ f->rm, RSI, SLOT_VEC_RM, SLOT_GPR_RM },
		{ f->is4, RDX, SLOT_VEC_IS4, 0 },
		{ f->reg, RDI, SLOT_VEC_REG, SLOT_GPR_REG },
	};

	put_flags_in(f, e);
	for (u32 i = 0; i < ARRAY_SIZE(slots); i++)
		/* Without VEX, or with 16 bits, the rest of the register stays. */
		if (slots[i].o && (!is_vex(f) || op_reads(slots[i].o)))
			put_operand(f, e, &slots[i], false);
	if (!put_implicit(f, e, false) || !native_encode(f, e))
		return false;
	for (u32 i = 0; i < ARRAY_SIZE(slots); i++)
		if (op_writes(slots[i].o))
			put_operand(f, e, &slots[i], true);
	if (!put_implicit(f, e, true))
		return false;
	put_flags_out(f, e);
	put_leave(f, e);
	return true;
}

/*
 * The x87 image is in RDI.  FXRSTOR and FXSAVE do not wait, so an unmasked
 * exception of the guest stays in its image (SDM vol. 1 8.7).  The caller
 * empties the registers.
 */
static bool emit_x87(const struct native_form *f, struct emit *e)
{
	PUT(e, 0x48, 0x0f, 0xae, 0x0f);		/* fxrstor64 [rdi] */
	put_flags_in(f, e);
	if (!native_encode(f, e))
		return false;
	put_flags_out(f, e);
	PUT(e, 0x48, 0x0f, 0xae, 0x07);		/* fxsave64 [rdi] */
	PUT(e, 0xc3);
	return true;
}

bool native_emit(const struct native_form *f, struct emit *e)
{
	e->n = 0;
	return f->check == CHECK_X87 ? emit_x87(f, e) : emit_data(f, e);
}
