/* SPDX-License-Identifier: MIT */
/*
 * The fixed pieces of code at the start of a vCPU's arena: the way in and out
 * of translated code, and to the functions of link.c.
 *
 * Around a C function the guest's registers are all in struct cpu.  The flags
 * are then in cpu->status; translated code keeps them as LAHF and SETO give
 * them, in cpu->jit_flags.
 *
 * At the bottom of what translated code has on the stack is the address of
 * @underflow: a RET with no CALL of its own goes there.
 */
#include "x86/jit/internal.h"
#include "x86/mmu/internal.h"

#define STACK_ROOM	(8 << 10)	/* bytes of CALLs that translated code may nest */

static const u8 saved[] = { RBX, RBP, R12, R13, R14, R15 };

/* -- State in and out of registers ---------------------------------------------- */

static void spill_gprs(struct code *k)
{
	for (u8 g = 0; g < NR_GPRS; g++)
		if (pinned[g] != NOT_PINNED)
			mov_store(k, GPR_HOME(g), pinned[g]);
}

static void spill(struct code *k, const struct jit *j)
{
	vec_leave(j, k);
	spill_gprs(k);
}

static void reload(struct code *k)
{
	for (u8 g = 0; g < NR_GPRS; g++)
		if (pinned[g] != NOT_PINNED)
			mov_load(k, pinned[g], GPR_HOME(g));
}

static void rol_ax_8(struct code *k)
{
	put32(k, 0x08c0c166);
}

/* EAX is lost. */
static void flags_to_status(struct code *k)
{
	put_op(k, false, 0x0fb7, RAX, CPU_FIELD(jit_flags));	/* movzx */
	put8(k, 0xc0); put8(k, 0xe0); put8(k, 3);		/* shl al, 3 */
	rol_ax_8(k);
	mov_store(k, CPU_FIELD(status), RAX);
}

static void status_to_flags(struct code *k)
{
	put_op(k, false, 0x0fb7, RAX, CPU_FIELD(status));
	rol_ax_8(k);
	put8(k, 0x24); put8(k, 8);				/* and al, 8 */
	put8(k, 0xc0); put8(k, 0xe8); put8(k, 3);		/* shr al, 3 */
	mov_store(k, CPU_FIELD(jit_flags), RAX);
}

/* Calls @fn(cpu, RSI) on an aligned stack; RBP keeps the old one. */
static void call_c(struct code *k, const void *fn)
{
	mov_rr(k, RBP, RSP);
	put32(k, 0xf0e48348);					/* and rsp, -16 */
	lea(k, RDI, RM_MEM(R_STATE, -STATE_BIAS));
	mov_imm(k, RAX, (u64)fn);
	put8(k, 0xff); put8(k, 0xd0);				/* call rax */
	mov_rr(k, RSP, RBP);
}

static void jmp_reg(struct code *k, u8 r)
{
	put_op(k, false, 0xff, 4, RM_REG(r));
}

/* -- The pieces -------------------------------------------------------------------- */

/* u32 enter(struct cpu *c, const u8 *code) */
static const u8 *make_enter(struct code *k, const u8 *underflow, const u8 *leave)
{
	const u8 *entry = code_exec(k);

	for (u32 i = 0; i < sizeof(saved); i++)
		push(k, saved[i]);
	lea(k, R_STATE, RM_MEM(RDI, STATE_BIAS));
	mov_imm(k, RAX, (u64)underflow);
	push(k, RAX);
	mov_store(k, CPU_FIELD(jit_rsp), RSP);
	lea(k, RAX, RM_MEM(RSP, -STACK_ROOM));
	/* Whoever posts a request stores first that and then the limit. */
	put_op(k, true, 0x87, RAX, CPU_FIELD(jit_limit));	/* xchg */
	mov_imm(k, RDX, STEP_JUMP);
	put_op(k, false, 0x83, 7, CPU_FIELD(requests));		/* cmp [], 0 */
	put8(k, 0);
	jcc_to(k, CC_NE, leave);
	mov_rr(k, R_B, RSI);
	status_to_flags(k);
	reload(k);
	jmp_reg(k, R_B);
	return entry;
}

