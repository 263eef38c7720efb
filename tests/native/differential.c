/* SPDX-License-Identifier: MIT */
/*
 * Every native instruction form against the host's CPU: the same bytes with
 * the same random state, by themselves and through their handler; registers,
 * flags, MXCSR, x87 image and memory must be equal.
 * ANYKVM_TEST_ROUNDS: states per form (1).  ANYKVM_TEST_VERBOSE: list what is
 * declined.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fakes.h"

enum { MEM_BYTES = 1024, MEM_AT = 192 };

static struct cpu *cpu;
static _Alignas(64) u8 memory[MEM_BYTES];
static u64 seed = 0x9e3779b97f4a7c15ull;
static u32 forms, undefined, mismatches, rounds = 1;
static bool declined[ZYDIS_MNEMONIC_MAX_VALUE + 1], verbose;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* -- Random states ------------------------------------------------------------- */

static u64 random_element(void)
{
	static const u64 special[] = {
		0, 0x8000000000000000, 0x3ff0000000000000, 0x7ff0000000000000,
		0x7ff8000000000001, 0x7ff0000000000001, 0x0000000000000001,
		0x3f8000003f800000, 0x7f80000000800000, 0x7fc000007f800001,
		0x0000000180000001, 0x4b00000042280000, 0xffffffffffffffff,
		0x41dfffffffc00000, 0x0010000000000000, 0x7fefffffffffffff,
	};
	u64 r = rnd();

	return r & 3 ? rnd() : special[(r >> 2) % ARRAY_SIZE(special)];
}

static void fill(void *p, u32 n)
{
	for (u32 i = 0; i < n; i += 8) {
		u64 v = random_element();

		memcpy((u8 *)p + i, &v, MIN(8, n - i));
	}
}

/* An 80-bit value: mostly normal numbers of ordinary size. */
static void random_st(u8 *st)
{
	u64 m = random_element();
	u16 e = rnd() & 0x8000;

	switch (rnd() % 8) {
	case 0: e |= 0x7fff; break;
	case 1: break;
	case 2: e = (u16)rnd(); break;
	default: e |= 0x3fff - 32 + rnd() % 64; break;
	}
	if (rnd() % 8)
		m |= 1ull << 63;
	memset(st, 0, 16);
	memcpy(st, &m, 8);
	memcpy(st + 8, &e, 2);
}

static void random_x87(u8 *fx)
{
	u16 fcw = 0x7f | (rnd() & 0x0c00);
	static const u16 precision[] = { 0, 0x200, 0x300, 0x300 };

	memset(fx, 0, 512);
	fcw |= precision[rnd() % 4];
	memcpy(fx, &fcw, 2);
	memcpy(fx + 2, &(u16){ rnd() & 0x7f7f }, 2);
	fx[4] = (u8)(rnd() | rnd());
	for (u32 i = 0; i < 8; i++)
		random_st(fx + 32 + 16 * i);
}

static void random_state(struct state *s)
{
	static const u32 modes[] = { 0, 0, 0, 0x2000, 0x4000, 0x6000, 0x8000, 0x40 };
	u32 mxcsr = 0x1f80 | modes[rnd() % 8] | (rnd() & 3 ? 0 : rnd() & 0x3f);

	random_x87(s->fx);
	memcpy(s->fx + 24, &mxcsr, 4);
	fill(s->ymm, sizeof(s->ymm));
	fill(s->gpr, sizeof(s->gpr));
	fill(memory, sizeof(memory));
	s->flags = (rnd() & X86_EFLAGS_STATUS) | 2;
	s->gpr[RBX] = (u64)memory + MEM_AT - 0x10;
	s->gpr[RDI] = (u64)memory + MEM_AT;
}

static void state_to_guest(const struct state *s)
{
	memcpy(cpu->gpr, s->gpr, sizeof(s->gpr));
	memset(&cpu->fpu, 0, sizeof(cpu->fpu));
	memcpy(cpu->fpu.fxsave, s->fx, 160);
	memcpy(&cpu->fpu.mxcsr, s->fx + 24, 4);
	for (u32 n = 0; n < 16; n++)
		memcpy(cpu->fpu.vec[n], s->ymm[n], 32);
	cpu_set_rflags(cpu, s->flags);
}

