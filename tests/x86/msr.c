/* SPDX-License-Identifier: MIT */
/* MSRs: the lists, GET/SET_MSRS, guest accesses, filter and exits. */
#include "harness.h"

#include "x86/api/cpuid_table.h"
#include "x86/api/msr.h"
#include "x86/api/run_state.h"
#include "x86/interp/ops.h"

struct one { struct kvm_msrs head; struct kvm_msr_entry e; };

static struct kfile *vcpu(void **state)
{
	return ((struct machine *)*state)->vcpu_file[0];
}

static bool get(struct kfile *f, u32 index, u64 *data)
{
	struct one m = { .head.nmsrs = 1, .e.index = index };
	long n = call(f, KVM_GET_MSRS, &m);

	assert_true(n == 0 || n == 1);
	*data = m.e.data;
	return n;
}

static bool set(struct kfile *f, u32 index, u64 data)
{
	struct one m = { .head.nmsrs = 1, .e = { .index = index, .data = data } };

	return call(f, KVM_SET_MSRS, &m);
}

static void use_supported_cpuid(struct cpu *c)
{
	struct kvm_cpuid_entry2 *e = calloc(KVM_MAX_CPUID_ENTRIES, sizeof(*e));

	cpuid_install(c, e, cpuid_supported(e, KVM_MAX_CPUID_ENTRIES));
}

static void lists_report_their_size(void **state)
{
	struct machine *m = *state;
	static struct { u32 nmsrs; u32 index[512]; } l;
	const u32 cmds[] = { KVM_GET_MSR_INDEX_LIST, KVM_GET_MSR_FEATURE_INDEX_LIST };

	for (u32 i = 0; i < 2; i++) {
		l.nmsrs = 0;
		assert_int_equal(call(m->system, cmds[i], &l), -E2BIG);
		assert_true(l.nmsrs > 3 && l.nmsrs < 200);
		assert_int_equal(call(m->system, cmds[i], &l), 0);
		assert_int_equal(call(m->system, cmds[i], BAD_POINTER), -EFAULT);
	}
}

/* What a VMM saves it must be able to restore. */
static void each_listed_msr_takes_its_own_value(void **state)
{
	u32 index[512], n = msr_list(LISTED, index);
	u64 data;

	for (int with_cpuid = 0; with_cpuid < 2; with_cpuid++) {
		if (with_cpuid)
			use_supported_cpuid(machine_cpu(*state));
		for (u32 i = 0; i < n; i++) {
			if (!get(vcpu(state), index[i], &data))
				fail_msg("cannot read listed MSR %#x", index[i]);
			if (!set(vcpu(state), index[i], data))
				fail_msg("cannot write listed MSR %#x = %#lx", index[i], data);
		}
	}
}

/*
 * What KVM has in one direction only, or with a fixed value: READ the value,
 * R_NONE it cannot be read; W_ANY any value is dropped, W_NONE none is taken.
 */
enum { R_NONE = 1 << 0, W_ANY = 1 << 1, W_NONE = 1 << 2 };

