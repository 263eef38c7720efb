/* SPDX-License-Identifier: MIT */
/*
 * The slow path of memory accesses: what misses the TLB, crosses a page, is
 * MMIO, or has to be checked for alignment and data breakpoints.
 *
 * An access touches at most two pages, and both are translated before either
 * is touched.
 */
#include <errno.h>

#include "util/guard.h"
#include "x86/cpu/translator.h"
#include "x86/mmu/access.h"
#include "x86/mmu/internal.h"
#include "x86/mmu/shadow.h"

/* -- Translation ---------------------------------------------------------------- */

static void mmio_remember(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
			  const struct walk *w)
{
	c->mmu->mmio_tag = mmio_tag(lin, a, class);
	c->mmu->mmio_gpa = w->gpa & PAGE_MASK;
	if (w->user)
		c->mmu->pkeys |= (u16)BIT(w->pkey);
}

static enum step page_miss(struct cpu *c, u64 lin, enum access a,
			   enum tlb_class class, struct page *p)
{
	const struct memslot *s;
	struct walk w;

	*p = (struct page){ 0 };
	if (c->mmu->mmio_tag == mmio_tag(lin, a, class)) {
		p->gpa = c->mmu->mmio_gpa | (lin & ~PAGE_MASK);
		return STEP_NEXT;
	}
	if (walk_access(c, lin, a, class, &w) != STEP_NEXT)
		return cpu_raise_pf(c, lin, w.error);
	p->gpa = w.gpa;
	s = gpa_slot(c, w.gpa >> PAGE_SHIFT);
	if (!s || (a == ACCESS_WRITE && (s->flags & KVM_MEM_READONLY))) {
		mmio_remember(c, lin, a, class, &w);
		return STEP_NEXT;
	}
	p->host = (u8 *)memslot_hva(s, w.gpa);
	if (a == ACCESS_WRITE) {
		if (unlikely(c->mmu->shadow))
			return STEP_NEXT;	/* nothing is written */
		mmu_mark_dirty(c, s, w.gpa >> PAGE_SHIFT);
		TRANSLATOR(c, written, p->host);
	}
	tlb_fill(c, class, lin, a, &w, s);
	return STEP_NEXT;
}

static u64 entry_tag(const struct tlb_entry *e, enum access a)
{
	if (a == ACCESS_READ)
		return e->tag_read;
	return a == ACCESS_WRITE ? e->tag_write : e->tag_exec;
}

enum step mmu_page(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
		   struct page *p)
{
	const struct tlb_entry *e = tlb_entry(&c->mmu->tlb[class], lin);

	if (unlikely(entry_tag(e, a) != (lin & PAGE_MASK)))
		return page_miss(c, lin, a, class, p);
	p->host = (u8 *)(lin + e->addend);
	p->gpa = 0;	/* nobody asks: it is memory */
	return STEP_NEXT;
}

/* SDM vol. 1 3.3.7.1: #SS for a reference through SS, explicit or implied. */
static enum step raise_non_canonical(struct cpu *c)
{
	const struct insn *in = c->insn;

	if (in && (in->flags & INSN_MEM) && in->seg == SS)
		return cpu_raise_error(c, EXC_SS, 0);
	return cpu_raise_gp0(c);
}

enum step access_page(struct cpu *c, u64 lin, enum access a, struct page *p)
{
	if (unlikely(!is_canonical(lin)))
		return raise_non_canonical(c);
	return mmu_page(c, lin, a, mmu_class(c), p);
}

/* One access: the part in its first page, and the rest if it crosses. */
struct span {
	struct page page[2];
	u64 lin[2];
	u32 n[2];
};

/* Linear addresses of 16- and 32-bit code wrap at 4 GiB. */
static u64 next_page(const struct cpu *c, u64 lin)
{
	u64 next = (lin & PAGE_MASK) + PAGE_SIZE;

	return c->code_size == 8 || lin >> 32 ? next : (u32)next;
}

static enum step span_page(struct cpu *c, struct span *s, int i, enum access a,
			   bool system)
{
	if (!system)
		return access_page(c, s->lin[i], a, &s->page[i]);
	if (unlikely(!is_canonical(s->lin[i])))
		return cpu_raise_gp0(c);
	return mmu_page(c, s->lin[i], a, TLB_KERNEL, &s->page[i]);
}

