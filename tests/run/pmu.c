/* SPDX-License-Identifier: MIT */
/* Performance counters, as AMD has them, and the filter of their events. */
#include "guest.h"

GUEST_BLOB(pmu_count);
GUEST_BLOB(pmu_rdpmc);
GUEST_BLOB(pmu_gp);
GUEST_BLOB(pmu_overflow);
GUEST_BLOB(pmu_handler);

enum { HANDLER = 0x20000, GP_HANDLER = 0x21000 };
enum { OS = 1 << 17, USR = 1 << 16, EN = 1 << 22 };
enum { INSNS = 0xc0, BRANCHES = 0xc2, TAKEN = 0xc4, CYCLES = 0x76 };
enum { K7_EVNTSEL = 0xc0010000, K7_PERFCTR = 0xc0010004, F15H_CTL = 0xc0010200 };

static bool is_amd(void)
{
	u32 a, b, c, d;

	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0), "c"(0));
	return b == 0x68747541 || b == 0x6f677948;
}

/* Guest code that counts; elsewhere there are no counters. */
static void needs_pmu(void)
{
	needs_guest();
	if (!is_amd())
		skip();
}

static void start(struct guest *g, const u8 *code, size_t size, u64 rdi)
{
	struct kvm_regs r;

	guest_create(g, GUEST_IRQCHIP, 1);
	memcpy(g->mem + GUEST_CODE, code, size);
	guest_load(g, HANDLER, pmu_handler);
	guest_load(g, GP_HANDLER, pmu_gp);
	guest_gate(g, 0x30, HANDLER);
	guest_gate(g, 13, GP_HANDLER);
	guest_long(g, 0, GUEST_CODE);
	guest_regs(g, 0, &r);
	r.rdi = rdi;
	guest_set_regs(g, 0, &r);
}

#define START(name, rdi) struct guest g; needs_pmu();				\
	start(&g, guest_##name, guest_##name##_end - guest_##name, rdi)

static void run_to(struct guest *g, u16 port, struct kvm_regs *r)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
	assert_int_equal(g->run[0]->io.port, port);
	guest_regs(g, 0, r);
}

static bool get_msr(struct guest *g, u32 index, u64 *v)
{
	struct { struct kvm_msrs m; struct kvm_msr_entry e; } m = {
		.m.nmsrs = 1, .e.index = index,
	};
	int n = kvm_ioctl(g->vcpu[0], KVM_GET_MSRS, &m);

	*v = m.e.data;
	return n == 1;
}

static bool set_msr(struct guest *g, u32 index, u64 v)
{
	struct { struct kvm_msrs m; struct kvm_msr_entry e; } m = {
		.m.nmsrs = 1, .e = { .index = index, .data = v },
	};

	return kvm_ioctl(g->vcpu[0], KVM_SET_MSRS, &m) == 1;
}

static void set_filter(struct guest *g, u32 action, u64 event)
{
	struct { struct kvm_pmu_event_filter f; u64 event[1]; } f = {
		.f = { .action = action, .nevents = 1 }, .event = { event },
	};

	assert_ok(kvm_ioctl(g->vm, KVM_SET_PMU_EVENT_FILTER, &f));
}

/* -- Counting ---------------------------------------------------------------------- */

static void instructions(void **state)
{
	struct kvm_regs r;
	START(pmu_count, EN | OS | INSNS);

	run_to(&g, 0x10, &r);
	/* RDMSR to RDMSR: itself, MOV, MOV, ten LOOPs, MOV. */
	assert_int_equal(r.r8 - r.rsi, 14);
	assert_int_equal(r.r9 - r.r8, 3);
	run_to(&g, 0x11, &r);
	assert_int_equal(r.r10, r.r11);	/* off */
	guest_destroy(&g);
}

static void branches(void **state)
{
	struct kvm_regs r;
	START(pmu_count, EN | OS | BRANCHES);

	run_to(&g, 0x10, &r);
	assert_int_equal(r.r8 - r.rsi, 10);
	run_to(&g, 0x11, &r);
	assert_int_equal(r.r10 - r.r9, 1);
	guest_destroy(&g);
}

static void taken_branches(void **state)
{
	struct kvm_regs r;
	START(pmu_count, EN | OS | TAKEN);

	run_to(&g, 0x10, &r);
	assert_int_equal(r.r8 - r.rsi, 9);
	guest_destroy(&g);
}

static void cycles_go_on(void **state)
{
	struct kvm_regs r;
	START(pmu_count, EN | OS | CYCLES);

	run_to(&g, 0x10, &r);
	assert_true(r.r8 > r.rsi && r.r9 > r.r8);
	if (!on_kernel())
		assert_int_equal(r.r8 - r.rsi, 14);	/* docs/quirks.md, cpu-pmu */
	run_to(&g, 0x11, &r);
	assert_int_equal(r.r10, r.r11);
	guest_destroy(&g);
}