static const struct { u32 index; u64 value; u32 how; } odd_msrs[] = {
	{ 0x000, 0, W_NONE },			/* P5_MC_ADDR */
	{ 0x001, 0, W_NONE },			/* P5_MC_TYPE */
	{ 0x017, 0, W_NONE },			/* PLATFORM_ID */
	{ 0x02a, 0, W_NONE },			/* EBL_CR_POWERON */
	{ 0x02c, 0x1000000, W_NONE },		/* EBC_FREQUENCY_ID */
	{ 0x079, 0, R_NONE | W_ANY },		/* BIOS_UPDT_TRIG */
	{ 0x0c1, 0, W_ANY }, { 0x0c2, 0, W_ANY },	/* PMC of P6 */
	{ 0x0cd, 3, W_NONE },			/* FSB_FREQ */
	{ 0x11e, 0xbe702111, W_ANY },		/* BBL_CR_CTL3 */
	{ 0x186, 0, W_ANY }, { 0x187, 0, W_ANY },	/* EVNTSEL of P6 */
	{ 0x198, 0x400000003e8, W_NONE },	/* PERF_STATUS */
	{ 0x199, 0, W_NONE },			/* PERF_CTL */
	{ 0x606, 0, W_NONE }, { 0x611, 0, W_NONE },	/* RAPL */
	{ 0x619, 0, W_NONE }, { 0x639, 0, W_NONE }, { 0x641, 0, W_NONE },
	{ 0xc0010010, 0, W_NONE },		/* SYSCFG */
	{ 0xc001001b, 0x20000000, W_ANY },	/* CLK_CTL */
	{ 0xc001001f, 0, W_ANY },		/* NB_CFG */
	{ 0xc0010020, 0, R_NONE | W_ANY },	/* PATCH_LOADER */
	{ 0xc0010055, 0, W_NONE },		/* INT_PENDING_MSG */
	{ 0xc0010112, 0, W_NONE }, { 0xc0010113, 0, W_NONE },	/* TSEG */
	{ 0xc0011022, 0, W_ANY },		/* DC_CFG */
	{ 0xc001102a, 0, W_ANY },		/* BU_CFG2 */
	{ 0xc001102c, 0, W_ANY },		/* EX_CFG */
};

static void odd_msrs_are_as_in_kvm(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(odd_msrs); i++) {
		u32 index = odd_msrs[i].index, how = odd_msrs[i].how;
		u64 v = 0;

		if (get(vcpu(state), index, &v) == !!(how & R_NONE) ||
		    (!(how & R_NONE) && v != odd_msrs[i].value))
			fail_msg("MSR %#x reads %#lx", index, v);
		for (u64 w = 0; w <= 1; w++)
			if (set(vcpu(state), index, w ? ~0ull : 0) != !!(how & W_ANY))
				fail_msg("MSR %#x and a write of %ld", index, -w);
	}
}

static void mc_ctl2_are_zero_for_userspace(void **state)
{
	struct cpu *c = machine_cpu(*state);
	u64 v;

	assert_true(get(vcpu(state), 0x280, &v));
	assert_int_equal(v, 0);
	assert_true(set(vcpu(state), 0x29f, 0));
	assert_false(set(vcpu(state), 0x280, 1));
	assert_int_equal(cpu_rdmsr(c, 0x280, &v), STEP_FAULT);
	assert_int_equal(cpu_wrmsr(c, 0x280, 0), STEP_FAULT);
	c->msrs->mcg_cap = 10;
	assert_false(get(vcpu(state), 0x28a, &v));
}

/* Pages that PV features write to must be there; enforcement binds ioctls, too. */
static void pv_msrs_check_memory_and_cpuid(void **state)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args[0] = 1 };
	const u64 outside = GUEST_PAGES * PAGE_SIZE;
	u64 v;

	assert_true(set(vcpu(state), 0x4b564d04, 0x1001));
	assert_true(set(vcpu(state), 0x4b564d04, outside));
	assert_false(set(vcpu(state), 0x4b564d04, outside | 1));
	assert_true(set(vcpu(state), 0x4b564d02, 0x1009));
	assert_true(set(vcpu(state), 0x4b564d02, outside | 1));
	assert_false(set(vcpu(state), 0x4b564d02, outside | 9));
	assert_int_equal(call(vcpu(state), KVM_ENABLE_CAP, &cap), 0);
	for (u32 i = 0x4b564d00; i <= 0x4b564d07; i++) {
		assert_false(get(vcpu(state), i, &v));
		assert_false(set(vcpu(state), i, 0));
	}
}