static void guest_to_state(struct state *s)
{
	memcpy(s->gpr, cpu->gpr, sizeof(s->gpr));
	memcpy(s->fx, cpu->fpu.fxsave, 160);
	memcpy(s->fx + 24, &cpu->fpu.mxcsr, 4);
	for (u32 n = 0; n < 16; n++)
		memcpy(s->ymm[n], cpu->fpu.vec[n], 32);
	s->flags = cpu_rflags(cpu);
}

/* -- Comparison ------------------------------------------------------------------ */

static const char *difference(const struct decoded *d, const struct state *a,
			      const struct state *b)
{
	u64 flags = X86_EFLAGS_STATUS;

	if (d->zi.cpu_flags)
		flags &= ~d->zi.cpu_flags->undefined;
	if (d->zi.mnemonic == ZYDIS_MNEMONIC_TZCNT ||
	    d->zi.mnemonic == ZYDIS_MNEMONIC_LZCNT)
		flags = X86_EFLAGS_CF | X86_EFLAGS_ZF;
	for (u32 n = 0; n < 16; n++) {
		if (n != RSP && a->gpr[n] != b->gpr[n])
			return "general register";
		if (memcmp(a->ymm[n], b->ymm[n], 32))
			return "vector register";
	}
	if ((a->flags ^ b->flags) & flags)
		return "flags";
	if (memcmp(a->fx + 24, b->fx + 24, 4))
		return "MXCSR";
	if (memcmp(a->fx, b->fx, 5))
		return "x87 control, status or tags";
	if (memcmp(a->fx + 32, b->fx + 32, 128))
		return "x87 register";
	return NULL;
}

static void report(const struct decoded *d, const u8 *bytes, const char *why,
		   const struct state *a, const struct state *b)
{
	if (mismatches++ > 40)
		return;
	print_message("%-12s differs in %s:", ZydisMnemonicGetString(d->zi.mnemonic),
		      why);
	for (u32 i = 0; i < d->in.len; i++)
		print_message(" %02x", bytes[i]);
	print_message("\n");
	if (verbose && a)
		print_message("  x87 %04x %04x %02x, %04x %04x %02x; flags %lx %lx, MXCSR %x %x\n",
			      *(u16 *)a->fx, *(u16 *)(a->fx + 2), a->fx[4],
			      *(u16 *)b->fx, *(u16 *)(b->fx + 2), b->fx[4],
			      a->flags, b->flags,
			      *(u32 *)(a->fx + 24), *(u32 *)(b->fx + 24));
}

static void compare_once(const struct decoded *d, const u8 *bytes)
{
	static struct state before, host, guest;
	u8 saved[MEM_BYTES], result[MEM_BYTES];
	const char *why;
	int sig;

	random_state(&before);
	memcpy(saved, memory, sizeof(memory));
	host = before;
	sig = oracle_run(&host, bytes, d->in.len);
	memcpy(result, memory, sizeof(memory));
	memcpy(memory, saved, sizeof(memory));
	state_to_guest(&before);
	guest = before;
	if (d->in.op(cpu, &d->in) != STEP_NEXT) {
		if (!sig)
			report(d, bytes, "a fault", NULL, NULL);
		return;
	}
	guest_to_state(&guest);
	why = sig ? "a signal of the host" : difference(d, &host, &guest);
	if (!why && memcmp(memory, result, sizeof(memory)))
		why = "memory";
	if (why)
		report(d, bytes, why, &host, &guest);
}

static bool uses_rsp(const struct decoded *d)
{
	for (int i = 0; i < d->zi.operand_count; i++)
		if (d->ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
						     d->ops[i].reg.value) ==
		    ZYDIS_REGISTER_RSP)
			return true;
	return false;
}

static bool has_vsib(const struct decoded *d)
{
	for (int i = 0; i < d->zi.operand_count; i++)
		if (d->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    d->ops[i].mem.type != ZYDIS_MEMOP_TYPE_MEM)
			return true;
	return false;
}

static void try_form(const u8 *bytes, u32 n)
{
	struct decoded d;

	if (!guest_decode(cpu, bytes, n, &d) || uses_rsp(&d))
		return;
	if (!d.in.op) {
		declined[d.zi.mnemonic] = true;
		return;
	}
	if (d.in.op == op_ud) {
		undefined++;
		return;
	}
	if (has_vsib(&d) || d.zi.meta.category == ZYDIS_CATEGORY_XSAVE ||
	    d.zi.meta.category == ZYDIS_CATEGORY_XSAVEOPT ||
	    d.zi.mnemonic == ZYDIS_MNEMONIC_XGETBV)
		return;
	forms++;
	for (u32 i = 0; i < rounds; i++)
		compare_once(&d, bytes);
}

