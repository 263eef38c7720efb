/* SPDX-License-Identifier: MIT */
/*
 * KVM_CAP_X86_DISABLE_EXITS (api.rst 7.13), and when a VMM with its own PIC
 * may inject (kvm_run.ready_for_interrupt_injection).
 */
#include "guest.h"

GUEST_BLOB(off_hlt);
GUEST_BLOB(off_handler);
GUEST_BLOB(off_mwait);
GUEST_BLOB(off_window);

enum { HANDLER = 0x20000, VECTOR = 0x31 };

static void start(struct guest *g, u32 flags, const u8 *code, size_t size)
{
	needs_guest();
	guest_create(g, flags, 1);
	memcpy(g->mem + GUEST_CODE, code, size);
	guest_load(g, HANDLER, off_handler);
	guest_gate(g, VECTOR, HANDLER);
	guest_long(g, 0, GUEST_CODE);
}

#define START(flags, name) struct guest g;					\
	start(&g, flags, guest_##name, guest_##name##_end - guest_##name)

static void disable(struct guest *g, u64 mask)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS, .args = { mask } };

	assert_ok(kvm_ioctl(g->vm, KVM_ENABLE_CAP, &cap));
}

static void inject(struct guest *g)
{
	struct kvm_interrupt irq = { VECTOR };

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_INTERRUPT, &irq));
}

static void assert_out(struct guest *g, u16 port)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
	assert_int_equal(g->run[0]->io.port, port);
}

/* -- HLT ---------------------------------------------------------------------------- */

/* Without a LAPIC: no KVM_EXIT_HLT; a signal makes it go on behind the HLT. */
static void hlt_does_not_exit(void **state)
{
	START(GUEST_PLAIN, off_hlt);
	struct runner r;

	disable(&g, KVM_X86_DISABLE_EXITS_HLT);
	do {
		runner_start(&r, &g, 0);
		usleep(20000);
		assert_false(r.done);
		assert_int_equal(runner_stop(&r), -EINTR);
	} while (guest_rip(&g, 0) < GUEST_CODE + 2);	/* it did not get there */
	assert_int_equal(guest_mp_state(&g, 0), KVM_MP_STATE_RUNNABLE);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE + 2);
	inject(&g);
	assert_out(&g, 0x10);
	assert_int_equal(*guest_word(&g, 0x40000), 1);
	guest_destroy(&g);
}

static void interrupt_ends_hlt(void **state)
{
	struct kvm_msi m = { .address_lo = 0xfee00000, .data = VECTOR };
	struct kvm_lapic_state s;
	START(GUEST_IRQCHIP, off_hlt);
	struct runner r;

	disable(&g, KVM_X86_DISABLE_EXITS_HLT);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_LAPIC, &s));
	memcpy(s.regs + 0xf0, "\xff\x01", 2);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_LAPIC, &s));
	runner_start(&r, &g, 0);
	usleep(10000);
	assert_false(r.done);
	assert_true(kvm_ioctl(g.vm, KVM_SIGNAL_MSI, &m) > 0);
	assert_int_equal(runner_join(&r), KVM_EXIT_IO);
	assert_int_equal(*guest_word(&g, 0x40000), 1);
	guest_destroy(&g);
}

/* A VMM that asks for the window gets it in the HLT, too. */
static void window_opens_in_hlt(void **state)
{
	START(GUEST_PLAIN, off_hlt);

	disable(&g, KVM_X86_DISABLE_EXITS_HLT);
	g.run[0]->request_interrupt_window = 1;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IRQ_WINDOW_OPEN);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE + 2);
	guest_destroy(&g);
}