/* What a guest may not do with paging on, userspace may: it restores. */
static void userspace_sets_efer_with_paging_on(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);

	use_supported_cpuid(c);
	c->cr0 |= X86_CR0_PG | X86_CR0_PE;
	assert_true(set(vcpu(state), MSR_EFER, EFER_LME));
	assert_int_equal(c->efer, EFER_LME);
	assert_int_equal(cpu_wrmsr(c, MSR_EFER, 0), STEP_FAULT);
	/* A refusal is told to a VMM that wants to know, like any other. */
	m->vm->arch->user_space_msr = KVM_MSR_EXIT_REASON_INVAL;
	assert_int_equal(cpu_wrmsr(c, MSR_EFER, 0), STEP_EXIT);
	assert_int_equal(m->run->msr.reason, KVM_MSR_EXIT_REASON_INVAL);
	user_reply_drop(c);
	assert_false(set(vcpu(state), MSR_EFER, EFER_SVME));
}

/* XSETBV and KVM_SET_XCRS: no more than CPUID 0DH has. */
static void xcr0_follows_cpuid(void **state)
{
	struct cpu *c = machine_cpu(*state);
	struct kvm_cpuid_entry2 *e = calloc(1, sizeof(*e));

	e->function = 0xd;
	e->eax = XFEATURE_X87 | XFEATURE_SSE;
	cpuid_install(c, e, 1);
	assert_int_equal(cpu_write_xcr(c, 0, 3), STEP_NEXT);
	assert_int_equal(cpu_write_xcr(c, 0, 7), STEP_FAULT);
	assert_int_equal(c->xcr0, 3);
}

static void each_feature_msr_is_readable(void **state)
{
	struct machine *m = *state;
	u32 index[512], n = msr_list(FEATURE, index);
	u64 data;

	for (u32 i = 0; i < n; i++)
		assert_true(get(m->system, index[i], &data));
	assert_false(get(m->system, 0x174, &data));
}

static void rows_are_found_by_every_index(void **state)
{
	assert_null(msr_find(0x4b564dff));
	assert_null(msr_find(0x12345678));
	for (u32 i = 0x200; i <= 0x20f; i++)
		assert_int_equal(msr_find(i)->first, 0x200);
	assert_null(msr_find(0x210));
}

static void io_stops_at_the_first_refused(void **state)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e[3]; } m = {
		.head.nmsrs = 3, .e = { { .index = 0x174 }, { .index = 0x12345678 }, { .index = 0x175 } },
	};

	assert_int_equal(call(vcpu(state), KVM_GET_MSRS, &m), 1);
	assert_int_equal(call(vcpu(state), KVM_SET_MSRS, &m), 1);
	m.head.nmsrs = 256;
	assert_int_equal(call(vcpu(state), KVM_GET_MSRS, &m), -E2BIG);
	assert_int_equal(call(vcpu(state), KVM_SET_MSRS, &m), -E2BIG);
	assert_int_equal(call(vcpu(state), KVM_SET_MSRS, BAD_POINTER), -EFAULT);
	m.head.nmsrs = 0;
	assert_int_equal(call(vcpu(state), KVM_SET_MSRS, &m), 0);
}

/* QEMU 7.2 asserts that each of these is accepted at reset. */
static void qemu_reset_values(void **state)
{
	static const struct { u32 index; u64 v; } w[] = {
		{ 0x174, 0 }, { 0x175, 0 }, { 0x176, 0 }, { 0x277, 0x0007040600070406 },
		{ 0xc0000081, 0 }, { 0xc0000083, 0 }, { 0xc0000102, 0 }, { 0xc0000084, 0 },
		{ 0xc0000082, 0 }, { 0x10, 0 }, { 0x11, 0 }, { 0x12, 0 }, { 0x3b, 0 },
		{ 0x1a0, 1 }, { 0x9e, 0x30000 }, { 0x34, 0 }, { 0xc0000103, 0 }, { 0xda0, 0 },
		{ 0x4b564d03, 0 }, { 0x4b564d05, 1 }, { 0x2ff, 0xc06 }, { 0x250, 0 },
		{ 0x258, 0 }, { 0x259, 0 }, { 0x268, 0 }, { 0x26f, 0x0606060606060606 },
		{ 0x200, 6 }, { 0x201, 0xfff000800 }, { 0x20f, 0 }, { 0x17a, 0 }, { 0x17b, ~0ull },
		{ 0x400, ~0ull }, { 0x401, 0 }, { 0x427, 0 }, { 0x1b, 0xfee00900 }, { 0xc0000080, 0 },
		{ 0xc0000100, 0 }, { 0xc0000101, 0 }, { 0x6e0, 0 },
	};
	u64 cap = 10 | 0x1000100;

	call(vcpu(state), KVM_X86_SETUP_MCE, &cap);
	for (u32 i = 0; i < ARRAY_SIZE(w); i++)
		if (!set(vcpu(state), w[i].index, w[i].v))
			fail_msg("MSR %#x = %#lx refused", w[i].index, w[i].v);
}

