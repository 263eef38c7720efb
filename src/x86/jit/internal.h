/* SPDX-License-Identifier: MIT */
/* What the files of x86/jit share. */
#ifndef ANYKVM_X86_JIT_INTERNAL_H
#define ANYKVM_X86_JIT_INTERNAL_H

#include "api/worker.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/translator.h"
#include "x86/decode/block.h"
#include "x86/jit/asm.h"
#include "x86/jit/jit.h"

/* -- Where translated code keeps things ------------------------------------------ */

/*
 * RSP is the thread's own stack, R15 points into struct cpu (hot state then has
 * 8-bit displacements), RAX, R10 and R11 are for the translator.  Guest RAX is
 * in R9, RSP in R8; R8-R11 and R15 of the guest stay in struct cpu.
 */
enum { R_STATE = R15, R_A = RAX, R_B = R10, R_C = R11, R_GUEST_RAX = R9, R_GUEST_RSP = R8 };
enum { NOT_PINNED = 0xff };
#define STATE_BIAS	128
#define CPU_FIELD(f)	RM_MEM(R_STATE, (s32)offsetof(struct cpu, f) - STATE_BIAS)
#define TABLES(c)	((s32)((u8 *)(c)->tables - (u8 *)(c)) - STATE_BIAS)
#define GPR_HOME(g)	RM_MEM(R_STATE, (s32)(g) * 8 - STATE_BIAS)

/* The host register of a guest's, or NOT_PINNED. */
extern const u8 pinned[NR_GPRS];

/* -- Tables that translated code reads --------------------------------------------- */

enum {
	CODE_SIZE	= 64 << 20,	/* bytes of translated code of a vCPU */
	TU_MAX_SIZE	= 48 << 10,	/* of one block */
	NR_BUCKETS	= 1 << 14,	/* of pages */
	NR_TU_BUCKETS	= 1 << 17,
	NR_GENERATIONS	= 1 << 13,
	ENTERED_MAX	= 1 << 11,
};

/* -- What code is translated for ------------------------------------------------------ */

/* The class of code that is executed now. */
static inline u32 code_class(const struct cpu *c)
{
	return c->tlb->class | (c->flat & FLAT_CODE ? CODE_FLAT32 : 0);
}

static inline enum tlb_class access_class(u32 code_class)
{
	return code_class & (CODE_FLAT32 - 1);
}

/* -- Translated code --------------------------------------------------------------- */

/*
 * An exit to a known RIP, which becomes a jump.  There are many: blocks are
 * offsets in the pool, places offsets in the code, edges numbers from 1 on.
 */
struct edge {
	u64 target;
	u32 from;
	u32 to;			/* 0 until linked */
	u32 to_next, to_prev;	/* others that lead to @to; 0: none */
	u32 site;		/* jmp to the stub until linked */
	u32 plain : 1;		/* to code without windows */
	u32 misses : 3;		/* of a window, up to jit_patience() */
	u32 jump : 1;		/* of a JMP, in one page: may lead to a copy */
	u32 stub : 27;		/* less @site */
};
_Static_assert(sizeof(struct edge) == 32, "half a line");

/* An instruction's code, as offsets from the block's entry. */
struct tu_insn {
	u16 start;
	u16 punt;	/* where the interpreter is called for it; 0: nowhere */
};

/* How a block ends. */
enum tail { TAIL_OTHER, TAIL_JUMP, TAIL_INDIRECT };

/* One translated block. */
struct tu {
	u64 rip;
	struct code_page *page;
	struct tu *hash_next;
	u8 *entry;		/* writable view */
	struct block *block;	/* tu_block() */
	struct tu *page_next, *made_before;
	u32 in;			/* first of the edges that have been linked to it */
	u32 out;		/* first of its own */
	u32 nr_out;
	u32 size;		/* bytes of all its code */
	u32 punted;		/* instructions without a translation, a bit each */
	u8 doubts;		/* lockstep.c */
	bool vectors;		/* others run natively in the interpreter, too */
	bool plain;		/* without windows: the rest of another block */
	bool copy;		/* of a block, for one edge */
	u8 tail;		/* enum tail */
	u8 count;		/* of instructions */
	u8 copies;		/* of their code, in a row: loop.c */
	u8 code_size;
	u8 len;			/* of the guest's code, which is behind insn[] */
	struct tu_insn insn[];	/* of all copies, and one behind the last */
};