/* Leaves with the step in EDX; the guest's registers are in struct cpu. */
static const u8 *make_leave(struct code *k)
{
	const u8 *entry = code_exec(k);

	put_op(k, false, 0x8b, RAX, RM_REG(RDX));
	mov_load(k, RSP, CPU_FIELD(jit_rsp));
	lea(k, RSP, RM_MEM(RSP, 8));
	for (u32 i = sizeof(saved); i-- > 0;)
		pop(k, saved[i]);
	put8(k, 0xc3);
	return entry;
}

/* RAX: the RIP to go on at. */
static const u8 *make_exit(struct code *k, const struct jit *j, const u8 *leave)
{
	const u8 *entry = code_exec(k);

	mov_store(k, CPU_FIELD(rip), RAX);
	spill(k, j);
	flags_to_status(k);
	mov_imm(k, RDX, STEP_JUMP);
	jmp_to(k, leave);
	return entry;
}

static void test_rax(struct code *k)
{
	put_op(k, true, 0x85, RAX, RM_REG(RAX));
}

/* Goes on at the code in RAX. */
static void go_on(struct code *k)
{
	mov_rr(k, R_B, RAX);
	status_to_flags(k);
	reload(k);
	jmp_reg(k, R_B);
}

/*
 * Called with R10 = what jit_punt() is told; returns if the next one follows.
 * If it leaves, that is a RET, too: the processor's stack of return addresses
 * stays what it has to be for the C functions that return next.
 */
static const u8 *make_punt(struct code *k, const struct jit *j, const u8 *leave)
{
	const u8 *entry = code_exec(k);
	u8 *elsewhere, *code;

	spill(k, j);
	flags_to_status(k);
	mov_rr(k, RSI, R_B);
	call_c(k, jit_punt);
	test_rax(k);
	elsewhere = jcc_later(k, CC_NE);
	status_to_flags(k);
	reload(k);
	put8(k, 0xc3);
	patch_here(k, elsewhere);
	mov_rr(k, RDX, RAX);
	put_op(k, true, 0x83, 7, RM_REG(RAX));			/* cmp rax, imm8 */
	put8(k, STEP_MAX);
	code = jcc_later(k, CC_A);
	mov_imm(k, R_B, (u64)leave);
	mov_store(k, RM_MEM(RSP, 0), R_B);
	put8(k, 0xc3);
	patch_here(k, code);
	mov_load(k, RSP, CPU_FIELD(jit_rsp));
	go_on(k);
	return entry;
}

static void put_fill_rsp(struct code *k, struct jit *j, u8 r)
{
	mov_imm(k, R_B, (u64)&j->fill_rsp);
	mov_store(k, RM_MEM(R_B, 0), r);
}

/*
 * After the function: EAX is what it returned, RBX the address.  A fault in it
 * is as if it had returned 0: rescue.c.
 */
static const u8 *make_filled(struct code *k, struct jit *j)
{
	const u8 *entry = code_exec(k);

	put_op(k, false, 0x8b, R_C, RM_REG(RAX));
	mov_imm(k, RAX, 0);
	put_fill_rsp(k, j, RAX);
	vec_move_live(k, false);
	mov_rr(k, RAX, RBX);
	reload(k);
	put_op(k, false, 0x85, R_C, RM_REG(R_C));		/* test r11d, r11d */
	put8(k, 0xc3);
	return entry;
}

/*
 * Called with RAX = a linear address that the TLB has not.  Returns with NE if it
 * has it now.  Only R10, R11 and flags are lost, but all are in struct cpu, too.
 */
static const u8 *make_fill(struct code *k, struct jit *j, const void *fn, const u8 *filled)
{
	const u8 *entry = code_exec(k);

	spill_gprs(k);
	vec_move_live(k, true);
	put_fill_rsp(k, j, RSP);
	mov_rr(k, RBX, RAX);
	mov_rr(k, RSI, RAX);
	call_c(k, fn);
	jmp_to(k, filled);
	return entry;
}

#define ENTRY(c, class, f)						\
	RM_SIB(R_STATE, R_B, 0, (s32)((u8 *)&(c)->mmu->tlb[class].entry[0].f - \
				      (u8 *)(c)) - STATE_BIAS)