/* Not at this CPL, not enabled, or no such event. */
static void nothing(void **state)
{
	const u64 selects[] = { EN | USR | INSNS, OS | INSNS, EN | OS | 0x3c };

	for (size_t i = 0; i < 3; i++) {
		struct kvm_regs r;
		START(pmu_count, selects[i]);

		run_to(&g, 0x10, &r);
		assert_int_equal(r.r9, 0);
		guest_destroy(&g);
	}
}

/* Single-stepped, each instruction still counts once. */
static void counts_while_debugged(void **state)
{
	struct kvm_guest_debug d = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_regs r;
	int exit;
	START(pmu_count, EN | OS | INSNS);

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_GUEST_DEBUG, &d));
	do {
		exit = guest_run(&g, 0);
	} while (exit == KVM_EXIT_DEBUG);
	assert_int_equal(exit, KVM_EXIT_IO);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.r8 - r.rsi, 14);
	guest_destroy(&g);
}

static void overflow_interrupts(void **state)
{
	struct kvm_regs r;
	u64 v;
	START(pmu_overflow, 0);

	run_to(&g, 0x10, &r);
	assert_int_equal(*guest_word(&g, 0x40000), 1);
	assert_true(get_msr(&g, K7_PERFCTR, &v));
	assert_true(v < 200);		/* it went through 0 */
	guest_destroy(&g);
}

/* -- RDPMC ---------------------------------------------------------------------------- */

static void rdpmc_widths(void **state)
{
	struct kvm_regs r;
	START(pmu_rdpmc, 3);

	assert_true(set_msr(&g, K7_PERFCTR + 3, 0xffff123456789abc));
	run_to(&g, 0x10, &r);
	assert_int_equal(r.rax, 0x56789abc);
	assert_int_equal(r.rdx, 0x1234);	/* 48 bits */
	guest_long(&g, 0, GUEST_CODE);
	guest_regs(&g, 0, &r);
	r.rdi = 3u | 1u << 31;
	guest_set_regs(&g, 0, &r);
	run_to(&g, 0x10, &r);
	assert_int_equal(r.rax, 0x56789abc);
	assert_int_equal(r.rdx, 0);
	guest_destroy(&g);
}

static void rdpmc_of_no_counter(void **state)
{
	struct kvm_regs r;
	START(pmu_rdpmc, 6);

	run_to(&g, 0x12, &r);
	guest_destroy(&g);
}

/* -- Registers --------------------------------------------------------------------------- */

static void selects_drop_reserved_bits(void **state)
{
	u64 v;
	START(pmu_rdpmc, 0);

	assert_true(set_msr(&g, K7_EVNTSEL + 1, ~0ull));
	assert_true(get_msr(&g, K7_EVNTSEL + 1, &v));
	assert_int_equal(v, 0x000000ffffd7ffff & ~0xf000000000ull);
	guest_destroy(&g);
}

static bool host_has_core_counters(void)
{
	u32 a, b, c, d;

	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x80000001), "c"(0));
	return c >> 23 & 1;
}

static void core_counters_follow_cpuid(void **state)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 2 * sizeof(c->entries[0]));
	u64 v;
	START(pmu_rdpmc, 0);
	int vm = new_vm(), with, without;

	c->nent = 1;
	c->entries[0] = (struct kvm_cpuid_entry2){ .function = 0x80000001 };
	without = new_vcpu(vm, 0);
	assert_ok(kvm_ioctl(without, KVM_SET_CPUID2, c));
	c->entries[0].ecx = 1 << 23;
	with = new_vcpu(vm, 1);
	assert_ok(kvm_ioctl(with, KVM_SET_CPUID2, c));
	close(g.vcpu[0]);
	g.vcpu[0] = without;
	/* On hosts that have them they are listed: to be saved and restored as 0. */
	assert_int_equal(get_msr(&g, F15H_CTL + 1, &v), host_has_core_counters());
	assert_int_equal(v, 0);
	assert_int_equal(set_msr(&g, F15H_CTL + 1, 0), host_has_core_counters());
	assert_false(set_msr(&g, F15H_CTL + 1, 1));
	g.vcpu[0] = with;
	assert_true(set_msr(&g, F15H_CTL + 1, 5));
	assert_true(set_msr(&g, F15H_CTL + 10, INSNS));
	assert_true(get_msr(&g, K7_PERFCTR, &v));
	assert_int_equal(v, 5);			/* the same register */
	assert_true(get_msr(&g, F15H_CTL + 10, &v));
	assert_int_equal(v, INSNS);
	close(without);
	close(vm);
	free(c);
	guest_destroy(&g);
}

