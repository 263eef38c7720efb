/* SPDX-License-Identifier: MIT */
/* KVM_SET_MSRS (api.rst 4.19): the list, and what a host may write to each MSR. */
#include "device_attr.h"
#include "msr_list.h"
#include "msr_rows.h"
#include "vcpu_test.h"

#define MAX_MSRS	256	/* one too many */

static size_t size_of(uint32_t n)
{
	return sizeof(struct kvm_msrs) + n * sizeof(struct kvm_msr_entry);
}

/* -- The list ------------------------------------------------------------------- */

static void errors_in_order(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_msrs *l;

	reads_all_of(m.vcpu, KVM_SET_MSRS, sizeof(struct kvm_msrs));
	/* The count before the array, which is not there. */
	l = at_page_end(sizeof(*l));
	l->nmsrs = MAX_MSRS;
	refused(E2BIG, m.vcpu, KVM_SET_MSRS, l);
	l->nmsrs = ~0u;
	refused(E2BIG, m.vcpu, KVM_SET_MSRS, l);
	l->nmsrs = MAX_MSRS - 1;
	refused(EFAULT, m.vcpu, KVM_SET_MSRS, l);
	l->nmsrs = 0;
	assert_int_equal(kvm_ioctl(m.vcpu, KVM_SET_MSRS, l), 0);
	l = at_page_end(size_of(2) - 1);
	l->nmsrs = 2;
	l->entries[0] = (struct kvm_msr_entry){ .index = STAR, .data = 7 };
	refused(EFAULT, m.vcpu, KVM_SET_MSRS, l);
	assert_int_equal(msr_must_get(m.vcpu, STAR), 0);
	machine_free(m);
}

/* Only read: it may be constant. */
static void the_list_is_not_written(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct one_msr one = { .head.nmsrs = 1, .e = { .index = STAR, .data = 5 } };

	assert_int_equal(kvm_ioctl(m.vcpu, KVM_SET_MSRS, read_only(&one, sizeof(one))), 1);
	assert_int_equal(msr_must_get(m.vcpu, STAR), 5);
	machine_free(m);
}

static void stops_at_the_first_refused(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_msrs *l = calloc(1, size_of(3));

	for (uint32_t bad = 0; bad < 3; bad++) {
		assert_int_equal(msr_set(m.vcpu, STAR, 0), 1);
		l->nmsrs = 3;
		for (uint32_t i = 0; i < 3; i++) {
			l->entries[i].index = i == bad ? NO_MSR : STAR;
			l->entries[i].data = i + 1;
		}
		assert_int_equal(kvm_ioctl(m.vcpu, KVM_SET_MSRS, l), bad);
		assert_int_equal(msr_must_get(m.vcpu, STAR), bad);
	}
	free(l);
	machine_free(m);
}

static void as_many_as_allowed(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_msrs *l = calloc(1, size_of(MAX_MSRS - 1));

	l->nmsrs = MAX_MSRS - 1;
	for (uint32_t i = 0; i < l->nmsrs; i++)
		l->entries[i] = (struct kvm_msr_entry){ .index = STAR, .data = i };
	assert_int_equal(kvm_ioctl(m.vcpu, KVM_SET_MSRS, l), MAX_MSRS - 1);
	assert_int_equal(msr_must_get(m.vcpu, STAR), MAX_MSRS - 2);
	free(l);
	machine_free(m);
}

/* -- Values of single MSRs (msr_rows.h) --------------------------------------- */

static void check_row(int vcpu, const struct row *r)
{
	uint64_t before = 0, after = 0;
	int known = msr_get(vcpu, r->index, &before);
	int done = msr_set(vcpu, r->index, r->in);

	if (done != r->done)
		fail_msg("%lx to MSR %x: %d", r->in, r->index, done);
	if (!r->done && !known)
		return;
	if (msr_get(vcpu, r->index, &after) != 1)
		fail_msg("MSR %x cannot be read", r->index);
	if (after != (r->done ? r->out : before))
		fail_msg("MSR %x reads as %lx after %lx", r->index, after, r->in);
}