enum { LOOP_MAX_INSNS = 96 };	/* of all copies of a loop's body */

static inline u32 tu_insns(const struct tu *tu)
{
	return tu->count * tu->copies;
}

static inline const u8 *tu_bytes(const struct tu *tu)
{
	return (const u8 *)&tu->insn[tu_insns(tu) + 1];
}

/* A linear page of code of one class. */
struct code_page {
	u64 lin;
	u32 class;		/* code_class() */
	u32 id;
	u32 kind;		/* enum page_kind, since it was entered last */
	bool entered;
	struct host_page *host;
	struct code_page *hash_next;
};

/* Code is compared by lines of the host's cache. */
enum { LINE = 64, NR_LINES = PAGE_SIZE / LINE };

/* A page of guest memory that code was translated from. */
struct host_page {
	const u8 *host;
	struct tu *tus;
	struct shared_page *shared;
	u32 shared_gen;		/* of @shared, when the code was made */
	u32 losses;		/* times in a row that code was lost to a store */
	u64 lost;		/* TSC of the last one */
	u64 banned_until;	/* TSC: interpreted for so long */
	u64 epoch;		/* in which memory was compared with @line[] */
	bool suspect;		/* written although that was not expected: volatile */
	struct host_page *hash_next;
	u64 lines;		/* that have code */
	u32 line[NR_LINES];	/* what they were: places in the pool; 0: none yet */
};

/* To a RIP in the same linear page: its code needs no more than a jump. */
static inline bool edge_is_near(const struct tu *from, u64 target)
{
	return (from->rip ^ target) < PAGE_SIZE;
}

static inline const u8 *tu_host(const struct tu *tu)
{
	return tu->page->host->host + (tu->rip & ~PAGE_MASK);
}

/*
 * What an entered page is, and so when it has to be entered anew: bits, and an
 * index of jit.entered.  epoch.c says when a page is volatile.
 */
enum page_kind { PAGE_VOLATILE = 1, PAGE_LOCAL = 2, NR_PAGE_KINDS = 4 };

/* Pages that translated code may reach without a question. */
struct entered {
	u32 count;
	u64 lin[ENTERED_MAX];
	struct code_page *page[ENTERED_MAX];
};

/* What the host's vector registers, or x87's, are live for: bits of cpu->jit_vec. */
enum vec_need { VEC_SSE = 1, VEC_AVX = 2, VEC_X87 = 4 };

/*
 * An instruction that has left KVM_RUN in its middle: where translated code goes
 * on once it is done.  Good for the next entry only.
 */
struct resume {
	const u8 *code;		/* NULL: nowhere */
	const struct insn *in;
	u64 rip;		/* of @in */
	u64 changes;		/* jit.changes; another number: it does not */
	u32 insns;		/* for --stats: behind @in in its block */
};

struct jit {
	struct translator_tables *t;
	u8 *rw;			/* writable view of the code */
	s64 exec_delta;
	size_t used, glue_used;
	struct edge *edges;
	u32 nr_edges;		/* the one that is no edge included */
	u64 *epoch;		/* the VM's */
	u64 own_epochs;		/* begun by this vCPU, flushes of its TLB among them */
	bool epoch_due;		/* begun, and volatile pages are entered still */
	bool strict;		/* all pages are volatile */
	bool user_seen;		/* CPL 3, since paging is on */
	u32 next_id;
	bool left;		/* translated code must not go on after this instruction */
	u64 changes;		/* grows when code, its class or its addresses may be others */
	struct resume resume;
	u64 rflags;		/* when it was entered */
	u32 class;		/* of the code that runs, and of jump_key */
	struct code_page *page_at[CODE_TLB_SIZE];	/* those of tables.page_id */
	struct entered entered[NR_PAGE_KINDS];
	u8 *pool;		/* struct tu and pages: all at once, with the code */
	size_t pool_used;
	struct tu *block_of;	/* what block[] was made for */
	u8 block[BLOCK_MAX_SIZE] __attribute__((aligned(16)));
	struct tu *tu[NR_TU_BUCKETS];
	struct tu *made;	/* the last one; dead ones, too */
	struct code_page *pages[NR_BUCKETS];
	struct host_page *hosts[NR_BUCKETS];

