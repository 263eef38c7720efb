/* SPDX-License-Identifier: MIT */
/* Hyper-V's hypercalls: every form of input, and who is reached. */
#include "harness.h"

#include "x86/api/cpuid_table.h"
#include "x86/hyperv/hyperv.h"
#include "x86/irqchip/lapic.h"

#define NR_VCPUS	3
#define VECTOR		0x55
#define INPUT		0x2000
#define LINUX_ID	(0x8100ull << 48)
#define VAR(n)		((u64)(n) << HV_CALL_VAR_SHIFT)
#define REP(n)		((u64)(n) << HV_CALL_REP_SHIFT)
#define START(n)	((u64)(n) << HV_CALL_START_SHIFT)
#define X2APIC_SVR	0x80f

static struct cpu *vcpu(void **state, u32 i)
{
	return ((struct machine *)*state)->vcpu_file[i]->vcpu->cpu;
}

static void show_hyperv(struct cpu *c, u32 features_edx, u32 hints_eax)
{
	struct kvm_cpuid_entry2 *e = calloc(3, sizeof(*e));

	e[0] = (struct kvm_cpuid_entry2){ .function = HV_CPUID_INTERFACE,
					  .eax = HV_INTERFACE_SIGNATURE };
	e[1] = (struct kvm_cpuid_entry2){ .function = HV_CPUID_FEATURES, .edx = features_edx };
	e[2] = (struct kvm_cpuid_entry2){ .function = HV_CPUID_ENLIGHTENMENTS,
					  .eax = hints_eax };
	cpuid_install(c, e, 3);
}

static int up(void **state)
{
	int ret = machine_up_irqchip(state);
	struct machine *m = *state;

	while (m->nr < NR_VCPUS)
		machine_add_vcpu(m);
	for (u32 i = 0; i < NR_VCPUS; i++)
		lapic_write_any_mode(vcpu(state, i)->lapic, X2APIC_SVR, 0x1ff);
	show_hyperv(vcpu(state, 0), 0, 0);
	m->vm->arch->hv->guest_os_id = LINUX_ID;
	vcpu(state, 0)->code_size = 8;
	vcpu(state, 0)->cr0 |= X86_CR0_PE;
	return ret;
}

static enum step outcome;

static void do_hypercall(struct cpu *c, void *ctx)
{
	outcome = hv_hypercall(c);
}

static u64 hypercall(void **state, u64 input, u64 param, u64 output)
{
	struct cpu *c = vcpu(state, 0);

	assert_true(hv_hypercall_enabled(c));
	c->gpr[RCX] = input;
	c->gpr[RDX] = param;
	c->gpr[R8] = output;
	assert_true(vcpu_with_memory(c, do_hypercall, NULL));
	return c->gpr[RAX];
}

static void set_xmm(void **state, u32 half, u64 v)
{
	memcpy(vcpu(state, 0)->fpu.vec[half / 2] + half % 2 * 8, &v, sizeof(v));
}

/* Which vCPUs have been sent VECTOR, and forgets it. */
static u32 reached(void **state)
{
	u32 who = 0;

	for (u32 i = 0; i < NR_VCPUS; i++)
		who |= lapic_take(vcpu(state, i)->lapic) == VECTOR ? BIT(i) : 0;
	for (u32 i = 0; i < NR_VCPUS; i++)
		lapic_eoi(vcpu(state, i)->lapic);
	return who;
}

/* Which others are to flush their TLBs. */
static u32 flushed(void **state)
{
	u32 who = 0;

	for (u32 i = 0; i < NR_VCPUS; i++)
		who |= vcpu_take_requests(vcpu(state, i)->vcpu, REQ_TLB_FLUSH) ? BIT(i) : 0;
	return who;
}

/* -- Input ------------------------------------------------------------------------------ */

static void only_in_ring_0_of_protected_mode(void **state)
{
	struct cpu *c = vcpu(state, 0);

	c->cpl = 3;
	hypercall(state, HV_NOTIFY_LONG_SPIN_WAIT, 0, 0);
	assert_int_equal(outcome, STEP_FAULT);
	assert_int_equal(c->exc.vector, EXC_UD);
	c->cpl = 0;
	c->cr0 &= ~X86_CR0_PE;
	hypercall(state, HV_NOTIFY_LONG_SPIN_WAIT, 0, 0);
	assert_int_equal(outcome, STEP_FAULT);
}

