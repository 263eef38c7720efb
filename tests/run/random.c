/* SPDX-License-Identifier: MIT */
/* RDRAND and RDSEED (SDM vol. 2B): sizes, flags, and that numbers differ. */
#include "guest.h"

enum { CF = 1, ALL_STATUS = 0x8d5 };

/* Prefixes, 0F C7 /6 or /7 of RAX, HLT; all status flags and bits of RAX are set before. */
static u64 execute(struct guest *g, u8 prefix, u8 modrm, u64 *rflags)
{
	const u8 code[] = { prefix, 0x0f, 0xc7, modrm, 0xf4 };
	struct kvm_regs r;

	memcpy(g->mem + GUEST_CODE, code, sizeof(code));
	guest_long(g, 0, GUEST_CODE);
	guest_regs(g, 0, &r);
	r.rax = ~0ull;
	r.rflags |= ALL_STATUS;
	guest_set_regs(g, 0, &r);
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	guest_regs(g, 0, &r);
	*rflags = r.rflags & ALL_STATUS;
	return r.rax;
}

/* 0 is as likely as anything: only that not all of them are the same says much. */
static void check(struct guest *g, u8 modrm)
{
	enum { OSZ = 0x66, NONE = 0x3e, REX_W = 0x48, TRIES = 20 };
	u64 v, rflags, seen = 0, all = ~0ull;

	for (u32 i = 0; i < TRIES; i++) {
		v = execute(g, OSZ, modrm, &rflags);
		assert_true(rflags == CF || (!rflags && !(u16)v));
		assert_int_equal(v >> 16, ~0ull >> 16);
		v = execute(g, NONE, modrm, &rflags);
		assert_true(rflags == CF || (!rflags && !v));
		assert_int_equal(v >> 32, 0);
		v = execute(g, REX_W, modrm, &rflags);
		assert_true(rflags == CF || (!rflags && !v));
		seen |= v;
		all &= v;
	}
	assert_int_equal(seen, ~0ull);
	assert_int_equal(all, 0);
}

static void rdrand(void **state)
{
	struct guest g;

	needs_guest();
	if (!__builtin_cpu_supports("rdrnd"))
		skip();
	guest_create(&g, 0, 1);
	check(&g, 0xf0);
	guest_destroy(&g);
}

static void rdseed(void **state)
{
	struct guest g;

	needs_guest();
	if (!__builtin_cpu_supports("rdseed"))
		skip();
	guest_create(&g, 0, 1);
	check(&g, 0xf8);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rdrand),
		cmocka_unit_test(rdseed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
