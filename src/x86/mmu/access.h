/* SPDX-License-Identifier: MIT */
/*
 * Memory accesses of instructions.  The fast path is inline; the slow path
 * walks, fills the TLB, splits at page boundaries, does MMIO and raises #PF,
 * #AC and data breakpoints.
 *
 * A handler does all its reads, and translates what it will write, before it
 * changes any state: every function here may return STEP_FAULT or STEP_EXIT,
 * and the instruction is then executed again from its start.
 * An access behind which there is no host memory any more unwinds to cpu_loop
 * (util/guard.h), so no lock may be held around one.
 */
#ifndef ANYKVM_X86_MMU_ACCESS_H
#define ANYKVM_X86_MMU_ACCESS_H

#include <string.h>

#include "x86/cpu/cpu.h"
#include "x86/decode/insn.h"
#include "x86/mmu/mmu.h"

/* -- Slow paths (access.c) ----------------------------------------------------- */

/* Any size up to 64 bytes, any alignment, the current privilege. */
enum step mem_read_slow(struct cpu *c, u64 lin, void *buf, u32 n);
enum step mem_write_slow(struct cpu *c, u64 lin, const void *buf, u32 n);

/* Implicit supervisor accesses (descriptor tables, TSS, IDT frames). */
enum step mem_sys_read(struct cpu *c, u64 lin, void *buf, u32 n);
enum step mem_sys_write(struct cpu *c, u64 lin, const void *buf, u32 n);
/* The same to set and clear bits of a byte, LOCKed (SDM vol. 3A 8.1.2.1). */
enum step mem_sys_update8(struct cpu *c, u64 lin, u8 set, u8 clear);

/*
 * Checks that @n bytes at @lin can be written (or read) without doing it: for
 * instructions that must not fault half-way (ENTER, far CALL, frames).
 */
enum step mem_probe(struct cpu *c, u64 lin, u32 n, bool write);
/* #AC of what consists of operands of @n bytes. */
enum step mem_check_alignment(struct cpu *c, u64 lin, u32 n);

/*
 * Host pointer for @lin, for string instructions and atomic accesses: sets
 * *host to NULL when the page is MMIO.  Valid to the end of the page.
 */
enum step mem_host(struct cpu *c, u64 lin, bool write, u8 **host);

/* -- Fast paths ------------------------------------------------------------------ */

/* Is @host in the page being executed, whatever linear address led there? */
static inline bool in_code_page(const struct cpu *c, const u8 *host)
{
	return ((u64)host ^ (u64)c->code) < PAGE_SIZE;
}

static inline u8 *tlb_host_read(struct cpu *c, u64 lin, u32 n)
{
	const struct tlb_entry *e = tlb_entry(c->tlb, lin);

	/* One comparison checks the tag and that the access stays in the page. */
	return likely((lin ^ e->tag_read) <= PAGE_SIZE - n) ?
		(u8 *)(lin + e->addend) : NULL;
}

/*
 * A store into the page being executed goes the slow way, which tells the
 * loop to end the block, so that modified code is seen (SDM vol. 3A 8.1.3).
 */
static inline u8 *tlb_host_write(struct cpu *c, u64 lin, u32 n)
{
	const struct tlb_entry *e = tlb_entry(c->tlb, lin);
	u8 *host = (u8 *)(lin + e->addend);

	if (unlikely((lin ^ e->tag_write) > PAGE_SIZE - n || in_code_page(c, host)))
		return NULL;
	return host;
}

#define DEFINE_MEM_ACCESS(bits)							\
static inline enum step mem_read##bits(struct cpu *c, u64 lin, u##bits *v)	\
{										\
	const u8 *p = tlb_host_read(c, lin, sizeof(*v));			\
										\
	if (unlikely(!p))							\
		return mem_read_slow(c, lin, v, sizeof(*v));			\
	memcpy(v, p, sizeof(*v));						\
	return STEP_NEXT;							\
}										\
static inline enum step mem_write##bits(struct cpu *c, u64 lin, u##bits v)	\
{										\
	u8 *p = tlb_host_write(c, lin, sizeof(v));				\
										\
	if (unlikely(!p))							\
		return mem_write_slow(c, lin, &v, sizeof(v));			\
	memcpy(p, &v, sizeof(v));						\
	return STEP_NEXT;							\
}
DEFINE_MEM_ACCESS(8)
DEFINE_MEM_ACCESS(16)
DEFINE_MEM_ACCESS(32)
DEFINE_MEM_ACCESS(64)
#undef DEFINE_MEM_ACCESS

/* @size is 1, 2, 4 or 8; the value is zero-extended. */
enum step mem_read_size(struct cpu *c, u64 lin, u32 size, u64 *v);
enum step mem_write_size(struct cpu *c, u64 lin, u32 size, u64 v);

/*
 * Copies that store each byte once, in one piece if it has 1, 2, 4, 8 or 16:
 * memcpy() of a variable size may store overlapping parts, and undo what
 * another CPU stored between the two.
 */
