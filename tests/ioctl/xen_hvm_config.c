/* SPDX-License-Identifier: MIT */
/* KVM_XEN_HVM_CONFIG (api.rst 4.28); what it makes the guest do: tests/run/xen.c. */
#include "ioctl_test.h"
#include "lib/xen_api.h"

#define INTERCEPT	KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL
#define MSR		0x40000000

static int xen_vm(void)
{
	int vm = new_vm();

	needs_xen(vm);
	return vm;
}

static int config(int vm, struct kvm_xen_hvm_config c)
{
	return kvm_ioctl(vm, KVM_XEN_HVM_CONFIG, &c);
}

static void the_capability_names_the_features(void **state)
{
	const int v6_1 = KVM_XEN_HVM_CONFIG_HYPERCALL_MSR | INTERCEPT |
			 KVM_XEN_HVM_CONFIG_SHARED_INFO | KVM_XEN_HVM_CONFIG_RUNSTATE |
			 KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND;
	int vm = xen_vm();
	int have = kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);

	if (on_kernel())
		have &= v6_1;	/* Linux 6.2 and later have more */
	assert_int_equal(have, v6_1);
	close(vm);
}

static void an_unreadable_struct_comes_first(void **state)
{
	int vm = xen_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_XEN_HVM_CONFIG, NO_POINTER));
	close(vm);
}

static void only_two_flags_can_be_set(void **state)
{
	const uint32_t flags[] = { 1, 4, 8, 0x10, 0x40, 0x80000000 };
	int vm = xen_vm();

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		assert_errno(EINVAL, xen_config(vm, flags[i], MSR));
	assert_ok(xen_config(vm, INTERCEPT, MSR));
	assert_ok(xen_config(vm, KVM_XEN_HVM_CONFIG_EVTCHN_SEND, MSR));
	assert_ok(xen_config(vm, INTERCEPT | KVM_XEN_HVM_CONFIG_EVTCHN_SEND, MSR));
	close(vm);
}

static void interception_excludes_blobs(void **state)
{
	int vm = xen_vm();

	assert_errno(EINVAL, config(vm, (struct kvm_xen_hvm_config){
		.flags = INTERCEPT, .msr = MSR, .blob_addr_32 = 1 }));
	assert_errno(EINVAL, config(vm, (struct kvm_xen_hvm_config){
		.flags = INTERCEPT, .msr = MSR, .blob_addr_64 = 1 }));
	assert_errno(EINVAL, config(vm, (struct kvm_xen_hvm_config){
		.flags = INTERCEPT, .msr = MSR, .blob_size_32 = 1 }));
	assert_errno(EINVAL, config(vm, (struct kvm_xen_hvm_config){
		.flags = INTERCEPT, .msr = MSR, .blob_size_64 = 1 }));
	close(vm);
}

/* Neither the MSR nor the blobs are looked at, nor the padding. */
static void the_rest_is_taken_as_it_is(void **state)
{
	struct kvm_xen_hvm_config c = {
		.msr = MSR, .blob_addr_32 = 8, .blob_addr_64 = ~0ull,
		.blob_size_32 = 255, .blob_size_64 = 255,
	};
	int vm = xen_vm();

	memset(c.pad2, 0xff, sizeof(c.pad2));
	assert_ok(config(vm, c));
	/* Linux 6.15 wants one of 4000_0000H to 4FFF_FFFFH. */
	if (!on_kernel())
		assert_ok(xen_config(vm, INTERCEPT, 0x10));
	assert_ok(xen_config(vm, 0, 0));
	close(vm);
}

static void it_can_be_changed_after_vcpus_were_created(void **state)
{
	int vm = xen_vm(), vcpu = new_vcpu(vm, 0);

	assert_ok(xen_config(vm, INTERCEPT, MSR));
	assert_ok(xen_config(vm, 0, MSR));
	assert_errno(EINVAL, xen_config(vcpu, 0, MSR));
	close(vcpu);
	close(vm);
}

/* The MSR is written, not read, and is in no list. */
static void the_msr_is_no_register(void **state)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } msr = {
		.head.nmsrs = 1, .e.index = 0x40000200,
	};
	int vm = xen_vm(), vcpu = new_vcpu(vm, 0);

	assert_ok(xen_config(vm, INTERCEPT, 0x40000200));
	assert_int_equal(kvm_ioctl(vcpu, KVM_GET_MSRS, &msr), 0);
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(xen_hvm_config,
	    cmocka_unit_test(the_capability_names_the_features),
	    cmocka_unit_test(an_unreadable_struct_comes_first),
	    cmocka_unit_test(only_two_flags_can_be_set),
	    cmocka_unit_test(interception_excludes_blobs),
	    cmocka_unit_test(the_rest_is_taken_as_it_is),
	    cmocka_unit_test(it_can_be_changed_after_vcpus_were_created),
	    cmocka_unit_test(the_msr_is_no_register))