#define STACK(c, class, f)						\
	RM_MEM(R_STATE, (s32)((u8 *)&(c)->mmu->stack[class].f - (u8 *)(c)) - STATE_BIAS)

/* R10: where the entry of RAX is; R11 = the page. */
static void put_entry(struct code *k)
{
	put_op(k, false, 0x8b, R_B, RM_REG(RAX));
	put_op(k, false, 0xc1, 5, RM_REG(R_B));			/* shr r10d, imm8 */
	put8(k, PAGE_SHIFT - 5);
	put_op(k, false, 0x81, 4, RM_REG(R_B));			/* and r10d, imm32 */
	put32(k, (TLB_ENTRIES - 1) * sizeof(struct tlb_entry));
	mov_rr(k, R_C, RAX);
	put_op(k, true, 0x81, 4, RM_REG(R_C));			/* and r11, imm32 */
	put32(k, (u32)PAGE_MASK);
}

/* As make_fill(), for the stack's page: copies the entry there is, if it is news. */
static const u8 *make_fill_stack(struct code *k, const struct jit *j, const struct cpu *c,
				 u32 class, bool write)
{
	const u8 *entry = code_exec(k), *fill = j->fill[write];
	u8 *writable;

	put_entry(k);
	put_op(k, true, 0x3b, R_C, write ? ENTRY(c, class, tag_write) :
					   ENTRY(c, class, tag_read));
	jcc_to(k, CC_NE, fill);
	put_op(k, true, 0x3b, R_C, write ? STACK(c, class, tag_write) :
					   STACK(c, class, tag_read));
	jcc_to(k, CC_E, fill);
	mov_store(k, STACK(c, class, tag_read), R_C);
	put_op(k, true, 0x3b, R_C, ENTRY(c, class, tag_write));
	writable = jcc_later(k, CC_E);
	mov_imm(k, R_C, TLB_NO_PAGE);
	patch_here(k, writable);
	mov_store(k, STACK(c, class, tag_write), R_C);
	mov_load(k, R_C, ENTRY(c, class, addend));
	mov_store(k, STACK(c, class, addend), R_C);
	put_op(k, true, 0x85, RSP, RM_REG(RSP));		/* test rsp, rsp */
	put8(k, 0xc3);
	return entry;
}

/* R10 = what @fn(cpu, @arg) says; only R11 and flags are lost. */
static void put_ask(struct code *k, const void *fn, struct rm arg)
{
	spill_gprs(k);
	mov_load(k, RSI, arg);
	vec_move_live(k, true);
	mov_rr(k, RBX, RAX);
	call_c(k, fn);
	mov_rr(k, R_C, RAX);
	vec_move_live(k, false);
	mov_rr(k, RAX, RBX);
	reload(k);
	mov_rr(k, R_B, R_C);
}

/*
 * Called with R10 = a guess that was wrong, R11 = where the entry is in the TLB.
 * R10 = the addend, the next guess.
 */
static const u8 *make_guess(struct code *k, const struct cpu *c, const void *fn)
{
	const u8 *entry = code_exec(k);
	s32 t = TABLES(c);
	u8 *often;

	push(k, RAX);
	mov_load(k, RAX, CPU_FIELD(tlb));
	mov_load(k, R_C, RM_SIB(RAX, R_C, 0, offsetof(struct tlb, entry[0].addend)));
	pop(k, RAX);
	mov_store(k, RM_SIB(R_STATE, R_B, 3, t + offsetof(struct translator_tables, guess)),
		  R_C);
	put_op(k, false, 0x83, 5,				/* sub [], 1 */
	       RM_SIB(R_STATE, R_B, 2, t + offsetof(struct translator_tables, guess_left)));
	put8(k, 1);
	often = jcc_later(k, CC_B);
	mov_rr(k, R_B, R_C);
	put8(k, 0xc3);
	patch_here(k, often);
	put_ask(k, fn, RM_MEM(RSP, 0));
	put8(k, 0xc3);
	return entry;
}

#define RECENT(c, f)							\
	RM_SIB(R_STATE, R_B, 0, TABLES(c) +				\
	       (s32)offsetof(struct translator_tables, recent[0].f))
