/* SPDX-License-Identifier: MIT */
/* Segment registers and descriptor tables. */
#include "x86/cpu/protect.h"
#include "x86/interp/exec.h"
#include "x86/interp/flags.h"
#include "x86/interp/ops.h"
#include "x86/interp/system.h"
#include "x86/mmu/access.h"

enum step read_rm16(struct cpu *c, const struct insn *in, u16 *v)
{
	u64 lin;

	*v = 0;
	if (!(in->flags & INSN_MEM)) {
		*v = *gpr16(c, in->rm);
		return STEP_NEXT;
	}
	TRY(insn_linear(c, in, 2, false, &lin));
	return mem_read16(c, lin, v);
}

enum step write_rm16(struct cpu *c, const struct insn *in, u64 v)
{
	u64 lin;

	if (!(in->flags & INSN_MEM)) {
		reg_set(c, in->rm, in->osz, v);
		return STEP_NEXT;
	}
	TRY(insn_linear(c, in, 2, true, &lin));
	return mem_write16(c, lin, (u16)v);
}

/* -- MOV, PUSH, POP, LxS ------------------------------------------------------------- */

/* SS holds off interrupts until the next instruction is done. */
static enum step seg_loaded(struct cpu *c, u8 seg)
{
	if (seg != SS)
		return STEP_NEXT;
	c->ev.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	return STEP_END;
}

enum step op_mov_to_seg(struct cpu *c, const struct insn *in)
{
	u16 sel;

	TRY(read_rm16(c, in, &sel));
	TRY(cpu_load_seg(c, in->sub, sel));
	return seg_loaded(c, in->sub);
}

enum step op_mov_from_seg(struct cpu *c, const struct insn *in)
{
	return write_rm16(c, in, c->seg[in->sub].selector);
}

enum step op_push_seg(struct cpu *c, const struct insn *in)
{
	return stack_push(c, c->seg[in->sub].selector, stack_operand_size(c, in));
}

/* The stack pointer moves only if the load succeeds. */
enum step op_pop_seg(struct cpu *c, const struct insn *in)
{
	u8 size = stack_operand_size(c, in);
	struct stack s;
	u64 sel;

	stack_current(c, &s, 0);
	TRY(stack_take(c, &s, &sel, size));
	TRY(cpu_load_seg(c, in->sub, (u16)sel));
	/* By the old stack's width: SS may have a new one. */
	c->gpr[RSP] = s.sp;
	return seg_loaded(c, in->sub);
}

/*
 * AMD's processors have no pointers of 80 bits (APM vol. 3, CALL, JMP, LxS).
 * KVM's emulator has: it executes what finds its operand in MMIO.
 */
static enum step far_offset_size(struct cpu *c, const struct insn *in, u8 *size)
{
	u8 *host;
	u64 lin;

	*size = in->osz;
	if (likely(in->osz != 8) || !cpu_amd_like(c))
		return STEP_NEXT;
	TRY(insn_linear(c, in, 4, false, &lin));
	TRY(mem_check_alignment(c, lin, 4));
	TRY(mem_host(c, lin, false, &host));
	if (host)
		*size = 4;
	return STEP_NEXT;
}

/* AMD's look at the limit for each part of one. */
enum step read_far_pointer(struct cpu *c, const struct insn *in, u16 *sel, u64 *off)
{
	u8 size;
	u64 lin;

	TRY(far_offset_size(c, in, &size));
	TRY(insn_linear(c, in, cpu_amd_like(c) ? size : size + 2, false, &lin));
	TRY(mem_read_size(c, lin, size, off));
	TRY(insn_linear_at(c, in, size, 2, false, &lin));
	return mem_read16(c, lin, sel);
}

/* LDS, LES, LFS, LGS, LSS. */
enum step op_load_far(struct cpu *c, const struct insn *in)
{
	u16 sel;
	u64 off;

	TRY(read_far_pointer(c, in, &sel, &off));
	TRY(cpu_load_seg(c, in->sub, sel));
	reg_set(c, in->reg, in->osz, off);
	return in->sub == SS ? STEP_END : STEP_NEXT;
}

