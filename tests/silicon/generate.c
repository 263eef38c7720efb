/* SPDX-License-Identifier: MIT */
/* Sequences: forms with random operands, most of which lead into the window. */
#include "silicon.h"

#include <string.h>

const enum access data_access[DATA_PAGES] = {
	ABSENT, READ_WRITE, READ_WRITE, READ_ONLY, ABSENT, READ_WRITE, ABSENT,
};

u64 mem_address(u32 offset)
{
	u32 page = offset / PAGE, i = 0;

	for (;; i++)
		if (data_access[i] != ABSENT && !page--)
			return DATA + i * PAGE + offset % PAGE;
}

/* -- Layout -------------------------------------------------------------------------- */

u64 sequence_address(const struct sequence *s, u32 insn)
{
	u64 at = CODE + s->at;

	for (u32 i = 0; i < insn && i < s->nr; i++)
		at += s->insn[i].len;
	return at;
}

static void put_relative(const struct sequence *s, u32 i, u8 *at)
{
	const struct insn *in = &s->insn[i];
	u64 target = in->rel_target;

	if (!target)
		target = sequence_address(s, i + 1 + in->skip);
	target -= sequence_address(s, i + 1);
	memcpy(at + in->rel_at, &target, in->rel_size);
}

u32 sequence_layout(const struct sequence *s, u8 *code)
{
	u32 n = s->at;

	for (u32 i = 0; i < s->nr; i++) {
		const struct insn *in = &s->insn[i];

		if (n + in->len > CODE_PAGES * PAGE) {
			memcpy(code + n, in->bytes, CODE_PAGES * PAGE - n);
			return CODE_PAGES * PAGE - s->at;
		}
		memcpy(code + n, in->bytes, in->len);
		if (in->rel_size)
			put_relative(s, i, code + n);
		n += in->len;
	}
	return n - s->at;
}

/* -- Operands --------------------------------------------------------------------------- */

struct generator {
	struct sequence *s;
	u32 written;		/* general registers that no longer have their first value */
	u32 undefined;		/* flags */
	bool branched;
};

static u32 nr_regs(const struct generator *g)
{
	return g->s->wide ? 16 : 8;
}

static bool leads_to_data(u64 v)
{
	return v - DATA < DATA_PAGES * PAGE;
}

/* A register that still leads to data, or any. */
static u32 choose_base(const struct generator *g)
{
	u32 r = below(nr_regs(g));

	for (u32 i = 0; i < 16 && below(32); i++, r = (r + 1) & (nr_regs(g) - 1))
		if (!(g->written >> r & 1) && leads_to_data(g->s->start.gpr[r]))
			break;
	return r;
}

/* One of small value; RSP: none. */
static u32 choose_index(const struct generator *g)
{
	u32 r = below(nr_regs(g));

	for (u32 i = 0; i < 16; i++, r = (r + 1) & (nr_regs(g) - 1))
		if (r != RSP && !(g->written >> r & 1) && g->s->start.gpr[r] + 64 < 256)
			return r;
	return below(16) ? RSP : r;
}

struct operands {
	u8 rex, modrm, sib, disp_size;
	bool has_sib;
	s32 disp;
};

static s32 displacement(u8 size)
{
	if (size == 1)
		return below(2) ? (s32)below(8) * 16 - 64 : (s32)below(256) - 128;
	return below(2) ? (s32)below(64) * 16 - 512 : (s32)below(1024) - 512;
}

/* [register] or [RIP], [disp], [base + index * scale + disp]. */
static void choose_memory(const struct generator *g, struct operands *o)
{
	u32 base = choose_base(g), index = RSP;

	if (below(12) == 0) {		/* without a base */
		bool sib = below(2);

		o->modrm |= sib ? 4 : 5;
		o->has_sib = sib;
		o->sib = 0x25;
		o->disp_size = 4;
		o->disp = (s32)g->s->start.gpr[RBX] + displacement(4);
		return;
	}
	o->disp_size = below(3) ? below(2) ? 1 : 4 : 0;
	if ((base & 7) == RBP && !o->disp_size)
		o->disp_size = 1;
	if (o->disp_size)
		o->disp = displacement(o->disp_size);
	o->has_sib = (base & 7) == RSP || below(3) == 0;
	if (o->has_sib) {
		index = choose_index(g);
		o->sib = below(4) << 6 | (index & 7) << 3 | (base & 7);
		o->rex |= (index >> 3) << 1;
	}
	o->modrm |= o->has_sib ? 4 : base & 7;
	o->rex |= base >> 3;
	o->modrm |= o->disp_size == 1 ? 0x40 : o->disp_size == 4 ? 0x80 : 0;
}

