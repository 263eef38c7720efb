/* SPDX-License-Identifier: MIT */
/*
 * MOVS, STOS, LODS, SCAS, CMPS, with and without REP.
 *
 * Iterations that stay in one page of memory on each side are done in bulk;
 * what crosses a page, is MMIO or has a breakpoint goes element by element.
 * Registers follow each step, so that a fault or an exit between two
 * iterations leaves the instruction ready to continue (SDM vol. 2B, REP).
 */
#include "x86/interp/bulk.h"
#include "x86/interp/flags.h"
#include "x86/interp/ops.h"
#include "x86/interp/string.h"

/* -- Elements --------------------------------------------------------------------- */

static enum step string_linear(struct cpu *c, enum seg seg, u64 off, u32 size,
			       bool write, u64 *lin)
{
	if (likely(c->code_size == 8 && seg != FS && seg != GS)) {
		*lin = off;	/* canonical or not: the slow path tells */
		return STEP_NEXT;
	}
	return cpu_seg_linear(c, seg, off, size, write, lin);
}

static u64 source_offset(struct cpu *c, const struct insn *in)
{
	return reg_get(c, GPR_OFF(RSI), in->asz);
}

static u64 dest_offset(struct cpu *c, const struct insn *in)
{
	return reg_get(c, GPR_OFF(RDI), in->asz);
}

static enum step source_read(struct cpu *c, const struct insn *in, u64 *v)
{
	u64 lin;

	TRY(string_linear(c, in->seg, source_offset(c, in), in->osz, false, &lin));
	return mem_read_size(c, lin, in->osz, v);
}

static enum step dest_read(struct cpu *c, const struct insn *in, u64 *v)
{
	u64 lin;

	TRY(string_linear(c, ES, dest_offset(c, in), in->osz, false, &lin));
	return mem_read_size(c, lin, in->osz, v);
}

static enum step dest_write(struct cpu *c, const struct insn *in, u64 v)
{
	u64 lin;

	TRY(string_linear(c, ES, dest_offset(c, in), in->osz, true, &lin));
	return mem_write_size(c, lin, in->osz, v);
}

static void source_advance(struct cpu *c, const struct insn *in, u64 n)
{
	string_advance(c, GPR_OFF(RSI), in->asz, in->osz, n);
}

static void dest_advance(struct cpu *c, const struct insn *in, u64 n)
{
	string_advance(c, GPR_OFF(RDI), in->asz, in->osz, n);
}

