/* SPDX-License-Identifier: MIT */
/* TF: one #DB behind each instruction, whatever it does (SDM vol. 3B 17.3.1.4). */
#include "guest.h"

GUEST_BLOB(step_db);
GUEST_BLOB(step_int);
GUEST_BLOB(step_code);
GUEST_BLOB(step_ends);

enum { HANDLER = 0x20000, INT_HANDLER = 0x21000, COUNT = 0x50000, RECORDS = 0x50010 };
enum { TF = 0x100, BS = 0x4000 };

static void start(struct guest *g)
{
	struct kvm_regs r;

	guest_create(g, 0, 1);
	guest_load(g, GUEST_CODE, step_code);
	guest_load(g, HANDLER, step_db);
	guest_load(g, INT_HANDLER, step_int);
	guest_long(g, 0, GUEST_CODE);
	guest_gate(g, 1, HANDLER);
	guest_gate(g, 0x30, INT_HANDLER);
	guest_regs(g, 0, &r);
	r.rbx = GUEST_MMIO;
	r.rflags |= TF;
	guest_set_regs(g, 0, &r);
}

static void run_to_hlt(struct guest *g)
{
	int reason;

	do {
		reason = guest_run(g, 0);
	} while (reason == KVM_EXIT_MMIO || reason == KVM_EXIT_IO || reason == KVM_EXIT_SET_TPR);
	assert_int_equal(reason, KVM_EXIT_HLT);
}

static void each_instruction_is_stepped_once(void **state)
{
	const u16 *end = (const u16 *)guest_step_ends;
	u32 n = (guest_step_ends_end - guest_step_ends) / sizeof(*end);
	struct guest g;

	needs_guest();
	start(&g);
	run_to_hlt(&g);
	for (u32 i = 0; i < n; i++) {
		const u64 *rec = (const u64 *)(g.mem + RECORDS + i * 16);

		if (rec[0] != GUEST_CODE + end[i] || !(rec[1] & BS))
			fail_msg("#DB %u at %#lx, DR6 %#lx, not at %#x", i,
				 (unsigned long)rec[0], (unsigned long)rec[1],
				 GUEST_CODE + end[i]);
	}
	assert_int_equal(*guest_word(&g, COUNT), n);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_instruction_is_stepped_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