/* INIT ends the HLT; the processor that starts anew does not wait in it. */
static void init_ends_hlt(void **state)
{
	struct kvm_msi init = { .address_lo = 0xfee01000, .data = 0x4500 };
	struct kvm_msi sipi = { .address_lo = 0xfee01000, .data = 0x4620 };
	struct kvm_lapic_state lapic;
	struct runner r;
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_IRQCHIP, 2);
	disable(&g, KVM_X86_DISABLE_EXITS_HLT);
	guest_load(&g, GUEST_CODE, off_hlt);
	memcpy(g.mem + 0x20000, "\xe6\x12", 2);		/* out %al, $0x12 */
	guest_long(&g, 1, GUEST_CODE);
	assert_ok(kvm_ioctl(g.vcpu[1], KVM_GET_LAPIC, &lapic));
	assert_ok(kvm_ioctl(g.vcpu[1], KVM_SET_LAPIC, &lapic));
	runner_start(&r, &g, 1);
	usleep(10000);
	assert_true(kvm_ioctl(g.vm, KVM_SIGNAL_MSI, &init) > 0);
	usleep(10000);
	assert_true(kvm_ioctl(g.vm, KVM_SIGNAL_MSI, &sipi) > 0);
	assert_soon(r.done);
	assert_int_equal(runner_join(&r), KVM_EXIT_IO);
	assert_int_equal(g.run[1]->io.port, 0x12);
	guest_destroy(&g);
}

/* -- MWAIT ----------------------------------------------------------------------------- */

static void mwait_waits_and_ends(void **state)
{
	struct kvm_enable_cap quirk = {
		.cap = KVM_CAP_DISABLE_QUIRKS2,
		.args = { KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS },
	};
	START(GUEST_PLAIN, off_mwait);
	u64 t;

	disable(&g, KVM_X86_DISABLE_EXITS_MWAIT);
	/* It is the processor's own: no quirk concerns it. */
	assert_ok(kvm_ioctl(g.vm, KVM_ENABLE_CAP, &quirk));
	t = now_ns();
	assert_out(&g, 0x10);
	assert_true(now_ns() - t >= 100000);
	guest_destroy(&g);
}

static void unknown_exits_are_refused(void **state)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS, .args = { 0x10 } };
	int vm = new_vm();

	assert_errno(EINVAL, kvm_ioctl(vm, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 0;
	cap.flags = 1;
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_ENABLE_CAP, &cap));
	close(vm);
}

/* -- ready_for_interrupt_injection -------------------------------------------------------- */

/* LINT0 must let ExtINT in, and the last vector must have been taken. */
static void split_mode_has_room_for_one(void **state)
{
	struct kvm_interrupt irq = { VECTOR };
	START(GUEST_SPLIT, off_window);
	struct kvm_run *run = g.run[0];

	run->request_interrupt_window = 1;
	assert_out(&g, 0x10);
	assert_true(run->if_flag);
	assert_false(run->ready_for_interrupt_injection);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IRQ_WINDOW_OPEN);
	assert_true(run->ready_for_interrupt_injection);
	run->request_interrupt_window = 0;
	assert_out(&g, 0x11);
	assert_true(run->ready_for_interrupt_injection);
	/* It completes the OUT, and has IF clear at the next. */
	assert_out(&g, 0x12);
	assert_false(run->ready_for_interrupt_injection);
	inject(&g);
	assert_errno(EEXIST, kvm_ioctl(g.vcpu[0], KVM_INTERRUPT, &irq));
	run->immediate_exit = 1;
	assert_int_equal(guest_run(&g, 0), -EINTR);
	assert_false(run->ready_for_interrupt_injection);
	run->immediate_exit = 0;
	assert_out(&g, 0x13);
	assert_int_equal(*guest_word(&g, 0x40000), 1);
	assert_true(run->ready_for_interrupt_injection);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hlt_does_not_exit),
		cmocka_unit_test(interrupt_ends_hlt),
		cmocka_unit_test(window_opens_in_hlt),
		cmocka_unit_test(init_ends_hlt),
		cmocka_unit_test(mwait_waits_and_ends),
		cmocka_unit_test(unknown_exits_are_refused),
		cmocka_unit_test(split_mode_has_room_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
