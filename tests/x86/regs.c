/* SPDX-License-Identifier: MIT */
/* KVM_GET/SET_REGS, SREGS, SREGS2, FPU, XSAVE, XCRS, DEBUGREGS, sync regs. */
#include "harness.h"

#include "x86/api/cpuid_table.h"
#include "x86/api/run_state.h"

static struct kfile *vcpu(void **state)
{
	return ((struct machine *)*state)->vcpu_file[0];
}

static void regs_round_trip(void **state)
{
	struct kvm_regs r, back;

	for (u32 i = 0; i < sizeof(r) / 8; i++)
		((u64 *)&r)[i] = 0x1111111111111111ull * (i % 14 + 1) + i;
	r.rflags = X86_EFLAGS_IF | X86_EFLAGS_ZF;
	assert_int_equal(call(vcpu(state), KVM_SET_REGS, &r), 0);
	assert_int_equal(call(vcpu(state), KVM_GET_REGS, &back), 0);
	r.rflags |= X86_EFLAGS_FIXED;
	assert_memory_equal(&r, &back, sizeof(r));
	assert_int_equal(call(vcpu(state), KVM_SET_REGS, BAD_POINTER), -EFAULT);
	assert_int_equal(call(vcpu(state), KVM_GET_REGS, BAD_POINTER), -EFAULT);
}

static void set_regs_drops_pending_exception_only(void **state)
{
	struct cpu *c = machine_cpu(*state);
	struct kvm_regs r = { 0 };

	c->ev.exc_pending = true;
	c->ev.exc_injected = true;
	call(vcpu(state), KVM_SET_REGS, &r);
	assert_false(c->ev.exc_pending);
	assert_true(c->ev.exc_injected);
}

static void set_regs_keeps_mmio_unless_rip_moves(void **state)
{
	struct cpu *c = machine_cpu(*state);
	struct kvm_regs r;

	call(vcpu(state), KVM_GET_REGS, &r);
	c->mmio.waiting = true;
	c->mmio.count = 1;
	r.rax = 5;
	call(vcpu(state), KVM_SET_REGS, &r);
	assert_true(c->mmio.waiting);
	r.rip++;
	call(vcpu(state), KVM_SET_REGS, &r);
	assert_false(c->mmio.waiting);
}

static struct kvm_sregs sregs(void **state)
{
	struct kvm_sregs s;

	assert_int_equal(call(vcpu(state), KVM_GET_SREGS, &s), 0);
	return s;
}

static void sregs_round_trip(void **state)
{
	struct kvm_sregs s = sregs(state), back;

	s.cs = (struct kvm_segment){ .base = 0x1000, .limit = 0xfffff, .selector = 8, .type = 11,
				     .present = 1, .dpl = 3, .db = 1, .s = 1, .g = 1, .avl = 1 };
	s.ldt = (struct kvm_segment){ .type = 2, .unusable = 1 };
	s.gdt = (struct kvm_dtable){ .base = 0x2000, .limit = 0x7f };
	s.cr0 = X86_CR0_PE | X86_CR0_ET;
	s.cr2 = 0x1234;
	s.cr8 = 7;
	s.interrupt_bitmap[1] = 1;
	assert_int_equal(call(vcpu(state), KVM_SET_SREGS, &s), 0);
	back = sregs(state);
	assert_memory_equal(&s, &back, sizeof(s));
	assert_int_equal(machine_cpu(*state)->ev.irq_vector, 64);
}