#define USE(c, f)							\
	RM_SIB(R_STATE, R_B, 0, TABLES(c) +				\
	       (s32)offsetof(struct translator_tables, recent_use[0].f))

/* The place R10 may have a page from now on.  RBX is lost. */
static void put_log(struct code *k, const struct cpu *c)
{
	s32 t = TABLES(c);
	u8 *known;

	put_op(k, false, 0x83, 7, USE(c, logged));		/* cmp [], 0 */
	put8(k, 0);
	known = jcc_later(k, CC_NE);
	put_op(k, false, 0x83, 0, USE(c, logged));		/* add [], 1 */
	put8(k, 1);
	put_op(k, false, 0x8b, RBX,
	       RM_MEM(R_STATE, t + offsetof(struct translator_tables, recent_count)));
	put_op(k, false, 0x89, R_B,
	       RM_SIB(R_STATE, RBX, 2, t + offsetof(struct translator_tables, recent_log)));
	put_op(k, false, 0x83, 0,				/* add [], 1 */
	       RM_MEM(R_STATE, t + offsetof(struct translator_tables, recent_count)));
	put8(k, 1);
	patch_here(k, known);
}

/* RBX: where the entry of page R11 is. */
static void put_take(struct code *k, const struct cpu *c)
{
	mov_store(k, RECENT(c, tag), R_C);
	mov_load(k, R_C, RM_SIB(R_STATE, RBX, 0,
				(s32)((u8 *)&c->mmu->tlb[TLB_USER].entry[0].addend -
				      (u8 *)c) - STATE_BIAS));
	mov_store(k, RECENT(c, addend), R_C);
}

/* As make_fill(), for recent[]: R10 is the offset there.  Copies the entry there is. */
static const u8 *make_fill_recent(struct code *k, const struct jit *j, const struct cpu *c,
				  bool write)
{
	const u8 *entry = code_exec(k), *fill = j->fill[write];
	u32 tag = write ? offsetof(struct tlb, entry[0].tag_write) :
			  offsetof(struct tlb, entry[0].tag_read);
	u8 *miss, *often;

	mov_rr(k, R_C, RAX);
	put_op(k, true, 0x81, 4, RM_REG(R_C));			/* and r11, imm32 */
	put32(k, (u32)PAGE_MASK);
	put_op(k, true, 0x3b, R_C, RECENT(c, tag));
	jcc_to(k, CC_E, fill);
	push(k, RBX);
	put_op(k, false, 0x8b, RBX, RM_REG(RAX));
	put_op(k, false, 0xc1, 5, RM_REG(RBX));			/* shr ebx, imm8 */
	put8(k, PAGE_SHIFT - 5);
	put_op(k, false, 0x81, 4, RM_REG(RBX));			/* and ebx, imm32 */
	put32(k, (TLB_ENTRIES - 1) * sizeof(struct tlb_entry));
	put_op(k, true, 0x3b, R_C,
	       RM_SIB(R_STATE, RBX, 0, (s32)((u8 *)&c->mmu->tlb[TLB_USER] - (u8 *)c) -
				       STATE_BIAS + (s32)tag));
	miss = jcc_later(k, CC_NE);
	put_take(k, c);
	put_log(k, c);
	pop(k, RBX);
	put_op(k, false, 0x83, 5, USE(c, left));		/* sub [], 1 */
	put8(k, 1);
	often = jcc_later(k, CC_B);
	put_op(k, true, 0x85, RSP, RM_REG(RSP));		/* test rsp, rsp */
	put8(k, 0xc3);
	patch_here(k, often);
	put_ask(k, jit_recent_failed, RM_REG(R_B));
	put_op(k, true, 0x85, RSP, RM_REG(RSP));
	put8(k, 0xc3);
	patch_here(k, miss);
	pop(k, RBX);
	jmp_to(k, fill);
	return entry;
}

