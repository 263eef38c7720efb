/* SPDX-License-Identifier: MIT */
/* Code that changes: by itself, by other vCPUs, by the VMM (SDM vol. 3A 8.1.3). */
#include "guest.h"

enum {
	ALIAS	= 2 << 20,	/* the first 2 MiB once more */
	OLD	= 0x11111111,
};

#define BLOBS(X)								\
	X(mov32) X(mov8) X(mov_imm) X(add) X(inc) X(not) X(shl) X(shld) X(bts)	\
	X(setcc) X(xchg) X(xadd) X(lock_or) X(cmpxchg) X(cmpxchg8b)		\
	X(cmpxchg16b) X(movnti) X(push) X(pushw) X(pop) X(stos) X(movs)		\
	X(rep_stos) X(rep_movs) X(rep_movs_down) X(movups) X(movd) X(movlps)	\
	X(maskmovdqu) X(movq_mmx) X(fistp) X(fst) X(sgdt) X(stmxcsr) X(str)
#define SERIALIZING(X)								\
	X(cpuid) X(mfence) X(wbinvd) X(invd) X(lgdt) X(lidt) X(lldt) X(invlpg)	\
	X(mov_cr)

#define DECLARE(name)	GUEST_BLOB(smc_##name);
BLOBS(DECLARE)
SERIALIZING(DECLARE)
GUEST_BLOB(smc_ins);
GUEST_BLOB(smc_rep_over_itself);
GUEST_BLOB(smc_writer);
GUEST_BLOB(smc_crossing);

struct blob {
	const char *name;
	const u8 *code, *end;
};
#define ROW(name)	{ #name, guest_smc_##name, guest_smc_##name##_end },
static const struct blob stores[] = { BLOBS(ROW) };
static const struct blob serializing[] = { SERIALIZING(ROW) };

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static u32 read32(const struct guest *g, u64 gpa)
{
	u32 v;

	memcpy(&v, g->mem + gpa, 4);
	return v;
}

/* Where the operand @v of an instruction is in memory, from @gpa on. */
static u64 operand_at(const struct guest *g, u64 gpa, u32 v)
{
	while (read32(g, gpa) != v)
		gpa++;
	return gpa;
}

/* -- Stores ahead ---------------------------------------------------------------------- */

static void put_code(struct guest *g, const struct blob *b)
{
	memset(g->mem + GUEST_CODE, 0xf4, 0x1000);
	memcpy(g->mem + GUEST_CODE, b->code, b->end - b->code);
}

static void set_r8(struct guest *g, u64 r8)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.r8 = r8;
	guest_set_regs(g, 0, &r);
}

/* The store has changed the operand, and what is in ECX is what it became. */
static void assert_store_was_seen(struct guest *g, const struct blob *b, u64 at)
{
	struct kvm_regs r;

	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	guest_regs(g, 0, &r);
	if (read32(g, at) == OLD || (u32)r.rcx != read32(g, at))
		fail_msg("%s: %#x executed, %#x in memory", b->name, (u32)r.rcx, read32(g, at));
}

static void stores_are_seen_through(u64 alias)
{
	struct guest g;
	u64 *pd;

	guest_create(&g, 0, 1);
	pd = (u64 *)(g.mem + GUEST_PML4 + 0x2000);
	pd[1] = pd[0];
	for (u32 i = 0; i < ARRAY_SIZE(stores); i++) {
		put_code(&g, &stores[i]);
		guest_long(&g, 0, GUEST_CODE);
		set_r8(&g, alias);
		assert_store_was_seen(&g, &stores[i], operand_at(&g, GUEST_CODE, OLD));
	}
	guest_destroy(&g);
}

static void stores_are_seen(void **state)
{
	needs_guest();
	stores_are_seen_through(0);
}

static void stores_through_another_address_are_seen(void **state)
{
	needs_guest();
	stores_are_seen_through(ALIAS);
}

/* 32-bit code whose linear addresses wrap (SDM vol. 3A 3.4). */
static void stores_are_seen_where_cs_wraps(void **state)
{
	static const u8 code[] = {
		0xc7, 5, 0xb, 0, 1, 0, 0x22, 0x22, 0x22, 0x22,	/* movl $.., GUEST_CODE + 11 */
		0xb9, 0x11, 0x11, 0x11, 0x11,			/* mov $.., %ecx */
		0xf4,
	};
	const struct blob b = { "wrap", code, code + sizeof(code) };
	struct kvm_sregs s;
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 1);
	put_code(&g, &b);
	guest_prot32(&g, 0, GUEST_CODE + 0x100000);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	s.cs.base = -0x100000u;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SREGS, &s));
	assert_store_was_seen(&g, &b, GUEST_CODE + 11);
	guest_destroy(&g);
}

