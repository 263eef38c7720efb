/* SPDX-License-Identifier: MIT */
/* One block on its way through the translator. */
#ifndef ANYKVM_X86_JIT_TRANS_H
#define ANYKVM_X86_JIT_TRANS_H

#include <Zydis/Zydis.h>

#include "x86/jit/internal.h"

/* Where the guest's status flags are. */
enum flags_at {
	FLAGS_HOST,		/* in the host's only */
	FLAGS_PARKED,		/* in cpu->jit_flags only */
	FLAGS_BOTH,
	FLAGS_RECIPE,		/* nowhere, but trans.recipe makes them again */
};

/*
 * Code that makes the present flags again, and changes nothing else, while
 * registers stay as they are: the comparison that has made them; TEST of the
 * result of a logical operation; an addition undone and done again.
 */
struct recipe {
	u8 len;			/* 0: there is none */
	u8 code[16];
	u16 gprs;		/* guest registers it uses, a bit each */
};

enum { NO_GPR = 0xff };

/* @size bytes at [@base + @index << @shift + @disp]: guest registers. */
struct near {
	u8 base;		/* NO_GPR: no access, or not of this form */
	u8 index;		/* or NO_GPR */
	u8 shift;
	s32 disp, size;
	bool write;
};

/* What is out of the way of the main line, and emitted behind it. */
struct cold {
	enum cold_kind {
		COLD_PUNT,	/* the interpreter does the instruction */
		COLD_TAKEN,	/* a conditional branch to @target */
		COLD_EXIT,	/* the same, of each copy of a loop */
		COLD_EVENT,	/* a request is there: leave, go on at @target */
		COLD_STUB,	/* an edge that is not linked */
		COLD_VEC,	/* the vector registers are to be loaded */
		COLD_PLAIN,	/* a window does not open: the same without any */
		COLD_STRING,	/* no jump: memory of REP MOVS or STOS has gone */
	} kind;
	u8 *at;			/* the displacement that leads here; NULL: nothing */
	u8 *resume;		/* PUNT: the instruction after; VEC */
	const struct insn *in;
	u32 pos;		/* of it among all copies */
	u64 target;		/* PUNT, VEC: RIP of the instruction */
	enum flags_at flags;	/* TAKEN: at the branch; PUNT: at @resume */
	enum flags_at before;	/* PUNT without @at: at the instruction */
	const struct insn *x87;	/* as trans.x87_last */
	struct recipe recipe;	/* PUNT, VEC: of the flags before the instruction */
	u32 edge;
	bool source;		/* STRING: has one */
	u8 vec;			/* VEC: what for; PUNT: what they are for at @resume */
	const u8 *check;	/* PUNT: of the TLB, to be made again once it is filled */
	u8 lin;			/* register with the address */
	bool write;
	struct near access;	/* PLAIN: that opens the window, at @check */
};

enum { MAX_COLD = 640 };

struct decoded {
	bool known;		/* else the others are undefined */
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};

/* What an instruction means for windows. */
struct outlook {
	struct near access, stack;
	u16 written;		/* general registers, a bit each */
	u8 adjusted;		/* that of them that becomes itself plus @by, or NO_GPR */
	s32 by;
	bool branches;		/* perhaps */
};

/*
 * What one look at the TLB has found, from @lo to @hi bytes of the present sum of
 * the registers.  cpu->jit_window has the addend; with an index, or a base that
 * is in memory, that and the base as it was, which is @moved bytes further now.
 * Closed: @lo == @hi.
 */
struct window {
	u8 base, index, shift;
	bool write;
	u8 uses;		/* still to come */
	s32 lo, hi, moved;
};

