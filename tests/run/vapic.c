/* SPDX-License-Identifier: MIT */
/* KVM_CAP_VAPIC: the exit for accesses to the TPR, and the word in memory. */
#include "guest.h"

GUEST_BLOB(vapic_touch);
GUEST_BLOB(vapic_tpr);
GUEST_BLOB(vapic_hold);
GUEST_BLOB(vapic_handler);

enum { HANDLER = 0x20000, WORD = 0x42000, VECTOR = 0x31 };

#define START(name) struct guest g; needs_guest();				\
	guest_create(&g, GUEST_IRQCHIP, 1);					\
	guest_load(&g, GUEST_CODE, name); guest_load(&g, HANDLER, vapic_handler);	\
	guest_gate(&g, VECTOR, HANDLER); guest_long(&g, 0, GUEST_CODE)

static void report(struct guest *g, u32 enabled)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = enabled };

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_TPR_ACCESS_REPORTING, &ctl));
}

static void set_addr(struct guest *g, u64 gpa)
{
	struct kvm_vapic_addr a = { .vapic_addr = gpa };

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_VAPIC_ADDR, &a));
}

static u32 word(struct guest *g)
{
	return *(volatile u32 *)(g->mem + WORD);
}

static u32 lapic_tpr(struct guest *g)
{
	struct kvm_lapic_state s;
	u32 tpr;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_LAPIC, &s));
	memcpy(&tpr, s.regs + 0x80, 4);
	return tpr;
}

static void assert_out(struct guest *g)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
	assert_int_equal(g->run[0]->io.port, 0x10);
}

/* The instruction is over, the exit names where it began. */
static void assert_report(struct guest *g, u64 rip, u32 len, bool is_write)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_TPR_ACCESS);
	assert_int_equal(g->run[0]->tpr_access.rip, rip);
	assert_int_equal(g->run[0]->tpr_access.is_write, is_write);
	assert_int_equal(guest_rip(g, 0), rip + len);
}

static void accesses_are_reported(void **state)
{
	START(vapic_touch);

	report(&g, 1);
	assert_report(&g, GUEST_CODE + 15, 6, false);
	assert_report(&g, GUEST_CODE + 21, 10, true);
	assert_int_equal(lapic_tpr(&g), 0x40);
	assert_report(&g, GUEST_CODE + 31, 7, true);
	assert_int_equal(lapic_tpr(&g), 0x50);
	assert_out(&g);
	assert_int_equal(guest_rax(&g, 0), 5);
	guest_destroy(&g);
}

static void not_unless_asked_for(void **state)
{
	START(vapic_touch);

	report(&g, 1);
	report(&g, 0);
	assert_out(&g);
	guest_destroy(&g);
}

/* immediate_exit does not lose the report. */
static void report_waits_for_the_next_run(void **state)
{
	START(vapic_touch);

	report(&g, 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_TPR_ACCESS);
	g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&g, 0), -EINTR);
	g.run[0]->immediate_exit = 0;
	assert_report(&g, GUEST_CODE + 21, 10, true);
	guest_destroy(&g);
}

static void word_and_register_are_one(void **state)
{
	struct kvm_regs r;
	START(vapic_tpr);

	*guest_word(&g, WORD) = 0;
	set_addr(&g, WORD);
	assert_out(&g);
	assert_int_equal(word(&g), 0);
	assert_out(&g);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rax, 0x70);
	assert_int_equal(r.rcx, 0x70);
	assert_int_equal(r.rdx, 7);
	assert_int_equal(lapic_tpr(&g), 0x70);
	assert_int_equal(g.run[0]->cr8, 7);
	assert_out(&g);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rax, 0x30);
	assert_int_equal(r.rcx, 0x50);
	guest_destroy(&g);
}

/* KVM_SET_LAPIC wins over what the word said. */
static void restored_tpr_reaches_the_word(void **state)
{
	struct kvm_lapic_state s;
	START(vapic_tpr);

	set_addr(&g, WORD);
	assert_out(&g);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_LAPIC, &s));
	memset(s.regs + 0x80, 0x60, 1);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_LAPIC, &s));
	g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&g, 0), -EINTR);
	assert_int_equal(word(&g), 0x60);
	assert_int_equal(lapic_tpr(&g), 0x60);
	guest_destroy(&g);
}

static void word_without_address_is_only_memory(void **state)
{
	START(vapic_tpr);

	set_addr(&g, WORD);
	set_addr(&g, 0);
	assert_out(&g);
	assert_out(&g);
	assert_int_equal(guest_rax(&g, 0), 0);
	assert_int_equal(word(&g), 0x70);
	guest_destroy(&g);
}

static void word_holds_interrupts_back(void **state)
{
	struct kvm_msi m = { .address_lo = 0xfee00000, .data = VECTOR };
	struct kvm_regs r;
	START(vapic_hold);

	set_addr(&g, WORD);
	assert_out(&g);
	assert_true(kvm_ioctl(g.vm, KVM_SIGNAL_MSI, &m) > 0);
	assert_out(&g);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rsi, 0);
	assert_int_equal(r.rdi, (u32)VECTOR << 24 | 0x40);
	assert_int_equal(r.rdx, 1);
	assert_int_equal(r.rcx, 0);
	/* In the handler: in service, until its end. */
	assert_int_equal(*guest_word(&g, 0x40008), 0x3000);
	assert_int_equal(*guest_word(&g, 0x40010), 0);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accesses_are_reported),
		cmocka_unit_test(not_unless_asked_for),
		cmocka_unit_test(report_waits_for_the_next_run),
		cmocka_unit_test(word_and_register_are_one),
		cmocka_unit_test(restored_tpr_reaches_the_word),
		cmocka_unit_test(word_without_address_is_only_memory),
		cmocka_unit_test(word_holds_interrupts_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
