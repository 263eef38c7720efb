/* SPDX-License-Identifier: MIT */
/* Where code ends: the limit of CS (SDM vol. 3A 5.3). */
#include "guest.h"

enum { HANDLER = 0x500, BYTES = 16 };

struct limit_case {
	const char *what;
	u32 limit, rip;		/* of the first byte */
	u8 code[BYTES];
	u32 end;		/* where HLT is, or what faults */
	bool faults;
};

static const struct limit_case cases[] = {
	{ "HLT is the last byte", 0x101, 0x100, { 0x90, 0xf4 }, 0x101, false },
	{ "nothing behind the last byte", 0x100, 0x100, { 0x90, 0xf4 }, 0x101, true },
	{ "nothing at all", 0xff, 0x100, { 0xf4 }, 0x100, true },
	{ "an instruction ends behind it", 0x101, 0x100, { 0x90, 0xb0, 1, 0xf4 }, 0x101, true },
	{ "and one that ends with it", 0x102, 0x100, { 0x90, 0xb0, 1, 0xf4 }, 0x103, true },
	{ "a page ends, too", 0xfff, 0xffe, { 0x90, 0xb0, 1, 0xf4 }, 0xfff, true },
	{ "on the next page", 0x1000, 0xffe, { 0x90, 0xb8, 1, 0, 0xf4 }, 0xfff, true },
	{ "on the next page, but enough", 0x1002, 0xffe, { 0x90, 0xb8, 1, 0, 0xf4 }, 0x1002, false },
	{ "an opcode that is none", 0x100, 0x100, { 0x0f, 0x0b }, 0x100, true },
	{ "prefixes", 0x102, 0x100, { 0x66, 0x66, 0x66, 0x90 }, 0x100, true },
	{ "64 KiB", 0xffff, 0xfffe, { 0x90, 0x90, 0xf4 }, 0x10000, true },
	{ "and no more", 0xffff, 0xfffe, { 0x90, 0xf4 }, 0xffff, false },
};

static void set_limit(struct guest *g, u32 limit)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_SREGS, &s));
	s.cs.limit = limit;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_SREGS, &s));
}

/* All exceptions halt, at the begin of a segment: CS keeps its limit. */
static void set_vectors(struct guest *g)
{
	for (u32 v = 0; v < 32; v++)
		memcpy(g->mem + v * 4, &(u32){ HANDLER << 12 }, 4);
	g->mem[HANDLER] = 0xf4;
}

static u16 stacked_ip(struct guest *g)
{
	struct kvm_regs r;
	u16 ip;

	guest_regs(g, 0, &r);
	memcpy(&ip, g->mem + r.rsp, 2);
	return ip;
}

static void run_case(struct guest *g, const struct limit_case *t)
{
	u32 at;

	guest_real(g, 0, GUEST_CODE + t->rip);
	set_limit(g, t->limit);
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	at = guest_rip(g, 0) - 1;
	if (!at != t->faults)
		fail_msg("%s: %s", t->what, t->faults ? "no #GP" : "#GP");
	if (t->faults ? stacked_ip(g) != (u16)t->end : at != t->end)
		fail_msg("%s: not at %#x", t->what, t->end);
}

/* Whether it was executed under another limit before or not. */
static void code_ends_with_its_segment(void **state)
{
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 1);
	set_vectors(&g);
	for (u32 i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(g.mem + GUEST_CODE, 0xf4, 0x11000);
		memcpy(g.mem + GUEST_CODE + cases[i].rip, cases[i].code, BYTES);
		run_case(&g, &cases[i]);
		guest_real(&g, 0, GUEST_CODE + cases[i].rip);
		set_limit(&g, 0x1ffff);
		guest_run(&g, 0);
		run_case(&g, &cases[i]);
	}
	guest_destroy(&g);
}

/* The limit is looked at before the page (SDM vol. 3A 6.9): there is none here. */
static void limit_before_page(void **state)
{
	enum { LAST = GUEST_RAM - 1 };
	struct kvm_sregs s;
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 1);
	set_vectors(&g);
	g.mem[LAST] = 0xb0;		/* MOV $imm8, %AL without imm8 */
	guest_real(&g, 0, 0xffff);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	s.cs.base = LAST - 0xffff;
	s.cs.selector = s.cs.base >> 4;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SREGS, &s));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rip(&g, 0), 1);
	guest_destroy(&g);
}

/* A handler that the limit leaves out is #GP, again and again. */
static void handlers_are_within_the_limit(void **state)
{
	struct guest g;

	needs_guest();
	guest_create(&g, 0, 1);
	for (u32 v = 0; v < 32; v++)
		memcpy(g.mem + v * 4, &(u32){ HANDLER }, 4);
	memcpy(g.mem + GUEST_CODE + 0x100, "\x0f\x0b", 2);
	guest_real(&g, 0, GUEST_CODE + 0x100);
	set_limit(&g, HANDLER - 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_SHUTDOWN);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_ends_with_its_segment),
		cmocka_unit_test(limit_before_page),
		cmocka_unit_test(handlers_are_within_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