	struct lockstep *lockstep;	/* lockstep.h; NULL: translated code goes on */
	struct vcpu *vcpu;
	struct worker_timer sweep;
	bool sweeping;		/* atomic: the timer is armed */

	/* glue.c: entry points that execute. */
	u32 (*enter)(struct cpu *c, const u8 *code);
	const u8 *punt, *exit, *follow, *indirect, *returned;
	const u8 *fill[2], *unfilled;		/* [1]: for stores; after a fault in one */
	u64 fill_rsp;				/* on its way to C; else 0 */
	const u8 *vec_save, *vec_load[VEC_X87 + 1];	/* vec.c; by enum vec_need */
};

enum { POOL_SIZE = 64 << 20, POOL_FIRST = 16, MAX_EDGES = 1 << 20 };

static inline struct tu *tu_at(const struct jit *j, u32 off)
{
	return (struct tu *)(j->pool + off);
}

static inline u32 tu_off(const struct jit *j, const struct tu *tu)
{
	return (const u8 *)tu - j->pool;
}

/* Where the jump cache has it. */
static inline u32 jump_slot(u64 rip)
{
	return (rip ^ rip >> JUMP_CACHE_FOLD) & (JUMP_CACHE_SIZE - 1);
}

/* Where translator_tables.page_id has it.  A page is often executed in two classes. */
static inline u32 page_slot(u64 lin, u32 class)
{
	return (lin >> PAGE_SHIFT ^ class << 8) & (CODE_TLB_SIZE - 1);
}

/* Code is stale, or what it has found in the TLB. */
static inline void jit_changed(struct jit *j)
{
	j->left = true;
	j->changes++;
}

static inline const u8 *exec_of(const struct jit *j, const u8 *rw)
{
	return rw + j->exec_delta;
}

/* -- glue.c: the fixed pieces ---------------------------------------------------------- */
void glue_make(struct jit *j, const struct cpu *c);
/* Jumps to the code for the RIP in RAX; falls through if the jump cache has none. */
void put_jump(struct code *k, const struct cpu *c);

/* vec.c */
void vec_make_save(struct jit *j, struct code *k);
void vec_make_load(struct jit *j, struct code *k);
/* The vector registers are back in struct cpu.  Only flags are lost. */
void vec_leave(const struct jit *j, struct code *k);

/* The vector registers that are live go to their places, or come from there. Flags are lost. */
void vec_move_live(struct code *k, bool store);

/* x87.c */
void x87_put_save(struct code *k);
/* R10 is lost; the number of jumps to where x87 may not be live. */
u32 x87_put_checks(struct code *k, u8 *fail[]);
void x87_put_load(struct code *k);

/* -- page.c: which code is current ------------------------------------------------------- */

/* The page of @rip if it is mapped, has code and is current, else NULL. */
struct code_page *page_enter(struct cpu *c, u64 rip);
/*
 * The page that the block of @host at @rip is to be in; NULL if it is not to be
 * translated now.
 */
struct code_page *page_make(struct cpu *c, u64 rip, const struct block *b);
/* Of the lines that have code. */
bool page_is_unchanged(const struct jit *j, const struct host_page *hp);
/* No vCPU has written it, and nobody else if that is asked in a new epoch. */
bool page_is_current(struct jit *j, struct host_page *hp);
bool page_may_write(struct cpu *c, const u8 *host);
void page_written(struct cpu *c, const u8 *host);
/* Another vCPU has written code. */
void page_check_shared(struct jit *j);

/* -- epoch.c: for how long ------------------------------------------------------------------ */

/* The jump cache is for another class. */
void page_key(struct jit *j);
/* What the RIP is xored with in its keys. */
u64 page_key_of(const struct jit *j, u32 class);
/* @p has to be entered anew; the jump cache has nothing of it. */
void page_leave(struct jit *j, struct code_page *p);
/* All pages have to be entered anew. */
void page_forget(struct jit *j);
/* Of those, the pages that are local, or in the @size bytes around @lin, a power of two. */
void page_forget_local(struct jit *j);
void page_forget_range(struct jit *j, u64 lin, u64 size);
/* Page @p of @kind has been found current. */
void page_remember(struct jit *j, struct code_page *p, u32 kind);
/*
 * Others may have written memory: an epoch begins, and volatile pages have to be
 * entered anew, or all; other vCPUs compare what they enter.
 */
