/* SPDX-License-Identifier: MIT */
/* What the fuzzer has found, one by one; some need the sanitizers to fail. */
#include "run/guest.h"

/* The sum of pointer and header size wrapped before it was looked at. */
static void msrs_at_the_end_of_the_address_space(void **state)
{
	int vcpu = new_vcpu(new_vm(), 0);

	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_GET_MSRS, (void *)-1ul));
	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_SET_MSRS, (void *)-1ul));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(msrs_at_the_end_of_the_address_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
