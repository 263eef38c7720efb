/* SPDX-License-Identifier: MIT */
/* What is to notice wrong translations does so: lockstep, and the verifier. */
#include "guest.h"

#include "api/fd.h"
#include "api/stats.h"
#include "api/vm.h"
#include "x86/jit/debug.h"

/* Stores 0x11223344, adds, calls what returns at once; 100 times. */
static const u8 program[] = {
	0xb9, 100, 0, 0, 0,				/* mov ecx, 100 */
	0xc7, 0x04, 0x25, 0, 0, 4, 0, 0x44, 0x33, 0x22, 0x11, /* mov dword [0x40000], 0x11223344 */
	0x81, 0xc2, 0x78, 0x56, 0x34, 0x12,		/* add edx, 0x12345678 */
	0xe8, 5, 0, 0, 0,				/* call ret */
	0xff, 0xc9,					/* dec ecx */
	0x75, 0xe6,					/* jnz mov dword */
	0xf4,						/* hlt */
	0xc3,						/* ret */
};

enum { LOOP = GUEST_CODE + 5 };

struct world {
	struct guest g;
	struct kfile *f;
	struct cpu *c;
};

static void up(struct world *w)
{
	guest_create(&w->g, GUEST_PLAIN, 1);
	memcpy(w->g.mem + GUEST_CODE, program, sizeof(program));
	guest_long(&w->g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&w->g, 0), KVM_EXIT_HLT);
	w->f = kfile_get(w->g.vcpu[0]);
	assert_non_null(w->f);
	w->c = w->f->vcpu->cpu;
	assert_non_null(w->c->jit);
}

static void down(struct world *w)
{
	kfile_put(w->f);
	guest_destroy(&w->g);
}

static struct tu *translation(struct world *w, u64 rip)
{
	struct jit *j = w->c->jit;

	for (struct tu *tu = j->made; tu; tu = tu->made_before)
		if (tu->rip == rip)
			return tu;
	fail_msg("no translation");
	return NULL;
}

/* An immediate in the translation becomes another one. */
static void falsify(struct tu *tu, u32 imm)
{
	u8 *at = memmem(tu->entry, tu->size, &imm, sizeof(imm));

	assert_non_null(at);
	*at ^= 1;
}

static void equal_engines(void **state)
{
	struct world w;

	up(&w);
	assert_string_equal(anykvm_engine(), "lockstep");
	assert_in_range(w.f->vcpu->stats->anykvm_lockstep_checks[0], 100, 100000);
	assert_int_equal(w.f->vcpu->stats->anykvm_jump_misses[0], 0);
	down(&w);
}

/* Translations do without the decoded blocks that they were made of. */
static void emptied_blocks(void **state)
{
	const struct block *b;
	struct world w;
	struct tu *tu;

	up(&w);
	tu = translation(&w, LOOP);
	block_cache_flush(w.c);
	assert_ptr_equal(translation(&w, LOOP), tu);
	b = tu_block(w.c->jit, tu);
	assert_int_equal(b->count, 3);
	assert_int_equal(b->len, 22);
	assert_int_equal(b->insn[1].end, 17);
	assert_int_equal(b->insn[2].len, 5);
	assert_ptr_equal(b->host, w.g.mem + LOOP);
	guest_long(&w.g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_HLT);
	assert_ptr_equal(translation(&w, LOOP), tu);
	down(&w);
}

/* #XM of what would have made x87 registers MMX ones. */
static const u8 conversion[] = {
	0x0f, 0xae, 0x14, 0x25, 0, 0, 4, 0,		/* ldmxcsr [0x40000] */
	0x66, 0x0f, 0x76, 0xc0,				/* pcmpeqd xmm0, xmm0 */
	0xdb, 0xe3, 0xd9, 0xe8,				/* fninit; fld1 */
	0xeb, 0x00,					/* jmp cvtpd2pi */
	0x66, 0x0f, 0x2d, 0xc8,				/* cvtpd2pi mm1, xmm0 */
	0xf4,						/* hlt */
};

enum { HANDLER = GUEST_CODE + PG, XM = 19, MXCSR_IM_UNMASKED = 0x1f00 };