/* In a guest that has all that is supported, with a LAPIC and a megabyte of RAM. */
static void check_rows(const struct row *rows, size_t n)
{
	struct machine m = machine_new(FULL_CHIPS);
	uint8_t *ram = add_ram(m.vm, 1 << 20);
	struct kvm_msr_list *list = msr_list_get(KVM_GET_MSR_INDEX_LIST);

	give_supported_cpuid(m.vcpu);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].when == NOT_ON_PVM && on_pvm())
			continue;
		if (rows[i].when == NOT_ON_KERNEL && on_kernel())
			continue;
		if (rows[i].when == IF_LISTED && !msr_list_has(list, rows[i].index))
			continue;
		check_row(m.vcpu, &rows[i]);
	}
	free(list);
	machine_free(m);
	munmap(ram, 1 << 20);
}

#define ROWS(name)						\
	static void name##_rows(void **state)			\
	{							\
		check_rows(name, ARRAY_LEN(name));		\
	}
ROWS(system_calls)
ROWS(memory_types)
ROWS(machine_checks)
ROWS(control)
ROWS(paravirtual)
ROWS(legacy)
ROWS(amd)

/* What was read can be restored, whatever the guest's CPUID. */
static void every_listed_one_can_be_written_back(void **state)
{
	struct kvm_msr_list *list = msr_list_get(KVM_GET_MSR_INDEX_LIST);
	struct machine m = machine_new(FULL_CHIPS);

	for (uint32_t i = 0; i < list->nmsrs; i++) {
		uint64_t v;

		if (msr_get(m.vcpu, list->indices[i], &v) != 1)
			fail_msg("MSR %x cannot be read", list->indices[i]);
		if (msr_set(m.vcpu, list->indices[i], v) != 1)
			fail_msg("MSR %x: %lx cannot be written", list->indices[i], v);
	}
	free(list);
	machine_free(m);
}

/* -- What depends on CPUID, modes and capabilities ----------------------------------- */

static void give_vendor(int vcpu, const char *name)
{
	struct cpuid_list l = { .head.nent = 1, .e[0].eax = 1 };

	memcpy(&l.e[0].ebx, name, 4);
	memcpy(&l.e[0].edx, name + 4, 4);
	memcpy(&l.e[0].ecx, name + 8, 4);
	must(vcpu, KVM_SET_CPUID2, &l);
}

/* AMD ignores the upper half, Intel reserves it. */
static void tsc_aux_by_vendor(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	give_vendor(m.vcpu, "GenuineIntel");
	assert_int_equal(msr_set(m.vcpu, TSC_AUX, 1ull << 32), 0);
	assert_int_equal(msr_set(m.vcpu, TSC_AUX, 0xffffffff), 1);
	give_vendor(m.vcpu, "AuthenticAMD");
	assert_int_equal(msr_set(m.vcpu, TSC_AUX, 0x500000007), 1);
	assert_int_equal(msr_must_get(m.vcpu, TSC_AUX), 7);
	machine_free(m);
}

static void sysenter_by_vendor(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	if (on_pvm())
		skip();		/* has no SYSENTER */
	give_vendor(m.vcpu, "GenuineIntel");
	assert_int_equal(msr_set(m.vcpu, SYSENTER_EIP, 0xffff800012345678), 1);
	assert_int_equal(msr_must_get(m.vcpu, SYSENTER_EIP), 0xffff800012345678);
	give_vendor(m.vcpu, "AuthenticAMD");
	assert_int_equal(msr_set(m.vcpu, SYSENTER_EIP, 0xffff800012345678), 1);
	assert_int_equal(msr_must_get(m.vcpu, SYSENTER_EIP), 0x12345678);
	machine_free(m);
}

