/* SPDX-License-Identifier: MIT */
/* KVM_GET/SET_VCPU_EVENTS, MP_STATE, NMI, SMI, SET_GUEST_DEBUG, MCE. */
#include "harness.h"

#include <unistd.h>

#include "x86/api/msr.h"

static struct kfile *vcpu(void **state)
{
	return ((struct machine *)*state)->vcpu_file[0];
}

static struct arch_vm *vm(void **state)
{
	return ((struct machine *)*state)->vm->arch;
}

static struct kvm_vcpu_events events(void **state)
{
	struct kvm_vcpu_events e;

	assert_int_equal(call(vcpu(state), KVM_GET_VCPU_EVENTS, &e), 0);
	return e;
}

static void flags_show_what_is_valid(void **state)
{
	assert_int_equal(events(state).flags, 0xd);
	vm(state)->exception_payload = true;
	vm(state)->triple_fault_event = true;
	assert_int_equal(events(state).flags, 0x3d);
}

static void events_round_trip(void **state)
{
	struct kvm_vcpu_events e = events(state), back;

	vm(state)->exception_payload = true;
	e.flags = 0x1d;
	e.exception.pending = 1;
	e.exception.nr = EXC_PF;
	e.exception.has_error_code = 1;
	e.exception.error_code = 2;
	e.exception_has_payload = 1;
	e.exception_payload = 0x1234;
	e.interrupt.nr = 0x20;
	e.interrupt.injected = 1;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	e.nmi.pending = 1;
	e.nmi.masked = 1;
	assert_int_equal(call(vcpu(state), KVM_SET_VCPU_EVENTS, &e), 0);
	back = events(state);
	assert_memory_equal(&e, &back, sizeof(e));
	assert_int_equal(machine_cpu(*state)->cr2, 0);
}

static void pending_is_folded_without_payload_cap(void **state)
{
	struct cpu *c = machine_cpu(*state);

	c->ev.exc_pending = true;
	c->ev.exc = (struct exception){ .vector = EXC_PF, .has_payload = true, .payload = 0x77 };
	assert_int_equal(events(state).exception.injected, 1);
	assert_int_equal(c->cr2, 0x77);
	c->ev.exc.vector = EXC_BP;
	assert_int_equal(events(state).exception.injected, 0);
	assert_int_equal(events(state).exception.pending, 0);
}

static void refuses(void **state, struct kvm_vcpu_events e)
{
	assert_int_equal(call(vcpu(state), KVM_SET_VCPU_EVENTS, &e), -EINVAL);
}

static void events_reject_malformed(void **state)
{
	struct kvm_vcpu_events e = events(state), bad;

	assert_int_equal(call(vcpu(state), KVM_SET_VCPU_EVENTS, BAD_POINTER), -EFAULT);
	bad = e; bad.flags |= 0x40;
	refuses(state, bad);
	bad = e; bad.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	refuses(state, bad);
	bad = e; bad.exception.injected = 1; bad.exception.nr = 32;
	refuses(state, bad);
	bad.exception.nr = EXC_NMI;
	refuses(state, bad);
	bad = e; bad.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	refuses(state, bad);
	machine_cpu(*state)->mp_state = KVM_MP_STATE_INIT_RECEIVED;
	bad = e; bad.smi.smm = 1;
	refuses(state, bad);
}

/* Ends of interrupt by one instruction: an exit each, the highest first. */
static void every_eoi_exits(void **state)
{
	static const u8 vectors[] = { 0x35, 0xf0, 0x41 }, order[] = { 0xf0, 0x41, 0x35 };
	struct machine *m = *state;

	for (int i = 0; i < 3; i++)
		irqchip_ops->eoi_exit(machine_cpu(m), vectors[i]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(call(vcpu(state), KVM_RUN, NULL), 0);
		assert_int_equal(m->run->exit_reason, KVM_EXIT_IOAPIC_EOI);
		assert_int_equal(m->run->eoi.vector, order[i]);
	}
	assert_false(machine_cpu(m)->eoi_due);
}

