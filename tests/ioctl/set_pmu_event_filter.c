/* SPDX-License-Identifier: MIT */
/* KVM_SET_PMU_EVENT_FILTER (api.rst 4.120).  What it does: run/pmu.c. */
#include "ioctl_test.h"

enum { MAX_EVENTS = 300 };

static struct {
	struct kvm_pmu_event_filter f;
	uint64_t event[MAX_EVENTS + 1];
} arg;

static int set(int vm, uint32_t action, uint32_t nevents, uint32_t flags)
{
	arg.f.action = action;
	arg.f.nevents = nevents;
	arg.f.flags = flags;
	return kvm_ioctl(vm, KVM_SET_PMU_EVENT_FILTER, &arg);
}

static void is_offered(void **state)
{
	int vm = new_vm();

	assert_int_equal(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_PMU_EVENT_FILTER), 1);
	close(vm);
}

static void unreadable_argument(void **state)
{
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_PMU_EVENT_FILTER, NO_POINTER));
	close(vm);
}

/* Action, flags, number: the first mistake is the one that is told. */
static void errors_in_order(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, set(vm, 2, 0, 0));
	assert_errno(EINVAL, set(vm, 2, MAX_EVENTS + 1, 0));
	assert_errno(EINVAL, set(vm, KVM_PMU_EVENT_ALLOW, 0, 1u << 31));
	assert_errno(EINVAL, set(vm, KVM_PMU_EVENT_ALLOW, MAX_EVENTS + 1, 2));
	assert_errno(E2BIG, set(vm, KVM_PMU_EVENT_ALLOW, MAX_EVENTS + 1, 0));
	assert_errno(E2BIG, set(vm, KVM_PMU_EVENT_DENY, ~0u, 0));
	close(vm);
}

/* Flag 1, masked events, came with Linux 6.3. */
static void masked_events(void **state)
{
	int vm = new_vm();

	if (on_kernel())
		assert_ok(set(vm, KVM_PMU_EVENT_ALLOW, 0, 1));
	else
		assert_errno(EINVAL, set(vm, KVM_PMU_EVENT_ALLOW, 0, 1));
	close(vm);
}

static void as_many_as_there_may_be(void **state)
{
	int vm = new_vm();

	assert_ok(set(vm, KVM_PMU_EVENT_ALLOW, MAX_EVENTS, 0));
	assert_ok(set(vm, KVM_PMU_EVENT_DENY, 0, 0));
	close(vm);
}

/* The header ends where the memory does. */
static void unreadable_events(void **state)
{
	char *page = guest_ram(2 * PG);
	struct kvm_pmu_event_filter *f = (void *)(page + PG - sizeof(*f));
	int vm = new_vm();

	assert_ok(mprotect(page + PG, PG, PROT_NONE));
	f->nevents = 1;
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_PMU_EVENT_FILTER, f));
	f->nevents = 0;
	assert_ok(kvm_ioctl(vm, KVM_SET_PMU_EVENT_FILTER, f));
	munmap(page, 2 * PG);
	close(vm);
}

static void may_change_with_vcpus(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_ok(set(vm, KVM_PMU_EVENT_DENY, 3, 0));
	assert_ok(set(vm, KVM_PMU_EVENT_ALLOW, 2, 0));
	close(vcpu);
	close(vm);
}

static void only_on_a_vm(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_errno(EINVAL, set(vcpu, KVM_PMU_EVENT_ALLOW, 0, 0));
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(set_pmu_event_filter,
	    cmocka_unit_test(is_offered),
	    cmocka_unit_test(unreadable_argument),
	    cmocka_unit_test(errors_in_order),
	    cmocka_unit_test(masked_events),
	    cmocka_unit_test(as_many_as_there_may_be),
	    cmocka_unit_test(unreadable_events),
	    cmocka_unit_test(may_change_with_vcpus),
	    cmocka_unit_test(only_on_a_vm))
