/* SPDX-License-Identifier: MIT */
/*
 * MMX to AVX2 and the general instructions with a VEX prefix: the guest's own
 * opcode and immediates, on vector registers of the same numbers.
 */
#include "x86/cpu/xsave.h"
#include "x86/decode/decode.h"
#include "x86/jit/trans.h"
#include "x86/native/native.h"
#include "x86/native/thunk.h"

/* How an instruction is to be encoded, and what has to be done around it. */
struct plan {
	struct native_form f;
	bool reads_flags, writes_flags, reads_rax;
	struct rm m;		/* the r/m operand */
	u8 reg, vvvv;
};

/* -- What can be translated ------------------------------------------------------ */

/* The general ones that have no vectors: BMI, ADX. */
static bool is_general(const struct native_form *f)
{
	switch (f->zi->meta.isa_set) {
	case ZYDIS_ISA_SET_BMI1:
	case ZYDIS_ISA_SET_BMI2:
	case ZYDIS_ISA_SET_ADOX_ADCX:
		return true;
	default:
		return false;
	}
}

/* Of enum vec_need. */
static u8 needs_of(const struct native_form *f)
{
	switch (f->check) {
	case CHECK_SSE:
		return VEC_SSE;
	case CHECK_AVX:
		return VEC_AVX;
	case CHECK_MMX:
		return VEC_X87;
	case CHECK_MMX_SSE:
		return VEC_X87 | VEC_SSE;
	default:
		return 0;
	}
}

static bool memory_possible(const struct trans *t, const struct native_form *f)
{
	const ZydisDecodedOperand *m = f->mem;

	return !m || (ea_possible(t) && m->mem.type == ZYDIS_MEMOP_TYPE_MEM &&
		      m->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM &&
		      m->size >= 8 && m->size <= 256 && !(op_reads(m) && op_writes(m)));
}

/* RCX, RDX and XMM0 are where they are; of RAX a copy is read. */
static bool implicit_possible(struct plan *p)
{
	for (int i = 0; i < p->f.zi->operand_count; i++) {
		const ZydisDecodedOperand *o = &p->f.ops[i];
		int id;

		if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT || !is_gpr(o))
			continue;
		id = ZydisRegisterGetId(o->reg.value);
		if (id == RAX && !op_writes(o))
			p->reads_rax = true;
		else if (id != RCX && id != RDX)
			return false;
	}
	return true;
}

static void plan_flags(struct plan *p)
{
	const ZydisAccessedFlags *a = p->f.zi->cpu_flags;
	u32 written;

	if (!a)
		return;
	written = (a->modified | a->set_0 | a->set_1 | a->undefined) &
		  (u32)X86_EFLAGS_STATUS;
	p->writes_flags = written;
	p->reads_flags = (a->tested & (u32)X86_EFLAGS_STATUS) ||
			 (written && written != (u32)X86_EFLAGS_STATUS);
}

/* False: the interpreter has an own handler, or what it needs is not here. */
static bool make_plan(const struct trans *t, struct plan *p)
{
	memset(p, 0, sizeof(*p));
	if (t->in->op == op_ud || t->in->op == op_unimplemented ||
	    decode_isa(&t->zi) != ISA_NATIVE || !native_form_of(&t->zi, t->ops, &p->f))
		return false;
	plan_flags(p);
	return (needs_of(&p->f) || is_general(&p->f)) &&
	       memory_possible(t, &p->f) && implicit_possible(p);
}

/* -- Operands ------------------------------------------------------------------------ */

/*
 * What has to be aligned the host looks at itself, for pages are aligned: its
 * fault leads to the interpreter, whose #GP it is then (rescue.c).
 */
static void plan_memory(struct trans *t, struct plan *p)
{
	u32 size = p->f.mem->size / 8;
	bool keep_rax = p->reads_flags || p->reads_rax || is_gpr(p->f.vvvv);

	p->m = mem_operand(t, size, op_writes(p->f.mem), keep_rax);
}

/* The number to encode of a register operand; a general one is loaded. */
static u8 register_of(struct trans *t, const ZydisDecodedOperand *o, u8 scratch)
{
	int id = ZydisRegisterGetId(o->reg.value);

	return is_gpr(o) ? gpr_use(t, id, scratch) : id;
}

static void plan_registers(struct trans *t, struct plan *p)
{
	const struct native_form *f = &p->f;

	p->reg = f->reg ? register_of(t, f->reg, R_C) : f->zi->raw.modrm.reg;
	p->vvvv = f->vvvv ? register_of(t, f->vvvv, R_A) : 0;
	if (!f->mem)
		p->m = RM_REG(f->rm ? register_of(t, f->rm, R_B) : f->zi->raw.modrm.rm);
	if (p->reads_rax)
		mov_rr(&t->k, RAX, R_GUEST_RAX);
}

static void store_back(struct trans *t, const ZydisDecodedOperand *o, u8 host)
{
	int g;

	if (!is_gpr(o) || !op_writes(o))
		return;
	g = ZydisRegisterGetId(o->reg.value);
	if (pinned[g] == NOT_PINNED)
		mov_store(&t->k, GPR_HOME(g), host);
}