/* In x2APIC mode only (SDM vol. 3A 10.12.1). */
static void x2apic_registers(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_sregs s;
	uint64_t v;

	give_supported_cpuid(m.vcpu);
	assert_int_equal(msr_get(m.vcpu, X2APIC_TPR, &v), 0);
	assert_int_equal(msr_set(m.vcpu, X2APIC_TPR, 0x20), 0);
	assert_int_equal(msr_set(m.vcpu, APIC_BASE, 0xfee00d00), 1);
	assert_int_equal(msr_set(m.vcpu, X2APIC_TPR, 0x20), 1);
	assert_int_equal(msr_must_get(m.vcpu, X2APIC_TPR), 0x20);
	must(m.vcpu, KVM_GET_SREGS, &s);
	assert_int_equal(s.apic_base, 0xfee00d00);
	assert_int_equal(s.cr8, 2);
	machine_free(m);
}

/* It is there in TSC-deadline mode; else 0, and writes are lost. */
static void tsc_deadline_by_timer_mode(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	const uint64_t far = msr_must_get(m.vcpu, TSC) + (1ull << 38);
	struct cpuid_list cpuid;
	struct kvm_lapic_state l;
	uint32_t lvt = 2 << 17 | 0x30;

	supported_cpuid(&cpuid);
	find_leaf(&cpuid, 1, 0)->ecx |= 1 << 24;	/* TSC-deadline: the VMM's to add */
	must(m.vcpu, KVM_SET_CPUID2, &cpuid);
	assert_int_equal(msr_set(m.vcpu, TSC_DEADLINE, far), 1);
	assert_int_equal(msr_must_get(m.vcpu, TSC_DEADLINE), 0);
	must(m.vcpu, KVM_GET_LAPIC, &l);
	memcpy(l.regs + 0x320, &lvt, sizeof(lvt));
	must(m.vcpu, KVM_SET_LAPIC, &l);
	assert_int_equal(msr_must_get(m.vcpu, TSC_DEADLINE), 0);
	assert_int_equal(msr_set(m.vcpu, TSC_DEADLINE, far), 1);
	assert_int_equal(msr_must_get(m.vcpu, TSC_DEADLINE), far);
	assert_int_equal(msr_set(m.vcpu, TSC_DEADLINE, 0), 1);
	assert_int_equal(msr_must_get(m.vcpu, TSC_DEADLINE), 0);
	machine_free(m);
}

/* A host restores the two one by one: neither moves the other. */
static void tsc_and_tsc_adjust(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint64_t tsc;

	needs_guest();	/* PVM's TSC is the host's */
	assert_int_equal(msr_set(m.vcpu, TSC_ADJUST, 5), 1);	/* no such feature */
	assert_int_equal(msr_must_get(m.vcpu, TSC_ADJUST), 0);
	give_supported_cpuid(m.vcpu);
	assert_int_equal(msr_set(m.vcpu, TSC, 1ull << 50), 1);
	assert_int_equal(msr_must_get(m.vcpu, TSC_ADJUST), 0);
	tsc = msr_must_get(m.vcpu, TSC);
	assert_in_range(tsc, 1ull << 50, (1ull << 50) + (1ull << 40));
	assert_int_equal(msr_set(m.vcpu, TSC_ADJUST, 1ull << 55), 1);
	assert_int_equal(msr_must_get(m.vcpu, TSC_ADJUST), 1ull << 55);
	assert_true(msr_must_get(m.vcpu, TSC) - tsc < 1ull << 40);
	machine_free(m);
}

/* Close to what the last one would be by now: the same TSC is meant. */
static void tscs_written_together_are_one(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	int other = new_vcpu(m.vm, 1);
	uint64_t one, two;

	needs_guest();
	assert_int_equal(msr_set(m.vcpu, TSC, 1ull << 50), 1);
	assert_int_equal(msr_set(other, TSC, (1ull << 50) + 1000), 1);
	assert_int_equal(device_attr(m.vcpu, KVM_GET_DEVICE_ATTR, 0, 0, &one), 0);
	assert_int_equal(device_attr(other, KVM_GET_DEVICE_ATTR, 0, 0, &two), 0);
	assert_true(one == two);
	assert_int_equal(msr_set(other, TSC, 1ull << 52), 1);
	assert_int_equal(device_attr(other, KVM_GET_DEVICE_ATTR, 0, 0, &two), 0);
	assert_true(one != two);
	close(other);
	machine_free(m);
}