static void nmi_is_latched_at_most_twice(void **state)
{
	struct cpu *c = machine_cpu(*state);

	for (int i = 0; i < 3; i++)
		assert_int_equal(call(vcpu(state), KVM_NMI, BAD_POINTER), 0);
	assert_int_equal(c->ev.nmi_pending, 2);
	c->ev.nmi_pending = 0;
	c->ev.nmi_masked = true;
	for (int i = 0; i < 3; i++)
		call(vcpu(state), KVM_NMI, NULL);
	assert_int_equal(c->ev.nmi_pending, 1);
	assert_true(c->requests & REQ_EVENT);
}

static long set_mp(struct kfile *f, u32 s)
{
	return call(f, KVM_SET_MP_STATE, &(struct kvm_mp_state){ s });
}

static void mp_state_needs_lapic(void **state)
{
	assert_int_equal(set_mp(vcpu(state), KVM_MP_STATE_HALTED), -EINVAL);
	assert_int_equal(set_mp(vcpu(state), KVM_MP_STATE_RUNNABLE), 0);
}

static void mp_states_with_lapic(void **state)
{
	struct machine *m = *state;
	struct kfile *ap = machine_add_vcpu(m);
	struct kvm_mp_state mp;

	call(ap, KVM_GET_MP_STATE, &mp);
	assert_int_equal(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	call(vcpu(state), KVM_GET_MP_STATE, &mp);
	assert_int_equal(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	for (u32 s = 0; s < 12; s++)
		assert_int_equal(set_mp(ap, s), s <= 4 || s == 9 ? 0 : -EINVAL);
	assert_int_equal(set_mp(ap, KVM_MP_STATE_SIPI_RECEIVED), 0);
	assert_int_equal(ap->vcpu->cpu->mp_state, KVM_MP_STATE_INIT_RECEIVED);
	ap->vcpu->cpu->ev.latched = 0;
	ap->vcpu->cpu->smm = true;
	assert_int_equal(set_mp(ap, KVM_MP_STATE_INIT_RECEIVED), -EINVAL);
	assert_int_equal(set_mp(ap, KVM_MP_STATE_HALTED), 0);
}

static void in_smm_init_waits_and_sipi_is_lost(void **state)
{
	struct cpu *ap = machine_add_vcpu(*state)->vcpu->cpu;
	struct kfile *f = ((struct machine *)*state)->vcpu_file[1];
	struct kvm_mp_state mp;

	ap->smm = true;
	irqchip_ops->init(ap);
	irqchip_ops->sipi(ap, 5);
	call(f, KVM_GET_MP_STATE, &mp);
	assert_int_equal(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	ap->smm = false;
	call(f, KVM_GET_MP_STATE, &mp);
	assert_int_equal(mp.mp_state, KVM_MP_STATE_INIT_RECEIVED);
}

static void guest_debug(void **state)
{
	struct cpu *c = machine_cpu(*state);
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_USE_HW_BP, .arch.debugreg[7] = 1 };

	assert_int_equal(call(vcpu(state), KVM_SET_GUEST_DEBUG, &d), 0);
	assert_int_equal(c->guest_debug, 0);		/* not enabled */
	d.control |= KVM_GUESTDBG_ENABLE;
	call(vcpu(state), KVM_SET_GUEST_DEBUG, &d);
	assert_int_equal(c->debug_dr7, 1);
	d.control = KVM_GUESTDBG_INJECT_DB;
	assert_int_equal(call(vcpu(state), KVM_SET_GUEST_DEBUG, &d), 0);
	assert_true(c->ev.exc_pending);
	assert_int_equal(c->ev.exc.vector, EXC_DB);
	assert_int_equal(call(vcpu(state), KVM_SET_GUEST_DEBUG, &d), -EBUSY);
}

static void mce_setup_checks(void **state)
{
	struct machine *m = *state;
	u64 cap;

	assert_int_equal(call(m->system, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap), 0);
	assert_int_equal(cap, 0x1000100);
	cap = 0x1000100;
	assert_int_equal(call(vcpu(state), KVM_X86_SETUP_MCE, &cap), -EINVAL);
	cap = 33;
	assert_int_equal(call(vcpu(state), KVM_X86_SETUP_MCE, &cap), -EINVAL);
	cap = 10 | BIT(26);
	assert_int_equal(call(vcpu(state), KVM_X86_SETUP_MCE, &cap), -EINVAL);
	cap = 10 | 0x1000100;
	assert_int_equal(call(vcpu(state), KVM_X86_SETUP_MCE, &cap), 0);
	assert_true(machine_cpu(m)->msrs->mcg_ctl == ~0ull);
}

static void mce_injection(void **state)
{
	struct cpu *c = machine_cpu(*state);
	struct kvm_x86_mce e = { .bank = 10, .status = 1ull << 63, .addr = 0x55 };
	u64 cap = 10 | MCG_CTL_P;

	call(vcpu(state), KVM_X86_SETUP_MCE, &cap);
	assert_int_equal(call(vcpu(state), KVM_X86_SET_MCE, &e), -EINVAL);
	e.bank = 3;
	e.status = 1;
	assert_int_equal(call(vcpu(state), KVM_X86_SET_MCE, &e), -EINVAL);
	e.status = 1ull << 63;
	assert_int_equal(call(vcpu(state), KVM_X86_SET_MCE, &e), 0);
	assert_int_equal(c->msrs->bank[3][2], 0x55);
	/* Uncorrected, but no action required: only recorded. */
	e.status |= 1ull << 61;
	e.addr = 0x66;
	assert_int_equal(call(vcpu(state), KVM_X86_SET_MCE, &e), 0);
	assert_int_equal(c->msrs->bank[3][2], 0x66);
	assert_false(c->ev.triple_fault);
	e.mcg_status = 4;
	assert_int_equal(call(vcpu(state), KVM_X86_SET_MCE, &e), 0);
	assert_true(c->ev.triple_fault);		/* CR4.MCE is clear */
	c->cr4 |= X86_CR4_MCE;
	call(vcpu(state), KVM_X86_SET_MCE, &e);
	assert_true(c->ev.exc_pending);
	assert_int_equal(c->ev.exc.vector, EXC_MC);
}

/* KVM_HC_KICK_CPU just before the HLT of a spinlock's waiter, with IF clear. */
static void kick_before_hlt_is_not_lost(void **state)
{
	static const u8 code[] = { 0xfa, 0xf4, 0xe6, 0x80 };	/* cli; hlt; out %al, $0x80 */
	struct machine *m = *state;
	struct kvm_regs regs = { .rip = 0x600, .rflags = 2 };
	struct kvm_sregs sregs;

	memcpy(m->ram + 0x600, code, sizeof(code));
	assert_int_equal(call(vcpu(state), KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = sregs.cs.selector = 0;
	assert_int_equal(call(vcpu(state), KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(call(vcpu(state), KVM_SET_REGS, &regs), 0);
	vcpu_request(machine_cpu(m)->vcpu, REQ_UNHALT);
	alarm(10);	/* a lost kick sleeps for ever */
	assert_int_equal(call(vcpu(state), KVM_RUN, NULL), 0);
	alarm(0);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
	assert_false(machine_cpu(m)->ev.pv_unhalted);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, machine_up, machine_down)
#define TEST_IRQCHIP(fn) cmocka_unit_test_setup_teardown(fn, machine_up_irqchip, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flags_show_what_is_valid),
		TEST(events_round_trip),
		TEST(pending_is_folded_without_payload_cap),
		TEST(events_reject_malformed),
		TEST_IRQCHIP(every_eoi_exits),
		TEST(nmi_is_latched_at_most_twice),
		TEST(mp_state_needs_lapic),
		TEST_IRQCHIP(mp_states_with_lapic),
		TEST_IRQCHIP(in_smm_init_waits_and_sipi_is_lost),
		TEST_IRQCHIP(kick_before_hlt_is_not_lost),
		TEST(guest_debug),
		TEST(mce_setup_checks),
		TEST(mce_injection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