/* Input in EDX:EAX, parameters in EBX:ECX and EDI:ESI, result in EDX:EAX. */
static void registers_of_32_bits(void **state)
{
	struct cpu *c = vcpu(state, 0);

	c->code_size = 4;
	c->gpr[RAX] = 0xdead00000000 | HV_SEND_IPI | HV_CALL_FAST;
	c->gpr[RDX] = 0;
	c->gpr[RBX] = 0;
	c->gpr[RCX] = VECTOR;
	c->gpr[RDI] = 0;
	c->gpr[RSI] = BIT(1);
	assert_true(vcpu_with_memory(c, do_hypercall, NULL));
	assert_int_equal(c->gpr[RAX], 0);
	assert_int_equal(reached(state), BIT(1));
	c->gpr[RAX] = HV_FLUSH_VIRTUAL_ADDRESS_LIST | HV_CALL_FAST;
	c->gpr[RDX] = 3;
	assert_true(vcpu_with_memory(c, do_hypercall, NULL));
	assert_int_equal(c->gpr[RAX], 0);
	assert_int_equal(c->gpr[RDX], 3);	/* reps done */
}

static void malformed_input(void **state)
{
	static const u64 bad[] = {
		HV_NOTIFY_LONG_SPIN_WAIT | VAR(1), HV_NOTIFY_LONG_SPIN_WAIT | START(1),
		HV_NOTIFY_LONG_SPIN_WAIT | BIT_ULL(31), HV_NOTIFY_LONG_SPIN_WAIT | BIT_ULL(44),
		HV_NOTIFY_LONG_SPIN_WAIT | BIT_ULL(60), HV_NOTIFY_LONG_SPIN_WAIT | BIT_ULL(63),
		HV_FLUSH_VIRTUAL_ADDRESS_SPACE | REP(1), HV_FLUSH_VIRTUAL_ADDRESS_SPACE | VAR(1),
		HV_FLUSH_VIRTUAL_ADDRESS_LIST, HV_FLUSH_VIRTUAL_ADDRESS_LIST | REP(2) | START(1),
		HV_FLUSH_VIRTUAL_ADDRESS_LIST | REP(1) | VAR(1),
		HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX | REP(1), HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX,
		HV_SEND_IPI | VAR(1), HV_SEND_IPI | REP(1), HV_SEND_IPI_EX | REP(1),
		HV_POST_MESSAGE | REP(1), HV_SIGNAL_EVENT | VAR(1),
		/* More banks than the mask has bits. */
		HV_SEND_IPI_EX | VAR(1), HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX | VAR(1),
	};

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(hypercall(state, bad[i], INPUT, 0),
				 HV_STATUS_INVALID_HYPERCALL_INPUT);
	assert_int_equal(flushed(state), 0);
	assert_int_equal(hypercall(state, 0, 0, 0), HV_STATUS_INVALID_HYPERCALL_CODE);
	assert_int_equal(hypercall(state, 0xffff | VAR(1), 0, 0),
			 HV_STATUS_INVALID_HYPERCALL_CODE);
}

static void input_without_memory(void **state)
{
	static const u64 calls[] = {
		HV_FLUSH_VIRTUAL_ADDRESS_SPACE, HV_FLUSH_VIRTUAL_ADDRESS_LIST | REP(1),
		HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX, HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX | REP(1),
		HV_SEND_IPI, HV_SEND_IPI_EX,
	};

	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		assert_int_equal(hypercall(state, calls[i], GUEST_PAGES * PAGE_SIZE, 0),
				 HV_STATUS_INVALID_HYPERCALL_INPUT);
		assert_int_equal(hypercall(state, calls[i], ~0ull, 0),
				 HV_STATUS_INVALID_HYPERCALL_INPUT);
	}
	assert_int_equal(hypercall(state, HV_SIGNAL_EVENT, GUEST_PAGES * PAGE_SIZE, 0),
			 HV_STATUS_INVALID_ALIGNMENT);
}

