/* SPDX-License-Identifier: MIT */
/* What KVM_GET_IRQCHIP and KVM_SET_IRQCHIP have in common (api.rst 4.26, 4.27). */
#ifndef ANYKVM_TESTS_IOCTL_IRQCHIP_STATE_H
#define ANYKVM_TESTS_IOCTL_IRQCHIP_STATE_H

#include "vm_test.h"

#define NO_CHIP	3

static inline void irqchip_errors(unsigned long request)
{
	const size_t size = sizeof(struct kvm_irqchip);
	struct kvm_irqchip chip = { .chip_id = NO_CHIP };
	int none = new_vm(), split = new_vm_split(), full = new_vm_irqchip();

	assert_int_equal(size, 520);
	/* All of it is read, whatever the chip; then who has it; then which. */
	assert_errno(EFAULT, kvm_ioctl(none, request, NULL));
	assert_errno(EFAULT, kvm_ioctl(none, request, at_page_end(size - 1)));
	assert_errno(ENXIO, kvm_ioctl(none, request, &chip));
	assert_errno(ENXIO, kvm_ioctl(split, request, &chip));
	assert_errno(EFAULT, kvm_ioctl(full, request, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(full, request, at_page_end(size - 1)));
	assert_errno(EINVAL, kvm_ioctl(full, request, &chip));
	assert_errno(EINVAL, kvm_ioctl(full, request, read_only(&chip, size)));
	chip.chip_id = ~0u;
	assert_errno(EINVAL, kvm_ioctl(full, request, &chip));
	assert_ok(kvm_ioctl(full, request, at_page_end(size)));
	close(none);
	close(split);
	close(full);
}

#endif
