/* SPDX-License-Identifier: MIT */
/* Segment registers: loading them, and what a loaded one allows. */
#include "x86/cpu/protect.h"
#include "x86/mmu/access.h"

/* -- Descriptor tables --------------------------------------------------------- */

static bool desc_table(const struct cpu *c, u16 sel, u64 *base, u32 *limit)
{
	if (!sel_is_local(sel)) {
		*base = c->gdtr.base;
		*limit = c->gdtr.limit;
		return true;
	}
	*base = c->seg[LDTR].base;
	*limit = c->seg[LDTR].limit;
	return !(c->seg[LDTR].attr & SEG_ATTR_UNUSABLE);
}

static void desc_decode(struct desc *d)
{
	d->attr = (d->hi >> 8) & 0xf0ff;
	d->base = (d->lo >> 16) | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
	d->limit = (d->lo & 0xffff) | (d->hi & 0xf0000);
	if (d->attr & SEG_ATTR_G)
		d->limit = d->limit << 12 | 0xfff;
}

enum step desc_read(struct cpu *c, u16 sel, u8 vec, u32 ext, struct desc *d)
{
	u64 base;
	u32 limit, raw[2] = { 0 };

	*d = (struct desc){ 0 };
	if (!desc_table(c, sel, &base, &limit) || (sel | 7u) > limit)
		return cpu_raise_error(c, vec, sel_error(sel, ext));

	d->lin = base + (sel & 0xfff8);
	if (!cpu_long_mode(c))
		d->lin = (u32)d->lin;
	TRY(mem_sys_read(c, d->lin, raw, sizeof(raw)));
	d->lo = raw[0];
	d->hi = raw[1];
	desc_decode(d);
	return STEP_NEXT;
}

enum step desc_read_upper(struct cpu *c, u16 sel, u8 vec, u32 ext,
			  struct desc *d, u32 *upper)
{
	const u32 type_of_upper = 0x1f00;
	u64 base;
	u32 limit, raw[2] = { 0 };

	*upper = 0;
	if (!desc_table(c, sel, &base, &limit) || (sel | 7u) + 8 > limit)
		return cpu_raise_error(c, vec, sel_error(sel, ext));
	TRY(mem_sys_read(c, d->lin + 8, raw, sizeof(raw)));
	if (raw[1] & type_of_upper)
		return cpu_raise_error(c, vec, sel_error(sel, ext));
	*upper = raw[0];
	return STEP_NEXT;
}

enum step desc_set_type(struct cpu *c, struct desc *d, u32 bits)
{
	TRY(mem_sys_update8(c, d->lin + 5, (u8)bits, 0));
	d->hi |= bits << 8;
	d->attr |= bits;
	return STEP_NEXT;
}

enum step desc_clear_busy(struct cpu *c, u16 sel)
{
	return mem_sys_update8(c, c->gdtr.base + (sel & 0xfff8) + 5, 0, DESC_BUSY);
}

/* -- The hidden part --------------------------------------------------------------- */

void seg_from_desc(struct segment *s, u16 sel, const struct desc *d)
{
	*s = (struct segment){
		.base = d->base, .limit = d->limit, .attr = d->attr, .selector = sel,
	};
}

void seg_set_flat(struct segment *s, u16 sel, u32 attr)
{
	*s = (struct segment){ .limit = ~0u, .attr = attr, .selector = sel };
}

void seg_set_null(struct segment *s, u16 sel, u8 dpl)
{
	*s = (struct segment){
		.attr = SEG_ATTR_UNUSABLE | (u32)dpl << SEG_ATTR_DPL_SHIFT,
		.selector = sel,
	};
}

void seg_set_vm86(struct segment *s, u16 sel)
{
	*s = (struct segment){
		.base = (u32)sel << 4, .limit = 0xffff, .selector = sel,
		.attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_DPL |
			SEG_ATTR_TYPE_W | SEG_ATTR_TYPE_A,
	};
}

/* Data that may be read and written up to 4 GiB. */
static bool seg_is_whole(const struct segment *s)
{
	const u32 kind = SEG_ATTR_S | SEG_ATTR_TYPE_CODE | SEG_ATTR_TYPE_E |
			 SEG_ATTR_TYPE_W | SEG_ATTR_UNUSABLE;

	return s->limit == ~0u && (s->attr & kind) == (SEG_ATTR_S | SEG_ATTR_TYPE_W);
}

static bool seg_is_flat(const struct segment *s)
{
	return seg_is_whole(s) && !s->base;
}

static bool code_is_flat(const struct cpu *c)
{
	const struct segment *cs = &c->seg[CS];

	return !cs->base && cs->limit == ~0u && c->stack_size == 4 &&
	       seg_is_flat(&c->seg[SS]) && seg_is_flat(&c->seg[DS]) &&
	       seg_is_flat(&c->seg[ES]);
}