/* -- GDTR, IDTR, LDTR, TR ------------------------------------------------------------------ */

static enum step load_dtable(struct cpu *c, const struct insn *in, struct dtable *t)
{
	u8 n = cpu_code64(c) ? 8 : 4;
	u64 lin, base;
	u16 limit;

	TRY(insn_linear(c, in, n + 2, false, &lin));
	TRY(mem_read16(c, lin, &limit));
	TRY(mem_read_size(c, lin + 2, n, &base));
	if (n == 8 && !is_canonical(base))
		return cpu_raise_gp0(c);
	/* A 16-bit operand has 24 bits of base. */
	if (n == 4 && in->osz == 2)
		base &= 0xffffff;
	*t = (struct dtable){ .base = base, .limit = limit };
	return STEP_NEXT;
}

static enum step store_dtable(struct cpu *c, const struct insn *in, const struct dtable *t)
{
	u8 n = cpu_code64(c) ? 8 : 4;
	u8 image[10];
	u64 lin;

	TRY(insn_linear(c, in, n + 2, true, &lin));
	memcpy(image, &t->limit, 2);
	memcpy(image + 2, &t->base, 8);
	return mem_write(c, lin, image, n + 2);
}

enum step exec_lgdt(struct cpu *c, const struct insn *in) { return load_dtable(c, in, &c->gdtr); }
enum step exec_lidt(struct cpu *c, const struct insn *in) { return load_dtable(c, in, &c->idtr); }
enum step exec_sgdt(struct cpu *c, const struct insn *in) { return store_dtable(c, in, &c->gdtr); }
enum step exec_sidt(struct cpu *c, const struct insn *in) { return store_dtable(c, in, &c->idtr); }

enum step exec_lldt(struct cpu *c, const struct insn *in)
{
	u16 sel;

	TRY(read_rm16(c, in, &sel));
	return cpu_load_ldtr(c, sel);
}

enum step exec_ltr(struct cpu *c, const struct insn *in)
{
	u16 sel;

	TRY(read_rm16(c, in, &sel));
	return cpu_load_tr(c, sel);
}

enum step exec_sldt(struct cpu *c, const struct insn *in)
{
	return write_rm16(c, in, c->seg[LDTR].selector);
}

enum step exec_str(struct cpu *c, const struct insn *in)
{
	return write_rm16(c, in, c->seg[TR].selector);
}

/* -- LAR, LSL, VERR, VERW, ARPL: the result is ZF ------------------------------------------------ */

static void set_zf(struct cpu *c, bool zf)
{
	flags_assign(c, X86_EFLAGS_ZF, zf);
}

/* Reads a descriptor; outside its table is no exception here. */
static enum step look_up(struct cpu *c, const struct insn *in, u16 *sel, struct desc *d,
			 bool *found)
{
	enum step st;

	*found = false;
	TRY(read_rm16(c, in, sel));
	if (sel_is_null(*sel))
		return STEP_NEXT;
	st = desc_read(c, *sel, EXC_GP, 0, d);
	if (st == STEP_FAULT && c->exc.vector == EXC_GP)
		return STEP_NEXT;
	*found = st == STEP_NEXT;
	return st;
}

/* Data and code at a privilege that this CPL and RPL may see. */
static bool visible(const struct cpu *c, u16 sel, const struct desc *d)
{
	u8 dpl = attr_dpl(d->attr);

	return attr_is_conforming(d->attr) || (dpl >= c->cpl && dpl >= sel_rpl(sel));
}

static bool type_has(const struct cpu *c, const struct desc *d, u32 legacy, u32 long_mode)
{
	if (d->attr & SEG_ATTR_S)
		return true;
	return (cpu_long_mode(c) ? long_mode : legacy) & BIT(d->attr & SEG_ATTR_TYPE);
}

enum step exec_lar(struct cpu *c, const struct insn *in)
{
	const u32 tss_ldt = BIT(DESC_LDT) | BIT(DESC_TSS) | BIT(DESC_TSS_BUSY);
	const u32 legacy = tss_ldt | BIT(DESC_TSS16) | BIT(DESC_TSS16_BUSY) |
			   BIT(DESC_CALL16) | BIT(DESC_TASK_GATE) | BIT(DESC_CALL);
	struct desc d;
	bool ok;
	u16 sel;

