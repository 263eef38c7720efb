// SPDX-License-Identifier: MIT
/*
 * Every form of every integer instruction with random operands, executed by
 * the host CPU and by the interpreter: registers, all status flags and memory
 * must come out the same.
 *
 * ANYKVM_INSN_SEED and ANYKVM_INSN_ROUNDS make longer or other runs.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fakes.h"
#include "lib/random.h"
#include "oracle.h"
#include "specs.h"

struct sample {
	u8 bytes[ORACLE_MAX_LEN + 1];
	u32 len;
	u64 gpr[16];
	u64 flags;
};

static struct oracle oracle;
static u8 memory[ORACLE_MEM_SIZE], native_memory[ORACLE_MEM_SIZE];
static u64 seed = 1;
static u8 code_size;

/* Where the instruction under test stands. */
static u64 insn_address(void)
{
	return (u64)(code_size == 8 ? oracle.insn : oracle.insn32);
}

static u32 nr_regs(void)
{
	return code_size == 8 ? 16 : 8;
}

static u64 rnd(void)
{
	return random_next(&seed);
}

static u32 below(u32 n)
{
	return random_below(&seed, n);
}

static u64 value(void)
{
	return random_value(&seed);
}

/* -- Encoding a sample --------------------------------------------------------------- */

static void put(struct sample *s, u64 v, u32 n)
{
	memcpy(s->bytes + s->len, &v, n);
	s->len += n;
}

struct encoding {
	u8 rex, modrm, sib;
	bool has_modrm, has_sib, rip;
	u8 disp_size;
	s32 disp;
	bool is_mem;
	u8 size;
	u8 reg;
	u64 target;
};

/* Chooses an address form and makes the base register point to @target. */
static void choose_memory(struct sample *s, const struct spec *spec,
			  struct encoding *e, u64 target)
{
	u8 base = below(nr_regs()), index = below(nr_regs()), scale = below(4);
	bool stack = spec->flags & STACK;
	u64 offset = 0;

	if (spec->flags & BIT_INDEX && base == e->reg)
		base = (base + 1) & (nr_regs() - 1);

	e->is_mem = true;
	e->target = target;
	if (below(8) == 0) {		/* RIP-relative */
		e->rip = true;
		e->modrm |= 5;
		e->disp_size = 4;
		e->disp = (s32)target;	/* made relative when the length is known */
		return;
	}
	e->disp_size = below(3) ? (below(2) ? 1 : 4) : 0;
	e->disp = e->disp_size == 1 ? (s8)rnd() : e->disp_size ? (s32)below(1 << 20) - (1 << 19) : 0;
	if (stack && base == RSP) {
		e->disp_size = 4;
		e->disp = (s32)(target - s->gpr[RSP]);
	}
	if ((base & 7) == RBP && !e->disp_size)
		e->disp_size = 1;
	e->has_sib = (base & 7) == RSP || below(3) == 0;
	if (e->has_sib) {
		if (index == base || index == e->reg || (stack && (index == RSP || base == RSP)))
			index = RSP;	/* none */
		if (index != RSP)
			offset = s->gpr[index] << scale;
		e->sib = scale << 6 | (index & 7) << 3 | (base & 7);
		e->rex |= (index >> 3) << 1;
		e->modrm |= 4;
	} else {
		e->modrm |= base & 7;
	}
	e->rex |= base >> 3;
	e->modrm |= e->disp_size == 1 ? 0x40 : e->disp_size == 4 ? 0x80 : 0;
	if (!(stack && base == RSP))
		s->gpr[base] = target - offset - (u64)(s64)e->disp;
}

static u64 random_target(const struct spec *spec)
{
	u64 off = 1280 + below(1500);

	if (spec->flags & ALIGN16 && below(8))
		off &= ~15u;
	return (u64)oracle.mem + off;
}

static void choose_modrm(struct sample *s, const struct spec *spec, struct encoding *e)
{
	bool mem = !(spec->flags & REG_ONLY) && ((spec->flags & MEM_ONLY) || below(2));
	u8 rm = below(nr_regs());

	e->has_modrm = true;
	e->reg = spec->digit == R ? below(nr_regs()) : spec->digit;
	e->modrm = (e->reg & 7) << 3;
	if (spec->digit == R)
		e->rex |= (e->reg >> 3) << 2;
	if (spec->flags & BIT_INDEX)
		s->gpr[e->reg] = (s64)below(16000) - 8000;
	if (!mem) {
		if (spec->flags & TARGET_RM && rm == RSP)
			rm = RAX;
		e->modrm |= 0xc0 | (rm & 7);
		e->rex |= rm >> 3;
		return;
	}
	choose_memory(s, spec, e, random_target(spec));
}