/* -- The filter --------------------------------------------------------------------------- */

static u64 counted(struct guest *g)
{
	struct kvm_regs r;

	run_to(g, 0x10, &r);
	run_to(g, 0x11, &r);
	return r.r10;
}

static void denied(void **state)
{
	START(pmu_count, EN | OS | BRANCHES);

	set_filter(&g, KVM_PMU_EVENT_DENY, BRANCHES);
	assert_int_equal(counted(&g), 0);
	guest_destroy(&g);
}

static void not_denied(void **state)
{
	START(pmu_count, EN | OS | BRANCHES);

	set_filter(&g, KVM_PMU_EVENT_DENY, 0x1000000c2);	/* event 1C2h */
	assert_int_equal(counted(&g), 11);
	guest_destroy(&g);
}

static void allowed(void **state)
{
	START(pmu_count, EN | OS | BRANCHES);

	set_filter(&g, KVM_PMU_EVENT_ALLOW, BRANCHES);
	assert_int_equal(counted(&g), 11);
	guest_destroy(&g);
}

static void not_allowed(void **state)
{
	START(pmu_count, EN | OS | BRANCHES);

	set_filter(&g, KVM_PMU_EVENT_ALLOW, INSNS);
	assert_int_equal(counted(&g), 0);
	guest_destroy(&g);
}

/* A counter that counts already stops. */
static void denied_later(void **state)
{
	struct kvm_regs r;
	START(pmu_count, EN | OS | BRANCHES);

	run_to(&g, 0x10, &r);
	set_filter(&g, KVM_PMU_EVENT_DENY, BRANCHES);
	run_to(&g, 0x11, &r);
	assert_int_equal(r.r10, r.r9);
	guest_destroy(&g);
}

/* KVM_RUN that only waits for INIT leaves it to the one that runs the guest. */
static void denied_while_it_waits(void **state)
{
	struct kvm_regs r;
	struct runner run;
	START(pmu_count, EN | OS | BRANCHES);

	run_to(&g, 0x10, &r);
	guest_set_mp_state(&g, 0, KVM_MP_STATE_UNINITIALIZED);
	set_filter(&g, KVM_PMU_EVENT_DENY, BRANCHES);
	runner_start(&run, &g, 0);
	assert_int_equal(runner_stop(&run), -EINTR);
	guest_set_mp_state(&g, 0, KVM_MP_STATE_RUNNABLE);
	run_to(&g, 0x11, &r);
	assert_int_equal(r.r10, r.r9);
	guest_destroy(&g);
}

/* -- KVM_CAP_PMU_CAPABILITY --------------------------------------------------------------- */

static void disabled(void **state)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_PMU_CAPABILITY, .args = { 2 } };
	struct guest g = { 0 };
	u64 v;

	needs_pmu();
	g.vm = new_vm();
	assert_int_equal(kvm_ioctl_val(g.vm, KVM_CHECK_EXTENSION, KVM_CAP_PMU_CAPABILITY),
			 KVM_PMU_CAP_DISABLE);
	assert_errno(EINVAL, kvm_ioctl(g.vm, KVM_ENABLE_CAP, &cap));
	cap.args[0] = KVM_PMU_CAP_DISABLE;
	assert_ok(kvm_ioctl(g.vm, KVM_ENABLE_CAP, &cap));
	g.vcpu[0] = new_vcpu(g.vm, 0);
	assert_errno(EINVAL, kvm_ioctl(g.vm, KVM_ENABLE_CAP, &cap));
	assert_false(get_msr(&g, K7_EVNTSEL, &v));
	assert_false(set_msr(&g, K7_PERFCTR, 0));
	close(g.vcpu[0]);
	close(g.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions),
		cmocka_unit_test(branches),
		cmocka_unit_test(taken_branches),
		cmocka_unit_test(cycles_go_on),
		cmocka_unit_test(nothing),
		cmocka_unit_test(counts_while_debugged),
		cmocka_unit_test(overflow_interrupts),
		cmocka_unit_test(rdpmc_widths),
		cmocka_unit_test(rdpmc_of_no_counter),
		cmocka_unit_test(selects_drop_reserved_bits),
		cmocka_unit_test(core_counters_follow_cpuid),
		cmocka_unit_test(denied),
		cmocka_unit_test(not_denied),
		cmocka_unit_test(allowed),
		cmocka_unit_test(not_allowed),
		cmocka_unit_test(denied_later),
		cmocka_unit_test(denied_while_it_waits),
		cmocka_unit_test(disabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