/* -- Enumeration --------------------------------------------------------------------- */

/* ModRM of a register form, or of [rbx + 10h]; then random immediates. */
static u32 put_operands(u8 *b, u32 reg, bool mem)
{
	u32 n = 0;

	if (mem) {
		b[n++] = 0x43 | reg << 3;
		b[n++] = 0x10;
	} else {
		b[n++] = 0xc0 | reg << 3 | rnd() % 8;
	}
	b[n++] = (u8)rnd();
	b[n++] = (u8)rnd();
	return n;
}

static void try_legacy(u8 prefix, u32 map, u8 opcode, u32 rex, u32 reg, bool mem)
{
	u8 b[16];
	u32 n = 0;

	if (!map && (opcode == 0x38 || opcode == 0x3a || opcode == 0x0f))
		return;		/* escapes */
	if (prefix)
		b[n++] = prefix;
	if (rex)
		b[n++] = rex | (rnd() & (mem ? 4 : 5));
	b[n++] = 0x0f;
	if (map)
		b[n++] = map;
	b[n++] = opcode;
	n += put_operands(b + n, reg, mem);
	try_form(b, n);
}

static void legacy_maps(void **state)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf3, 0xf2 }, maps[] = { 0, 0x38, 0x3a };
	static const u8 rexes[] = { 0, 0x40, 0x48 };

	for (u32 p = 0; p < 4; p++)
		for (u32 m = 0; m < 3; m++)
			for (u32 x = 0; x < 3; x++)
				for (u32 op = 0; op < 256; op++)
					for (u32 r = 0; r < 16; r++)
						try_legacy(prefixes[p], maps[m], op,
							   rexes[x], r & 7, r & 8);
	assert_int_equal(mismatches, 0);
}

static void try_vex(u32 map, u32 pp, u32 lw, u8 opcode, u32 reg, bool mem)
{
	u8 b[16] = { 0xc4 };
	u32 n = 3;

	b[1] = map | 0x40 | (rnd() & (mem ? 0x80 : 0xa0)) | (mem ? 0x20 : 0);
	b[2] = pp | (lw & 1) << 2 | (lw & 2) << 6;
	/* vvvv must be all ones where it is not an operand. */
	for (u32 unused = 0; unused < 2; unused++) {
		b[2] = (b[2] & 0x87) | (unused ? 0x78 : rnd() & 0x78);
		n = 3;
		b[n++] = opcode;
		n += put_operands(b + n, reg, mem);
		try_form(b, n);
	}
}

static void vex_maps(void **state)
{
	for (u32 map = 1; map < 4; map++)
		for (u32 i = 0; i < 16; i++)
			for (u32 op = 0; op < 256; op++)
				for (u32 r = 0; r < 16; r += rounds > 1 ? 1 : 2)
					try_vex(map, i & 3, i >> 2, op,
						(r + op) & 7, r & 8);
	assert_int_equal(mismatches, 0);
}

static void x87(void **state)
{
	for (u32 op = 0xd8; op <= 0xdf; op++)
		for (u32 modrm = 0; modrm < 256; modrm++) {
			u8 b[4] = { op, modrm, 0x10 };

			if (modrm < 0xc0 && (modrm & 0xc7) != 0x43)
				continue;
			for (u32 i = 0; i < 20; i++)
				try_form(b, 3);
		}
	assert_int_equal(mismatches, 0);
}

static int setup(void **state)
{
	const char *n = getenv("ANYKVM_TEST_ROUNDS");

	if (n)
		rounds = (u32)atoi(n);
	verbose = getenv("ANYKVM_TEST_VERBOSE");
	cpu = guest_create();
	return cpu->native ? 0 : -1;
}

static int teardown(void **state)
{
	u32 count = 0;

	for (u32 m = 0; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++)
		if (declined[m]) {
			count++;
			if (verbose)
				print_message(" %s", ZydisMnemonicGetString(m));
		}
	print_message("\n%u forms equal the host's, %u undefined here, %u mnemonics declined\n",
		      forms - mismatches, undefined, count);
	guest_destroy(cpu);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legacy_maps),
		cmocka_unit_test(vex_maps),
		cmocka_unit_test(x87),
	};

	if (!native_available() || !oracle_available())
		return 77;
	return cmocka_run_group_tests(tests, setup, teardown);
}