static u8 choose_size(const struct spec *spec)
{
	static const u8 sizes[] = { 2, 4, 8 };

	if (spec->flags & BYTE)
		return 1;
	if (spec->flags & D64)
		return below(4) ? code_size : 2;
	if (spec->flags & (BRANCH | NO_SIZE))
		return 4;
	if (spec->flags & ONLY_32_64)
		return code_size == 8 && below(2) ? 8 : 4;
	return sizes[below(code_size == 8 ? 3 : 2)];
}

static u32 imm_size(const struct spec *spec, u8 size)
{
	switch (spec->imm) {
	case 'b': return 1;
	case 'w': return 2;
	case 'z': return size == 8 ? 4 : size;
	case 'v': return size;
	case 'o': return code_size;
	case 'd': return 4;
	case 'e': return 3;
	default: return 0;
	}
}

static u64 imm_value(const struct spec *spec, u32 n, u32 len)
{
	if (spec->flags & BRANCH)
		return ORACLE_TAKEN_DISP - len - n;
	if (spec->imm == 'o')
		return random_target(spec);
	if (spec->imm == 'e')		/* ENTER: frame size, level */
		return below(256) | (u64)below(6) << 16;
	if (spec->flags & RET_IMM)
		return below(64);
	return value();
}

/* Registers that the instruction uses without naming them. */
static void choose_implicit(struct sample *s, const struct spec *spec)
{
	if (spec->flags & STACK)
		s->gpr[RSP] = (u64)oracle.mem + 4096 + 1024 + below(1024);
	if (spec->flags & FRAME)
		s->gpr[RBP] = (u64)oracle.mem + 4096 + 2048 + below(1024);
	if (spec->flags & XLAT_TABLE)
		s->gpr[RBX] = random_target(spec);
	if (below(2))		/* let some divisions succeed */
		s->gpr[RDX] = below(3) ? below(100) : 0 - (u64)below(2);
}

static void encode(struct sample *s, const struct spec *spec, struct encoding *e)
{
	bool lock = e->is_mem && (spec->flags & LOCKABLE) && below(2);
	u32 n = imm_size(spec, e->size), disp_at = 0;
	u8 i;

	if (e->size == 2)
		put(s, 0x66, 1);
	if (e->is_mem && code_size == 8 && !(spec->flags & NO_67) && below(8) == 0)
		put(s, 0x67, 1);
	if (lock)
		put(s, 0xf0, 1);
	if (spec->prefix)
		put(s, spec->prefix, 1);
	if (code_size == 8 && e->size == 8 && !(spec->flags & D64))
		e->rex |= 8;
	if (code_size == 8 && (e->rex || below(4) == 0))
		put(s, 0x40 | e->rex, 1);
	for (i = 0; i < spec->len; i++)
		put(s, spec->opcode[i] + (i + 1 == spec->len ? (spec->flags & PLUS_R ? e->reg & 7 : 0) : 0), 1);
	if (e->has_modrm)
		put(s, e->modrm, 1);
	if (e->has_sib)
		put(s, e->sib, 1);
	disp_at = s->len;
	put(s, (u32)e->disp, e->disp_size);
	put(s, imm_value(spec, n, s->len), n);
	if (e->rip && code_size == 8) {
		s32 rel = e->disp - (s32)(insn_address() + s->len);

		memcpy(s->bytes + disp_at, &rel, 4);
	}
}

