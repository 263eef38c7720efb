/* SPDX-License-Identifier: MIT */
/*
 * x87, and what it shares with MMX: the guest's registers and control words are
 * in the host's while cpu->jit_vec has VEC_X87.  That is only so with all
 * exceptions masked, so that none is ever pending.
 *
 * The host's own pointers to the last instruction are of translated code: the
 * guest's are kept beside (SDM vol. 1 8.1.8).  They are stored where code may
 * leave, not at each instruction: every way out knows the last one.
 */
#include "x86/cpu/xsave.h"
#include "x86/jit/trans.h"
#include "x86/native/thunk.h"

enum { LDCW = 5, STCW = 7, FXSAVE = 0, FXRSTOR = 1 };

static struct rm image(s32 off)
{
	struct rm m = CPU_FIELD(fpu.fxsave);

	m.disp += off;
	return m;
}

/* FXSAVE64, FXRSTOR64: much faster than XSAVE and XRSTOR of x87 alone. */
static void put_fx(struct code *k, u8 extension)
{
	put_op(k, true, 0x0fae, extension, image(0));
}

/* -- Fixed pieces -------------------------------------------------------------------- */

/* Between the image and cpu->jit_x87. */
static void move_pointers(struct code *k, bool to_image)
{
	const struct { struct rm at, in_image; } field[] = {
		{ CPU_FIELD(jit_x87.fip), image(FXSAVE_FIP) },
		{ CPU_FIELD(jit_x87.fdp), image(FXSAVE_FDP) },
	};

	for (u32 i = 0; i < ARRAY_SIZE(field); i++) {
		mov_load(k, R_B, to_image ? field[i].at : field[i].in_image);
		mov_store(k, to_image ? field[i].in_image : field[i].at, R_B);
	}
	if (to_image) {
		put_op(k, false, 0x8b, R_B, CPU_FIELD(jit_x87.fop));
		put8(k, 0x66);
		put_op(k, false, 0x89, R_B, image(FXSAVE_FOP));
	} else {
		put_op(k, false, 0x0fb7, R_B, image(FXSAVE_FOP));
		put_op(k, false, 0x89, R_B, CPU_FIELD(jit_x87.fop));
	}
}

/*
 * An empty stack and the host's control word, as the ABI has it.  A flag of the
 * guest's would be pending to a host that has its exception unmasked.
 */
static void put_host_state(struct code *k)
{
	u8 *usual;

	put_op(k, false, 0x81, 7, CPU_FIELD(jit_x87.fcw));		/* cmp [], imm32 */
	put32(k, FCW_INIT);
	usual = jcc_later(k, CC_E);
	put8(k, 0xdb); put8(k, 0xe3);				/* fninit */
	patch_here(k, usual);
	put8(k, 0x0f); put8(k, 0x77);				/* emms */
	put_op(k, false, 0xd9, LDCW, CPU_FIELD(jit_x87.fcw));
}

void x87_put_save(struct code *k)
{
	mov_store(k, CPU_FIELD(jit_x87.r10), R_B);
	put_fx(k, FXSAVE);
	move_pointers(k, true);
	put_host_state(k);
	mov_load(k, R_B, CPU_FIELD(jit_x87.r10));
}

static u8 *unless_masked(struct code *k)
{
	put_op(k, false, 0x8b, R_B, image(FXSAVE_FCW));
	put_op(k, false, 0xf7, 2, RM_REG(R_B));			/* not */
	put_op(k, false, 0xf7, 0, RM_REG(R_B));			/* test */
	put32(k, FCW_MASKS);
	return jcc_later(k, CC_NE);
}

u32 x87_put_checks(struct code *k, u8 *fail[])
{
	put_op(k, false, 0xf7, 0, CPU_FIELD(cr0));		/* test */
	put32(k, X86_CR0_TS | X86_CR0_EM);
	fail[0] = jcc_later(k, CC_NE);
	put_op(k, false, 0xf6, 0, image(FXSAVE_FSW));
	put8(k, FSW_ES);
	fail[1] = jcc_later(k, CC_NE);
	fail[2] = unless_masked(k);
	return 3;
}

/* FXRSTOR loads MXCSR, which stays, and XMM. */
void x87_put_load(struct code *k)
{
	put_op(k, false, 0xc7, 0, CPU_FIELD(jit_x87.fcw));		/* mov [], 0 */
	put32(k, 0);
	put_op(k, false, 0xd9, STCW, CPU_FIELD(jit_x87.fcw));
	put_op(k, false, 0x83, 1, CPU_FIELD(fpu.xinuse));	/* or [], imm8 */
	put8(k, XFEATURE_X87);
	move_pointers(k, false);
	vec_move_live(k, true);
	put_op(k, false, 0x0fae, 3, image(FXSAVE_MXCSR));	/* stmxcsr */
	put_fx(k, FXRSTOR);
	vec_move_live(k, false);
}

/* -- Instructions --------------------------------------------------------------------- */

/* FCS or FDS becomes the selector of @seg. */
static void put_selector(struct code *k, struct rm field, u8 seg)
{
	struct rm m = CPU_FIELD(seg[0].selector);

	m.disp += seg * sizeof(struct segment);
	put_op(k, false, 0x0fb7, R_B, m);			/* movzx */
	put8(k, 0x66);
	put_op(k, false, 0x89, R_B, field);
}