/* Elements of REP INS come from the VMM, and are code at once. */
static void input_is_seen(void **state)
{
	struct kvm_regs r;
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 1);
	guest_load(&g, GUEST_CODE, smc_ins);
	guest_long(&g, 0, GUEST_CODE);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x77, 4);
	memset(guest_pio(&g, 0), 0x33, 4);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rcx, 0x33333333);
	guest_destroy(&g);
}

/* Processors go on with a REP STOS that has overwritten itself. */
static void rep_goes_on_over_itself(void **state)
{
	const struct { u64 from, n; u64 rflags; } cases[] = {
		{ GUEST_CODE - 5, 100, 2 }, { GUEST_CODE - 0x2003, 0x6000, 2 },
		{ GUEST_CODE + 0x1803, 0x6000, 0x402 },
	};
	struct kvm_regs r;
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 1);
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(g.mem + GUEST_CODE - 0x8000, 0xf4, 0x10000);
		guest_load(&g, GUEST_CODE, smc_rep_over_itself);
		guest_long(&g, 0, GUEST_CODE);
		guest_regs(&g, 0, &r);
		r.rdi = cases[i].from;
		r.rcx = cases[i].n;
		r.rax = 0x90;
		r.rflags = cases[i].rflags;
		guest_set_regs(&g, 0, &r);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
		guest_regs(&g, 0, &r);
		assert_int_equal(r.rcx, 0);
	}
	guest_destroy(&g);
}

/* -- Other vCPUs -------------------------------------------------------------------------- */

/* What was written before a serialising instruction is executed after it. */
static void serialized(struct guest *g, const struct blob *b)
{
	enum { N = 10, WRITER = GUEST_CODE + 0x2000 };
	struct runner r[2];
	struct kvm_regs regs;

	put_code(g, b);
	guest_load(g, WRITER, smc_writer);
	memset(g->mem + 0x40000, 0, 16);
	guest_long(g, 0, GUEST_CODE);
	guest_long(g, 1, WRITER);
	for (u32 i = 0; i < 2; i++) {
		guest_regs(g, i, &regs);
		regs.rdi = N;
		/* MOV $0, %EAX */
		regs.rbx = operand_at(g, GUEST_CODE + 32, 0);
		guest_set_regs(g, i, &regs);
	}
	runner_start(&r[1], g, 1);
	runner_start(&r[0], g, 0);
	assert_int_equal(runner_join(&r[0]), KVM_EXIT_HLT);
	if (guest_rax(g, 0) != N)
		fail_msg("%s: %u executed instead of %u", b->name, (u32)guest_rax(g, 0),
			 read32(g, 0x40000));
	assert_int_equal(runner_join(&r[1]), KVM_EXIT_HLT);
}

static void serializing_instructions_show_it(void **state)
{
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 2);
	for (u32 i = 0; i < ARRAY_SIZE(serializing); i++)
		serialized(&g, &serializing[i]);
	guest_destroy(&g);
}

/* -- Across pages ---------------------------------------------------------------------------- */

static void run_crossing(struct guest *g, u64 rip, u32 want)
{
	guest_long(g, 0, rip);
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rax(g, 0), want);
}

/* Of an instruction that crosses a page only the second page changes. */
static void the_second_page_changes(void **state)
{
	enum { PAGE2 = GUEST_CODE + PG, OTHER = GUEST_CODE + 4 * PG, LIN = ALIAS };
	struct guest g;
	u64 *pd, *pt;

	needs_guest();
	guest_create(&g, 0, 1);
	guest_load(&g, PAGE2 - 2, smc_crossing);
	memcpy(g.mem + OTHER, g.mem + PAGE2, PG);
	pd = (u64 *)(g.mem + GUEST_PML4 + 0x2000);
	pt = (u64 *)(g.mem + 0x60000);
	pd[1] = 0x60000 | 7;
	pt[0] = GUEST_CODE | 7;
	pt[1] = PAGE2 | 7;
	run_crossing(&g, LIN + PG - 2, OLD);

	g.mem[PAGE2 + 2] = 0x44;	/* the VMM writes */
	run_crossing(&g, LIN + PG - 2, 0x44111111);
	pt[1] = OTHER | 7;		/* another page; loading CR3 forgets the first */
	run_crossing(&g, LIN + PG - 2, OLD);
	g.mem[OTHER] = 0x55;
	run_crossing(&g, LIN + PG - 2, 0x11115511);
	run_crossing(&g, PAGE2 - 2, 0x44111111);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_are_seen),
		cmocka_unit_test(stores_through_another_address_are_seen),
		cmocka_unit_test(stores_are_seen_where_cs_wraps),
		cmocka_unit_test(input_is_seen),
		cmocka_unit_test(rep_goes_on_over_itself),
		cmocka_unit_test(serializing_instructions_show_it),
		cmocka_unit_test(the_second_page_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