static void host_values_are_checked(void **state)
{
	static const struct { u32 index; u64 v; } w[] = {
		{ 0x277, 2 }, { 0xc0000082, 1ull << 47 }, { 0xc0000102, 1ull << 63 },
		{ 0x2ff, 0x1000 }, { 0x2ff, 7 }, { 0x250, 2 }, { 0x200, 0x102 },
		{ 0x201, 1 }, { 0x201, 1ull << 52 }, { 0x17b, 1 }, { 0x400, 1 }, { 0x480, 0 },
		{ 0x4b564d03, 2 }, { 0x4b564d05, 2 }, { 0x4b564d02, 0x11 }, { 0x4b564d02, 0x21 },
		{ 0x4b564d04, 3 }, { 0x4b564d06, 0x100 }, { 0xc0010015, 1 },
		{ 0xc0000080, 2 }, { 0x1b, 1 }, { 0xfe, 0x508 }, { 0x345, 1 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(w); i++)
		if (set(vcpu(state), w[i].index, w[i].v))
			fail_msg("MSR %#x = %#lx accepted", w[i].index, w[i].v);
}

static void guest_is_checked_more(void **state)
{
	struct cpu *c = machine_cpu(*state);
	u64 v;

	assert_int_equal(cpu_rdmsr(c, 0x9e, &v), STEP_FAULT);
	assert_int_equal(c->exc.vector, EXC_GP);
	assert_int_equal(cpu_rdmsr(c, 0x48, &v), STEP_FAULT);
	assert_int_equal(cpu_rdmsr(c, 0xc0000103, &v), STEP_FAULT);
	assert_int_equal(cpu_wrmsr(c, 0x34, 1), STEP_FAULT);
	assert_int_equal(cpu_wrmsr(c, 0x8b, 5), STEP_NEXT);	/* ignored */
	assert_int_equal(cpu_wrmsr(c, 0x401, 5), STEP_FAULT);
	assert_int_equal(cpu_wrmsr(c, 0xc0010015, BIT_ULL(18)), STEP_NEXT);
	assert_int_equal(cpu_wrmsr(c, 0x401, 5), STEP_NEXT);
	assert_int_equal(cpu_rdmsr(c, 0x12345678, &v), STEP_FAULT);
	use_supported_cpuid(c);
	assert_int_equal(cpu_wrmsr(c, 0xc0000103, 5), STEP_NEXT);
	assert_int_equal(cpu_rdmsr(c, 0xc0000103, &v), STEP_NEXT);
	assert_int_equal(v, 5);
}

static void platform_info_follows_its_cap(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);
	u64 v;

	assert_true(set(vcpu(state), 0xce, 0x1200));
	assert_int_equal(cpu_rdmsr(c, 0xce, &v), STEP_NEXT);
	assert_int_equal(v, 0x1200);
	m->vm->arch->no_platform_info = true;
	assert_int_equal(cpu_rdmsr(c, 0xce, &v), STEP_FAULT);
	assert_true(get(vcpu(state), 0xce, &v));
}