static void make_fills(struct code *k, struct jit *j, const struct cpu *c)
{
	j->unfilled = make_filled(k, j);
	j->fill[0] = make_fill(k, j, jit_fill_read, j->unfilled);
	j->fill[1] = make_fill(k, j, jit_fill_write, j->unfilled);
	for (u32 i = 0; i < NR_TLB_CLASSES * 2; i++)
		j->fill_stack[i / 2][i % 2] = make_fill_stack(k, j, c, i / 2, i % 2);
	for (u32 i = 0; i < 2; i++)
		j->fill_recent[i] = make_fill_recent(k, j, c, i);
}

/* Goes to the code that @fn(cpu, RSI) returns, or leaves. */
static void go_on_at(struct code *k, const void *fn, const u8 *leave)
{
	call_c(k, fn);
	mov_imm(k, RDX, STEP_JUMP);
	test_rax(k);
	jcc_to(k, CC_E, leave);
	go_on(k);
}

/* R10D: the edge. */
static const u8 *make_follow(struct code *k, const struct jit *j, const u8 *leave)
{
	const u8 *entry = code_exec(k);

	spill(k, j);
	flags_to_status(k);
	mov_rr(k, RSI, R_B);
	go_on_at(k, jit_follow, leave);
	return entry;
}

void put_jump(struct code *k, const struct cpu *c)
{
	s32 t = TABLES(c);
	u8 *miss;

	put_op(k, false, 0x8b, R_B, RM_REG(RAX));		/* jump_slot() */
	put_op(k, false, 0xc1, 5, RM_REG(R_B));			/* shr r10d, imm8 */
	put8(k, JUMP_CACHE_FOLD);
	put_op(k, false, 0x33, R_B, RM_REG(RAX));
	put_op(k, false, 0x81, 4, RM_REG(R_B));			/* and r10d, imm32 */
	put32(k, JUMP_CACHE_SIZE - 1);
	mov_load(k, R_C, RM_MEM(R_STATE, t + offsetof(struct translator_tables, jump_key)));
	put_op(k, true, 0x33, R_C, RM_REG(RAX));
	put_op(k, true, 0x3b, R_C,
	       RM_SIB(R_STATE, R_B, 3, t + offsetof(struct translator_tables, jump_rip)));
	miss = jcc_later(k, CC_NE);
	put_op(k, false, 0xff, 4,
	       RM_SIB(R_STATE, R_B, 3, t + offsetof(struct translator_tables, jump_code)));
	patch_here(k, miss);
}

/* RAX: the RIP. */
static const u8 *make_indirect(struct code *k, const struct jit *j, const struct cpu *c,
			       const u8 *leave)
{
	const u8 *entry = code_exec(k);

	put_jump(k, c);
	mov_store(k, CPU_FIELD(rip), RAX);
	spill(k, j);
	mov_rr(k, RSI, RAX);
	flags_to_status(k);
	go_on_at(k, jit_indirect, leave);
	return entry;
}

/* RAX: where a RET goes that has not come to its CALL; R10: which one it is. */
static const u8 *make_returned(struct code *k, const u8 *indirect)
{
	const u8 *entry = code_exec(k);

	mov_store(k, CPU_FIELD(jit_ret), R_B);
	jmp_to(k, indirect);
	return entry;
}

static const u8 *make_underflow(struct code *k, const u8 *returned)
{
	const u8 *entry = code_exec(k);

	mov_load(k, RSP, CPU_FIELD(jit_rsp));
	jmp_to(k, returned);
	return entry;
}

void glue_make(struct jit *j, const struct cpu *c)
{
	struct code k = { .p = j->rw, .exec_delta = j->exec_delta };
	const u8 *leave = make_leave(&k);

	vec_make_save(j, &k);
	j->exit = make_exit(&k, j, leave);
	j->punt = make_punt(&k, j, leave);
	make_fills(&k, j, c);
	j->guess[0] = make_guess(&k, c, jit_guess_failed);
	j->guess[1] = make_guess(&k, c, jit_window_failed);
	j->follow = make_follow(&k, j, leave);
	j->indirect = make_indirect(&k, j, c, leave);
	j->returned = make_returned(&k, j->indirect);
	vec_make_load(j, &k);
	j->enter = (u32 (*)(struct cpu *, const u8 *))
		   make_enter(&k, make_underflow(&k, j->returned), leave);
	j->glue_used = j->used = (k.p - j->rw + 63) & ~63ul;
}
