/* SPDX-License-Identifier: MIT */
/*
 * What random values would hardly ever be: addresses of instructions that are
 * jumped to, selectors that can be loaded, images that can be restored.
 */
#include "silicon.h"

#include <string.h>

/* -- Places ---------------------------------------------------------------------------- */

static bool set_register(struct generator *g, ZydisRegister r, u64 v)
{
	u32 n = ZydisRegisterGetId(r);

	if (ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_GPR8 || n == RSP ||
	    (g->written | g->pinned) >> n & 1)
		return false;
	g->s->start.gpr[n] = g->s->code == CODE64 ? v : (u32)v;
	g->pinned |= 1u << n;
	return true;
}

static void pin(struct generator *g, ZydisRegister r)
{
	if (r != ZYDIS_REGISTER_NONE)
		g->pinned |= 1u << ZydisRegisterGetId(r);
}

static const ZydisDecodedOperand *memory_read(const ZydisDecodedInstruction *zi,
					      const ZydisDecodedOperand *ops)
{
	for (u32 i = 0; i < zi->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ)
			return &ops[i];
	return NULL;
}

/* The memory that the instruction reads is to hold @n bytes of in->slot. */
static bool use_slot(struct generator *g, struct insn *in, const ZydisDecodedInstruction *zi,
		     const ZydisDecodedOperand *ops, u32 n)
{
	const ZydisDecodedOperand *op = memory_read(zi, ops);

	if (!op || !operand_address(g, zi, op, &in->slot_at) || !in->slot_at)
		return false;
	in->slot_len = n;
	pin(g, op->mem.base);
	pin(g, op->mem.index);
	return true;
}

/* AMD's processors have no far pointers of 80 bits. */
static u32 far_offset_size(const ZydisDecodedInstruction *zi)
{
	return zi->operand_width == 64 && __builtin_cpu_is("amd") ? 4 : zi->operand_width / 8;
}

/* -- Branches ----------------------------------------------------------------------------- */

static void note_target(struct insn *in, enum where where, u32 at, u32 size)
{
	in->target = where;
	in->target_at = at;
	in->target_size = size;
	in->skip = below(3);
}

/*
 * A CALL of 64-bit code uses all of RSP, of which the host's kernel leaves
 * anything in the upper half if the stack was a 16-bit one; and at the end of
 * the address space the host's kernel never ends.
 */
static bool is_certain_stack(const struct generator *g, const ZydisDecodedInstruction *zi, u16 sel)
{
	return g->s->code == CODE64 || zi->meta.category != ZYDIS_CATEGORY_CALL ||
	       !segment_is_code(sel, CODE64) ||
	       (segment_is_big(g->s->start.sel[SS]) && !g->segments_loaded &&
		!(g->written >> RSP & 1));
}

/* Code of another size stands nowhere but behind the end: an INT3. */
static void note_selector(struct generator *g, struct insn *in, u16 sel)
{
	in->target_base = segment_base(sel);
	if (!segment_is_code(sel, g->s->code))
		in->skip = MAX_INSNS;
	else
		g->code_base = in->target_base;
}

static bool far_pointer(struct generator *g, struct insn *in, const ZydisDecodedInstruction *zi)
{
	u16 sel = any_code_selector();

	if (!is_certain_stack(g, zi, sel))
		return false;
	note_target(in, IN_BYTES, zi->raw.imm[0].offset, zi->raw.imm[0].size / 8);
	memcpy(in->bytes + zi->raw.imm[1].offset, &sel, 2);
	note_selector(g, in, sel);
	return true;
}

static u32 put_words(u8 *slot, u32 at, u32 size, u64 v)
{
	memcpy(slot + at, &v, size);
	return at + size;
}

/* RET, RETF, IRET and JMP or CALL through memory. */
static bool slot_branch(struct generator *g, struct insn *in, const ZydisDecodedInstruction *zi,
			const ZydisDecodedOperand *ops)
{
	u32 size = zi->operand_width / 8, n;
	u16 sel = any_code_selector();

	if (in->family == FAR && zi->meta.category != ZYDIS_CATEGORY_RET)
		size = far_offset_size(zi);
	if (in->family == FAR && !is_certain_stack(g, zi, sel))
		return false;
	n = size;
	note_target(in, IN_SLOT, 0, size);
	in->target_base = g->code_base;
	if (zi->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
		bool stack = memory_read(zi, ops) &&
			     memory_read(zi, ops)->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;

		n = put_words(in->slot, n, stack ? size : 2, sel);
		note_selector(g, in, sel);
	}
	if (zi->mnemonic == ZYDIS_MNEMONIC_IRET || zi->mnemonic == ZYDIS_MNEMONIC_IRETD ||
	    zi->mnemonic == ZYDIS_MNEMONIC_IRETQ) {
		n = put_words(in->slot, n, size, rnd() & (below(3) ? ~0x4100ull : ~0ull));
		n = put_words(in->slot, n, size, DATA + 2 * PAGE + 8 * below(64));
		n = put_words(in->slot, n, size, any_data_selector());
	}
	return use_slot(g, in, zi, ops, n);
}

