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

static struct cpu *cpu;
static u32 forms, undefined, mismatches, rounds = 1;
static u8 displacement = 0x10;	/* of memory operands: 64-byte aligned */
static bool declined[ZYDIS_MNEMONIC_MAX_VALUE + 1], verbose;

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

/* A gather's index register: elements that stay in the memory. */
static void small_indices(const struct decoded *d, struct state *s)
{
	const ZydisDecodedOperandMem *m = &d->ops[1].mem;

	if (d->zi.meta.isa_set != ZYDIS_ISA_SET_AVX2GATHER)
		return;
	for (u32 i = 0; i < 8; i++) {
		u32 v = rnd() % 32;
		u8 *e = s->ymm[ZydisRegisterGetId(m->index)] + 4 * i;

		/* A qword index is the same with the upper dword 0. */
		if ((d->zi.opcode & 1) && (i & 1))
			v = 0;
		memcpy(e, &v, 4);
	}
}

/* @bytes at the host against @d, which is decoded from them or from a synonym. */
static void compare_once(const struct decoded *d, const u8 *bytes, u32 n)
{
	static struct state before, host, guest;
	u8 saved[MEM_BYTES], result[MEM_BYTES];
	const char *why;
	int sig;

	random_state(&before);
	small_indices(d, &before);
	memcpy(saved, memory, MEM_BYTES);
	host = before;
	sig = oracle_run(&host, bytes, n);
	memcpy(result, memory, MEM_BYTES);
	memcpy(memory, saved, MEM_BYTES);
	state_to_guest(cpu, &before);
	guest_map(cpu, (u64)memory, rnd() & 1);
	guest = before;
	if (d->in.op(cpu, &d->in) != STEP_NEXT) {
		if (!sig)
			report(d, bytes, "a fault", NULL, NULL);
		return;
	}
	guest_to_state(cpu, &guest);
	why = sig ? "a signal of the host" : difference(d, &host, &guest);
	if (!why && memcmp(memory, result, MEM_BYTES))
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

/* XSAVE has a test of its own; gathers with random indices would fault. */
static bool skipped(const struct decoded *d)
{
	switch (d->zi.mnemonic) {
	case ZYDIS_MNEMONIC_XGETBV:
		return true;
	case ZYDIS_MNEMONIC_VZEROALL:
	case ZYDIS_MNEMONIC_VZEROUPPER:
	case ZYDIS_MNEMONIC_FXSAVE:
	case ZYDIS_MNEMONIC_FXRSTOR:
		return cpu->code_size != 8;	/* half the registers */
	default:
		return d->zi.meta.category == ZYDIS_CATEGORY_XSAVE ||
		       d->zi.meta.category == ZYDIS_CATEGORY_XSAVEOPT;
	}
}

/* What nobody but the native part executes: declining it would be a hole. */
static bool is_data(const ZydisDecodedInstruction *zi)
{
	if (is_integer(zi->mnemonic))
		return false;
	switch (zi->meta.isa_ext) {
	case ZYDIS_ISA_EXT_SSE:
		return zi->meta.category != ZYDIS_CATEGORY_PREFETCH;
	case ZYDIS_ISA_EXT_MMX: case ZYDIS_ISA_EXT_SSE2: case ZYDIS_ISA_EXT_SSE3:
	case ZYDIS_ISA_EXT_SSSE3: case ZYDIS_ISA_EXT_SSE4: case ZYDIS_ISA_EXT_SSE4A:
	case ZYDIS_ISA_EXT_AES: case ZYDIS_ISA_EXT_PCLMULQDQ: case ZYDIS_ISA_EXT_SHA:
	case ZYDIS_ISA_EXT_AVX: case ZYDIS_ISA_EXT_AVX2: case ZYDIS_ISA_EXT_AVX2GATHER:
	case ZYDIS_ISA_EXT_AVXAES: case ZYDIS_ISA_EXT_FMA: case ZYDIS_ISA_EXT_F16C:
	case ZYDIS_ISA_EXT_VAES: case ZYDIS_ISA_EXT_VPCLMULQDQ: case ZYDIS_ISA_EXT_GFNI:
	case ZYDIS_ISA_EXT_BMI1: case ZYDIS_ISA_EXT_BMI2: case ZYDIS_ISA_EXT_ADOX_ADCX:
	case ZYDIS_ISA_EXT_X87:
		return true;
	default:
		return false;
	}
}

/* False if the bytes are no instruction. */
static bool try_form(const u8 *bytes, u32 n)
{
	struct decoded d;

	if (!guest_decode(cpu, bytes, n, &d))
		return false;
	if (uses_rsp(&d))
		return true;
	if (!d.in.op) {
		declined[d.zi.mnemonic] = true;
		if (is_data(&d.zi))
			report(&d, bytes, "being declined", NULL, NULL);
		return true;
	}
	if (d.in.op == op_ud) {
		undefined++;
		return true;
	}
	if (skipped(&d))
		return true;
	forms++;
	for (u32 i = 0; i < rounds; i++)
		compare_once(&d, bytes, d.in.len);
	return true;
}

/* -- Enumeration --------------------------------------------------------------------- */

/* ModRM of a register form, or of [rbx + 10h]; then random immediates. */
static u32 put_operands(u8 *b, u32 reg, bool mem)
{
	u32 n = 0;

	if (mem) {
		b[n++] = 0x43 | reg << 3;
		b[n++] = displacement;
	} else {
		b[n++] = 0xc0 | reg << 3 | rnd() % 8;
	}
	/* Bit 7 of a register in an immediate counts in 64-bit code only. */
	b[n++] = rnd() & (cpu->code_size == 8 ? 0xff : 0x7f);
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
	if (cpu->code_size != 8)
		b[1] |= 0xe0;
	b[2] = pp | (lw & 1) << 2 | (lw & 2) << 6;
	/* vvvv must be all ones where it is not an operand. */
	for (u32 unused = 0; unused < 2; unused++) {
		b[2] = (b[2] & 0x87) | (unused ? 0x78 : rnd() & 0x78);
		if (cpu->code_size != 8)
			b[2] |= 0x40;
		n = 3;
		b[n++] = opcode;
		n += put_operands(b + n, reg, mem);
		if (try_form(b, n))
			return;
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

/* 32-bit code: the bytes that mean the same to the host. */
static void compat_maps(void **state)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf3, 0xf2 }, maps[] = { 0, 0x38, 0x3a };

	cpu->code_size = 4;
	for (u32 p = 0; p < 4; p++)
		for (u32 m = 0; m < 3; m++)
			for (u32 op = 0; op < 256; op++)
				for (u32 r = 0; r < 16; r++)
					try_legacy(prefixes[p], maps[m], op, 0,
						   r & 7, r & 8);
	for (u32 map = 1; map < 4; map++)
		for (u32 i = 0; i < 8; i++)
			for (u32 op = 0; op < 256; op++)
				for (u32 r = 0; r < 16; r += 2)
					try_vex(map, i & 3, i >> 2, op, r & 7, r & 8);
	cpu->code_size = 8;
	assert_int_equal(mismatches, 0);
}

/* The same operands require alignment, or do not. */
static void misaligned_operands(void **state)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf3, 0xf2 }, maps[] = { 0, 0x38, 0x3a };

	displacement = 0x11;
	for (u32 p = 0; p < 4; p++)
		for (u32 m = 0; m < 3; m++)
			for (u32 op = 0; op < 256; op++)
				for (u32 r = 0; r < 8; r++)
					try_legacy(prefixes[p], maps[m], op, 0, r, true);
	for (u32 map = 1; map < 4; map++)
		for (u32 i = 0; i < 16; i++)
			for (u32 op = 0; op < 256; op++)
				try_vex(map, i & 3, i >> 2, op, op & 7, true);
	displacement = 0x10;
	assert_int_equal(mismatches, 0);
}

