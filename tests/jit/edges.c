/* SPDX-License-Identifier: MIT */
/* Ways from block to block that leave something out: flags, a shared indirect jump. */
#include "guest.h"

GUEST_BLOB(jit_dispatch);
GUEST_BLOB(jit_forward);
GUEST_BLOB(jit_jcc);
GUEST_BLOB(jit_jcc_behind_store);
GUEST_BLOB(jit_jmp);
GUEST_BLOB(jit_jmp_behind_store);

enum { ROUNDS = 300 };

static void begin(struct guest *g)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rip = GUEST_CODE;
	r.rdi = ROUNDS;
	guest_set_regs(g, 0, &r);
}

static u64 result(struct guest *g)
{
	begin(g);
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	return guest_rax(g, 0);
}

/* The code that RBX has told of. */
static u8 *marked(struct guest *g)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	return g->mem + r.rbx;
}

static void up(struct guest *g)
{
	needs_guest();
	guest_create(g, 0, 1);
	guest_long(g, 0, GUEST_CODE);
}

/* XOR EAX, EAX does not see the flags of the block before; SETC AL does. */
static void check_seen(struct guest *g)
{
	static const u8 blind[] = { 0x31, 0xc0, 0x90 }, sees[] = { 0x0f, 0x92, 0xc0 };

	for (u32 i = 0; i < 5; i++) {
		assert_int_equal(result(g), 0);
		memcpy(marked(g), sees, sizeof(sees));
		assert_int_equal(result(g), ROUNDS / 2);
		memcpy(marked(g), blind, sizeof(blind));
	}
	guest_destroy(g);
}

#define SEEN(name)				\
static void name(void **state)			\
{						\
	struct guest g;				\
						\
	up(&g);					\
	guest_load(&g, GUEST_CODE, jit_##name);	\
	check_seen(&g);				\
}
SEEN(forward)
SEEN(jmp)
SEEN(jmp_behind_store)
SEEN(jcc)
SEEN(jcc_behind_store)

/* All copies of a dispatch are what it has become. */
static void dispatch(void **state)
{
	struct guest g;

	up(&g);
	guest_load(&g, GUEST_CODE, jit_dispatch);
	assert_int_equal(result(&g), ROUNDS);
	for (u32 i = 2; i < 20; i++) {
		*marked(&g) = i;
		assert_int_equal(result(&g), i * ROUNDS);
	}
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward),
		cmocka_unit_test(jmp),
		cmocka_unit_test(jmp_behind_store),
		cmocka_unit_test(jcc),
		cmocka_unit_test(jcc_behind_store),
		cmocka_unit_test(dispatch),
	};

	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
