/* SPDX-License-Identifier: MIT */
/* Instructions whose result userspace gives, or which KVM replaces. */
#include "harness.h"

#include <linux/kvm_para.h>

#include "api/vm.h"

enum { CODE = 0x600, HANDLER = 0x500, STACK = 0x4000, NO_SUCH_MSR = 0x4711 };

static struct machine *m;
static struct cpu *c;

static int setup(void **state)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_UNKNOWN },
	};

	if (machine_up(state))
		return -1;
	m = *state;
	c = machine_cpu(m);
	assert_int_equal(call(m->vm_file, KVM_ENABLE_CAP, &cap), 0);
	return 0;
}

/* Real-mode code at CODE; #UD and #GP halt in HANDLER. */
static void start(const u8 *code, u32 n)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2,
				 .rcx = NO_SUCH_MSR, .rax = 0x1111, .rdx = 0x2222 };
	struct kvm_sregs sregs;

	memcpy(m->ram + CODE, code, n);
	memcpy(m->ram + 4 * EXC_UD, &(u32){ HANDLER }, 4);
	memcpy(m->ram + 4 * EXC_GP, &(u32){ HANDLER }, 4);
	m->ram[HANDLER] = 0xf4;
	assert_int_equal(call(m->vcpu_file[0], KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = sregs.cs.selector = 0;
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_REGS, &regs), 0);
}

#define START(...) \
	start((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void run_to(u32 exit_reason)
{
	assert_int_equal(call(m->vcpu_file[0], KVM_RUN, NULL), 0);
	assert_int_equal(m->run->exit_reason, exit_reason);
}

static void halts_in_handler(bool yes)
{
	run_to(KVM_EXIT_HLT);
	assert_int_equal(c->rip, yes ? HANDLER + 1 : CODE + 3);
}

static void rdmsr_takes_the_answer(void **state)
{
	START(0x0f, 0x32, 0xf4);			/* RDMSR; HLT */
	run_to(KVM_EXIT_X86_RDMSR);
	assert_int_equal(m->run->msr.index, NO_SUCH_MSR);
	m->run->msr.data = 0x123456789abcdef0;
	halts_in_handler(false);
	assert_int_equal(c->gpr[RAX], 0x9abcdef0);
	assert_int_equal(c->gpr[RDX], 0x12345678);
}

static void rdmsr_faults_if_userspace_says_so(void **state)
{
	START(0x0f, 0x32, 0xf4);
	run_to(KVM_EXIT_X86_RDMSR);
	m->run->msr.error = 1;
	halts_in_handler(true);
	assert_int_equal(c->gpr[RAX], 0x1111);
}

static void wrmsr_takes_the_answer(void **state)
{
	for (u8 error = 0; error < 2; error++) {
		START(0x0f, 0x30, 0xf4);		/* WRMSR; HLT */
		run_to(KVM_EXIT_X86_WRMSR);
		assert_int_equal(m->run->msr.data, 0x222200001111);
		m->run->msr.error = error;
		halts_in_handler(error);
	}
}

/* Completed first, like KVM_EXIT_IO. */
static void immediate_exit_comes_after_the_answer(void **state)
{
	START(0x0f, 0x32, 0xf4);
	run_to(KVM_EXIT_X86_RDMSR);
	m->run->msr.data = 0x77;
	m->run->immediate_exit = 1;
	assert_int_equal(call(m->vcpu_file[0], KVM_RUN, NULL), -EINTR);
	assert_int_equal(c->rip, CODE + 2);
	assert_int_equal(c->gpr[RAX], 0x77);
}

static void moving_rip_abandons_the_instruction(void **state)
{
	START(0x0f, 0x32, 0xf4);
	run_to(KVM_EXIT_X86_RDMSR);
	m->run->msr.data = 0x77;
	START(0xf4);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(c->gpr[RAX], 0x1111);
}

/* -- Hypercalls of the other vendor ----------------------------------------------- */

static const u8 vmcall[] = { 0x0f, 0x01, 0xc1 }, vmmcall[] = { 0x0f, 0x01, 0xd9 };

static void set_vendor(bool amd)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[1];
	} id = { .head.nent = 1 };

	if (amd)
		id.entry[0] = (struct kvm_cpuid_entry2){
			.ebx = 0x68747541, .edx = 0x69746e65, .ecx = 0x444d4163 };
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_CPUID2, &id), 0);
}

static void other_vendors_hypercall_is_replaced(void **state)
{
	START(0x0f, 0x01, 0xc1, 0xf4);
	set_vendor(true);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(c->rip, CODE + 4);
	assert_int_equal(c->gpr[RAX], (u32)-KVM_ENOSYS);
	assert_memory_equal(m->ram + CODE, vmmcall, 3);
}

static void it_is_invalid_without_the_quirk(void **state)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DISABLE_QUIRKS2,
		.args = { KVM_X86_QUIRK_FIX_HYPERCALL_INSN },
	};

	START(0x0f, 0x01, 0xd9, 0xf4);
	set_vendor(false);
	assert_int_equal(call(m->vm_file, KVM_ENABLE_CAP, &cap), 0);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(c->rip, HANDLER + 1);
	assert_memory_equal(m->ram + CODE, vmmcall, 3);
}

static void its_own_is_left_alone(void **state)
{
	START(0x0f, 0x01, 0xc1, 0xf4);
	set_vendor(false);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(c->rip, CODE + 4);
	assert_memory_equal(m->ram + CODE, vmcall, 3);
}

/* -- MONITOR and MWAIT --------------------------------------------------------------- */

static void misc_enable_switches_monitor(void **state)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } msr = {
		.head.nmsrs = 1, .e.index = 0x1a0,
	};
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DISABLE_QUIRKS2,
		.args = { KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT |
			  KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS },
	};

	assert_int_equal(call(m->vm_file, KVM_ENABLE_CAP, &cap), 0);
	/* KVM: MWAIT came with SSE3. */
	msr.e.data = 0x1800 | 1 << 18;
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_MSRS, &msr), 0);
	m->vcpu_file[0]->vcpu->cpu->features->has[FEATURE_SSE3] = true;
	for (u32 on = 0; on < 2; on++) {
		START(0x0f, 0x01, 0xc9, 0xf4);		/* MWAIT; HLT */
		msr.e.data = 0x1800 | on << 18;
		assert_int_equal(call(m->vcpu_file[0], KVM_SET_MSRS, &msr), 1);
		run_to(KVM_EXIT_HLT);
		assert_int_equal(c->rip, on ? CODE + 4 : HANDLER + 1);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rdmsr_takes_the_answer),
		TEST(rdmsr_faults_if_userspace_says_so),
		TEST(wrmsr_takes_the_answer),
		TEST(immediate_exit_comes_after_the_answer),
		TEST(moving_rip_abandons_the_instruction),
		TEST(other_vendors_hypercall_is_replaced),
		TEST(it_is_invalid_without_the_quirk),
		TEST(its_own_is_left_alone),
		TEST(misc_enable_switches_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