/* A gather's indices stay near; its three registers differ mostly. */
static void choose_gather(struct generator *g, struct operands *o)
{
	u32 index = below(nr_regs(g)), base = choose_base(g);
	struct fpu *f = &g->s->start.fpu;

	for (u32 i = 0; i < 4; i++) {
		u32 v = below(48);

		memcpy(f->fx + FPU_XMM + 16 * index + 4 * i, &v, 4);
		memcpy(f->ymm_high[index] + 4 * i, &v, 4);
		/* As qwords they are small, too. */
		if (i & 1 && below(2)) {
			memset(f->fx + FPU_XMM + 16 * index + 4 * i, 0, 4);
			memset(f->ymm_high[index] + 4 * i, 0, 4);
		}
	}
	o->modrm |= 0x44;
	o->has_sib = true;
	o->sib = below(4) << 6 | (index & 7) << 3 | (base & 7);
	o->rex |= (index >> 3) << 1 | base >> 3;
	o->disp_size = 1;
	o->disp = displacement(1);
}

static bool is_gather(const struct form *f)
{
	return f->vex && f->map == 2 && (f->opcode & 0xfc) == 0x90;
}

static void choose_operands(struct generator *g, const struct form *f, struct operands *o)
{
	*o = (struct operands){ .modrm = f->modrm & 0xf8, .rex = f->w << 3 };
	if (!f->has_modrm) {
		o->rex |= g->s->wide ? below(2) : 0;
		return;
	}
	/* In most forms ModRM.reg is an operand; where not, the collection has all. */
	o->rex |= g->s->wide ? below(2) << 2 : 0;
	if (f->mem) {
		if (is_gather(f))
			choose_gather(g, o);
		else
			choose_memory(g, o);
	} else {
		u32 rm = f->fixed_rm ? f->modrm & 7 : below(nr_regs(g));

		o->modrm |= 0xc0 | (rm & 7);
		o->rex |= rm >> 3;
	}
}

/* -- Bytes -------------------------------------------------------------------------------- */

static u32 put_prefixes(const struct generator *g, const struct form *f, u8 *b)
{
	static const u8 segments[] = { 0x26, 0x2e, 0x36, 0x3e };
	static const u8 mandatory[] = { 0, 0x66, 0xf3, 0xf2 };
	u32 n = 0;

	if (below(24) == 0)
		b[n++] = segments[below(4)];
	if (below(20) == 0)
		b[n++] = 0x67;
	if (f->vex)
		return n;
	if (f->mem && below(f->map ? 40 : 6) == 0)
		b[n++] = 0xf0;
	if (f->prefix != 1 && below(16) == 0)
		b[n++] = 0x66;
	if (!f->prefix && below(24) == 0)
		b[n++] = 0xf2 + below(2);
	if (f->prefix)
		b[n++] = mandatory[f->prefix];
	return n;
}

static u32 put_vex(const struct generator *g, const struct form *f, const struct operands *o,
		   u8 *b)
{
	u8 vvvv = below(3) ? below(g->s->wide ? 16 : 8) : 0;
	u8 last = (~vvvv & 15) << 3 | f->l << 2 | f->prefix;
	u8 rxb = ~o->rex << 5 & 0xe0;

	if (f->map == 1 && !f->w && (rxb & 0x60) == 0x60 && below(2)) {
		b[0] = 0xc5;
		b[1] = (rxb & 0x80) | last;
		return 2;
	}
	b[0] = 0xc4;
	b[1] = rxb | f->map;
	b[2] = f->w << 7 | last;
	return 3;
}

static u32 put_insn(struct generator *g, const struct form *f, u8 *b)
{
	struct operands o;
	u32 n = put_prefixes(g, f, b);

	choose_operands(g, f, &o);
	if (f->vex) {
		n += put_vex(g, f, &o, b + n);
	} else {
		if (g->s->wide && (o.rex || below(8) == 0))
			b[n++] = 0x40 | o.rex;
		if (f->map)
			b[n++] = 0x0f;
		if (f->map > 1)
			b[n++] = f->map == 2 ? 0x38 : 0x3a;
	}
	b[n++] = f->opcode;
	if (f->has_modrm)
		b[n++] = o.modrm;
	if (o.has_sib)
		b[n++] = o.sib;
	memcpy(b + n, &o.disp, o.disp_size);
	return n + o.disp_size;
}