/* Derives cpu->flat. */
static void segments_changed(struct cpu *c)
{
	c->flat = 0;
	if (c->code_size != 4 || !cpu_protected(c) || cpu_vm86(c))
		return;
	if (code_is_flat(c))
		c->flat |= FLAT_CODE;
	if (seg_is_whole(&c->seg[FS]))
		c->flat |= FLAT_FS;
	if (seg_is_whole(&c->seg[GS]))
		c->flat |= FLAT_GS;
}

void seg_drop_privileged(struct cpu *c)
{
	static const u8 data[] = { ES, DS, FS, GS };

	for (u32 i = 0; i < ARRAY_SIZE(data); i++) {
		struct segment *s = &c->seg[data[i]];

		if (attr_is_conforming(s->attr) || attr_dpl(s->attr) >= c->cpl)
			continue;
		s->attr = SEG_ATTR_UNUSABLE;
		s->selector = 0;
	}
	segments_changed(c);
}

void cpu_load_seg_real(struct cpu *c, enum seg seg, u16 selector)
{
	struct segment *s = &c->seg[seg];

	if (cpu_vm86(c)) {
		seg_set_vm86(s, selector);
		return;
	}
	s->selector = selector;
	s->base = (u32)selector << 4;
	/* A null one from protected mode is usable again, limit as it was. */
	if (s->attr & SEG_ATTR_UNUSABLE) {
		s->attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_TYPE_W | SEG_ATTR_TYPE_A;
		s->limit = 0xffff;
	}
}

/* -- Checked loads (SDM vol. 2B MOV; vol. 3A 5.6, 5.7) ------------------------------- */

enum step seg_check_stack(struct cpu *c, u16 sel, u8 cpl, u8 vec, u32 ext,
			  struct segment *seg)
{
	struct desc d;

	if (sel_is_null(sel))
		return cpu_raise_error(c, vec, ext);
	TRY(desc_read(c, sel, vec, ext, &d));
	if (sel_rpl(sel) != cpl || !attr_is_stack(d.attr) || attr_dpl(d.attr) != cpl)
		return cpu_raise_error(c, vec, sel_error(sel, ext));
	if (!(d.attr & SEG_ATTR_P))
		return cpu_raise_error(c, EXC_SS, sel_error(sel, ext));
	TRY(desc_set_accessed(c, &d));
	seg_from_desc(seg, sel, &d);
	return STEP_NEXT;
}

enum step seg_check_data(struct cpu *c, u16 sel, u8 cpl, u8 vec, u32 ext,
			 struct segment *seg)
{
	struct desc d;
	u8 dpl;

	if (sel_is_null(sel)) {
		seg_set_null(seg, sel, 0);
		return STEP_NEXT;
	}
	TRY(desc_read(c, sel, vec, ext, &d));
	dpl = attr_dpl(d.attr);
	if (!attr_is_readable(d.attr) ||
	    (!attr_is_conforming(d.attr) && (sel_rpl(sel) > dpl || cpl > dpl)))
		return cpu_raise_error(c, vec, sel_error(sel, ext));
	if (!(d.attr & SEG_ATTR_P))
		return cpu_raise_error(c, EXC_NP, sel_error(sel, ext));
	TRY(desc_set_accessed(c, &d));
	seg_from_desc(seg, sel, &d);
	return STEP_NEXT;
}

static enum step load_ss(struct cpu *c, u16 sel)
{
	struct segment seg;

	if (sel_is_null(sel) && cpu_code64(c) && c->cpl < 3 && sel_rpl(sel) == c->cpl) {
		seg_set_null(&c->seg[SS], sel, c->cpl);
		return STEP_NEXT;
	}
	TRY(seg_check_stack(c, sel, c->cpl, EXC_GP, 0, &seg));
	c->seg[SS] = seg;
	cpu_mode_changed(c);
	return STEP_NEXT;
}

enum step cpu_load_seg(struct cpu *c, enum seg seg, u16 selector)
{
	struct segment s;

	if (!cpu_protected(c) || cpu_vm86(c)) {
		cpu_load_seg_real(c, seg, selector);
		return STEP_NEXT;
	}
	if (seg == SS)
		return load_ss(c, selector);
	TRY(seg_check_data(c, selector, c->cpl, EXC_GP, 0, &s));
	c->seg[seg] = s;
	segments_changed(c);
	return STEP_NEXT;
}

/* LDT and TSS descriptors have 16 bytes in long mode (SDM vol. 3A 7.2.3). */
static enum step system_base(struct cpu *c, u16 sel, struct desc *d)
{
	u32 upper;

