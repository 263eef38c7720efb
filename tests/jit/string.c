/* SPDX-License-Identifier: MIT */
/* REP MOVS and STOS in translated code: counts, overlaps, pages, directions, faults. */
#include "guest.h"

GUEST_BLOB(jit_movsb);
GUEST_BLOB(jit_movsw);
GUEST_BLOB(jit_movsl);
GUEST_BLOB(jit_movsq);
GUEST_BLOB(jit_stosb);
GUEST_BLOB(jit_stosw);
GUEST_BLOB(jit_stosl);
GUEST_BLOB(jit_stosq);

enum { AREA = 0x100000, AREA_SIZE = 4 * PG, GONE = 0x1000000, DF = 0x400 };

#define VALUE 0x1122334455667788ull

/* One instruction with its operands, offsets into the area. */
struct op {
	bool source, down;
	u32 size;
	u64 from, to, count;
};

static void up(struct guest *g)
{
	static const u8 *const code[][2] = {
		{ guest_jit_stosb, guest_jit_stosb_end }, { guest_jit_stosw, guest_jit_stosw_end },
		{ guest_jit_stosl, guest_jit_stosl_end }, { guest_jit_stosq, guest_jit_stosq_end },
		{ guest_jit_movsb, guest_jit_movsb_end }, { guest_jit_movsw, guest_jit_movsw_end },
		{ guest_jit_movsl, guest_jit_movsl_end }, { guest_jit_movsq, guest_jit_movsq_end },
	};

	needs_guest();
	guest_create(g, GUEST_PLAIN, 1);
	for (u32 i = 0; i < 8; i++)
		memcpy(g->mem + GUEST_CODE + i * 64, code[i][0], code[i][1] - code[i][0]);
	guest_long(g, 0, GUEST_CODE);
}

static void fill(u8 *area)
{
	for (u32 i = 0; i < AREA_SIZE; i++)
		area[i] = i * 7 + i / 251;
}

/* What the SDM says: element by element. */
static void model(u8 *area, const struct op *o)
{
	s64 step = o->down ? -(s64)o->size : o->size;
	u64 value = VALUE, from = o->from, to = o->to;

	for (u64 i = 0; i < o->count; i++, from += step, to += step)
		memmove(area + to, o->source ? area + from : (u8 *)&value, o->size);
}

static void start(struct guest *g, const struct op *o, u64 base)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rip = GUEST_CODE + (o->source * 4 + __builtin_ctz(o->size)) * 64;
	r.rflags = 2 | (o->down ? DF : 0);
	r.rax = VALUE;
	r.rcx = o->count;
	r.rsi = base + o->from;
	r.rdi = base + o->to;
	guest_set_regs(g, 0, &r);
}

static void check(struct guest *g, const struct op *o)
{
	s64 bytes = (o->down ? -(s64)o->size : o->size) * o->count;
	u8 *expected = malloc(AREA_SIZE);
	struct kvm_regs r;

	/* The first time it may be interpreted. */
	for (u32 i = 0; i < 3; i++) {
		fill(g->mem + AREA);
		start(g, o, AREA);
		assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	}
	fill(expected);
	model(expected, o);
	assert_memory_equal(g->mem + AREA, expected, AREA_SIZE);
	guest_regs(g, 0, &r);
	assert_int_equal(r.rcx, 0);
	assert_int_equal(r.rdi, AREA + o->to + bytes);
	assert_int_equal(r.rsi, AREA + o->from + (o->source ? bytes : 0));
	assert_int_equal(r.rax, VALUE);
	free(expected);
}

/* From and to places in the area, with @n elements of each size. */
static void check_sizes(struct guest *g, u64 from, u64 to, u64 n, bool down)
{
	for (u32 size = 1; size <= 8; size *= 2) {
		check(g, &(struct op){ true, down, size, from, to, n });
		check(g, &(struct op){ false, down, size, from, to, n });
	}
}

static void counts(void **state)
{
	static const u64 n[] = { 0, 1, 2, 7, 8, 100, 511, 512 };
	struct guest g;

	up(&g);
	for (u32 i = 0; i < ARRAY_SIZE(n); i++)
		check_sizes(&g, 0, 2 * PG, n[i], false);
	check(&g, &(struct op){ true, false, 1, 0, PG, PG });
	check(&g, &(struct op){ false, false, 4, 0, PG, PG / 4 });
	guest_destroy(&g);
}

static void overlaps(void **state)
{
	static const s64 ahead[] = { -64, -9, -8, -1, 1, 2, 3, 5, 8, 9, 17, 64 };
	struct guest g;

	up(&g);
	for (u32 i = 0; i < ARRAY_SIZE(ahead); i++) {
		check_sizes(&g, 1024, 1024 + ahead[i], 40, false);
		check_sizes(&g, 1024, 1024 + ahead[i], 40, true);
	}
	guest_destroy(&g);
}

static void pages(void **state)
{
	struct guest g;

	up(&g);
	for (u32 off = 1; off <= 16; off++) {
		check_sizes(&g, PG - off, 2 * PG + 100, 3, false);
		check_sizes(&g, 100, 2 * PG - off, 3, false);
	}
	check_sizes(&g, 10, 2 * PG + 3, 600, false);
	guest_destroy(&g);
}

/* RSI, RDI and RCX are those of an instruction that has not begun. */
static void memory_gone(void **state)
{
	struct op o = { true, false, 8, 0, PG, 32 };
	struct kvm_regs r;
	struct guest g;
	u8 *mem;

	up(&g);
	mem = guest_ram(2 * PG);
	assert_ok(set_region(g.vm, 5, 0, GONE, 2 * PG, mem));
	for (u32 i = 0; i < 3; i++) {
		start(&g, &o, GONE);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	}
	for (u32 i = 2; i-- > 0;) {	/* the destination, then the source, too */
		munmap(mem + i * PG, PG);
		start(&g, &o, GONE);
		assert_int_equal(guest_run(&g, 0), -EFAULT);
		guest_regs(&g, 0, &r);
		assert_int_equal(r.rsi, GONE);
		assert_int_equal(r.rdi, GONE + PG);
		assert_int_equal(r.rcx, 32);
		assert_int_equal(r.rax, VALUE);
	}
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(pages),
		cmocka_unit_test(memory_gone),
	};

	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
	setenv("ANYKVM_JIT_VERIFY", "1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
