/* SPDX-License-Identifier: MIT */
/* Xen hypercalls and their page (api.rst 4.28). */
#include "xen_guest.h"

static void a_hypercall_exits_and_takes_its_result(void **state)
{
	struct kvm_regs r;

	needs_xen_guest();
	begin_call(0x123456789, 1, 2, 3);
	guest_regs(&g, 0, &r);
	r.r10 = 4;
	r.r8 = 5;
	r.r9 = 6;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_XEN);
	assert_int_equal(g.run[0]->xen.type, KVM_EXIT_XEN_HCALL);
	assert_int_equal(g.run[0]->xen.u.hcall.longmode, 1);
	assert_int_equal(g.run[0]->xen.u.hcall.cpl, 0);
	assert_int_equal(g.run[0]->xen.u.hcall.input, 0x123456789);
	for (u32 i = 0; i < 6; i++)
		assert_int_equal(g.run[0]->xen.u.hcall.params[i], i + 1);
	g.run[0]->xen.u.hcall.result = 0xcafef00d12345678;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_rax(&g, 0), 0xcafef00d12345678);
}

static void a_32_bit_guest_has_other_registers(void **state)
{
	struct kvm_regs r;

	needs_xen_guest();
	guest_load(&g, GUEST_CODE, xen_call32);
	guest_prot32(&g, 0, GUEST_CODE);
	guest_regs(&g, 0, &r);
	r.rax = 7;
	r.rbx = 1;
	r.rcx = 2;
	r.rdx = 3;
	r.rsi = 4;
	r.rdi = 5;
	r.rbp = 0xffffffff00000006;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_XEN);
	assert_int_equal(g.run[0]->xen.u.hcall.longmode, 0);
	for (u32 i = 0; i < 6; i++)
		assert_int_equal(g.run[0]->xen.u.hcall.params[i], i + 1);
}

/* The result is for the instruction that asked, whatever its registers are now. */
static void the_result_is_dropped_if_rip_moved(void **state)
{
	struct kvm_regs r;

	needs_xen_guest();
	begin_call(99, 0, 0, 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_XEN);
	g.run[0]->xen.u.hcall.result = 1234;
	guest_regs(&g, 0, &r);
	r.rip = GUEST_CODE + 11;	/* after VMCALL */
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_rax(&g, 0), 99);

	begin_call(99, 0, 0, 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_XEN);
	g.run[0]->xen.u.hcall.result = 1234;
	guest_regs(&g, 0, &r);
	r.rax = 5;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_rax(&g, 0), 1234);
}

static void without_interception_hypercalls_are_kvms(void **state)
{
	needs_xen_guest();
	assert_ok(xen_config(g.vm, SENDS, MSR));
	assert_int_equal(call(99, 0, 0, 0), (u64)-1000);	/* KVM_ENOSYS */
}

static void write_msr(const u8 *code, const u8 *end, bool mode64, u64 value)
{
	struct kvm_regs r;

	memcpy(g.mem + GUEST_CODE, code, end - code);
	if (mode64)
		guest_long(&g, 0, GUEST_CODE);
	else
		guest_prot32(&g, 0, GUEST_CODE);
	start_handler(13, guest_xen_gp, guest_xen_gp_end);
	guest_regs(&g, 0, &r);
	r.rcx = MSR;
	r.rax = (u32)value;
	r.rdx = value >> 32;
	guest_set_regs(&g, 0, &r);
}

#define WRITE_MSR64(value)	write_msr(guest_xen_wrmsr, guest_xen_wrmsr_end, true, value)
#define WRITE_MSR32(value)	write_msr(guest_xen_wrmsr32, guest_xen_wrmsr32_end, false, value)

static u32 ended_at_port(void)
{
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	return g.run[0]->io.port;
}

static void the_page_is_generated(void **state)
{
	struct kvm_regs r;

	needs_xen_guest();
	WRITE_MSR64(PAGE);
	assert_int_equal(ended_at_port(), 0x10);
	for (u32 nr = 0; nr < 128; nr++) {
		const u8 *p = g.mem + PAGE + nr * 32;

		assert_int_equal(p[0], 0xb8);
		assert_memory_equal(p + 1, &nr, 4);
		assert_int_equal(p[5] | p[6] << 8, 0x010f);
		assert_true(p[7] == 0xc1 || p[7] == 0xd9);
		assert_int_equal(p[8], 0xc3);
		assert_int_equal(p[9], 0xcc);
		assert_int_equal(p[31], 0xcc);
	}
	START(xen_call_page);
	guest_regs(&g, 0, &r);
	r.rbx = PAGE + 17 * 32;
	r.rdi = 1;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_XEN);
	assert_int_equal(g.run[0]->xen.u.hcall.input, 17);
	g.run[0]->xen.u.hcall.result = 42;
	assert_int_equal(ended_at_port(), 0x10);
	assert_int_equal(guest_rax(&g, 0), 42);
}

