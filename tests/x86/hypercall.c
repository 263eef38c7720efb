/* SPDX-License-Identifier: MIT */
/* KVM's hypercalls, and the features that permit them. */
#include "harness.h"

#include <linux/kvm_para.h>
#include <time.h>

#include "x86/api/cpuid_table.h"
#include "x86/api/msr.h"
#include "x86/api/run_state.h"
#include "x86/cpu/event.h"

static struct kfile *vcpu(void **state)
{
	return ((struct machine *)*state)->vcpu_file[0];
}

static u64 hypercall(struct cpu *c, u64 nr, u64 a0, u64 a1)
{
	c->gpr[RAX] = nr;
	c->gpr[RBX] = a0;
	c->gpr[RCX] = a1;
	assert_int_equal(cpu_hypercall(c), STEP_NEXT);
	return c->gpr[RAX];
}

static void hypercalls(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args[0] = 1 };

	c->code_size = 8;
	assert_int_equal(hypercall(c, 4711, 0, 0), -1000);
	assert_int_equal(hypercall(c, KVM_HC_SCHED_YIELD, 0, 0), 0);
	assert_int_equal(hypercall(c, KVM_HC_CLOCK_PAIRING, 0, 1), -95);
	assert_int_equal(hypercall(c, KVM_HC_KICK_CPU, 0, 0), 0);
	assert_true(c->requests & REQ_UNHALT);
	assert_int_equal(hypercall(c, KVM_HC_MAP_GPA_RANGE, 0x1000, 1), -1000);
	c->cpl = 3;
	assert_int_equal(hypercall(c, KVM_HC_SCHED_YIELD, 0, 0), -1);
	c->cpl = 0;
	assert_int_equal(call(vcpu(state), KVM_ENABLE_CAP, &cap), 0);
	assert_int_equal(hypercall(c, KVM_HC_SCHED_YIELD, 0, 0), -1000);
	c->code_size = 4;
	assert_int_equal(hypercall(c, 4711, 0, 0), (u32)-1000);
}

static void clock_pairing(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);
	const struct kvm_clock_pairing *p = (void *)(m->ram + 0x100);
	u64 before = time(NULL), tsc = cpu_read_tsc(c);

	c->code_size = 8;
	memset(m->ram + 0x100, 0xff, sizeof(*p));
	if (!host_has(FEATURE_CONSTANT_TSC))
		skip();
	assert_int_equal(hypercall(c, KVM_HC_CLOCK_PAIRING, 0x100, 0), 0);
	assert_true(p->sec >= before && p->sec <= before + 60);
	assert_true(p->nsec < 1000000000);
	assert_true(p->tsc >= tsc && p->tsc <= cpu_read_tsc(c));
	assert_int_equal(p->flags, 0);
	assert_int_equal(p->pad[8], 0);
	assert_int_equal(hypercall(c, KVM_HC_CLOCK_PAIRING, 1ull << 40, 0), -KVM_EFAULT);
}

/* KVM's leaves move up when another hypervisor's come first. */
static void pv_features_follow_the_signature(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args[0] = 1 };
	struct kvm_cpuid_entry2 *e = calloc(4, sizeof(*e));
	struct cpuid_regs r;

	e[0] = (struct kvm_cpuid_entry2){ .function = 0x40000000, .eax = 0x40000001 };
	memcpy(&e[0].ebx, "SomeoneElse!", 12);
	e[1] = (struct kvm_cpuid_entry2){ .function = 0x40000001, .eax = ~0u };
	e[2] = (struct kvm_cpuid_entry2){ .function = 0x40000100, .eax = 0x40000101 };
	memcpy(&e[2].ebx, SIGNATURE_KVM, 12);
	e[3] = (struct kvm_cpuid_entry2){
		.function = 0x40000101, .eax = BIT(KVM_FEATURE_PV_UNHALT),
	};
	cpuid_install(c, e, 4);
	c->code_size = 8;
	assert_int_equal(call(vcpu(state), KVM_ENABLE_CAP, &cap), 0);
	assert_int_equal(hypercall(c, KVM_HC_KICK_CPU, 0, 0), 0);
	assert_int_equal(hypercall(c, KVM_HC_SCHED_YIELD, 0, 0), -1000);
	m->vm->arch->disabled_exits = KVM_X86_DISABLE_EXITS_HLT;
	cpu_cpuid(c, 0x40000001, 0, &r);
	assert_int_equal(r.eax, ~0u);
	cpu_cpuid(c, 0x40000101, 0, &r);
	assert_int_equal(r.eax, 0);
}

static void map_gpa_range_exits(void **state)
{
	struct machine *m = *state;
	struct cpu *c = machine_cpu(m);

	c->code_size = 8;
	m->vm->arch->hypercall_exits = BIT(KVM_HC_MAP_GPA_RANGE);
	assert_int_equal(hypercall(c, KVM_HC_MAP_GPA_RANGE, 0x1001, 1), -22);
	assert_int_equal(hypercall(c, KVM_HC_MAP_GPA_RANGE, 0x1000, 0), -22);
	c->gpr[RAX] = KVM_HC_MAP_GPA_RANGE;
	c->gpr[RCX] = 2;
	assert_int_equal(cpu_hypercall(c), STEP_EXIT);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_HYPERCALL);
	assert_int_equal(m->run->hypercall.args[1], 2);
	assert_int_equal(m->run->hypercall.longmode, 1);
	m->run->hypercall.ret = 7;
	user_reply_complete(c);
	assert_int_equal(cpu_hypercall(c), STEP_NEXT);
	assert_int_equal(c->gpr[RAX], 7);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, machine_up, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hypercalls),
		TEST(clock_pairing),
		TEST(pv_features_follow_the_signature),
		TEST(map_gpa_range_exits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