static void generate(struct sample *s, const struct spec *spec)
{
	struct encoding e = { .size = choose_size(spec) };
	u64 landing = insn_address() + ORACLE_TAKEN_DISP;
	int i;

	s->len = 0;
	memset(s->bytes, 0, sizeof(s->bytes));
	for (i = 0; i < 16; i++)
		s->gpr[i] = code_size == 8 ? value() : i < 8 ? (u32)value() : 0;
	s->flags = X86_EFLAGS_FIXED | X86_EFLAGS_IF | (rnd() & X86_EFLAGS_STATUS);
	choose_implicit(s, spec);
	if (spec->flags & PLUS_R) {
		e.reg = below(nr_regs());
		e.rex |= e.reg >> 3;
	}
	if (spec->digit >= 0)
		choose_modrm(s, spec, &e);
	if (spec->flags & TARGET_RM) {
		if (e.is_mem)
			memcpy(memory + (e.target - (u64)oracle.mem), &landing, 8);
		else
			s->gpr[(e.modrm & 7) | (e.rex & 1) << 3] = landing;
	}
	if (spec->flags & RETURNS)
		memcpy(memory + (s->gpr[RSP] - (u64)oracle.mem), &landing, 8);
	encode(s, spec, &e);
	for (i = 0; i < 16 && code_size != 8; i++)
		s->gpr[i] = (u32)s->gpr[i];
}

/* -- Running it both ways ------------------------------------------------------------------ */

struct outcome {
	u64 gpr[16];
	u64 flags;
	int vector;		/* exception, or -1 */
	bool taken;
};

static int vector_of(int sig)
{
	switch (sig) {
	case 0: return -1;
	case SIGFPE: return EXC_DE;
	case SIGILL: return EXC_UD;
	default: return EXC_GP;
	}
}

#define FLAGS_COMPARED	(X86_EFLAGS_STATUS | X86_EFLAGS_DF)

static void run_native(const struct sample *s, struct outcome *out)
{
	struct oracle_state *st = oracle.state;

	memcpy(oracle.mem, memory, sizeof(memory));
	memcpy(st->gpr, s->gpr, sizeof(st->gpr));
	st->flags = s->flags;
	out->vector = vector_of(oracle_run(&oracle, s->bytes, s->len, code_size != 8));
	out->taken = st->taken;
	memcpy(out->gpr, out->vector < 0 ? st->gpr : s->gpr, sizeof(out->gpr));
	out->flags = (out->vector < 0 ? st->flags : s->flags) & FLAGS_COMPARED;
	memcpy(native_memory, oracle.mem, sizeof(memory));
}

static void run_interpreter(const struct sample *s, struct outcome *out)
{
	struct cpu *c = machine.cpu;
	enum step step;

	memcpy(oracle.mem, memory, sizeof(memory));
	memcpy(c->gpr, s->gpr, sizeof(c->gpr));
	cpu_set_rflags(c, s->flags);
	c->rip = insn_address();
	machine_map((u64)oracle.mem, (u64)oracle.mem + ORACLE_MEM_SIZE, below(4));
	machine.rmw_no_host = below(2);
	machine.rmw_races = below(3);
	step = machine_step(s->bytes, s->len);
	out->vector = step == STEP_FAULT ? c->exc.vector : -1;
	if (out->vector == EXC_BR)	/* one signal for both */
		out->vector = EXC_GP;
	out->taken = step == STEP_JUMP;
	memcpy(out->gpr, c->gpr, sizeof(out->gpr));
	out->flags = cpu_rflags(c) & FLAGS_COMPARED;
	if (step == STEP_JUMP && c->rip != insn_address() + ORACLE_TAKEN_DISP)
		out->vector = EXC_PF;
	if (step == STEP_NEXT && c->rip != insn_address() + s->len)
		out->vector = EXC_NP;
}

static void report(const struct spec *spec, const struct sample *s,
		   const struct outcome *native, const struct outcome *ours)
{
	u32 i;

	fprintf(stderr, "%s:", spec->name);
	for (i = 0; i < s->len; i++)
		fprintf(stderr, " %02x", s->bytes[i]);
	fprintf(stderr, "\n  exception native %d ours %d, taken %d %d, flags in %llx native %llx ours %llx\n",
		native->vector, ours->vector, native->taken, ours->taken,
		(long long)(s->flags & FLAGS_COMPARED), (long long)native->flags,
		(long long)ours->flags);
	for (i = 0; i < 16; i++)
		if (native->gpr[i] != ours->gpr[i])
			fprintf(stderr, "  gpr %u in %llx native %llx ours %llx\n", i,
				(long long)s->gpr[i], (long long)native->gpr[i],
				(long long)ours->gpr[i]);
	for (i = 0; i < ORACLE_MEM_SIZE; i++)
		if (native_memory[i] != oracle.mem[i])
			fprintf(stderr, "  memory %x in %02x native %02x ours %02x\n", i,
				memory[i], native_memory[i], oracle.mem[i]);
}

