/* SPDX-License-Identifier: MIT */
/* KVM_GET_SUPPORTED_HV_CPUID (api.rst 4.118), of the system and of a vCPU. */
#include "vm_test.h"
#include "cpuid_list.h"

#define REQUEST		KVM_GET_SUPPORTED_HV_CPUID
#define NR_LEAVES	10
#define STIMER_DIRECT	(1u << 19)

/* CONFIG_KVM_HYPERV is an option since 6.8. */
static int hv_vm(void)
{
	needs_kernel_cap(KVM_CAP_HYPERV_CPUID);
	return new_vm();
}

static struct kvm_cpuid2 *get(void)
{
	needs_kernel_cap(KVM_CAP_HYPERV_CPUID);
	return cpuid_get(REQUEST);
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *c, uint32_t function)
{
	for (uint32_t i = 0; i < c->nent; i++) {
		if (c->entries[i].function == function)
			return &c->entries[i];
	}
	return NULL;
}

static uint32_t features_edx(int fd)
{
	struct kvm_cpuid2 *c = cpuid_alloc(NR_LEAVES);
	uint32_t edx;

	assert_ok(kvm_ioctl(fd, REQUEST, c));
	edx = find(c, 0x40000003)->edx;
	free(c);
	return edx;
}

static void leaves(void **state)
{
	static const uint32_t order[NR_LEAVES] = {
		0x40000000, 0x40000001, 0x40000002, 0x40000003, 0x40000004,
		0x40000005, 0x40000080, 0x40000081, 0x40000082, 0x4000000a,
	};
	struct kvm_cpuid2 *c = get();

	assert_int_equal(c->nent, NR_LEAVES);
	for (uint32_t i = 0; i < NR_LEAVES; i++) {
		assert_int_equal(c->entries[i].function, order[i]);
		assert_int_equal(c->entries[i].index, 0);
		assert_int_equal(c->entries[i].flags, 0);
		assert_true(!c->entries[i].padding[0] && !c->entries[i].padding[1] &&
			    !c->entries[i].padding[2]);
	}
	free(c);
}

static void values(void **state)
{
	struct kvm_cpuid2 *c = get();
	/* Since 6.2: control of the invariant TSC, ranges of guest addresses. */
	uint32_t newer_eax = on_kernel() ? 1u << 15 : 0;
	uint32_t newer_edx = on_kernel() ? 1u << 14 : 0;

	assert_int_equal(find(c, 0x40000000)->eax, 0x40000082);
	assert_memory_equal(&find(c, 0x40000000)->ebx, "Linux KVM Hv", 12);
	assert_int_equal(find(c, 0x40000001)->eax, 0x31237648);		/* "Hv#1" */
	assert_int_equal(find(c, 0x40000002)->eax, 0x3839);
	assert_int_equal(find(c, 0x40000002)->ebx, 0xa0000);
	assert_int_equal(find(c, 0x40000003)->eax & ~newer_eax, 0x2aff);
	assert_int_equal(find(c, 0x40000003)->ebx, 0x830);
	assert_int_equal(find(c, 0x40000003)->edx & ~newer_edx, 0x80d12);
	/* Bit 18 is the host's: no hyper-threads. */
	assert_int_equal(find(c, 0x40000004)->eax & ~(1u << 18), 0xe2c);
	assert_int_equal(find(c, 0x40000004)->ebx, 0xfff);
	assert_int_equal(find(c, 0x40000005)->ebx, 64);
	assert_memory_equal(&find(c, 0x40000080)->ebx, "Linux KVM Hv", 12);
	assert_int_equal(find(c, 0x40000081)->eax, 0x31235356);		/* "VS#1" */
	assert_int_equal(find(c, 0x40000082)->eax, 2);
	assert_true(find(c, 0x4000000a)->eax & 1 << 19);
	free(c);
}

static void max_vcpus_is_the_capability(void **state)
{
	struct kvm_cpuid2 *c = get();
	int sys = kvm_open(O_RDWR);

	assert_int_equal(find(c, 0x40000005)->eax, check_extension(sys, KVM_CAP_MAX_VCPUS));
	close(sys);
	free(c);
}

/* Direct timers interrupt through the LAPIC. */
static void vcpu_without_lapic_has_no_direct_timers(void **state)
{
	int plain = hv_vm(), sys = kvm_open(O_RDWR), irqchip = new_vm_irqchip();
	int without = new_vcpu(plain, 0), with = new_vcpu(irqchip, 0);

	assert_true(features_edx(sys) & STIMER_DIRECT);
	assert_true(features_edx(with) & STIMER_DIRECT);
	assert_false(features_edx(without) & STIMER_DIRECT);
	close(with);
	close(without);
	close(irqchip);
	close(plain);
	close(sys);
}

static void count(void **state)
{
	needs_kernel_cap(KVM_CAP_HYPERV_CPUID);
	cpuid_count(REQUEST, 0);
}

static void bad_pointers(void **state)
{
	needs_kernel_cap(KVM_CAP_HYPERV_CPUID);
	cpuid_bad_pointers(REQUEST, 0, EFAULT);
}

static void vcpu_checks_the_same(void **state)
{
	int vm = hv_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_cpuid2 *c = cpuid_alloc(NR_LEAVES - 1);

	assert_errno(EFAULT, kvm_ioctl(vcpu, REQUEST, NO_POINTER));
	assert_errno(E2BIG, kvm_ioctl(vcpu, REQUEST, c));
	assert_int_equal(c->nent, NR_LEAVES - 1);
	free(c);
	close(vcpu);
	close(vm);
}

static void not_on_a_vm(void **state)
{
	assert_not_on_vm(REQUEST);
}

IOCTL_TESTS(get_supported_hv_cpuid,
	    cmocka_unit_test(leaves),
	    cmocka_unit_test(values),
	    cmocka_unit_test(max_vcpus_is_the_capability),
	    cmocka_unit_test(vcpu_without_lapic_has_no_direct_timers),
	    cmocka_unit_test(count),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(vcpu_checks_the_same),
	    cmocka_unit_test(not_on_a_vm))