struct trans {
	struct code k;
	struct cpu *c;
	struct jit *j;
	struct tu *tu;
	const struct block *block;
	bool wide;			/* 64-bit code; else 32-bit, which is flat */
	u32 count, copies;		/* instructions to be translated, how many times */
	u32 pos;			/* of the one under way among all */
	struct {
		const u8 *code;
		const struct insn *x87;
	} exit[FLAGS_BOTH + 1];		/* for COLD_EXIT, by its flags */
	const struct insn *in;		/* under way */
	const u8 *bytes;		/* of it */
	u64 rip;			/* of it */
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	enum flags_at flags;
	struct recipe recipe;		/* of the flags in HOST and RECIPE */
	bool in_home;			/* the instruction has an operand where the guest's is */
	bool ended;			/* nothing follows the last instruction */
	const struct insn *x87_last;	/* its FIP and FOP are still to be stored */
	u8 vec;				/* enum vec_need that are known to be live */
	u32 vec_relied;			/* what came before this in @cold matters to it */
	u32 nr_cold, punts_from;
	struct window window[NR_WINDOWS];
	struct outlook *outlook;	/* of each instruction */
	struct decoded *decoded;
	struct cold cold[MAX_COLD];
};

/* Bytes of an address, of the stack's elements, of near branches. */
static inline u8 word_size(const struct trans *t)
{
	return t->wide ? 8 : 4;
}

/* Addresses of 32-bit code wrap at 4 GiB. */
static inline u64 cut_rip(const struct trans *t, u64 rip)
{
	return t->wide ? rip : (u32)rip;
}

/* MOV and LEA of a word: 32 bits zero-extend. */
static inline void mov_word(struct trans *t, u8 dst, struct rm m)
{
	put_op(&t->k, t->wide, 0x8b, dst, m);
}

static inline void mov_word_to(struct trans *t, struct rm m, u8 src)
{
	put_op(&t->k, t->wide, 0x89, src, m);
}

static inline void lea_word(struct trans *t, u8 dst, struct rm m)
{
	put_op(&t->k, t->wide, 0x8d, dst, m);
}

/* -- flags.c ------------------------------------------------------------------- */

/* The host's flags may be overwritten afterwards: flags_clobbered().  RAX is lost. */
void flags_save(struct trans *t);
void flags_clobbered(struct trans *t);
/* They are in cpu->jit_flags.  RAX is lost. */
void flags_park(struct trans *t);
/* The host's flags are the guest's.  RAX is lost. */
void flags_load(struct trans *t);
/* The same before an instruction that replaces some and reads none. */
void flags_merge(struct trans *t);
/* The host's flags are new. */
void flags_set(struct trans *t);
/* The same; @r makes them again. */
void flags_set_by(struct trans *t, const struct recipe *r);
/* The instruction under way will change guest registers @gprs, and not all flags. */
void flags_keep(struct trans *t, u16 gprs);
/* The flags are not to be seen any more. */
void flags_forget(struct trans *t);

/* -- effect.c ------------------------------------------------------------------------ */

/* How the status flags depend on those before. */
enum effect {
	NOT_HERE,
	NO_FLAGS,	/* leaves them */
	READS,
	SETS_ALL,	/* whatever they were */
	SETS_SOME,	/* the others stay */
	MERGES,		/* depends on them */
};

/* Of general instructions that insn_generic() knows. */
enum effect effect_of(ZydisMnemonic m);
/* Of the instruction under way, whose code is at @start; false if there is none. */
bool recipe_of(const struct trans *t, const u8 *start, struct recipe *r);
/* It leaves flags of its own, whatever they were; those before matter no longer. */
bool insn_sets_flags(const struct trans *t);
/* Behind it nobody can see the flags before others take their place. */
bool insn_ends_flags(const struct trans *t);

/* -- memory.c --------------------------------------------------------------------- */

/* The host register with guest @g in it, to be read: its own or @scratch. */
u8 gpr_use(struct trans *t, u8 g, u8 scratch);
/* Guest @g, wherever it is. */
struct rm gpr_operand(u8 g);
/* Guest @g becomes what @op makes of @m; @scratch is lost if it has no register. */
void gpr_make(struct trans *t, u8 g, u8 scratch, bool wide, u32 op, struct rm m);