static void set_sregs_refuses(void **state, struct kvm_sregs s)
{
	struct kvm_sregs before = sregs(state), after;

	assert_int_equal(call(vcpu(state), KVM_SET_SREGS, &s), -EINVAL);
	after = sregs(state);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void sregs_rejects_malformed(void **state)
{
	struct kvm_sregs s = sregs(state), bad;

	bad = s; bad.efer = EFER_LMA;
	set_sregs_refuses(state, bad);
	bad = s; bad.cs.l = 1;
	set_sregs_refuses(state, bad);
	bad = s; bad.efer = EFER_LME | EFER_LMA; bad.cr0 |= X86_CR0_PG | X86_CR0_PE;
	set_sregs_refuses(state, bad);			/* no PAE */
	bad.cr4 = X86_CR4_PAE; bad.cr3 = 1ull << 52;
	set_sregs_refuses(state, bad);
	bad = s; bad.cr4 = X86_CR4_LA57;
	set_sregs_refuses(state, bad);
	bad = s; bad.cr0 |= 1ull << 32;
	set_sregs_refuses(state, bad);
	bad = s; bad.cr0 |= X86_CR0_PG; bad.cr0 &= ~X86_CR0_PE;
	set_sregs_refuses(state, bad);
	bad = s; bad.cr0 |= X86_CR0_NW; bad.cr0 &= ~X86_CR0_CD;
	set_sregs_refuses(state, bad);
	bad = s; bad.apic_base |= 1 << 9;
	set_sregs_refuses(state, bad);
	bad = s; bad.apic_base = (bad.apic_base & ~APIC_BASE_EN) | APIC_BASE_EXTD;
	set_sregs_refuses(state, bad);
	assert_int_equal(call(vcpu(state), KVM_SET_SREGS, BAD_POINTER), -EFAULT);
}

/* KVM: all bits there are, until the VMM says which the guest has. */
static void cr4_is_the_hosts_before_cpuid(void **state)
{
	struct kvm_cpuid2 none = { 0 };
	struct kvm_sregs s = sregs(state);

	if (!host_has(FEATURE_SMEP))
		skip();
	s.cr4 |= X86_CR4_SMEP;
	assert_int_equal(call(vcpu(state), KVM_SET_SREGS, &s), 0);
	s.cr4 = 0;
	assert_int_equal(call(vcpu(state), KVM_SET_SREGS, &s), 0);
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, &none), 0);
	s.cr4 = X86_CR4_SMEP;
	set_sregs_refuses(state, s);
}

static void reset_image_makes_bsp_runnable(void **state)
{
	struct kvm_sregs s = sregs(state);
	struct cpu *c = machine_cpu(*state);

	c->mp_state = KVM_MP_STATE_HALTED;
	call(vcpu(state), KVM_SET_SREGS, &s);
	assert_int_equal(c->mp_state, KVM_MP_STATE_RUNNABLE);
}

static void sregs2_has_pdptrs_in_pae_only(void **state)
{
	struct kvm_sregs2 s;

	assert_int_equal(call(vcpu(state), KVM_GET_SREGS2, &s), 0);
	assert_int_equal(s.flags, 0);
	s.flags = 2;
	assert_int_equal(call(vcpu(state), KVM_SET_SREGS2, &s), -EINVAL);
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	assert_int_equal(call(vcpu(state), KVM_SET_SREGS2, &s), -EINVAL);
	s.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_ET;
	s.cr4 = X86_CR4_PAE;
	s.pdptrs[2] = 0x5001;
	assert_int_equal(call(vcpu(state), KVM_SET_SREGS2, &s), 0);
	memset(&s, 0, sizeof(s));
	call(vcpu(state), KVM_GET_SREGS2, &s);
	assert_int_equal(s.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	assert_int_equal(s.pdptrs[2], 0x5001);
}

static void fpu_round_trip(void **state)
{
	struct kvm_fpu f = { .fcw = 0x37f, .fsw = 0x3800, .ftwx = 0x81, .last_opcode = 0x123,
			     .last_ip = 0x1234567890, .last_dp = 0x987654321 }, back;

	memset(f.fpr[3], 0x5a, 16);
	memset(f.xmm[15], 0xa5, 16);
	assert_int_equal(call(vcpu(state), KVM_SET_FPU, &f), 0);
	assert_int_equal(call(vcpu(state), KVM_GET_FPU, &back), 0);
	assert_memory_equal(&f, &back, sizeof(f));
}

static void xsave_rejects_unknown_components(void **state)
{
	static struct kvm_xsave x;

	memset(&x, 0, sizeof(x));
	assert_int_equal(call(vcpu(state), KVM_SET_XSAVE, &x), 0);
	x.region[128] = BIT(30);		/* XSTATE_BV: no such component */
	assert_int_equal(call(vcpu(state), KVM_SET_XSAVE, &x), -EINVAL);
	assert_int_equal(call(vcpu(state), KVM_GET_XSAVE2, &x), 0);
}

static void give_xsave(struct cpu *c, u64 xcr0)
{
	struct kvm_cpuid_entry2 *e = calloc(1, sizeof(*e));

	*e = (struct kvm_cpuid_entry2){ .function = 0xd, .eax = xcr0,
					.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX };

	cpuid_install(c, e, 1);
}

static void xcrs_follow_guest_cpuid(void **state)
{
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = 7 };

	assert_int_equal(call(vcpu(state), KVM_SET_XCRS, &x), -EINVAL);	/* no CPUID */
	give_xsave(machine_cpu(*state), 7);
	assert_int_equal(call(vcpu(state), KVM_SET_XCRS, &x), 0);
	x.xcrs[0].value = 5;			/* YMM without SSE */
	assert_int_equal(call(vcpu(state), KVM_SET_XCRS, &x), -EINVAL);
	x.xcrs[0].value = 6;			/* no x87 */
	assert_int_equal(call(vcpu(state), KVM_SET_XCRS, &x), -EINVAL);
	x.xcrs[0].value = 7 | BIT(9);
	assert_int_equal(call(vcpu(state), KVM_SET_XCRS, &x), -EINVAL);
	x.nr_xcrs = 17;
	assert_int_equal(call(vcpu(state), KVM_SET_XCRS, &x), -EINVAL);
	x.nr_xcrs = 0;
	assert_int_equal(call(vcpu(state), KVM_SET_XCRS, &x), 0);
	x.flags = 1;
	assert_int_equal(call(vcpu(state), KVM_SET_XCRS, &x), -EINVAL);
	assert_int_equal(call(vcpu(state), KVM_GET_XCRS, &x), 0);
	assert_int_equal(x.nr_xcrs, 1);
	assert_int_equal(x.xcrs[0].value, 7);
}