static void access_is_enforced(void **state)
{
	static const struct { u16 code; u32 hint; } calls[] = {
		{ HV_FLUSH_VIRTUAL_ADDRESS_SPACE, HV_REMOTE_TLB_FLUSH },
		{ HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX, HV_REMOTE_TLB_FLUSH | HV_EX_PROCESSOR_MASKS },
		{ HV_SEND_IPI_EX, HV_CLUSTER_IPI | HV_EX_PROCESSOR_MASKS },
	};
	struct cpu *c = vcpu(state, 0);

	c->hv->cpuid.enforced = true;
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		show_hyperv(c, 0, 0);
		assert_int_equal(hypercall(state, calls[i].code, INPUT, 0), HV_STATUS_ACCESS_DENIED);
		show_hyperv(c, 0, calls[i].hint & -calls[i].hint);	/* one of the two */
		if (calls[i].hint & (calls[i].hint - 1))
			assert_int_equal(hypercall(state, calls[i].code, INPUT, 0),
					 HV_STATUS_ACCESS_DENIED);
		show_hyperv(c, 0, calls[i].hint);
		assert_int_equal(hypercall(state, calls[i].code, INPUT, 0), HV_STATUS_SUCCESS);
		hypercall(state, calls[i].code | HV_CALL_FAST, 0, 0);
		assert_int_equal(outcome, STEP_FAULT);		/* no XMM input */
		show_hyperv(c, HV_XMM_INPUT, calls[i].hint);
		assert_int_equal(hypercall(state, calls[i].code | HV_CALL_FAST, 0, 0),
				 HV_STATUS_SUCCESS);
	}
	/* Denied comes before malformed. */
	assert_int_equal(hypercall(state, HV_POST_MESSAGE | BIT_ULL(63), 0, 0),
			 HV_STATUS_ACCESS_DENIED);
}

/* -- Who is reached ------------------------------------------------------------------------ */

static void ipi_to_a_mask(void **state)
{
	struct machine *m = *state;
	struct hv_ipi in = { .vector = VECTOR, .processor_mask = 5 };

	assert_int_equal(hypercall(state, HV_SEND_IPI | HV_CALL_FAST, VECTOR, 3), 0);
	assert_int_equal(reached(state), 3);
	memcpy(m->ram + INPUT, &in, sizeof(in));
	assert_int_equal(hypercall(state, HV_SEND_IPI, INPUT, 0), 0);
	assert_int_equal(reached(state), 5);
	assert_int_equal(hypercall(state, HV_SEND_IPI | HV_CALL_FAST, 0x100, 3),
			 HV_STATUS_INVALID_HYPERCALL_INPUT);
	assert_int_equal(hypercall(state, HV_SEND_IPI | HV_CALL_FAST, VECTOR | BIT_ULL(32), 3),
			 HV_STATUS_INVALID_HYPERCALL_INPUT);
	assert_int_equal(reached(state), 0);
}

/* VP 2 is VP 200 now: in the fourth bank. */
static void ipi_to_a_set(void **state)
{
	struct machine *m = *state;
	struct { struct hv_ipi_ex head; u64 bank[2]; } in = {
		.head = { .vector = VECTOR, .set = { HV_SET_SPARSE_4K, BIT(0) | BIT(3) } },
		.bank = { BIT(1), BIT_ULL(200 % 64) },
	};
	const u64 fast = HV_SEND_IPI_EX | HV_CALL_FAST;

	vcpu(state, 2)->hv->vp_index = 200;
	memcpy(m->ram + INPUT, &in, sizeof(in));
	assert_int_equal(hypercall(state, HV_SEND_IPI_EX | VAR(2), INPUT, 0), 0);
	assert_int_equal(reached(state), BIT(1) | BIT(2));

	set_xmm(state, 0, BIT(3));
	set_xmm(state, 1, BIT_ULL(200 % 64));
	assert_int_equal(hypercall(state, fast | VAR(1), VECTOR, HV_SET_SPARSE_4K), 0);
	assert_int_equal(reached(state), BIT(2));
	assert_int_equal(hypercall(state, fast | VAR(1), VECTOR, HV_SET_ALL), 0);
	assert_int_equal(reached(state), 7);

	/* Eleven banks fit beside the mask, not twelve. */
	set_xmm(state, 0, 0xfff);
	assert_int_equal(hypercall(state, fast | VAR(12), VECTOR, HV_SET_SPARSE_4K),
			 HV_STATUS_INVALID_HYPERCALL_INPUT);
	set_xmm(state, 0, 0x7ff);
	assert_int_equal(hypercall(state, fast | VAR(11), VECTOR, HV_SET_SPARSE_4K), 0);
	reached(state);
	/* Nobody: not even the vector is looked at. */
	set_xmm(state, 0, 0);
	assert_int_equal(hypercall(state, fast, 0, HV_SET_SPARSE_4K), 0);
	assert_int_equal(reached(state), 0);
}

