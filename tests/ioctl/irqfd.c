/* SPDX-License-Identifier: MIT */
/* KVM_IRQFD (api.rst 4.75). */
#include "vm_test.h"

#include <sys/eventfd.h>

#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE
#define DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN

static int set(int vm, int fd, uint32_t gsi, uint32_t flags, int resample)
{
	struct kvm_irqfd i = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample,
	};

	return kvm_ioctl(vm, KVM_IRQFD, &i);
}

static int event(unsigned int n)
{
	return eventfd(n, EFD_CLOEXEC);
}

static bool latched(int vm, uint32_t gsi)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	return chip.chip.pic.irr & 1 << gsi;
}

static void bad_pointers(void **state)
{
	const size_t size = sizeof(struct kvm_irqfd);
	int vm = new_vm();

	assert_int_equal(size, 32);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQFD, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQFD, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQFD, at_page_end(size - 1)));
	close(vm);
}

static void flags(void **state)
{
	int vm = new_vm_irqchip(), e = event(0);

	for (uint32_t flag = 4; flag; flag <<= 1) {
		assert_errno(EINVAL, set(vm, e, 1, flag, 0));
		assert_errno(EINVAL, set(vm, -1, 1, flag, 0));
		assert_errno(EINVAL, set(vm, e, 1, flag | DEASSIGN, 0));
	}
	close(e);
	close(vm);
}

/* The irqchip, then the eventfd, then the second one. */
static void assign_errors(void **state)
{
	int none = new_vm(), split = new_vm_split(), vm = new_vm_irqchip();
	int e = event(0), other = memfd_create("x", 0);

	assert_errno(EINVAL, set(none, e, 1, 0, 0));
	assert_errno(EINVAL, set(none, -1, 1, 0, 0));
	assert_errno(EINVAL, set(none, -1, 1, RESAMPLE, -1));
	assert_errno(EINVAL, set(split, e, 1, RESAMPLE, e));
	assert_errno(EINVAL, set(split, -1, 1, RESAMPLE, -1));
	assert_errno(EBADF, set(split, -1, 1, 0, 0));
	assert_errno(EBADF, set(vm, -1, 1, 0, 0));
	assert_errno(EBADF, set(vm, 9999, 1, 0, 0));
	assert_errno(EINVAL, set(vm, other, 1, 0, 0));
	assert_errno(EINVAL, set(vm, other, 1, RESAMPLE, -1));
	assert_errno(EBADF, set(vm, e, 1, RESAMPLE, -1));
	assert_errno(EINVAL, set(vm, e, 1, RESAMPLE, other));
	close(other);
	close(e);
	close(none);
	close(split);
	close(vm);
}

/* An eventfd has one GSI in a VM; a GSI may have many eventfds. */
static void bound_once(void **state)
{
	int vm = new_vm_irqchip(), b = new_vm_irqchip(), e = event(0), f = event(0);
	int copy = dup(e);

	assert_int_equal(set(vm, e, 1, 0, 0), 0);
	assert_errno(EBUSY, set(vm, e, 1, 0, 0));
	assert_errno(EBUSY, set(vm, e, 2, 0, 0));
	assert_errno(EBUSY, set(vm, copy, 2, 0, 0));
	assert_errno(EBUSY, set(vm, e, 2, RESAMPLE, f));
	/* What is wrong with the other eventfd comes before. */
	assert_errno(EBADF, set(vm, e, 1, RESAMPLE, -1));
	assert_ok(set(vm, f, 1, 0, 0));
	close(copy);
	close(e);
	close(f);
	close(vm);
	close(b);
}

static void gsi_is_not_checked(void **state)
{
	int vm = new_vm_irqchip(), e = event(0), f = event(0);

	assert_ok(set(vm, e, 1 << 20, 0, 0));
	assert_ok(set(vm, f, ~0u, 0, 0));
	close(e);
	close(f);
	close(vm);
}

static void deassign(void **state)
{
	int vm = new_vm_irqchip(), none = new_vm(), e = event(0);
	int other = memfd_create("x", 0);

	assert_errno(EBADF, set(vm, -1, 3, DEASSIGN, 0));
	assert_errno(EINVAL, set(vm, other, 3, DEASSIGN, 0));
	/* What is not there can be taken away, also without an irqchip. */
	assert_ok(set(vm, e, 3, DEASSIGN, 0));
	assert_ok(set(none, e, 3, DEASSIGN, 0));
	assert_ok(set(vm, e, 3, DEASSIGN | RESAMPLE, -1));
	assert_ok(set(vm, e, 1, 0, 0));
	assert_ok(set(vm, e, 2, DEASSIGN, 0));		/* another GSI */
	assert_errno(EBUSY, set(vm, e, 2, 0, 0));
	assert_ok(set(vm, e, 1, DEASSIGN, 0));
	assert_ok(set(vm, e, 2, 0, 0));
	close(other);
	close(e);
	close(none);
	close(vm);
}

static void signal_is_an_edge(void **state)
{
	int vm = new_vm_irqchip(), e = event(0);

	assert_ok(set(vm, e, 5, 0, 0));
	assert_false(latched(vm, 5));
	eventfd_write(e, 3);
	assert_soon(latched(vm, 5));
	close(e);
	close(vm);
}

/* A counter that is above 0 when it is bound fires at once. */
static void already_signalled(void **state)
{
	int vm = new_vm_irqchip(), e = event(1);

	assert_ok(set(vm, e, 6, 0, 0));
	assert_soon(latched(vm, 6));
	close(e);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_IRQFD);
}

IOCTL_TESTS(irqfd,
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(flags),
	    cmocka_unit_test(assign_errors),
	    cmocka_unit_test(bound_once),
	    cmocka_unit_test(gsi_is_not_checked),
	    cmocka_unit_test(deassign),
	    cmocka_unit_test(signal_is_an_edge),
	    cmocka_unit_test(already_signalled),
	    cmocka_unit_test(wrong_scope))