static bool branch(struct generator *g, struct insn *in, const ZydisDecodedInstruction *zi,
		   const ZydisDecodedOperand *ops)
{
	const ZydisDecodedOperand *op = &ops[0];

	if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && zi->raw.imm[0].is_relative) {
		in->rel_at = zi->raw.imm[0].offset;
		in->rel_size = zi->raw.imm[0].size / 8;
		in->skip = below(3);
		return true;
	}
	if (op->type == ZYDIS_OPERAND_TYPE_POINTER)
		return far_pointer(g, in, zi);
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
		return slot_branch(g, in, zi, ops);
	note_target(in, IN_REGISTER, ZydisRegisterGetId(op->reg.value), 8);
	in->target_base = g->code_base;
	return set_register(g, op->reg.value, 0);
}

/* -- Selectors ------------------------------------------------------------------------------ */

static ZydisRegister source_register(const ZydisDecodedInstruction *zi,
				     const ZydisDecodedOperand *ops)
{
	for (u32 i = 0; i < zi->operand_count_visible; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ)
			return ops[i].reg.value;
	return ZYDIS_REGISTER_NONE;
}

static void selector(struct generator *g, struct insn *in, const ZydisDecodedInstruction *zi,
		     const ZydisDecodedOperand *ops)
{
	u16 sel = in->family == VERIFY ? any_selector() : any_data_selector();
	ZydisRegister source = source_register(zi, ops);
	u32 at = 0;

	if (zi->meta.category == ZYDIS_CATEGORY_SEGOP)	/* LDS and the like */
		at = put_words(in->slot, 0, far_offset_size(zi), rnd());
	put_words(in->slot, at, 2, sel);
	if (memory_read(zi, ops)) {
		if (!use_slot(g, in, zi, ops, at + 2))
			in->slot_at = 0;
	} else if (ZydisRegisterGetClass(source) != ZYDIS_REGCLASS_SEGMENT &&
		   source != ZYDIS_REGISTER_NONE) {
		set_register(g, source, (rnd() & ~0xffffull) | sel);
	}
	for (u32 i = 0; i < zi->operand_count; i++)
		g->segments_loaded |= ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
				      ZydisRegisterGetClass(ops[i].reg.value) ==
					      ZYDIS_REGCLASS_SEGMENT &&
				      ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

/* -- Images --------------------------------------------------------------------------------- */

static const ZydisDecodedOperand *memory_operand(const ZydisDecodedInstruction *zi,
						 const ZydisDecodedOperand *ops)
{
	for (u32 i = 0; i < zi->operand_count_visible; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &ops[i];
	return NULL;
}

/* A boundary of 64 bytes, mostly; the address then, or 0. */
static u64 align_operand(struct generator *g, const ZydisDecodedInstruction *zi,
			 const ZydisDecodedOperand *op)
{
	ZydisRegister base = op->mem.base;
	u32 n = ZydisRegisterGetId(base);
	u64 at;

	if (!operand_address(g, zi, op, &at))
		return 0;
	if (base != ZYDIS_REGISTER_NONE && !(g->pinned >> n & 1) && below(8)) {
		g->s->start.gpr[n] -= at & 63;
		if (!operand_address(g, zi, op, &at))
			return 0;
	}
	pin(g, base);
	pin(g, op->mem.index);
	return at;
}

/* The header is good as often as not (SDM vol. 1, 13.8). */
static void make_image(struct sequence *s, u64 at)
{
	struct fpu *f = &s->image;

	s->image_at = at;
	random_fpu(f);
	f->xstate_bv = below(8);
	/* Whether MXCSR alone makes SSE's state one in use is the processor's business. */
	if (!(f->xstate_bv & 2))
		memcpy(f->fx + FPU_MXCSR, &(u32){ 0x1f80 }, 4);
	if (below(3) == 0)	/* compacted */
		f->header[0] = 1ull << 63 | (below(2) ? 7 : below(8));
	switch (below(24)) {
	case 0: f->xstate_bv = value(); break;
	case 1: f->header[0] = value(); break;
	case 2: f->header[below(7)] = value(); break;
	case 3: memcpy(f->fx + FPU_MXCSR, &(u32){ rnd() }, 4); break;
	default: break;
	}
}

static bool is_xrstor(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_XRSTOR || m == ZYDIS_MNEMONIC_XRSTOR64;
}

/* What is in use after an XRSTOR is the processor's own business (SDM vol. 1 13.6). */
static bool shows_in_use(const struct generator *g, ZydisMnemonic m)
{
	bool restored = false;

	for (u32 i = 0; i < g->s->nr; i++)
		restored |= is_xrstor(g->s->insn[i].mnemonic);
	switch (m) {
	case ZYDIS_MNEMONIC_XSAVE: case ZYDIS_MNEMONIC_XSAVE64:
	case ZYDIS_MNEMONIC_XSAVEC: case ZYDIS_MNEMONIC_XSAVEC64:
	case ZYDIS_MNEMONIC_XSAVEOPT: case ZYDIS_MNEMONIC_XSAVEOPT64:
	case ZYDIS_MNEMONIC_XGETBV:
		return restored;
	default:
		return false;
	}
}

static void image(struct generator *g, struct insn *in, const ZydisDecodedInstruction *zi,
		  const ZydisDecodedOperand *ops)
{
	const ZydisDecodedOperand *op = memory_operand(zi, ops);
	u64 at = op ? align_operand(g, zi, op) : 0;

	switch (zi->mnemonic) {
	case ZYDIS_MNEMONIC_XGETBV:
		set_register(g, ZYDIS_REGISTER_RCX, below(8) ? below(2) : value());
		return;
	case ZYDIS_MNEMONIC_LDMXCSR: case ZYDIS_MNEMONIC_VLDMXCSR:
		put_words(in->slot, 0, 4, below(8) ? random_mxcsr() : rnd());
		in->slot_at = at;
		in->slot_len = 4;
		break;
	case ZYDIS_MNEMONIC_FXRSTOR: case ZYDIS_MNEMONIC_FXRSTOR64:
	case ZYDIS_MNEMONIC_XRSTOR: case ZYDIS_MNEMONIC_XRSTOR64:
		if (at && !g->s->image_at)
			make_image(g->s, at);
		break;
	default:
		break;
	}
	g->mxcsr_loaded |= zi->mnemonic != ZYDIS_MNEMONIC_STMXCSR;
	set_register(g, ZYDIS_REGISTER_RAX, below(8) ? below(8) : value());
	set_register(g, ZYDIS_REGISTER_RDX, below(8) ? 0 : value());
}

/* -- All of them ------------------------------------------------------------------------------- */

static void note_relative(const struct generator *g, struct insn *in,
			  const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops)
{
	for (u32 i = 0; i < zi->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (ops[i].mem.base == ZYDIS_REGISTER_RIP ||
		     ops[i].mem.base == ZYDIS_REGISTER_EIP)) {
			in->rel_at = zi->raw.disp.offset;
			in->rel_size = 4;
			in->rel_target = g->s->start.gpr[RBX] + displacement(4);
		}
}

bool provide(struct generator *g, struct insn *in, const ZydisDecodedInstruction *zi,
	     const ZydisDecodedOperand *ops)
{
	note_relative(g, in, zi, ops);
	if (zi->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || in->family == FAR)
		return branch(g, in, zi, ops);
	if (in->family == SEGMENT || in->family == VERIFY)
		selector(g, in, zi, ops);
	if (in->family == SAVE && shows_in_use(g, zi->mnemonic))
		return false;
	if (in->family == SAVE)
		image(g, in, zi, ops);
	if (in->family == FSGS)
		g->segments_loaded = true;
	return true;
}

/* -- Completion ----------------------------------------------------------------------------------- */

static void put_memory(struct sequence *s, u64 at, const void *bytes, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		u32 offset = mem_offset(at + i);

		if (offset < MEM_BYTES)
			s->memory[offset] = ((const u8 *)bytes)[i];
	}
}

void sequence_complete(struct sequence *s)
{
	memcpy(s->memory, s->pool, MEM_BYTES);
	if (s->image_at)
		put_memory(s, s->image_at, &s->image, sizeof(s->image));
	for (u32 i = 0; i < s->nr; i++) {
		struct insn *in = &s->insn[i];
		u64 target = sequence_address(s, i + 1 + in->skip) - in->target_base;

		if (in->target == IN_SLOT)
			memcpy(in->slot, &target, in->target_size);
		if (in->target == IN_REGISTER)
			s->start.gpr[in->target_at] = target;
		if (in->slot_at)
			put_memory(s, in->slot_at, in->slot, in->slot_len);
	}
}
