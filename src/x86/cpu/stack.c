/* SPDX-License-Identifier: MIT */
/* Stacks of frames: filled before they become current, so that a fault undoes all. */
#include "x86/cpu/protect.h"
#include "x86/mmu/access.h"

void stack_current(const struct cpu *c, struct stack *s, u32 error)
{
	*s = (struct stack){
		.ss = c->seg[SS], .sp = c->gpr[RSP], .width = c->stack_size,
		.cpl = c->cpl, .error = error,
	};
}

void stack_new(struct stack *s, const struct segment *ss, u64 sp, u8 cpl, u32 error)
{
	*s = (struct stack){
		.ss = *ss, .sp = sp, .width = ss->attr & SEG_ATTR_DB ? 4 : 2,
		.cpl = cpl, .error = error,
	};
}

void stack_add(struct stack *s, u64 n)
{
	if (s->width == 8)
		s->sp += n;
	else if (s->width == 4)
		s->sp = (u32)(s->sp + n);
	else
		s->sp = (s->sp & ~0xffffull) | (u16)(s->sp + n);
}

void stack_for_target(struct stack *s, bool code64)
{
	s->width = code64 ? 8 : s->ss.attr & SEG_ATTR_DB ? 4 : 2;
}

static u64 stack_offset(const struct stack *s)
{
	if (s->width == 8)
		return s->sp;
	return s->width == 4 ? (u32)s->sp : (u16)s->sp;
}

static enum step stack_linear(struct cpu *c, const struct stack *s, u32 size, u64 *lin)
{
	u64 off = stack_offset(s);

	if (s->width == 8) {
		*lin = off;
		if (is_canonical(off) && is_canonical(off + size - 1))
			return STEP_NEXT;
	} else {
		*lin = (u32)(s->ss.base + off);
		if (!(s->ss.attr & SEG_ATTR_UNUSABLE) &&
		    seg_within_limit(&s->ss, (u32)off, size))
			return STEP_NEXT;
	}
	return cpu_raise_error(c, EXC_SS, s->error);
}

enum step frame_write(struct cpu *c, u8 cpl, u64 lin, const void *buf, u32 n)
{
	return cpl == 3 ? mem_write_slow(c, lin, buf, n) :
			  mem_sys_write(c, lin, buf, n);
}

enum step stack_put(struct cpu *c, struct stack *s, u64 v, u8 size)
{
	struct stack next = *s;
	u64 lin;

	stack_add(&next, -(u64)size);
	TRY(stack_linear(c, &next, size, &lin));
	TRY(frame_write(c, s->cpl, lin, &v, size));
	s->sp = next.sp;
	return STEP_NEXT;
}

enum step stack_take(struct cpu *c, struct stack *s, u64 *v, u8 size)
{
	u64 lin;

	*v = 0;
	TRY(stack_linear(c, s, size, &lin));
	TRY(s->cpl == c->cpl ? mem_read(c, lin, v, size) :
			       mem_sys_read(c, lin, v, size));
	stack_add(s, size);
	return STEP_NEXT;
}

/* AMD's processors read the last word first. */
enum step stack_take_frame(struct cpu *c, struct stack *s, u64 *words, u32 n, u8 size)
{
	for (u32 i = 0; i < n; i++) {
		u32 word = cpu_amd_like(c) ? n - 1 - i : i;
		struct stack at = *s;

		stack_add(&at, (u64)word * size);
		TRY(stack_take(c, &at, &words[word], size));
	}
	stack_add(s, (u64)n * size);
	return STEP_NEXT;
}

/* -- Stack pointers in the TSS --------------------------------------------------- */

static enum step tss_read(struct cpu *c, u32 off, u32 ext, void *buf, u32 n)
{
	const struct segment *tr = &c->seg[TR];
	u64 lin = tr->base + off;

	if ((tr->attr & SEG_ATTR_UNUSABLE) || (u64)off + n - 1 > tr->limit)
		return cpu_raise_error(c, EXC_TS, sel_error(tr->selector, ext));
	return mem_sys_read(c, cpu_long_mode(c) ? lin : (u32)lin, buf, n);
}

enum step tss_stack(struct cpu *c, u8 cpl, u32 ext, u16 *ss, u32 *esp)
{
	if (c->seg[TR].attr & DESC_386) {
		struct { u32 esp; u16 ss; } __attribute__((packed)) p;

		TRY(tss_read(c, 4 + cpl * 8, ext, &p, sizeof(p)));
		*ss = p.ss;
		*esp = p.esp;
	} else {
		struct { u16 sp, ss; } p;

		TRY(tss_read(c, 2 + cpl * 4, ext, &p, sizeof(p)));
		*ss = p.ss;
		*esp = p.sp;
	}
	return STEP_NEXT;
}

enum step tss_rsp(struct cpu *c, u8 cpl, u8 ist, u32 ext, u64 *rsp)
{
	u32 off = ist ? 36 + (ist - 1) * 8 : 4 + cpl * 8;

	TRY(tss_read(c, off, ext, rsp, sizeof(*rsp)));
	return is_canonical(*rsp) ? STEP_NEXT : cpu_raise_error(c, EXC_SS, ext);
}