/* 16-bit code, and the bytes that mean the same in 64-bit code. */
static void sixteen_bit(void **state)
{
	static const struct { u8 n, code[10], m, host[10]; } pairs[] = {
		/* crc32 ecx, ax; eax; ah */
		{ 5, { 0xf2, 0x0f, 0x38, 0xf1, 0xc8 }, 6, { 0x66, 0xf2, 0x0f, 0x38, 0xf1, 0xc8 } },
		{ 6, { 0x66, 0xf2, 0x0f, 0x38, 0xf1, 0xc8 }, 5, { 0xf2, 0x0f, 0x38, 0xf1, 0xc8 } },
		{ 5, { 0xf2, 0x0f, 0x38, 0xf0, 0xcc }, 5, { 0xf2, 0x0f, 0x38, 0xf0, 0xcc } },
		/* cvtsi2sd xmm1, eax; movd eax, xmm1; pextrd eax, xmm1, 1; andn */
		{ 4, { 0xf2, 0x0f, 0x2a, 0xc8 }, 4, { 0xf2, 0x0f, 0x2a, 0xc8 } },
		{ 4, { 0x66, 0x0f, 0x7e, 0xc8 }, 4, { 0x66, 0x0f, 0x7e, 0xc8 } },
		{ 6, { 0x66, 0x0f, 0x3a, 0x16, 0xc8, 1 }, 6, { 0x66, 0x0f, 0x3a, 0x16, 0xc8, 1 } },
		{ 5, { 0xc4, 0xe2, 0x70, 0xf2, 0xc2 }, 5, { 0xc4, 0xe2, 0x70, 0xf2, 0xc2 } },
		/* W is ignored: andn eax, ecx, edx; vmovd eax, xmm1 */
		{ 5, { 0xc4, 0xe2, 0xf0, 0xf2, 0xc2 }, 5, { 0xc4, 0xe2, 0x70, 0xf2, 0xc2 } },
		{ 5, { 0xc4, 0xe1, 0xf9, 0x7e, 0xc8 }, 5, { 0xc4, 0xe1, 0x79, 0x7e, 0xc8 } },
		/* addps xmm1, [di]; fld dword [di]; fistp word [di] */
		{ 3, { 0x0f, 0x58, 0x0d }, 3, { 0x0f, 0x58, 0x0f } },
		{ 2, { 0xd9, 0x05 }, 2, { 0xd9, 0x07 } },
		{ 2, { 0xdf, 0x1d }, 2, { 0xdf, 0x1f } },
	};
	struct decoded d;

	for (u32 i = 0; i < ARRAY_SIZE(pairs); i++) {
		cpu->code_size = 2;
		/* 16-bit addresses: the segment base supplies the rest. */
		cpu->seg[DS].base = ((u64)memory + MEM_AT) & ~0xffffull;
		assert_true(guest_decode(cpu, pairs[i].code, pairs[i].n, &d));
		assert_int_equal(d.in.len, pairs[i].n);
		assert_non_null(d.in.op);
		assert_ptr_not_equal(d.in.op, op_ud);
		for (u32 r = 0; r < 10; r++)
			compare_once(&d, pairs[i].host, pairs[i].m);
		cpu->code_size = 8;
		cpu->seg[DS].base = 0;
	}
	assert_int_equal(mismatches, 0);
}

/* vgather* reg, [rbx + index * scale + 10h], mask */
static void gathers(void **state)
{
	u32 before = forms;

	for (u32 i = 0; i < 2000 * rounds; i++) {
		u32 w = i & 1, l = i >> 1 & 1, opcode = 0x90 | (i >> 2 & 3);
		u8 b[] = { 0xc4, 0xa2 | 0x40 | (rnd() & 0xc0),
			   w << 7 | (rnd() & 0x78) | l << 2 | 1, opcode,
			   0x44 | (rnd() & 0x38), 0x03 | (rnd() & 0xf8), 0x10 };

		try_form(b, sizeof(b));
	}
	assert_true(forms > before + 1000);
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
		cmocka_unit_test(compat_maps),
		cmocka_unit_test(misaligned_operands),
		cmocka_unit_test(sixteen_bit),
		cmocka_unit_test(gathers),
		cmocka_unit_test(x87),
	};

	if (!native_available() || !oracle_available() || !memory_create())
		return 77;
	return cmocka_run_group_tests(tests, setup, teardown);
}