static inline void mem_copy_value(void *dst, const void *src, u32 size)
{
	switch (size) {
	case 1: memcpy(dst, src, 1); break;
	case 2: memcpy(dst, src, 2); break;
	case 4: memcpy(dst, src, 4); break;
	default: memcpy(dst, src, 8); break;
	}
}

static inline void mem_copy(void *dst, const void *src, u32 n)
{
	if (n == 1 || n == 2 || n == 4 || n == 8)
		mem_copy_value(dst, src, n);
	else if (n == 16)
		memcpy(dst, src, 16);
	else
		memcpy(dst, src, n);	/* nothing that has to be atomic */
}

/* Vectors: up to 64 bytes. */
static inline enum step mem_read(struct cpu *c, u64 lin, void *buf, u32 n)
{
	const u8 *p = tlb_host_read(c, lin, n);

	if (unlikely(!p))
		return mem_read_slow(c, lin, buf, n);
	mem_copy(buf, p, n);
	return STEP_NEXT;
}

static inline enum step mem_write(struct cpu *c, u64 lin, const void *buf, u32 n)
{
	u8 *p = tlb_host_write(c, lin, n);

	if (unlikely(!p))
		return mem_write_slow(c, lin, buf, n);
	mem_copy(p, buf, n);
	return STEP_NEXT;
}

/* -- Read-modify-write --------------------------------------------------------- */

/*
 * rmw_begin() translates with write intent, so a read-only page faults before
 * anything changes, and gives the old value.  rmw_commit() stores the new one;
 * if @locked it is a compare-and-swap against the old, and STEP_AGAIN when
 * another CPU was faster: the handler loops or returns it.
 * A locked access to MMIO is not atomic against others.
 */
struct rmw {
	u8 *host;	/* NULL: MMIO, or pages that are apart in the host */
	u64 lin;
	u64 old;
	u32 size;
};
enum step rmw_begin(struct cpu *c, u64 lin, u32 size, struct rmw *m);
enum step rmw_commit(struct cpu *c, struct rmw *m, u64 value, bool locked);

/* -- Effective addresses --------------------------------------------------------- */

/* The offset part: base + index * scale + disp, cut to the address size. */
static inline u64 insn_offset(struct cpu *c, const struct insn *in)
{
	u64 off = *gpr64(c, in->base) + (*gpr64(c, in->index) << in->shift) +
		  (u64)(s64)in->disp;

	if (in->asz == 4)
		return (u32)off;
	return in->asz == 2 ? (u16)off : off;
}

/* The same with a segment; inline for FS, GS and ordinary data segments. */
static inline enum step insn_linear_segment(struct cpu *c, const struct insn *in,
					    u32 n, bool write, u64 *lin)
{
	const u32 kind = SEG_ATTR_TYPE_CODE | SEG_ATTR_TYPE_E | SEG_ATTR_TYPE_W |
			 SEG_ATTR_UNUSABLE;
	const struct segment *s = &c->seg[in->seg];
	u64 off = insn_offset(c, in);

	/* FS or GS, else it would have INSN_EA64. */
	if (in->asz == 8 && likely(is_canonical(off) && is_canonical(off + n - 1))) {
		*lin = s->base + off;
		return STEP_NEXT;
	}
	if (c->code_size != 8 && (s->attr & kind) == SEG_ATTR_TYPE_W &&
	    off + n - 1 <= s->limit) {
		*lin = (u32)(s->base + off);
		return STEP_NEXT;
	}
	return cpu_seg_linear(c, in->seg, off, n, write, lin);
}

/* Linear address of the memory operand, @n bytes, all segment checks. */
static inline enum step insn_linear(struct cpu *c, const struct insn *in,
				    u32 n, bool write, u64 *lin)
{
	if (likely(in->flags & INSN_EA64)) {
		/* Canonical checks are left to the TLB's slow path. */
		*lin = *gpr64(c, in->base) + (*gpr64(c, in->index) << in->shift) +
		       (u64)(s64)in->disp;
		return STEP_NEXT;
	}
	return insn_linear_segment(c, in, n, write, lin);
}

/* Of a part of it, @delta bytes behind its start. */
static inline enum step insn_linear_at(struct cpu *c, const struct insn *in, u32 delta,
				       u32 n, bool write, u64 *lin)
{
	u64 off = cut_to(insn_offset(c, in) + delta, in->asz);

	return cpu_seg_linear(c, in->seg, off, n, write, lin);
}

/* -- Stack ------------------------------------------------------------------------ */

/*
 * PUSH and POP of @size bytes at the current stack width.  RSP changes only
 * if the access succeeds.
 */
enum step stack_push(struct cpu *c, u64 v, u8 size);
enum step stack_pop(struct cpu *c, u64 *v, u8 size);
/* RSP cut to stack_size, and written back merged. */
u64 stack_get(const struct cpu *c);
void stack_set(struct cpu *c, u64 sp);

#endif
