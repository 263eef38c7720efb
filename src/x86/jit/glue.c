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

#define STACK_ROOM	(8 << 10)	/* bytes of CALLs that translated code may nest */

static const u8 saved[] = { RBX, RBP, R12, R13, R14, R15 };

/* -- State in and out of registers ---------------------------------------------- */

void glue_spill(struct code *k)
{
	for (u8 g = 0; g < NR_GPRS; g++)
		if (pinned[g] != NOT_PINNED)
			mov_store(k, GPR_HOME(g), pinned[g]);
}

static void spill(struct code *k, const struct jit *j)
{
	vec_leave(j, k);
	glue_spill(k);
}

void glue_reload(struct code *k)
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

void glue_call(struct code *k, const void *fn)
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

/*
 * u32 enter(struct cpu *c, const u8 *code).  A limit that is what it was has not
 * been raised; who does raise it is seen at the next poll.
 */
static const u8 *make_enter(struct code *k, const u8 *underflow, const u8 *leave)
{
	const u8 *entry = code_exec(k);
	u8 *same;

	for (u32 i = 0; i < sizeof(saved); i++)
		push(k, saved[i]);
	lea(k, R_STATE, RM_MEM(RDI, STATE_BIAS));
	mov_imm(k, RAX, (u64)underflow);
	push(k, RAX);
	mov_store(k, CPU_FIELD(jit_rsp), RSP);
	lea(k, RAX, RM_MEM(RSP, -STACK_ROOM));
	put_op(k, true, 0x3b, RAX, CPU_FIELD(jit_limit));
	same = jcc_later(k, CC_E);
	/* Whoever posts a request stores first that and then the limit. */
	put_op(k, true, 0x87, RAX, CPU_FIELD(jit_limit));	/* xchg */
	mov_imm(k, RDX, STEP_JUMP);
	put_op(k, false, 0x83, 7, CPU_FIELD(requests));		/* cmp [], 0 */
	put8(k, 0);
	jcc_to(k, CC_NE, leave);
	patch_here(k, same);
	mov_rr(k, R_B, RSI);
	status_to_flags(k);
	glue_reload(k);
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
	glue_reload(k);
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
	mov_load(k, RDX, RM_MEM(RSP, 0));
	glue_call(k, jit_punt);
	test_rax(k);
	elsewhere = jcc_later(k, CC_NE);
	status_to_flags(k);
	glue_reload(k);
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

/* Goes to the code that @fn(cpu, RSI) returns, or leaves. */
static void go_on_at(struct code *k, const void *fn, const u8 *leave)
{
	glue_call(k, fn);
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
	fill_make(j, &k, c);
	j->follow = make_follow(&k, j, leave);
	j->indirect = make_indirect(&k, j, c, leave);
	j->returned = make_returned(&k, j->indirect);
	vec_make_load(j, &k);
	j->enter = (u32 (*)(struct cpu *, const u8 *))
		   make_enter(&k, make_underflow(&k, j->returned), leave);
	j->glue_used = j->used = (k.p - j->rw + 63) & ~63ul;
}