/* Can the address of the memory operand be translated? */
bool ea_possible(const struct trans *t);
/* Is it an offset in FS or GS? */
bool ea_has_base(const struct trans *t);
/* Its r/m; homed registers have been loaded into R_B, R_C.  No segment. */
struct rm ea_operand(struct trans *t);
/* R_A = its linear address.  Flags are parked. */
void ea_linear(struct trans *t);
/* The same of an address that is in the instruction. */
void ea_absolute(struct trans *t, u64 off);
/* R_A: from linear to host address of @size bytes; R_B, R_C are lost. */
void mem_check(struct trans *t, u32 size, bool write);
/* Is the operand a general register's value and a constant, without a segment? */
bool mem_is_based(const struct insn *in);
/* The operand, if it is of the form that windows have. */
bool mem_near(const struct insn *in, struct near *a);
/* Does a window on it have the base's value in it, too? */
bool near_has_base(const struct near *a);
/*
 * The host's operand of the guest's, of @size bytes.  R_A, if @keep_rax is not
 * set, and R_B are used by it; R_A and R_C are lost.  Flags are saved if need be.
 */
struct rm mem_operand(struct trans *t, u32 size, bool write, bool keep_rax);
/* The same of [@g + @disp]. */
struct rm mem_at(struct trans *t, u8 g, s32 disp, u32 size, bool write);

/* -- window.c ---------------------------------------------------------------------- */
void window_look(const struct insn *in, const struct decoded *d, struct outlook *o);
/* The open window that has @a in it, or NULL. */
struct window *window_find(struct trans *t, const struct near *a);
/* One that begins with @a and will serve others, or NULL. */
struct window *window_open(struct trans *t, const struct near *a);
/* The instruction has been emitted: registers have other values. */
void window_follow(struct trans *t, const struct outlook *o);
/* The TLB may be another one. */
void window_close_all(struct trans *t);

/* -- loop.c ------------------------------------------------------------------------ */
/* What is to be translated, and how many times. */
void loop_find(struct trans *t);
/* The branch that ends each copy. */
bool loop_branch(struct trans *t);

/* -- Families of instructions: false if the interpreter has to do it ----------------- */
bool insn_generic(struct trans *t);	/* insn.c */
bool insn_special(struct trans *t);
bool insn_branch(struct trans *t);
bool insn_string(struct trans *t);
bool insn_bits(struct trans *t);
bool insn_state(struct trans *t);
bool insn_vector(struct trans *t);
bool insn_x87(struct trans *t);
bool insn_system(struct trans *t);

/* The guest's register number of an explicit operand, or -1: AH to BH, or none. */
int operand_gpr(const ZydisDecodedOperand *o);	/* insn.c */

/* The interpreter does it if RAX is not canonical.  Flags and R10 are lost. */
void check_canonical(struct trans *t);	/* branch.c */

/* RDI and RSI, which were host addresses, are the guest's. */
void string_leave(struct trans *t, bool source);	/* string.c */

/* -- x87.c ------------------------------------------------------------------------ */

/* FIP and FOP become those of @last, if there is one.  R_B is lost. */
void x87_put_last(struct trans *t, const struct insn *last);
/* The same of trans.x87_last, which is none then. */
void x87_settle(struct trans *t);
/* The same if the instruction under way has to find them. */
void x87_before(struct trans *t);

/* -- vec.c -------------------------------------------------------------------------------- */

/* The guest's vector registers are in the host's.  RAX, R10 and flags may be lost. */
void vec_require(struct trans *t, enum vec_need need);
/* Makes it so, for all that @needs has; to the interpreter at @rip if that may not be. */
void vec_load(struct trans *t, u8 needs, u64 rip);

/* -- translate.c ------------------------------------------------------------------------ */
struct cold *cold_add(struct trans *t, enum cold_kind kind, u8 *at);
/* The same, of the instruction under way, on this condition of the host. */
struct cold *cold_if(struct trans *t, enum cold_kind kind, enum cc cc);
/* On this condition of the host the interpreter does the instruction. */
void punt_if(struct trans *t, enum cc cc);
/*
 * On this condition the TLB has not the page of register @lin: it is filled, and
 * what begins at @check is executed again.
 */
void miss_if(struct trans *t, enum cc cc, const u8 *check, u8 lin, bool write);
/* Jumps to @target; flags are parked. */
struct edge *edge_emit(struct trans *t, u64 target);
/* Leaves to @target if there is a request; flags are parked. */
void poll_emit(struct trans *t, u64 target);

#endif