#define CMP_FLAGS(bits, a, b, ax)						\
	asm("cmp" SUFFIX_##bits " %[from], %[to]" ASM_FLAGS_OUT : "=a"(ax)	\
	    : [to] "r"((u##bits)(a)), [from] "r"((u##bits)(b)) : "cc")

/* The flags of @a - @b. */
static void set_cmp_flags(struct cpu *c, u32 size, u64 a, u64 b)
{
	u32 ax;

	switch (size) {
	case 1: CMP_FLAGS(8, a, b, ax); break;
	case 2: CMP_FLAGS(16, a, b, ax); break;
	case 4: CMP_FLAGS(32, a, b, ax); break;
	default: CMP_FLAGS(64, a, b, ax); break;
	}
	flags_store(c, ax);
}

static enum step movs_one(struct cpu *c, const struct insn *in)
{
	u64 v;

	TRY(source_read(c, in, &v));
	TRY(dest_write(c, in, v));
	source_advance(c, in, 1);
	dest_advance(c, in, 1);
	return STEP_NEXT;
}

static enum step stos_one(struct cpu *c, const struct insn *in)
{
	TRY(dest_write(c, in, c->gpr[RAX]));
	dest_advance(c, in, 1);
	return STEP_NEXT;
}

static enum step lods_one(struct cpu *c, const struct insn *in)
{
	u64 v;

	TRY(source_read(c, in, &v));
	reg_set(c, GPR_OFF(RAX), in->osz, v);
	source_advance(c, in, 1);
	return STEP_NEXT;
}

static enum step scas_one(struct cpu *c, const struct insn *in)
{
	u64 v;

	TRY(dest_read(c, in, &v));
	set_cmp_flags(c, in->osz, c->gpr[RAX], v);
	dest_advance(c, in, 1);
	return STEP_NEXT;
}

static enum step cmps_one(struct cpu *c, const struct insn *in)
{
	u64 a, b;

	/* If both fault, AMD's processors report this one, but for REPE CMPSB. */
	TRY(dest_read(c, in, &b));
	TRY(source_read(c, in, &a));
	set_cmp_flags(c, in->osz, a, b);
	source_advance(c, in, 1);
	dest_advance(c, in, 1);
	return STEP_NEXT;
}

/* -- Runs: elements in one page ------------------------------------------------------ */

/* @n elements from @host, in the direction of @stride (bytes, signed). */
struct run {
	u8 *host;
	s64 stride;
	u64 n;
};

/* Elements from @off on before the index wraps, or some fewer. */
static u64 before_wrap(const struct insn *in, u64 off, bool down)
{
	u64 top = in->asz == 8 ? ~0ull : (1ull << (in->asz * 8)) - 1;

	return (down ? off : top - off) / in->osz;
}

/* Elements at @lin and beyond, in the direction, that lie in its page. */
static u64 in_page(u64 lin, u32 size, bool down)
{
	u32 off = lin & ~PAGE_MASK;

	if (off + size > PAGE_SIZE)
		return 0;
	return down ? off / size + 1 : (PAGE_SIZE - off) / size;
}

/* Are @n elements from @off all in the segment?  If not, one by one it is. */
static bool in_segment(struct cpu *c, const struct insn *in, enum seg seg, u64 off,
		       bool write, bool down, u64 n)
{
	u64 lin, first = down ? off - (n - 1) * in->osz : off;

	return c->code_size == 8 ||
	       cpu_seg_linear(c, seg, first, n * in->osz, write, &lin) == STEP_NEXT;
}

/*
 * At most @r->n elements at seg:off.  r->n becomes 0 when the next one must be
 * done by itself.  STEP_FAULT if the next element faults.
 */
static enum step run_begin(struct cpu *c, const struct insn *in, enum seg seg, u64 off,
			   bool write, struct run *r)
{
	bool down = c->rflags & X86_EFLAGS_DF;
	u64 lin, n;

	TRY(string_linear(c, seg, off, in->osz, write, &lin));
	n = MIN(in_page(lin, in->osz, down), before_wrap(in, off, down));
	n = MIN(n, r->n);
	r->n = 0;
	r->stride = down ? -(s64)in->osz : in->osz;
	if (!n || !in_segment(c, in, seg, off, write, down, n))
		return STEP_NEXT;
	r->host = write ? tlb_host_write(c, lin, 1) : tlb_host_read(c, lin, 1);
	if (!r->host)
		TRY(mem_host(c, lin, write, &r->host));
	if (r->host)
		r->n = n;
	return STEP_NEXT;
}

static enum step source_run(struct cpu *c, const struct insn *in, struct run *r)
{
	return run_begin(c, in, in->seg, source_offset(c, in), false, r);
}

static enum step dest_run(struct cpu *c, const struct insn *in, bool write,
			  struct run *r)
{
	return run_begin(c, in, ES, dest_offset(c, in), write, r);
}

static inline u64 element_get(const u8 *p, u32 size)
{
	u64 v = 0;

	switch (size) {
	case 1: return *p;
	case 2: memcpy(&v, p, 2); return v;
	case 4: memcpy(&v, p, 4); return v;
	default: memcpy(&v, p, 8); return v;
	}
}

static inline void element_put(u8 *p, u32 size, u64 v)
{
	switch (size) {
	case 1: *p = (u8)v; break;
	case 2: memcpy(p, &v, 2); break;
	case 4: memcpy(p, &v, 4); break;
	default: memcpy(p, &v, 8); break;
	}
}

/* -- Bulk: *n elements of at most *n are done, 0 if none can ------------------------- */

typedef enum step (*bulk_fn)(struct cpu *c, const struct insn *in, u64 *n);

/*
 * An ascending copy to a higher address that overlaps repeats a pattern, and
 * so does a descending one to a lower: those keep the order of elements.
 */
static void move_run(const struct run *to, const struct run *from, u32 size)
{
	u64 bytes = to->n * size, back = bytes - size;
	bool up = to->stride > 0;
	u64 ahead = up ? to->host - from->host : from->host - to->host;

	if (ahead >= bytes) {
		if (up)
			bulk_copy_up(to->host, from->host, bytes);
		else
			bulk_copy_down(to->host - back, from->host - back, bytes);
		return;
	}
	for (u64 i = 0; i < to->n; i++)
		element_put(to->host + i * to->stride, size,
			    element_get(from->host + i * from->stride, size));
}

static enum step movs_bulk(struct cpu *c, const struct insn *in, u64 *n)
{
	struct run from = { .n = *n }, to = { 0 };

	*n = 0;
	TRY(source_run(c, in, &from));
	if (!from.n)
		return STEP_NEXT;
	to.n = from.n;
	TRY(dest_run(c, in, true, &to));
	if (!to.n)
		return STEP_NEXT;
	move_run(&to, &from, in->osz);
	source_advance(c, in, to.n);
	dest_advance(c, in, to.n);
	*n = to.n;
	return STEP_NEXT;
}

static enum step stos_bulk(struct cpu *c, const struct insn *in, u64 *n)
{
	struct run to = { .n = *n };

	*n = 0;
	TRY(dest_run(c, in, true, &to));
	if (!to.n)
		return STEP_NEXT;
	bulk_fill(to.stride > 0 ? to.host : to.host + (to.n - 1) * to.stride,
		  c->gpr[RAX], in->osz, to.n);
	dest_advance(c, in, to.n);
	*n = to.n;
	return STEP_NEXT;
}

static enum step scas_bulk(struct cpu *c, const struct insn *in, u64 *n)
{
	struct run r = { .n = *n };
	u64 i, v = 0, a = reg_get(c, GPR_OFF(RAX), in->osz);
	bool equal_goes_on = in->flags & INSN_REP;

	*n = 0;
	TRY(dest_run(c, in, false, &r));
	for (i = 0; i < r.n; ) {
		v = element_get(r.host + i++ * r.stride, in->osz);
		if ((v == a) != equal_goes_on)
			break;
	}
	if (!i)
		return STEP_NEXT;
	set_cmp_flags(c, in->osz, a, v);
	dest_advance(c, in, i);
	*n = i;
	return STEP_NEXT;
}

static enum step cmps_bulk(struct cpu *c, const struct insn *in, u64 *n)
{
	struct run x = { 0 }, y = { .n = *n };
	u64 i, a = 0, b = 0;
	bool equal_goes_on = in->flags & INSN_REP;

	*n = 0;
	TRY(dest_run(c, in, false, &y));
	if (!y.n)
		return STEP_NEXT;
	x.n = y.n;
	TRY(source_run(c, in, &x));
	for (i = 0; i < x.n; ) {
		a = element_get(x.host + i * x.stride, in->osz);
		b = element_get(y.host + i++ * y.stride, in->osz);
		if ((a == b) != equal_goes_on)
			break;
	}
	if (!i)
		return STEP_NEXT;
	set_cmp_flags(c, in->osz, a, b);
	source_advance(c, in, i);
	dest_advance(c, in, i);
	*n = i;
	return STEP_NEXT;
}

/* -- Repetition ------------------------------------------------------------------------ */

static bool single_stepping(const struct cpu *c)
{
	return (c->rflags & X86_EFLAGS_TF) ||
	       (c->guest_debug & KVM_GUESTDBG_SINGLESTEP);
}

/* A breakpoint, a step, an end of what held interrupts back, or a request. */
static bool must_pause(const struct cpu *c)
{
	return c->pending_db || single_stepping(c) || c->ev.shadow || READ_ONCE(c->requests);
}

/*
 * Iterates until rCX is 0, or until ZF says so if @by_zf.  STEP_AGAIN when the
 * loop should look at events or breakpoints first; as long as there are none
 * processors go on even if the instruction has overwritten itself.
 */
static enum step string_repeat(struct cpu *c, const struct insn *in, op_fn one,
			       bulk_fn bulk, bool by_zf)
{
	bool slow = !bulk || c->tlb->class == TLB_CHECKED || single_stepping(c);
	const u64 zf_goes_on = in->flags & INSN_REP ? X86_EFLAGS_ZF : 0;
	u64 n;

	while ((n = string_count(c, in->asz)) != 0) {
		if (slow)
			n = 0;
		else
			TRY(bulk(c, in, &n));
		if (!n) {
			TRY(one(c, in));
			n = 1;
		}
		string_commit(c, in->asz, n);
		if (by_zf && (c->status & X86_EFLAGS_ZF) != zf_goes_on)
			return STEP_NEXT;
		if (string_count(c, in->asz) && must_pause(c))
			return STEP_AGAIN;
	}
	return STEP_NEXT;
}

enum step op_movs(struct cpu *c, const struct insn *in)
{
	if (!string_repeats(in))
		return movs_one(c, in);
	return string_repeat(c, in, movs_one, movs_bulk, false);
}

enum step op_stos(struct cpu *c, const struct insn *in)
{
	if (!string_repeats(in))
		return stos_one(c, in);
	return string_repeat(c, in, stos_one, stos_bulk, false);
}

enum step op_lods(struct cpu *c, const struct insn *in)
{
	if (!string_repeats(in))
		return lods_one(c, in);
	return string_repeat(c, in, lods_one, NULL, false);
}

enum step op_scas(struct cpu *c, const struct insn *in)
{
	if (!string_repeats(in))
		return scas_one(c, in);
	return string_repeat(c, in, scas_one, scas_bulk, true);
}

enum step op_cmps(struct cpu *c, const struct insn *in)
{
	if (!string_repeats(in))
		return cmps_one(c, in);
	return string_repeat(c, in, cmps_one, cmps_bulk, true);
}
