/* SPDX-License-Identifier: MIT */
/* KVM_DEBUG_GUEST (api.rst 4.17), removed long ago: an unknown request. */
#include "vcpu_test.h"

#define DEBUG_GUEST_NR	0x87

static void no_encoding_of_it_is_known(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	const unsigned long requests[] = {
		_IO(KVMIO, DEBUG_GUEST_NR),
		_IOW(KVMIO, DEBUG_GUEST_NR, struct kvm_guest_debug),
		_IOW(KVMIO, DEBUG_GUEST_NR, uint64_t[6]),
		_IOR(KVMIO, DEBUG_GUEST_NR, uint32_t),
	};
	struct kvm_guest_debug arg = { 0 };
	int sys = kvm_open(O_RDWR);

	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		refused(EINVAL, m.vcpu, requests[i], &arg);
		refused(EINVAL, m.vcpu, requests[i], NULL);
		refused(ENOTTY, m.vm, requests[i], &arg);
		refused(EINVAL, sys, requests[i], &arg);
	}
	close(sys);
	machine_free(m);
}

IOCTL_TESTS(debug_guest, cmocka_unit_test(no_encoding_of_it_is_known))