void epoch_begin(struct jit *j);
void epoch_begin_all(struct jit *j);
/* Before translated code is looked up at RIP, if jit.epoch_due. */
void epoch_enter(struct cpu *c);
/* The present epoch.  What is read after this call has not been written before it began. */
u64 epoch_now(struct jit *j);
/* All entered pages are compared. */
void epoch_sweep(struct jit *j);

/* tu.c */
struct tu *tu_find(struct jit *j, const struct code_page *p, u64 rip, bool plain);
void tu_add(struct jit *j, struct tu *tu);
void tu_kill_all(struct jit *j, struct host_page *hp);
void tu_forget_all(struct jit *j);
/*
 * The instructions of @tu, for the interpreter: decoded again when they are
 * first wanted, for few are.
 */
const struct block *tu_block(struct jit *j, struct tu *tu);

/* arena.c */
void *pool_alloc(struct jit *j, size_t n);
/* Everything is forgotten. */
void jit_flush(struct jit *j);

/* -- translate.c --------------------------------------------------------------------------- */
struct tu *translate(struct cpu *c, const struct block *b, struct code_page *p, bool plain);

/* -- plain.c ------------------------------------------------------------------------------- */
/* Where @e leads, whose window did not open; NULL: the interpreter does it for once. */
struct tu *plain_find(struct cpu *c, struct edge *e);

/* -- copy.c -------------------------------------------------------------------------------- */
/* A block from the code of @from at @rip on; NULL: no room. */
struct tu *tu_again(struct cpu *c, const struct tu *from, u64 rip, bool plain);
/* What @e, which leads to @to, is to be linked to. */
struct tu *copy_find(struct cpu *c, const struct edge *e, struct tu *to);

/* -- run.c ------------------------------------------------------------------------------- */

/* False if the interpreter is to do the next block: for its mode, or once. */
bool jit_prepare(struct cpu *c);
void jit_enter(struct cpu *c, const u8 *code, enum step *st);
/*
 * The code at CS:RIP to go on at, where translated code may be; NULL: there is
 * none, or the engines are compared.
 */
const u8 *jit_next(struct cpu *c);
/* As translator_ops.count. */
bool jit_count(struct cpu *c, const struct block *b);
/* Times that something is done before it is worth code of its own. */
u32 jit_patience(void);
/* Is there room for one more block? */
bool jit_has_room(const struct jit *j);

/* -- link.c: called from glue ------------------------------------------------------------- */

struct tu *jit_find(struct cpu *c, u64 rip);
/* The edges from and to @tu are as if they had never been linked. */
void jit_unlink(struct jit *j, struct tu *tu);
/* What the jump cache knows of @rip in @class is not so any more. */
void jit_forget_jump(struct jit *j, u64 rip, u32 class);
/*
 * What is punted: an instruction of a tu, by its place in the pool, which is a
 * multiple of 16.  PUNT_SLOW_BIT: it has a translation.
 */
enum { PUNT_SLOW_BIT = 1, PUNT_INSN_SHIFT = 1, PUNT_TU_SHIFT = 2 };
_Static_assert(BLOCK_MAX_INSNS << PUNT_INSN_SHIFT <= 16 << PUNT_TU_SHIFT, "fits");

static inline u32 punt_of(const struct jit *j, const struct tu *tu, u32 insn, u32 slow)
{
	return tu_off(j, tu) << PUNT_TU_SHIFT | insn << PUNT_INSN_SHIFT | slow;
}

const u8 *jit_follow(struct cpu *c, u32 edge);
const u8 *jit_indirect(struct cpu *c, u64 target);
/*
 * 0: the instruction behind that of @punt is next, whose code is at @behind; up
 * to STEP_MAX: leave with that step; else the code to go on at.
 */
u64 jit_punt(struct cpu *c, u32 punt, const u8 *behind);
/* True if the TLB has the page of @lin now. */
u32 jit_fill_read(struct cpu *c, u64 lin);
u32 jit_fill_write(struct cpu *c, u64 lin);

#endif