/* @n is at most a page. */
static enum step span_translate(struct cpu *c, u64 lin, u32 n, enum access a,
				bool system, struct span *s)
{
	u32 room = PAGE_SIZE - (lin & ~PAGE_MASK);

	s->lin[0] = lin;
	s->n[0] = MIN(n, room);
	s->n[1] = n - s->n[0];
	if (likely(!s->n[1]))
		return span_page(c, s, 0, a, system);
	s->lin[1] = next_page(c, lin);
	/* Both have to be canonical before a page may fault. */
	if (likely(is_canonical(s->lin[1])))
		TRY(span_page(c, s, 0, a, system));
	return span_page(c, s, 1, a, system);
}

/* -- Checked accesses ------------------------------------------------------------- */

/*
 * #AC (SDM vol. 3A 6.15, interrupt 17): operands of 2 to 32 bytes, of vectors
 * to a boundary of 16 (Zen 4).  It comes before the page fault, but after the
 * #GP of an operand that is not canonical as a whole.
 */
static enum step check_alignment(struct cpu *c, u64 lin, u32 n)
{
	u32 boundary = n == 10 ? 8 : n == 32 ? 16 : n;

	if (c->cpl != 3 || !(c->rflags & X86_EFLAGS_AC) || !(c->cr0 & X86_CR0_AM))
		return STEP_NEXT;
	if (n > 32 || (boundary & (boundary - 1)) || !(lin & (boundary - 1)))
		return STEP_NEXT;
	if (!is_canonical(lin) || !is_canonical(lin + n - 1))
		return STEP_NEXT;
	return cpu_raise_error(c, EXC_AC, 0);
}

enum step mem_check_alignment(struct cpu *c, u64 lin, u32 n)
{
	return unlikely(mmu_checked(c)) ? check_alignment(c, lin, n) : STEP_NEXT;
}

/* -- Reads and writes ----------------------------------------------------------------- */

static enum step page_read(struct cpu *c, const struct page *p, u8 *buf, u32 n)
{
	if (unlikely(c->mmu->shadow))
		return shadow_read(c->mmu->shadow, p->host, buf, n);
	if (likely(p->host)) {
		mem_copy(buf, p->host, n);
		return STEP_NEXT;
	}
	for (u32 i = 0; i < n; i += 8)
		TRY(mmio_read(c, p->gpa + i, buf + i, MIN(n - i, 8)));
	return STEP_NEXT;
}

static enum step page_write(struct cpu *c, const struct page *p, const u8 *buf,
			    u32 n)
{
	if (unlikely(c->mmu->shadow))
		return shadow_write(c->mmu->shadow, p->host, buf, n);
	if (likely(p->host)) {
		mem_copy(p->host, buf, n);
		return STEP_NEXT;
	}
	for (u32 i = 0; i < n; i += 8)
		TRY(mmio_write(c, p->gpa + i, buf + i, MIN(n - i, 8)));
	return STEP_NEXT;
}

static enum step span_read(struct cpu *c, const struct span *s, u8 *buf)
{
	TRY(page_read(c, &s->page[0], buf, s->n[0]));
	if (s->n[1])
		return page_read(c, &s->page[1], buf + s->n[0], s->n[1]);
	return STEP_NEXT;
}

static void note_code_store(struct cpu *c, const struct span *s)
{
	if (in_code_page(c, s->page[0].host) ||
	    (s->n[1] && in_code_page(c, s->page[1].host)))
		c->stop_block = true;
}

static enum step span_write(struct cpu *c, const struct span *s, const u8 *buf)
{
	note_code_store(c, s);
	TRY(page_write(c, &s->page[0], buf, s->n[0]));
	if (s->n[1])
		return page_write(c, &s->page[1], buf + s->n[0], s->n[1]);
	return STEP_NEXT;
}

enum step mem_read_slow(struct cpu *c, u64 lin, void *buf, u32 n)
{
	struct span s;

	if (unlikely(mmu_checked(c)))
		TRY(check_alignment(c, lin, n));
	TRY(span_translate(c, lin, n, ACCESS_READ, false, &s));
	if (unlikely(mmu_checked(c)))
		c->pending_db |= cpu_data_breakpoints(c, lin, n, false);
	return span_read(c, &s, buf);
}

enum step mem_write_slow(struct cpu *c, u64 lin, const void *buf, u32 n)
{
	struct span s;