static void debugregs_reset_and_checks(void **state)
{
	struct kvm_debugregs d;

	call(vcpu(state), KVM_GET_DEBUGREGS, &d);
	assert_int_equal(d.dr6, 0xffff0ff0);
	assert_int_equal(d.dr7, 0x400);
	d.db[3] = 0x1234;
	assert_int_equal(call(vcpu(state), KVM_SET_DEBUGREGS, &d), 0);
	assert_int_equal(machine_cpu(*state)->dr[3], 0x1234);
	d.dr7 |= 1ull << 32;
	assert_int_equal(call(vcpu(state), KVM_SET_DEBUGREGS, &d), -EINVAL);
	d.dr7 = 0x400;
	d.dr6 |= 1ull << 40;
	assert_int_equal(call(vcpu(state), KVM_SET_DEBUGREGS, &d), -EINVAL);
	d.dr6 = 0xffff0ff0;
	d.flags = 1;
	assert_int_equal(call(vcpu(state), KVM_SET_DEBUGREGS, &d), -EINVAL);
}

static void sync_regs(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);

	m->run->kvm_valid_regs = 8;
	assert_int_equal(sync_regs_load(c), -EINVAL);
	m->run->kvm_valid_regs = 7;
	sync_regs_store(c);
	assert_int_equal(m->run->s.regs.regs.rip, c->rip);
	m->run->s.regs.regs.rax = 77;
	m->run->s.regs.sregs.cr2 = 88;
	m->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	assert_int_equal(sync_regs_load(c), 0);
	assert_int_equal(m->run->kvm_dirty_regs, 0);
	assert_int_equal(c->gpr[RAX], 77);
	assert_int_equal(c->cr2, 0);
	m->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	m->run->s.regs.sregs.apic_base = BIT(10);
	assert_int_equal(sync_regs_load(c), -EINVAL);
	m->run->kvm_dirty_regs = 16;
	assert_int_equal(sync_regs_load(c), -EINVAL);
}

static void run_fill_reports_state(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);

	c->cr8 = 5;
	cpu_set_rflags(c, X86_EFLAGS_IF);
	run_fill(c);
	assert_int_equal(m->run->if_flag, 1);
	assert_int_equal(m->run->cr8, 5);
	assert_int_equal(m->run->apic_base, 0xfee00900);
	assert_int_equal(m->run->ready_for_interrupt_injection, 1);
	c->ev.shadow = KVM_X86_SHADOW_INT_STI;
	c->smm = true;
	run_fill(c);
	assert_int_equal(m->run->ready_for_interrupt_injection, 0);
	assert_int_equal(m->run->flags, KVM_RUN_X86_SMM);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, machine_up, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(regs_round_trip),
		TEST(set_regs_drops_pending_exception_only),
		TEST(set_regs_keeps_mmio_unless_rip_moves),
		TEST(sregs_round_trip),
		TEST(sregs_rejects_malformed),
		TEST(cr4_is_the_hosts_before_cpuid),
		TEST(reset_image_makes_bsp_runnable),
		TEST(sregs2_has_pdptrs_in_pae_only),
		TEST(fpu_round_trip),
		TEST(xsave_rejects_unknown_components),
		TEST(xcrs_follow_guest_cpuid),
		TEST(debugregs_reset_and_checks),
		TEST(sync_regs),
		TEST(run_fill_reports_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