/* -- Encoding ------------------------------------------------------------------------- */

static void put_legacy(struct trans *t, const struct plan *p)
{
	const ZydisDecodedInstruction *zi = &t->zi;
	static const u32 map[] = { 0, 0x0f00, 0x0f3800, 0x0f3a00 };

	for (int i = 0; i < zi->raw.prefix_count; i++)
		if (zi->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY)
			put8(&t->k, zi->raw.prefixes[i].value);
	put_op(&t->k, zi->raw.rex.W, map[zi->opcode_map] | zi->opcode, p->reg, p->m);
}

static void put_vex_insn(struct trans *t, const struct plan *p)
{
	const ZydisDecodedInstruction *zi = &t->zi;

	put_vex(&t->k, &(struct vex){
			.map = zi->raw.vex.m_mmmm, .pp = zi->raw.vex.pp,
			.opcode = zi->opcode, .vvvv = p->vvvv,
			.w = native_vex_w(&p->f), .l = zi->raw.vex.L,
		}, p->reg, p->m);
}

/* What follows ModRM and displacement: immediates, a register in one. */
static void put_tail(struct trans *t, bool is4)
{
	const ZydisDecodedInstruction *zi = &t->zi;
	u32 from = zi->raw.modrm.offset + 1;

	if (zi->raw.disp.size)
		from = zi->raw.disp.offset + zi->raw.disp.size / 8;
	else if (zi->attributes & ZYDIS_ATTRIB_HAS_SIB)
		from = zi->raw.sib.offset + 1;
	while (from < zi->length)
		put8(&t->k, t->bytes[from++]);
	/* 32-bit code does not look at the upper bit of a register there. */
	if (is4 && !t->wide)
		t->k.p[-1] &= 0x7f;
}

/* -- One instruction ---------------------------------------------------------------------- */

/* VPXOR, or VMOVDQA, of XMM with itself. */
static void put_vzero_one(struct code *k, bool all, u8 n)
{
	put_vex(k, &(struct vex){ .map = 1, .pp = 1, .opcode = all ? 0xef : 0x6f,
				  .vvvv = all ? n : 0 }, n, RM_REG(n));
}

/* 32-bit code has eight registers (SDM vol. 2C, VZEROALL). */
static bool insn_vzero(struct trans *t, bool all)
{
	vec_require(t, VEC_AVX);
	if (t->wide)
		put_vzero(&t->k, all);
	else
		for (u8 n = 0; n < 8; n++)
			put_vzero_one(&t->k, all, n);
	return true;
}

/* Only what has all masked, and no reserved bit. */
static bool insn_ldmxcsr(struct trans *t)
{
	struct code *k = &t->k;

	vec_require(t, VEC_SSE);
	flags_save(t);
	put_op(k, false, 0x8b, R_B, mem_operand(t, 4, false, false));
	put_op(k, false, 0x89, R_B, CPU_FIELD(jit_x87.scratch));
	put_op(k, false, 0x81, 6, RM_REG(R_B));			/* xor r10d, imm32 */
	put32(k, MXCSR_MASKS);
	put_op(k, false, 0xf7, 0, RM_REG(R_B));			/* test r10d, imm32 */
	put32(k, MXCSR_MASKS | ~fpu_mxcsr_mask());
	punt_if(t, CC_NE);
	flags_clobbered(t);
	put_op(k, false, 0x0fae, 2, CPU_FIELD(jit_x87.scratch));
	return true;
}

static bool insn_stmxcsr(struct trans *t)
{
	vec_require(t, VEC_SSE);
	put_op(&t->k, false, 0x0fae, 3, mem_operand(t, 4, true, false));
	return true;
}

static bool planned(struct trans *t)
{
	struct plan p;

	if (!make_plan(t, &p))
		return false;
	for (enum vec_need need = VEC_X87; need; need >>= 1)
		if (needs_of(&p.f) & need)
			vec_require(t, need);
	if (p.f.mem)
		plan_memory(t, &p);
	if (p.reads_flags)
		flags_load(t);
	plan_registers(t, &p);
	if (t->zi.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		put_vex_insn(t, &p);
	else
		put_legacy(t, &p);
	put_tail(t, p.f.is4);
	/* MULX with one destination keeps the high half, REG's. */
	store_back(t, p.f.vvvv, p.vvvv);
	store_back(t, p.f.rm, p.m.reg);
	store_back(t, p.f.reg, p.reg);
	if (p.writes_flags)
		flags_set(t);
	return true;
}

bool insn_vector(struct trans *t)
{
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_LDMXCSR:
		return ea_possible(t) && insn_ldmxcsr(t);
	case ZYDIS_MNEMONIC_STMXCSR:
		return ea_possible(t) && insn_stmxcsr(t);
	case ZYDIS_MNEMONIC_VZEROALL:
	case ZYDIS_MNEMONIC_VZEROUPPER:
		return t->in->op != op_ud &&
		       insn_vzero(t, t->zi.mnemonic == ZYDIS_MNEMONIC_VZEROALL);
	default:
		return (t->zi.attributes & ZYDIS_ATTRIB_HAS_MODRM) && planned(t);
	}
}