/* All 64 banks: those beyond the last possible VP are not looked at. */
static void banks_nobody_can_be_in(void **state)
{
	struct machine *m = *state;
	struct { struct hv_ipi_ex head; u64 bank[64]; } in = {
		.head = { .vector = VECTOR, .set = { HV_SET_SPARSE_4K, ~0ull } },
	};

	memset(in.bank, 0xff, sizeof(in.bank));
	memcpy(m->ram + INPUT, &in, sizeof(in));
	assert_int_equal(hypercall(state, HV_SEND_IPI_EX | VAR(64), INPUT, 0), 0);
	assert_int_equal(reached(state), 7);
}

static void flush_to_a_mask(void **state)
{
	const u64 fast = HV_FLUSH_VIRTUAL_ADDRESS_SPACE | HV_CALL_FAST;

	set_xmm(state, 0, BIT(2) | BIT(0));
	assert_int_equal(hypercall(state, fast, 0, 0), 0);
	assert_int_equal(outcome, STEP_END);	/* our own requests are looked at */
	assert_int_equal(flushed(state), BIT(2));
	assert_int_equal(hypercall(state, fast, 0, HV_FLUSH_ALL_PROCESSORS), 0);
	assert_int_equal(flushed(state), BIT(1) | BIT(2));
	set_xmm(state, 0, 0);			/* nobody is everybody */
	assert_int_equal(hypercall(state, fast, 0, 0), 0);
	assert_int_equal(flushed(state), BIT(1) | BIT(2));
}

static void flush_to_a_set(void **state)
{
	struct machine *m = *state;
	struct { struct hv_flush_ex head; u64 bank[1]; } in = {
		.head.set = { HV_SET_SPARSE_4K, BIT(0) }, .bank = { BIT(1) },
	};
	const u64 list = HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX | REP(5);

	memcpy(m->ram + INPUT, &in, sizeof(in));
	assert_int_equal(hypercall(state, list | VAR(1), INPUT, 0), REP(5));
	assert_int_equal(flushed(state), BIT(1));
	set_xmm(state, 0, HV_SET_SPARSE_4K);
	set_xmm(state, 1, BIT(0));
	set_xmm(state, 2, BIT(2));
	assert_int_equal(hypercall(state, list | VAR(1) | HV_CALL_FAST, 0, 0), REP(5));
	assert_int_equal(flushed(state), BIT(2));
	set_xmm(state, 0, HV_SET_ALL);
	set_xmm(state, 1, 0);
	assert_int_equal(hypercall(state, list | HV_CALL_FAST, 0, 0), REP(5));
	assert_int_equal(flushed(state), BIT(1) | BIT(2));
	set_xmm(state, 0, HV_SET_SPARSE_4K);
	assert_int_equal(hypercall(state, list | HV_CALL_FAST, 0, 0), REP(5));
	assert_int_equal(flushed(state), 0);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, up, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_in_ring_0_of_protected_mode),
		TEST(registers_of_32_bits),
		TEST(malformed_input),
		TEST(input_without_memory),
		TEST(access_is_enforced),
		TEST(ipi_to_a_mask),
		TEST(ipi_to_a_set),
		TEST(banks_nobody_can_be_in),
		TEST(flush_to_a_mask),
		TEST(flush_to_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