	if (unlikely(mmu_checked(c)))
		TRY(check_alignment(c, lin, n));
	TRY(span_translate(c, lin, n, ACCESS_WRITE, false, &s));
	if (unlikely(mmu_checked(c)))
		c->pending_db |= cpu_data_breakpoints(c, lin, n, true);
	return span_write(c, &s, buf);
}

/* A read of a part of a TSS or a table entry may be larger than a vector. */
enum step mem_sys_read(struct cpu *c, u64 lin, void *buf, u32 n)
{
	struct span s;

	TRY(span_translate(c, lin, n, ACCESS_READ, true, &s));
	return span_read(c, &s, buf);
}

enum step mem_sys_write(struct cpu *c, u64 lin, const void *buf, u32 n)
{
	struct span s;

	TRY(span_translate(c, lin, n, ACCESS_WRITE, true, &s));
	return span_write(c, &s, buf);
}

ATOMIC_MAY_UNWIND static void update8(u8 *p, u8 set, u8 clear)
{
	if (set)
		__atomic_fetch_or(p, set, __ATOMIC_SEQ_CST);
	if (clear)
		__atomic_fetch_and(p, (u8)~clear, __ATOMIC_SEQ_CST);
}

enum step mem_sys_update8(struct cpu *c, u64 lin, u8 set, u8 clear)
{
	struct span s;
	u8 v[16];	/* gcc sees all sizes of span_read() */

	TRY(span_translate(c, lin, 1, ACCESS_WRITE, true, &s));
	if (unlikely(!s.page[0].host)) {
		TRY(span_read(c, &s, v));
		v[0] = (v[0] | set) & ~clear;
		return span_write(c, &s, v);
	}
	note_code_store(c, &s);
	update8(s.page[0].host, set, clear);
	return STEP_NEXT;
}

enum step mem_read_size(struct cpu *c, u64 lin, u32 size, u64 *v)
{
	const u8 *p = tlb_host_read(c, lin, size);

	*v = 0;
	if (unlikely(!p))
		return mem_read_slow(c, lin, v, size);
	mem_copy_value(v, p, size);
	return STEP_NEXT;
}

enum step mem_write_size(struct cpu *c, u64 lin, u32 size, u64 v)
{
	u8 *p = tlb_host_write(c, lin, size);

	if (unlikely(!p))
		return mem_write_slow(c, lin, &v, size);
	mem_copy_value(p, &v, size);
	return STEP_NEXT;
}

/* -- Probes and pointers ---------------------------------------------------------------- */

enum step mem_probe(struct cpu *c, u64 lin, u32 n, bool write)
{
	struct page p;

	if (unlikely(mmu_checked(c)))
		TRY(check_alignment(c, lin, n));
	/* All of it has to be canonical before a page may fault. */
	if (unlikely(!is_canonical(lin + n - 1)))
		return raise_non_canonical(c);
	for (;;) {
		u32 room = PAGE_SIZE - (lin & ~PAGE_MASK);

		TRY(access_page(c, lin, write ? ACCESS_WRITE : ACCESS_READ, &p));
		if (n <= room)
			return STEP_NEXT;
		n -= room;
		lin = next_page(c, lin);
	}
}

enum step mem_host(struct cpu *c, u64 lin, bool write, u8 **host)
{
	struct page p = { 0 };

	TRY(access_page(c, lin, write ? ACCESS_WRITE : ACCESS_READ, &p));
	*host = likely(!c->mmu->shadow) ? p.host : NULL;
	if (write && in_code_page(c, p.host))
		c->stop_block = true;
	return STEP_NEXT;
}

enum step mmu_fetch(struct cpu *c, u64 lin, const u8 **host)
{
	struct page p;

	if (unlikely(!is_canonical(lin)))
		return cpu_raise_gp0(c);
	TRY(mmu_page(c, lin, ACCESS_EXEC, mmu_class(c), &p));
	if (unlikely(!p.host))
		return cpu_emulation_failure(c, SVM_EXIT_NPF, NPF_FINAL | PF_U | PF_I, p.gpa);
	*host = p.host;
	return STEP_NEXT;
}

/* -- Read-modify-write ------------------------------------------------------------------- */