	TRY(look_up(c, in, &sel, &d, &ok));
	ok = ok && type_has(c, &d, legacy, tss_ldt | BIT(DESC_CALL)) && visible(c, sel, &d);
	if (ok)
		reg_set(c, in->reg, in->osz, d.hi & (in->osz == 2 ? 0xff00 : 0xffff00));
	set_zf(c, ok);
	return STEP_NEXT;
}

enum step exec_lsl(struct cpu *c, const struct insn *in)
{
	const u32 tss_ldt = BIT(DESC_LDT) | BIT(DESC_TSS) | BIT(DESC_TSS_BUSY);
	struct desc d;
	bool ok;
	u16 sel;

	TRY(look_up(c, in, &sel, &d, &ok));
	ok = ok && visible(c, sel, &d) &&
	     type_has(c, &d, tss_ldt | BIT(DESC_TSS16) | BIT(DESC_TSS16_BUSY), tss_ldt);
	if (ok)
		reg_set(c, in->reg, in->osz, d.limit);
	set_zf(c, ok);
	return STEP_NEXT;
}

enum step exec_verr(struct cpu *c, const struct insn *in)
{
	struct desc d;
	bool ok;
	u16 sel;

	TRY(look_up(c, in, &sel, &d, &ok));
	set_zf(c, ok && attr_is_readable(d.attr) && visible(c, sel, &d));
	return STEP_NEXT;
}

enum step exec_verw(struct cpu *c, const struct insn *in)
{
	struct desc d;
	bool ok;
	u16 sel;

	TRY(look_up(c, in, &sel, &d, &ok));
	set_zf(c, ok && attr_is_stack(d.attr) && visible(c, sel, &d));
	return STEP_NEXT;
}

enum step exec_arpl(struct cpu *c, const struct insn *in)
{
	bool mem = in->flags & INSN_MEM;
	u16 dst, rpl = *gpr16(c, in->reg) & 3;
	u64 lin = 0;

	TRY(read_rm16(c, in, &dst));
	if ((dst & 3) >= rpl) {
		set_zf(c, false);
		return STEP_NEXT;
	}
	dst = (dst & ~3) | rpl;
	if (mem) {
		TRY(insn_linear(c, in, 2, true, &lin));
		TRY(mem_write16(c, lin, dst));
	} else {
		*gpr16(c, in->rm) = dst;
	}
	set_zf(c, true);
	return STEP_NEXT;
}

/* -- FS and GS bases --------------------------------------------------------------------------------- */

enum step exec_swapgs(struct cpu *c, const struct insn *in)
{
	u64 base = c->seg[GS].base;

	c->seg[GS].base = c->kernel_gs_base;
	c->kernel_gs_base = base;
	return STEP_NEXT;
}

/* A 66 prefix means nothing to them. */
static u8 base_size(const struct insn *in)
{
	return in->osz == 8 ? 8 : 4;
}

static enum step read_base(struct cpu *c, const struct insn *in, enum seg seg)
{
	reg_set(c, in->rm, base_size(in), c->seg[seg].base);
	return STEP_NEXT;
}

static enum step write_base(struct cpu *c, const struct insn *in, enum seg seg)
{
	u64 v = reg_get(c, in->rm, base_size(in));

	if (!is_canonical(v))
		return cpu_raise_gp0(c);
	c->seg[seg].base = v;
	return STEP_NEXT;
}

enum step exec_rdfsbase(struct cpu *c, const struct insn *in) { return read_base(c, in, FS); }
enum step exec_rdgsbase(struct cpu *c, const struct insn *in) { return read_base(c, in, GS); }
enum step exec_wrfsbase(struct cpu *c, const struct insn *in) { return write_base(c, in, FS); }
enum step exec_wrgsbase(struct cpu *c, const struct insn *in) { return write_base(c, in, GS); }