/* -- One instruction ------------------------------------------------------------------------ */

/* Those that may leave the flags alone: counts of 0. */
static bool writes_flags_always(const ZydisDecodedInstruction *zi)
{
	return zi->meta.category != ZYDIS_CATEGORY_SHIFT &&
	       zi->meta.category != ZYDIS_CATEGORY_ROTATE &&
	       zi->meta.category != ZYDIS_CATEGORY_STRINGOP;
}

static bool reads_undefined(const struct generator *g, const ZydisDecodedInstruction *zi)
{
	if (!g->undefined)
		return false;
	return (zi->cpu_flags && zi->cpu_flags->tested & g->undefined) ||
	       zi->mnemonic == ZYDIS_MNEMONIC_LAHF;
}

static void note_written(struct generator *g, ZydisRegister r)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);

	if (ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64)
		g->written |= 1u << ZydisRegisterGetId(whole);
}

static void follow(struct generator *g, const ZydisDecodedInstruction *zi,
		   const ZydisDecodedOperand *ops)
{
	for (u32 i = 0; i < zi->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			note_written(g, ops[i].reg.value);
	if (zi->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
		g->branched = true;
	if (zi->cpu_flags && writes_flags_always(zi) && !g->branched)
		g->undefined &= ~(zi->cpu_flags->modified | zi->cpu_flags->set_0 |
				  zi->cpu_flags->set_1);
	g->undefined |= undefined_flags(zi);
}

static void note_relative(struct insn *in, const ZydisDecodedInstruction *zi,
			  const ZydisDecodedOperand *ops, const struct generator *g)
{
	if (zi->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE) {
		in->rel_at = zi->raw.imm[0].offset;
		in->rel_size = zi->raw.imm[0].size / 8;
		in->skip = below(3);
	}
	for (u32 i = 0; i < zi->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (ops[i].mem.base == ZYDIS_REGISTER_RIP ||
		     ops[i].mem.base == ZYDIS_REGISTER_EIP)) {
			in->rel_at = zi->raw.disp.offset;
			in->rel_size = 4;
			in->rel_target = g->s->start.gpr[RBX] + displacement(4);
		}
}

/* It raises nothing for what is tiny and exact (docs/quirks.md, cpu-sse-range). */
static bool misses_underflow(const struct generator *g, const ZydisDecodedInstruction *zi)
{
	const u32 underflow_mask = 0x800;
	u32 mxcsr;

	memcpy(&mxcsr, g->s->start.fpu.fx + FPU_MXCSR, 4);
	return zi->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH && !(mxcsr & underflow_mask);
}

static bool try_insn(struct generator *g, const struct form *f)
{
	struct insn *in = &g->s->insn[g->s->nr];
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u8 b[32];
	u64 imm = below(3) ? rnd() : value();
	u32 n = put_insn(g, f, b);

	memcpy(b + n, &imm, 8);
	memset(b + n + 8, 0, 8);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder_of(g->s->wide), b, MAX_LEN, &zi, ops)) ||
	    !insn_is_allowed(&zi, ops) || reads_undefined(g, &zi) || misses_underflow(g, &zi))
		return false;
	*in = (struct insn){ .len = zi.length, .mnemonic = zi.mnemonic };
	memcpy(in->bytes, b, zi.length);
	note_relative(in, &zi, ops, g);
	for (u32 i = 0; i < zi.operand_count; i++)
		in->vector_operand |= ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
				      ops[i].size == 128;
	follow(g, &zi, ops);
	in->undefined = g->undefined;
	g->s->nr++;
	return true;
}

/* -- One case -------------------------------------------------------------------------------- */

static u32 choose_place(void)
{
	switch (below(24)) {
	case 0: return PAGE - below(24);		/* across pages */
	case 1: return CODE_PAGES * PAGE - 1 - below(24);	/* the last bytes there are */
	default: return below(CODE_PAGES * PAGE - 256);
	}
}

void sequence_generate(struct sequence *s, u32 family, bool wide, bool user)
{
	struct generator g = { .s = s };
	u32 nr = 1 + (below(2) ? below(MAX_INSNS) : below(2));

	memset(s, 0, sizeof(*s));
	s->wide = wide;
	s->user = user;
	s->at = choose_place();
	s->memory = pool_memory();
	state_generate(&s->start, wide);
	s->start.rip = CODE + s->at;
	for (u32 tries = 0; s->nr < nr && tries < 100; tries++) {
		const struct form *f = form_choose(family, wide);

		if (f)
			try_insn(&g, f);
	}
}