static void async_page_faults_need_a_lapic(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0), 1);
	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0x1000), 0);
	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0x1009), 0);
	machine_free(m);
	m = machine_new(FULL_CHIPS);
	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0x1009), 0);	/* no memory there */
	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0x1001), 1);
	machine_free(m);
}

/* What is malformed changes nothing; for want of memory is too late for that. */
static void async_page_faults_refused(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);

	give_supported_cpuid(m.vcpu);
	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0x3001), 1);
	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0x2019), 0);
	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0x2029), 0);
	assert_int_equal(msr_must_get(m.vcpu, ASYNC_PF_EN), 0x3001);
	assert_int_equal(msr_set(m.vcpu, ASYNC_PF_EN, 0x1009), 0);
	assert_int_equal(msr_must_get(m.vcpu, ASYNC_PF_EN), 0x1009);
	machine_free(m);
}

/* Hidden is hidden, from userspace as well. */
static void enforced_paravirtual_cpuid(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	uint8_t *ram = add_ram(m.vm, 1 << 20);
	uint32_t msrs[] = { 0x11, 0x12, 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03,
			    0x4b564d04, 0x4b564d05, 0x4b564d06, 0x4b564d07 };

	assert_ok(enable_cap(m.vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0, 1));
	for (size_t i = 0; i < ARRAY_LEN(msrs); i++) {
		uint64_t v;

		assert_int_equal(msr_set(m.vcpu, msrs[i], 1), 0);
		if (!on_kernel())	/* since 6.12 it reads 0 */
			assert_int_equal(msr_get(m.vcpu, msrs[i], &v), 0);
	}
	assert_ok(enable_cap(m.vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0, 0));
	for (size_t i = 0; i < ARRAY_LEN(msrs); i++)
		assert_int_equal(msr_set(m.vcpu, msrs[i], 1), 1);
	machine_free(m);
	munmap(ram, 1 << 20);
}

/* CPUID faulting can be enabled if it is there, and stays while it is enabled. */
static void cpuid_faulting(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	if (on_pvm())
		skip();		/* uses both MSRs for itself */
	assert_int_equal(msr_must_get(m.vcpu, PLATFORM_INFO), CPUID_FAULT);
	assert_int_equal(msr_set(m.vcpu, MISC_FEATURES, 2), 0);
	assert_int_equal(msr_set(m.vcpu, MISC_FEATURES, 1), 1);
	assert_int_equal(msr_set(m.vcpu, PLATFORM_INFO, 0), 0);
	assert_int_equal(msr_set(m.vcpu, MISC_FEATURES, 0), 1);
	assert_int_equal(msr_set(m.vcpu, PLATFORM_INFO, 0), 1);
	assert_int_equal(msr_set(m.vcpu, MISC_FEATURES, 1), 0);
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_MSRS);
}

IOCTL_TESTS(set_msrs,
	    cmocka_unit_test(errors_in_order),
	    cmocka_unit_test(the_list_is_not_written),
	    cmocka_unit_test(stops_at_the_first_refused),
	    cmocka_unit_test(as_many_as_allowed),
	    cmocka_unit_test(system_calls_rows),
	    cmocka_unit_test(memory_types_rows),
	    cmocka_unit_test(machine_checks_rows),
	    cmocka_unit_test(control_rows),
	    cmocka_unit_test(paravirtual_rows),
	    cmocka_unit_test(legacy_rows),
	    cmocka_unit_test(amd_rows),
	    cmocka_unit_test(every_listed_one_can_be_written_back),
	    cmocka_unit_test(tsc_aux_by_vendor),
	    cmocka_unit_test(sysenter_by_vendor),
	    cmocka_unit_test(x2apic_registers),
	    cmocka_unit_test(tsc_deadline_by_timer_mode),
	    cmocka_unit_test(tsc_and_tsc_adjust),
	    cmocka_unit_test(tscs_written_together_are_one),
	    cmocka_unit_test(async_page_faults_need_a_lapic),
	    cmocka_unit_test(async_page_faults_refused),
	    cmocka_unit_test(enforced_paravirtual_cpuid),
	    cmocka_unit_test(cpuid_faulting),
	    cmocka_unit_test(scope))
