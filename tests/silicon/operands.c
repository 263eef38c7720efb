/* SPDX-License-Identifier: MIT */
/* ModRM and SIB with random operands, most of which lead into the window. */
#include "silicon.h"

#include <string.h>

static u32 nr_regs(const struct generator *g)
{
	return g->s->code == CODE64 ? 16 : 8;
}

/* What segmented pointers are relative to. */
static u32 bias(const struct generator *g)
{
	return segment_base(g->s->start.sel[DS]);
}

static bool leads_to_data(const struct generator *g, u64 v)
{
	return v + bias(g) - DATA < DATA_PAGES * PAGE;
}

/* A register that still leads to data, or any. */
static u32 choose_base(const struct generator *g)
{
	u32 r = below(nr_regs(g));

	for (u32 i = 0; i < 16 && below(32); i++, r = (r + 1) & (nr_regs(g) - 1))
		if (!(g->written >> r & 1) && leads_to_data(g, g->s->start.gpr[r]))
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

s32 displacement(u8 size)
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

/* 16-bit addresses (SDM vol. 2A, table 2-1). */
static const u8 pairs[8][2] = {
	{ RBX, RSI }, { RBX, RDI }, { RBP, RSI }, { RBP, RDI },
	{ RSI, RSP }, { RDI, RSP }, { RBP, RSP }, { RBX, RSP },
};

static u16 sum16(const struct generator *g, u32 rm)
{
	u64 second = pairs[rm][1] == RSP ? 0 : g->s->start.gpr[pairs[rm][1]];

	return (u16)(g->s->start.gpr[pairs[rm][0]] + second);
}

static void choose_memory16(const struct generator *g, struct operands *o)
{
	u32 rm = below(8);

	if (below(10) == 0) {
		o->modrm |= 6;
		o->disp_size = 2;
		o->disp = (s32)g->s->start.gpr[RBX] + displacement(4);
		return;
	}
	for (u32 i = 0; i < 8 && below(32) && !leads_to_data(g, sum16(g, rm)); i++)
		rm = (rm + 1) & 7;
	o->disp_size = below(3);
	if (rm == 6 && !o->disp_size)
		o->disp_size = 1;
	if (o->disp_size)
		o->disp = displacement(o->disp_size);
	o->modrm |= rm | o->disp_size << 6;
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

/* MOV with an address and nothing else. */
static bool is_moffs(const struct form *f)
{
	return !f->vex && !f->map && (f->opcode & 0xfc) == 0xa0;
}

static void choose_without_modrm(struct generator *g, const struct form *f, struct operands *o)
{
	o->rex |= g->s->code == CODE64 ? below(2) : 0;
	if (!is_moffs(f) || below(8) == 0)
		return;
	o->disp_size = g->asz;
	o->disp = g->s->start.gpr[RBX] + displacement(4);
}

void choose_operands(struct generator *g, const struct form *f, struct operands *o)
{
	*o = (struct operands){ .modrm = f->modrm & 0xf8, .rex = f->w << 3 };
	if (!f->has_modrm) {
		choose_without_modrm(g, f, o);
		return;
	}
	/* In most forms ModRM.reg is an operand; where not, the collection has all. */
	o->rex |= g->s->code == CODE64 ? below(2) << 2 : 0;
	if (f->mem) {
		if (form_is_gather(f))
			choose_gather(g, o);
		else if (g->asz == 2)
			choose_memory16(g, o);
		else
			choose_memory(g, o);
	} else {
		u32 rm = f->fixed_rm ? f->modrm & 7 : below(nr_regs(g));

		o->modrm |= 0xc0 | (rm & 7);
		o->rex |= rm >> 3;
	}
}

/* -- Where memory operands are ----------------------------------------------------------- */

static bool add_register(const struct generator *g, ZydisRegister r, u32 scale, u64 *sum)
{
	u32 n;

	if (r == ZYDIS_REGISTER_NONE)
		return true;
	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR16: case ZYDIS_REGCLASS_GPR32: case ZYDIS_REGCLASS_GPR64:
		n = ZydisRegisterGetId(r);
		*sum += scale * g->s->start.gpr[n];
		return !(g->written >> n & 1);
	default:
		return false;
	}
}

static u64 offset_mask(const struct generator *g, const ZydisDecodedInstruction *zi,
		       const ZydisDecodedOperand *op)
{
	u32 width = zi->address_width;

	if (op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
	    op->mem.segment == ZYDIS_REGISTER_SS)
		width = g->s->code == CODE64 ? 64 :
			segment_is_big(g->s->start.sel[SS]) ? 32 : 16;
	return width == 64 ? ~0ull : (1ull << width) - 1;
}

static u64 base_of(const struct generator *g, ZydisRegister segment)
{
	u32 n = segment - ZYDIS_REGISTER_ES;

	if (n == FS)
		return g->s->start.fs_base;
	if (n == GS)
		return g->s->start.gs_base;
	return g->s->code == CODE64 ? 0 : segment_base(g->s->start.sel[n]);
}

bool operand_address(const struct generator *g, const ZydisDecodedInstruction *zi,
		     const ZydisDecodedOperand *op, u64 *linear)
{
	u64 a = op->mem.disp.value;

	if (g->segments_loaded || !add_register(g, op->mem.base, 1, &a) ||
	    !add_register(g, op->mem.index, op->mem.scale, &a))
		return false;
	a = (a & offset_mask(g, zi, op)) + base_of(g, op->mem.segment);
	*linear = g->s->code == CODE64 ? a : (u32)a;
	return true;
}