/* Is it memory, and the host's in one piece? */
static bool span_contiguous(const struct span *s)
{
	return s->page[0].host &&
	       (!s->n[1] || s->page[1].host == s->page[0].host + s->n[0]);
}

/*
 * Whatever needs the slow path here but is in one piece of memory is still
 * accessed through the host pointer, so that LOCK holds.
 */
static enum step rmw_begin_slow(struct cpu *c, struct rmw *m)
{
	struct span s;

	if (unlikely(mmu_checked(c)))
		TRY(check_alignment(c, m->lin, m->size));
	TRY(span_translate(c, m->lin, m->size, ACCESS_WRITE, false, &s));
	if (unlikely(mmu_checked(c)))
		c->pending_db |= cpu_data_breakpoints(c, m->lin, m->size, true);
	if (!span_contiguous(&s) || c->mmu->shadow)	/* a read-only slot is read as memory */
		return mem_read_slow(c, m->lin, &m->old, m->size);
	note_code_store(c, &s);
	m->host = s.page[0].host;
	mem_copy_value(&m->old, m->host, m->size);
	return STEP_NEXT;
}

enum step rmw_begin(struct cpu *c, u64 lin, u32 size, struct rmw *m)
{
	m->lin = lin;
	m->size = size;
	m->old = 0;
	m->host = tlb_host_write(c, lin, size);
	if (unlikely(!m->host))
		return rmw_begin_slow(c, m);
	mem_copy_value(&m->old, m->host, size);
	return STEP_NEXT;
}

#define SWAP(type)								\
	do {									\
		type old = (type)m->old;					\
										\
		return __atomic_compare_exchange_n((type *)m->host, &old,	\
			(type)value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	} while (0)

ATOMIC_MAY_UNWIND static bool rmw_swap(struct rmw *m, u64 value)
{
	switch (m->size) {
	case 1: SWAP(u8);
	case 2: SWAP(u16);
	case 4: SWAP(u32);
	default: SWAP(u64);
	}
}

/* With both pages' memory there, and nobody else in guest.  -EFAULT: it has gone. */
static int span_swap(const struct span *s, const struct rmw *m, u64 value, bool *equal)
{
	const u8 *new = (const u8 *)&value;
	u64 now = 0;

	if (copy_from_user(&now, s->page[0].host, s->n[0]) ||
	    copy_from_user((u8 *)&now + s->n[0], s->page[1].host, s->n[1]))
		return -EFAULT;
	*equal = now == m->old;
	if (!*equal)
		return 0;
	if (copy_to_user(s->page[0].host, new, s->n[0]) ||
	    copy_to_user(s->page[1].host, new + s->n[0], s->n[1]))
		return -EFAULT;
	return 0;
}

/* The slots that gave the pages have changed: they are found anew. */
static enum step forget_pages(struct cpu *c)
{
	mmu_flush_all(c);
	vcpu_ack_sync(c->vcpu);
	c->stop_block = true;
	return STEP_AGAIN;
}

/*
 * Two pages that are no neighbours in the host: LOCK is that nobody else runs
 * meanwhile.  What is MMIO is not atomic; what has gone unwinds.
 */
static enum step rmw_swap_split(struct cpu *c, struct rmw *m, u64 value)
{
	bool current, equal = false;
	struct span s;
	int err = 0;

	TRY(span_translate(c, m->lin, m->size, ACCESS_WRITE, false, &s));
	if (!s.n[1] || !s.page[0].host || !s.page[1].host)
		return mem_write_slow(c, m->lin, &value, m->size);
	note_code_store(c, &s);
	current = vcpu_alone_begin(c->vcpu);
	if (current)
		err = span_swap(&s, m, value, &equal);
	vcpu_alone_end(c->vcpu);
	if (err)
		return mem_write_slow(c, m->lin, &value, m->size);
	if (!current)
		return forget_pages(c);
	return equal ? STEP_NEXT : STEP_AGAIN;
}

enum step rmw_commit(struct cpu *c, struct rmw *m, u64 value, bool locked)
{
	if (unlikely(!m->host))
		return locked && !c->mmu->shadow ? rmw_swap_split(c, m, value) :
				mem_write_slow(c, m->lin, &value, m->size);
	if (locked)
		return rmw_swap(m, value) ? STEP_NEXT : STEP_AGAIN;
	mem_copy_value(m->host, &value, m->size);
	return STEP_NEXT;
}