/* After the access.  FIP and FOP are stored when they are not replaced soon. */
static void put_pointers(struct trans *t)
{
	struct code *k = &t->k;

	if (t->in->flags & INSN_MEM) {
		lea_word(t, R_B, ea_operand(t));
		mov_store(k, CPU_FIELD(jit_x87.fdp), R_B);
		put_selector(k, CPU_FIELD(fpu.fds), t->in->seg);
	}
	t->x87_last = t->in;
}

void x87_put_last(struct trans *t, const struct insn *last)
{
	struct code *k = &t->k;

	if (!last)
		return;
	put_selector(k, CPU_FIELD(fpu.fcs), CS);
	mov_imm(k, R_B, t->tu->rip + last->end - last->len);
	mov_store(k, CPU_FIELD(jit_x87.fip), R_B);
	put_op(k, false, 0xc7, 0, CPU_FIELD(jit_x87.fop));
	put32(k, (u16)last->imm);
}

void x87_settle(struct trans *t)
{
	x87_put_last(t, t->x87_last);
	t->x87_last = NULL;
}

/* General data instructions, Jcc and x87 leave by trans.cold only. */
void x87_before(struct trans *t)
{
	if (effect_of(t->zi.mnemonic) != NOT_HERE ||
	    t->zi.meta.category == ZYDIS_CATEGORY_COND_BR ||
	    t->zi.meta.category == ZYDIS_CATEGORY_X87_ALU)
		return;
	x87_settle(t);
}

/* FLDCW: only if all is masked then, too. */
static bool insn_fldcw(struct trans *t)
{
	struct code *k = &t->k;

	flags_save(t);
	put_op(k, false, 0x0fb7, R_B, mem_operand(t, 2, false, false));
	put_op(k, false, 0x89, R_B, CPU_FIELD(jit_x87.scratch));
	put_op(k, false, 0xf7, 2, RM_REG(R_B));
	put_op(k, false, 0xf7, 0, RM_REG(R_B));
	put32(k, FCW_MASKS);
	punt_if(t, CC_NE);
	flags_clobbered(t);
	put_op(k, false, 0xd9, LDCW, CPU_FIELD(jit_x87.scratch));
	return true;
}

/* FNSTCW, FNSTSW: leave the pointers. */
static bool insn_store_word(struct trans *t)
{
	struct code *k = &t->k;

	vec_require(t, VEC_X87);
	if (t->in->flags & INSN_MEM) {
		put_op(k, false, t->zi.opcode, t->zi.raw.modrm.reg,
		       mem_operand(t, 2, true, false));
		return true;
	}
	put8(k, 0xdf); put8(k, 0xe0);				/* fnstsw ax */
	put8(k, 0x66);
	put_op(k, false, 0x8b, R_GUEST_RAX, RM_REG(RAX));
	return true;
}

static bool insn_emms(struct trans *t)
{
	vec_require(t, VEC_X87);
	put8(&t->k, 0x0f); put8(&t->k, 0x77);
	return true;
}

static bool insn_data(struct trans *t, const struct native_form *f)
{
	const ZydisAccessedFlags *a = t->zi.cpu_flags;
	struct code *k = &t->k;
	u32 written, tested;

	written = a ? (a->modified | a->set_0 | a->set_1 | a->undefined) &
		      (u32)X86_EFLAGS_STATUS : 0;
	tested = a ? a->tested & (u32)X86_EFLAGS_STATUS : 0;
	if (f->mem) {
		if (written || tested)
			return false;
		vec_require(t, VEC_X87);
		put_op(k, false, t->zi.opcode, t->zi.raw.modrm.reg,
		       mem_operand(t, f->mem->size / 8, op_writes(f->mem), false));
		put_pointers(t);
		return true;
	}
	vec_require(t, VEC_X87);
	if (tested || (written && written != (u32)X86_EFLAGS_STATUS))
		flags_load(t);
	put8(k, t->zi.opcode);
	put8(k, t->bytes[t->zi.raw.modrm.offset]);
	put_pointers(t);
	if (written)
		flags_set(t);
	return true;
}

static bool insn_native(struct trans *t)
{
	bool store;
	struct native_form f;

	if (!native_form_of(&t->zi, t->ops, &f) || f.check != CHECK_X87)
		return false;
	store = op_writes(f.mem);
	if (t->in->op != x87_handler(!f.mem ? MEM_NONE : store ? MEM_STORE : MEM_LOAD) ||
	    (store && op_reads(f.mem)))
		return false;
	if (t->zi.mnemonic != ZYDIS_MNEMONIC_FLDCW)
		return insn_data(t, &f);
	vec_require(t, VEC_X87);
	return insn_fldcw(t);
}

bool insn_x87(struct trans *t)
{
	if (t->in->op == op_ud ||
	    ((t->in->flags & INSN_MEM) && (!ea_possible(t) || ea_has_base(t))))
		return false;
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_FNSTCW:
	case ZYDIS_MNEMONIC_FNSTSW:
		return insn_store_word(t);
	case ZYDIS_MNEMONIC_EMMS:
		return insn_emms(t);
	default:
		return insn_native(t);
	}
}