/* What an instruction that faults has changed is no difference. */
static void simd_exception(void **state)
{
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	memcpy(g.mem + GUEST_CODE, conversion, sizeof(conversion));
	g.mem[HANDLER] = 0xf4;
	*guest_word(&g, 0x40000) = MXCSR_IM_UNMASKED;
	guest_gate(&g, XM, HANDLER);
	for (u32 i = 0; i < 10; i++) {
		guest_long(&g, 0, GUEST_CODE);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
		assert_int_equal(guest_rip(&g, 0), HANDLER + 1);
	}
	guest_destroy(&g);
}

static void wrong(u32 imm)
{
	struct world w;

	up(&w);
	falsify(translation(&w, LOOP), imm);
	guest_long(&w.g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(w.g.run[0]->internal.suberror,
			 KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
	assert_int_equal(w.g.run[0]->internal.data[0], LOOP);
	down(&w);
}

static void wrong_register(void **state)
{
	wrong(0x12345678);
}

static void wrong_store(void **state)
{
	wrong(0x11223344);
}

/* -- The verifier ------------------------------------------------------------------- */

static void rejected(struct world *w, const u8 *code, u32 n, const char *reason)
{
	struct tu *tu = translation(w, LOOP);
	const char *why = "";
	u8 saved[16];
	const u8 *at;

	memcpy(saved, tu->entry, sizeof(saved));
	memcpy(tu->entry, code, n);
	memset(tu->entry + n, 0xcc, sizeof(saved) - n);
	tu->size = sizeof(saved);
	assert_false(jit_verify(w->c, tu, &at, &why));
	assert_string_equal(why, reason);
	assert_in_range((uintptr_t)at, (uintptr_t)tu->entry, (uintptr_t)tu->entry + n - 1);
	memcpy(tu->entry, saved, sizeof(saved));
}

#define REJECTED(reason, ...)						\
	rejected(&w, (const u8[]){ __VA_ARGS__ },			\
		 sizeof((const u8[]){ __VA_ARGS__ }), reason)

static void verifier(void **state)
{
	struct world w;
	const char *why;
	const u8 *at;

	up(&w);
	assert_true(jit_verify(w.c, translation(&w, LOOP), &at, &why));
	REJECTED("a privileged instruction", 0xf4);
	REJECTED("a system instruction", 0x0f, 0x05);
	REJECTED("a system instruction", 0xcd, 0x80);
	REJECTED("memory through a guest's register", 0x8b, 0x03);
	REJECTED("guest memory without a check", 0x8b, 0x00);
	REJECTED("guest memory without a check", 0x41, 0x8b, 0x02);
	REJECTED("memory of the host's thread", 0x64, 0x8b, 0x00);
	REJECTED("memory beside struct cpu", 0x41, 0x8b, 0x87, 0, 0, 0, 0x7f);
	REJECTED("memory beside struct cpu", 0x41, 0x8b, 0x87, 0x7c, 0xff, 0xff, 0xff);
	REJECTED("memory beside the TLB", 0x4b, 0x8b, 0x04, 0x17);
	REJECTED("memory through a guest's register", 0x4d, 0x8b, 0x1b);
	REJECTED("memory beside the jump cache", 0x4b, 0x8b, 0x04, 0xd7);
	REJECTED("the host's stack", 0x8b, 0x04, 0x24);
	REJECTED("R15 or RSP written", 0x49, 0x89, 0xc7);
	REJECTED("R15 or RSP written", 0x48, 0x83, 0xc4, 0x08);
	REJECTED("a jump out of the block", 0xe9, 0, 0, 0, 0x01);
	REJECTED("a segment register written", 0x8e, 0xe0);
	down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_engines),
		cmocka_unit_test(emptied_blocks),
		cmocka_unit_test(simd_exception),
		cmocka_unit_test(wrong_register),
		cmocka_unit_test(wrong_store),
		cmocka_unit_test(verifier),
	};

	setenv("ANYKVM_ENGINE", "lockstep", 1);
	setenv("ANYKVM_JIT_HOT", "1", 1);
	setenv("ANYKVM_JIT_FILE", "/dev/null", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