static void bad_pages_are_protection_faults(void **state)
{
	needs_xen_guest();
	WRITE_MSR64(PAGE + 1);			/* there is but one page */
	assert_int_equal(ended_at_port(), 0x13);
	WRITE_MSR64(0x50000000);		/* no memory */
	assert_int_equal(ended_at_port(), 0x13);
}

static void the_page_comes_from_the_blob_of_the_mode(void **state)
{
	u8 *blob = guest_ram(4 * PG);
	struct kvm_xen_hvm_config c = {
		.msr = MSR, .blob_addr_32 = (uintptr_t)blob, .blob_size_32 = 1,
		.blob_addr_64 = (uintptr_t)blob + PG, .blob_size_64 = 2,
	};
	struct kvm_xen_hvm_attr a = { .type = KVM_XEN_ATTR_TYPE_LONG_MODE };

	needs_xen_guest();
	for (u32 i = 0; i < 4; i++)
		memset(blob + i * PG, 0x10 + i, PG);
	assert_ok(kvm_ioctl(g.vm, KVM_XEN_HVM_CONFIG, &c));

	WRITE_MSR32(PAGE);
	assert_int_equal(ended_at_port(), 0x10);
	assert_int_equal(*byte(PAGE), 0x10);
	assert_int_equal(*byte(PAGE + PG - 1), 0x10);
	assert_ok(kvm_ioctl(g.vm, KVM_XEN_HVM_GET_ATTR, &a));
	assert_int_equal(a.u.long_mode, 0);

	WRITE_MSR64(PAGE + 1);
	assert_int_equal(ended_at_port(), 0x10);
	assert_int_equal(*byte(PAGE), 0x12);
	assert_ok(kvm_ioctl(g.vm, KVM_XEN_HVM_GET_ATTR, &a));
	assert_int_equal(a.u.long_mode, 1);

	WRITE_MSR64(PAGE + 2);
	assert_int_equal(ended_at_port(), 0x13);

	munmap(blob, 4 * PG);
	WRITE_MSR64(PAGE);
	assert_int_equal(guest_run(&g, 0), -EFAULT);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE);
}

static void the_version_is_answered_if_it_is_known(void **state)
{
	struct kvm_xen_hvm_attr a = {
		.type = KVM_XEN_ATTR_TYPE_XEN_VERSION, .u.xen_version = 4 << 16 | 17,
	};

	needs_xen_guest();
	assert_call_exits(XEN_VERSION, 0, 0, 0);
	assert_ok(kvm_ioctl(g.vm, KVM_XEN_HVM_SET_ATTR, &a));
	assert_int_equal(call(XEN_VERSION, 0, 0, 0), 4 << 16 | 17);
	assert_call_exits(XEN_VERSION, 1, 0, 0);
}

/* Bit 31 of EAX is set on the way into Hyper-V's hypercalls, and only there. */
static void hyper_vs_page_is_told_apart(void **state)
{
	static const u8 mark[] = { 0x0d, 0, 0, 0, 0x80, 0x0f, 0x01 };
	struct { struct kvm_msrs head; struct kvm_msr_entry e[2]; } msrs = {
		.head.nmsrs = 2,
		.e = { { .index = 0x40000000, .data = 1 },	/* who the guest is */
		       { .index = 0x40000001, .data = PAGE | 1 } },
	};

	needs_xen_guest();
	assert_ok(xen_config(g.vm, INTERCEPT, 0x40000200));
	assert_int_equal(kvm_ioctl(g.vcpu[0], KVM_SET_MSRS, &msrs), 2);
	assert_memory_equal(byte(PAGE), mark, sizeof(mark));
	assert_int_equal(*byte(PAGE + 8), 0xc3);
	assert_call_exits(1u << 31, 0, 0, 0);	/* Hyper-V is not enabled in CPUID */

	assert_ok(xen_config(g.vm, 0, 0x40000200));
	assert_int_equal(kvm_ioctl(g.vcpu[0], KVM_SET_MSRS, &msrs), 2);
	assert_memory_equal(byte(PAGE), mark + 5, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_guest(a_hypercall_exits_and_takes_its_result),
		with_guest(a_32_bit_guest_has_other_registers),
		with_guest(the_result_is_dropped_if_rip_moved),
		with_guest(without_interception_hypercalls_are_kvms),
		with_guest(the_page_is_generated),
		with_guest(bad_pages_are_protection_faults),
		with_guest(the_page_comes_from_the_blob_of_the_mode),
		with_guest(the_version_is_answered_if_it_is_known),
		with_guest(hyper_vs_page_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