static void sysenter_is_as_wide_as_the_vendor_has_it(void **state)
{
	struct cpu *c = machine_cpu(*state);
	u64 v;

	c->features->amd_like = true;
	assert_true(set(vcpu(state), 0x176, 0xffffffff80000000));
	get(vcpu(state), 0x176, &v);
	assert_int_equal(v, 0x80000000);
	c->features->amd_like = false;
	assert_true(set(vcpu(state), 0x176, 1ull << 47));
	get(vcpu(state), 0x176, &v);
	assert_true(v == 0xffff800000000000);
}

static void apic_base_modes(void **state)
{
	struct cpu *c = machine_cpu(*state);
	u64 v;

	assert_int_equal(cpu_wrmsr(c, 0x1b, 0xfee00d00), STEP_FAULT);	/* no x2APIC */
	use_supported_cpuid(c);
	assert_int_equal(cpu_rdmsr(c, 0x808, &v), STEP_FAULT);
	assert_int_equal(cpu_wrmsr(c, 0x1b, 0xfee00d00), STEP_NEXT);
	assert_int_equal(cpu_rdmsr(c, 0x808, &v), STEP_NEXT);
	assert_int_equal(cpu_wrmsr(c, 0x1b, 0xfee00900), STEP_FAULT);	/* only via off */
	assert_int_equal(cpu_wrmsr(c, 0x1b, 0xfee00100), STEP_NEXT);
	assert_int_equal(cpu_wrmsr(c, 0x1b, 0xfee00d00), STEP_FAULT);
	assert_true(set(vcpu(state), 0x1b, 0xfee00d00));		/* the host may */
}

/* -- Filter and exits ----------------------------------------------------------------- */

static void filter_is_checked(void **state)
{
	struct machine *m = *state;
	struct kvm_msr_filter f = { .flags = 2 };
	u8 bits[8] = { 0 };

	assert_int_equal(call(m->vm_file, KVM_X86_SET_MSR_FILTER, &f), -EINVAL);
	f.flags = KVM_MSR_FILTER_DEFAULT_DENY;
	assert_int_equal(call(m->vm_file, KVM_X86_SET_MSR_FILTER, &f), -EINVAL);
	f.ranges[0] = (struct kvm_msr_filter_range){ .flags = 0, .nmsrs = 1, .bitmap = bits };
	assert_int_equal(call(m->vm_file, KVM_X86_SET_MSR_FILTER, &f), -EINVAL);
	f.ranges[0].flags = 4;
	assert_int_equal(call(m->vm_file, KVM_X86_SET_MSR_FILTER, &f), -EINVAL);
	f.ranges[0].flags = KVM_MSR_FILTER_READ;
	f.ranges[0].nmsrs = 0x600 * 8 + 1;
	assert_int_equal(call(m->vm_file, KVM_X86_SET_MSR_FILTER, &f), -EINVAL);
	f.ranges[0].nmsrs = 1;
	f.ranges[0].bitmap = BAD_POINTER;
	assert_int_equal(call(m->vm_file, KVM_X86_SET_MSR_FILTER, &f), -EFAULT);
	assert_null(m->vm->arch->msr_filter);
}

static void filtered_access_asks_userspace(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);
	u8 bits[8] = { 0 };
	struct kvm_msr_filter f = { .ranges[0] = {
		.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
		.base = 0x174, .nmsrs = 1, .bitmap = bits } };
	u64 v;

	assert_int_equal(call(m->vm_file, KVM_X86_SET_MSR_FILTER, &f), 0);
	assert_int_equal(cpu_rdmsr(c, 0x174, &v), STEP_FAULT);
	assert_int_equal(cpu_rdmsr(c, 0x175, &v), STEP_NEXT);
	assert_true(get(vcpu(state), 0x174, &v));		/* hosts bypass it */
	m->vm->arch->user_space_msr = KVM_MSR_EXIT_REASON_FILTER;
	assert_int_equal(cpu_rdmsr(c, 0x174, &v), STEP_EXIT);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_X86_RDMSR);
	assert_int_equal(m->run->msr.reason, KVM_MSR_EXIT_REASON_FILTER);
	assert_int_equal(m->run->msr.index, 0x174);
	assert_true(user_reply_pending(c));
	m->run->msr.data = 0xabcdef0123456789;
	user_reply_complete(c);
	assert_int_equal(cpu_rdmsr(c, 0x174, &v), STEP_NEXT);
	assert_true(v == 0xabcdef0123456789);
	assert_false(user_reply_pending(c));
	assert_int_equal(cpu_wrmsr(c, 0x174, 5), STEP_EXIT);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_X86_WRMSR);
	m->run->msr.error = 1;
	user_reply_complete(c);
	assert_int_equal(cpu_wrmsr(c, 0x174, 5), STEP_FAULT);
}