static bool agree(const struct spec *spec, const struct sample *s)
{
	struct outcome native, ours;

	run_native(s, &native);
	run_interpreter(s, &ours);
	if (native.vector == ours.vector && native.taken == ours.taken &&
	    native.flags == ours.flags &&
	    !memcmp(native.gpr, ours.gpr, sizeof(ours.gpr)) &&
	    !memcmp(native_memory, oracle.mem, sizeof(native_memory)))
		return true;
	report(spec, s, &native, &ours);
	return false;
}

static u32 compare_all(u32 rounds)
{
	const u32 skip = code_size == 8 ? ONLY_32 : ONLY_64;
	u32 bad = 0, r;
	size_t i, k;

	for (i = 0; i < nr_specs; i++) {
		u32 failed = 0;

		if (specs[i].flags & skip)
			continue;
		for (r = 0; r < rounds && failed < 2; r++) {
			struct sample s;

			for (k = 0; k < sizeof(memory); k += 8)
				*(u64 *)(memory + k) = rnd();
			generate(&s, &specs[i]);
			failed += !agree(&specs[i], &s);
		}
		bad += failed;
	}
	return bad;
}

static void compare_mode(u8 size)
{
	const char *env = getenv("ANYKVM_INSN_ROUNDS");
	u32 rounds = env ? (u32)atoi(env) : 100;

	env = getenv("ANYKVM_INSN_SEED");
	seed = env ? strtoull(env, NULL, 0) | 1 : 88172645463325252ull;
	code_size = size;
	oracle_take_signals();
	machine_set_mode(size);
	assert_int_equal(compare_all(rounds), 0);
}

static void matches_the_host_in_64_bit_code(void **state)
{
	compare_mode(8);
}

static void matches_the_host_in_32_bit_code(void **state)
{
	compare_mode(4);
}

/* -- Faults ------------------------------------------------------------------------------------ */

/* ENTER, PUSHA store below the stack pointer before they can know. */
static bool stores_piecemeal(const struct spec *spec)
{
	return spec->flags & STACK;
}

/* With a random part of the memory gone: an instruction that faults did nothing. */
static bool fault_is_clean(const struct spec *spec, const struct sample *s, u64 *faults)
{
	struct cpu *c = machine.cpu;
	u64 lo = (u64)oracle.mem + below(ORACLE_MEM_SIZE);

	memcpy(oracle.mem, memory, sizeof(memory));
	memcpy(c->gpr, s->gpr, sizeof(c->gpr));
	cpu_set_rflags(c, s->flags);
	c->rip = insn_address();
	machine_map(lo, lo + below((u32)((u64)oracle.mem + ORACLE_MEM_SIZE - lo) + 1), false);
	if (machine_step(s->bytes, s->len) != STEP_FAULT)
		return true;
	++*faults;
	if (!memcmp(c->gpr, s->gpr, sizeof(c->gpr)) && c->rip == insn_address() &&
	    !((cpu_rflags(c) ^ s->flags) & FLAGS_COMPARED) &&
	    (stores_piecemeal(spec) || !memcmp(oracle.mem, memory, sizeof(memory))))
		return true;
	fprintf(stderr, "%s: changed something before it faulted\n", spec->name);
	return false;
}

static void faults_change_nothing(void **state)
{
	u64 faults = 0;
	u32 bad = 0, r;
	size_t i;

	for (code_size = 4; code_size <= 8; code_size += 4) {
		machine_set_mode(code_size);
		for (i = 0; i < nr_specs; i++) {
			if (specs[i].flags & (code_size == 8 ? ONLY_32 : ONLY_64))
				continue;
			for (r = 0; r < 40; r++) {
				struct sample s;

				generate(&s, &specs[i]);
				bad += !fault_is_clean(&specs[i], &s, &faults);
			}
		}
	}
	assert_int_equal(bad, 0);
	assert_true(faults > 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_the_host_in_64_bit_code),
		cmocka_unit_test(matches_the_host_in_32_bit_code),
		cmocka_unit_test(faults_change_nothing),
	};
	int ret;

	if (!oracle_create(&oracle))
		return 77;
	machine_create(8);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	machine_destroy();
	oracle_destroy(&oracle);
	return ret;
}
