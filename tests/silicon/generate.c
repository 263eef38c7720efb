/* SPDX-License-Identifier: MIT */
/* Sequences of forms, and their bytes. */
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

u32 mem_offset(u64 linear)
{
	u64 page = (linear - DATA) / PAGE;
	u32 offset = (linear - DATA) % PAGE;

	if (linear < DATA || page >= DATA_PAGES || data_access[page] == ABSENT)
		return MEM_BYTES;
	for (u32 i = 0; i < page; i++)
		offset += data_access[i] != ABSENT ? PAGE : 0;
	return offset;
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

static void put_absolute(const struct sequence *s, u32 i, u8 *at)
{
	const struct insn *in = &s->insn[i];
	u64 target = sequence_address(s, i + 1 + in->skip) - in->target_base;

	memcpy(at + in->target_at, &target, in->target_size);
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
		if (in->target == IN_BYTES)
			put_absolute(s, i, code + n);
		n += in->len;
	}
	return n - s->at;
}

/* -- Bytes -------------------------------------------------------------------------------- */

static u32 put_prefixes(struct generator *g, const struct form *f, u8 *b)
{
	static const u8 segments[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 }, sizes[] = { 2, 4, 8 };
	static const u8 mandatory[] = { 0, 0x66, 0xf3, 0xf2 };
	u32 n = 0;

	g->asz = sizes[g->s->code];
	if (below(12) == 0)
		b[n++] = segments[below(6)];
	if (below(20) == 0 || (form_is_gather(f) && g->s->code == CODE16)) {
		b[n++] = 0x67;
		g->asz = g->s->code == CODE32 ? 2 : 4;
	}
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
	u8 vvvv = below(3) ? below(g->s->code == CODE64 ? 16 : 8) : 0;
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
		if (g->s->code == CODE64 && (o.rex || below(8) == 0))
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
	       zi->mnemonic == ZYDIS_MNEMONIC_LAHF || zi->meta.category == ZYDIS_CATEGORY_PUSH;
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
	if (zi->meta.category == ZYDIS_CATEGORY_STRINGOP)
		g->written |= 1u << RSI | 1u << RDI | 1u << RCX;
	if (zi->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
		g->branched = true;
	if (zi->cpu_flags && writes_flags_always(zi) && !g->branched)
		g->undefined &= ~(zi->cpu_flags->modified | zi->cpu_flags->set_0 |
				  zi->cpu_flags->set_1);
	g->undefined |= undefined_flags(zi);
}

/* It raises nothing for what is tiny and exact (docs/quirks.md, cpu-sse-range). */
static bool misses_underflow(const struct generator *g, const ZydisDecodedInstruction *zi)
{
	const u32 underflow_mask = 0x800;
	u32 mxcsr;

	memcpy(&mxcsr, g->s->start.fpu.fx + FPU_MXCSR, 4);
	return zi->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH &&
	       (g->mxcsr_loaded || !(mxcsr & underflow_mask));
}

/* Of ENTER, RET and their like, few values lead anywhere. */
static u64 immediate(const struct form *f)
{
	bool usual = !f->vex && !f->map && below(4);

	switch (usual ? f->opcode : 0) {
	case 0xc8: return below(256) | (u64)below(6) << 16;
	case 0xc2: case 0xca: return below(64);
	default: return below(3) ? rnd() : value();
	}
}

static bool is_usable(const struct generator *g, const ZydisDecodedInstruction *zi,
		      enum family f)
{
	return f != NONE && (g->s->user || !needs_user(zi, f)) && !reads_undefined(g, zi) &&
	       !misses_underflow(g, zi);
}

static bool try_insn(struct generator *g, const struct form *f)
{
	struct insn *in = &g->s->insn[g->s->nr];
	struct generator before = *g;
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u8 b[40];
	u64 imm = immediate(f);
	u32 n = put_insn(g, f, b);

	memcpy(b + n, &imm, 8);
	memset(b + n + 8, 0, 8);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder_of(g->s->code), b, MAX_LEN, &zi, ops)))
		return false;
	*in = (struct insn){ .len = zi.length, .mnemonic = zi.mnemonic,
			     .family = family_of(&zi, ops) };
	memcpy(in->bytes, b, zi.length);
	if (!is_usable(g, &zi, in->family) || !provide(g, in, &zi, ops)) {
		*g = before;
		return false;
	}
	for (u32 i = 0; i < zi.operand_count; i++)
		in->vector_operand |= ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
				      ops[i].size >= 128;
	follow(g, &zi, ops);
	in->undefined = g->undefined;
	g->s->nr++;
	return true;
}

/* -- One case -------------------------------------------------------------------------------- */

/* Across pages, or the last bytes there are. */
static u32 choose_place(u16 cs)
{
	u32 limit = segment_limit(cs), at = below(CODE_PAGES * PAGE - 256);

	switch (below(24)) {
	case 0: at = PAGE - below(24); break;
	case 1: at = CODE_PAGES * PAGE - 1 - below(24); break;
	default: break;
	}
	/* Beyond the limit the host's kernel could not return to it. */
	if (at > limit || (limit < CODE_PAGES * PAGE && below(3) == 0))
		at = limit - below(24);
	return at;
}

void sequence_generate(struct sequence *s, u32 family, enum code code, bool user)
{
	struct generator g = { .s = s };
	u32 nr = 1 + (below(2) ? below(MAX_INSNS) : below(2));

	memset(s, 0, sizeof(*s));
	s->code = code;
	s->user = user;
	s->pool = pool_memory();
	state_generate(&s->start, code, user);
	s->at = choose_place(s->start.sel[CS]);
	g.code_base = segment_base(s->start.sel[CS]);
	s->start.rip = CODE + s->at - g.code_base;
	for (u32 tries = 0; s->nr < nr && tries < 100; tries++) {
		const struct form *f = form_choose(family, code, user);

		if (f)
			try_insn(&g, f);
	}
}