static void unknown_msr_exits_only_if_asked(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);
	u64 v;

	m->vm->arch->user_space_msr = KVM_MSR_EXIT_REASON_INVAL;
	assert_int_equal(cpu_rdmsr(c, 0x12345678, &v), STEP_FAULT);
	assert_int_equal(cpu_wrmsr(c, 0x277, 2), STEP_EXIT);
	assert_int_equal(m->run->msr.reason, KVM_MSR_EXIT_REASON_INVAL);
	user_reply_drop(c);
	m->vm->arch->user_space_msr = KVM_MSR_EXIT_REASON_UNKNOWN;
	assert_int_equal(cpu_rdmsr(c, 0x12345678, &v), STEP_EXIT);
	assert_int_equal(m->run->msr.reason, KVM_MSR_EXIT_REASON_UNKNOWN);
}

/* -- CPUID faulting -------------------------------------------------------- */

/* Offered by PLATFORM_INFO, switched by MISC_FEATURES_ENABLES, for programs. */
static void cpuid_faulting(void **state)
{
	struct cpu *c = machine_cpu(*state);
	u64 v;

	assert_true(get(vcpu(state), 0xce, &v));
	assert_int_equal(v, 1ull << 31);
	assert_true(set(vcpu(state), 0x140, 1));
	assert_false(set(vcpu(state), 0xce, 0));
	assert_int_equal(cpu_wrmsr(c, 0xce, 1ull << 31), STEP_FAULT);
	assert_int_equal(op_cpuid(c, NULL), STEP_NEXT);
	c->cpl = 3;
	assert_int_equal(op_cpuid(c, NULL), STEP_FAULT);
	assert_int_equal(c->exc.vector, EXC_GP);
	assert_false(set(vcpu(state), 0x140, 2));
	assert_true(set(vcpu(state), 0x140, 0));
	assert_int_equal(op_cpuid(c, NULL), STEP_NEXT);
	assert_true(set(vcpu(state), 0xce, 0));
	assert_false(set(vcpu(state), 0x140, 1));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, machine_up, machine_down)
#define TEST_IRQCHIP(fn) cmocka_unit_test_setup_teardown(fn, machine_up_irqchip, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lists_report_their_size),
		/* KVM_ASYNC_PF_INT needs a LAPIC. */
		TEST_IRQCHIP(each_listed_msr_takes_its_own_value),
		TEST(userspace_sets_efer_with_paging_on),
		TEST(xcr0_follows_cpuid),
		TEST(odd_msrs_are_as_in_kvm),
		TEST(mc_ctl2_are_zero_for_userspace),
		TEST_IRQCHIP(pv_msrs_check_memory_and_cpuid),
		TEST(each_feature_msr_is_readable),
		TEST(rows_are_found_by_every_index),
		TEST(io_stops_at_the_first_refused),
		TEST(qemu_reset_values),
		TEST(host_values_are_checked),
		TEST(guest_is_checked_more),
		TEST(platform_info_follows_its_cap),
		TEST(sysenter_is_as_wide_as_the_vendor_has_it),
		TEST_IRQCHIP(apic_base_modes),
		TEST(filter_is_checked),
		TEST(filtered_access_asks_userspace),
		TEST(unknown_msr_exits_only_if_asked),
		TEST(cpuid_faulting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