	if (!cpu_long_mode(c))
		return STEP_NEXT;
	TRY(desc_read_upper(c, sel, EXC_GP, 0, d, &upper));
	d->base |= (u64)upper << 32;
	return is_canonical(d->base) ? STEP_NEXT :
	       cpu_raise_error(c, EXC_GP, sel_error(sel, 0));
}

enum step cpu_load_ldtr(struct cpu *c, u16 selector)
{
	struct desc d;

	if (sel_is_null(selector)) {
		seg_set_null(&c->seg[LDTR], selector, 0);
		return STEP_NEXT;
	}
	if (sel_is_local(selector))
		return cpu_raise_error(c, EXC_GP, sel_error(selector, 0));
	TRY(desc_read(c, selector, EXC_GP, 0, &d));
	if (attr_system_type(d.attr) != DESC_LDT)
		return cpu_raise_error(c, EXC_GP, sel_error(selector, 0));
	if (!(d.attr & SEG_ATTR_P))
		return cpu_raise_error(c, EXC_NP, sel_error(selector, 0));
	TRY(system_base(c, selector, &d));
	seg_from_desc(&c->seg[LDTR], selector, &d);
	return STEP_NEXT;
}

enum step cpu_load_tr(struct cpu *c, u16 selector)
{
	enum desc_type type;
	struct desc d;

	if (sel_is_null(selector))
		return cpu_raise_gp0(c);
	if (sel_is_local(selector))
		return cpu_raise_error(c, EXC_GP, sel_error(selector, 0));
	TRY(desc_read(c, selector, EXC_GP, 0, &d));
	type = attr_system_type(d.attr);
	if (type != DESC_TSS && (type != DESC_TSS16 || cpu_long_mode(c)))
		return cpu_raise_error(c, EXC_GP, sel_error(selector, 0));
	if (!(d.attr & SEG_ATTR_P))
		return cpu_raise_error(c, EXC_NP, sel_error(selector, 0));
	TRY(system_base(c, selector, &d));
	TRY(desc_set_type(c, &d, DESC_BUSY));
	seg_from_desc(&c->seg[TR], selector, &d);
	return STEP_NEXT;
}

/* -- Using a segment (SDM vol. 3A 5.3, 5.5) -------------------------------------------- */

bool seg_within_limit(const struct segment *s, u32 off, u32 size)
{
	const u32 down = SEG_ATTR_S | SEG_ATTR_TYPE_E;
	u64 last = (u64)off + size - 1;

	if (likely((s->attr & (down | SEG_ATTR_TYPE_CODE)) != down))
		return last <= s->limit;
	return off > s->limit && last <= (s->attr & SEG_ATTR_DB ? 0xffffffff : 0xffff);
}

static bool seg_permits(const struct cpu *c, const struct segment *s, bool write)
{
	if (unlikely(!cpu_protected(c)))
		return true;
	if (unlikely(s->attr & SEG_ATTR_UNUSABLE))
		return false;
	return write ? attr_is_stack(s->attr) : attr_is_readable(s->attr);
}

static enum step seg_fault(struct cpu *c, enum seg seg)
{
	return cpu_raise_error(c, seg == SS ? EXC_SS : EXC_GP, 0);
}

enum step cpu_seg_linear(struct cpu *c, enum seg seg, u64 off, u32 size,
			 bool write, u64 *lin)
{
	const struct segment *s = &c->seg[seg];

	if (c->code_size == 8) {
		u64 addr = off + (seg == FS || seg == GS ? s->base : 0);

		/* Zen 4 looks at the offset, too, whatever becomes of it. */
		if (unlikely(!is_canonical(off) || !is_canonical(off + size - 1)) &&
		    cpu_amd_like(c))
			return seg_fault(c, seg);
		if (unlikely(!is_canonical(addr) || !is_canonical(addr + size - 1)))
			return seg_fault(c, seg);
		*lin = addr;
		return STEP_NEXT;
	}
	if (unlikely(!seg_permits(c, s, write) || !seg_within_limit(s, (u32)off, size)))
		return seg_fault(c, seg);
	*lin = (u32)(s->base + off);
	return STEP_NEXT;
}

/* -- Derived state ------------------------------------------------------------------------ */

void cpu_mode_changed(struct cpu *c)
{
	const struct segment *cs = &c->seg[CS];

	if (cpu_long_mode(c) && (cs->attr & SEG_ATTR_L))
		c->code_size = 8;
	else
		c->code_size = cs->attr & SEG_ATTR_DB ? 4 : 2;

	if (c->code_size == 8)
		c->stack_size = 8;
	else
		c->stack_size = c->seg[SS].attr & SEG_ATTR_DB ? 4 : 2;

	if (!cpu_protected(c))
		c->cpl = 0;
	else
		c->cpl = cpu_vm86(c) ? 3 : attr_dpl(c->seg[SS].attr);
	segments_changed(c);
	mmu_class_changed(c);
}
