/* SPDX-License-Identifier: MIT */
/* KVM_SET_MSRS (api.rst 4.19): the list, and what a host may write to each MSR. */
#include "vcpu_test.h"

#define MAX_MSRS	256	/* one too many */

enum {
	TSC = 0x10, APIC_BASE = 0x1b, TSC_ADJUST = 0x3b, SYSENTER_CS = 0x174, SYSENTER_ESP = 0x175,
	SYSENTER_EIP = 0x176, MISC_ENABLE = 0x1a0, TSC_DEADLINE = 0x6e0, X2APIC_TPR = 0x808,
	EFER = 0xc0000080, STAR = 0xc0000081, LSTAR = 0xc0000082, TSC_AUX = 0xc0000103,
	NO_MSR = 0x12345678,
};

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

/* -- Values ------------------------------------------------------------------------ */

/* What a write of @in reads as: itself, something else, or it is refused. */
#define KEPT(index, value)		{ index, value, 1, value }
#define READS(index, in, out)		{ index, in, 1, out }
#define REFUSED(index, value)		{ index, value, 0, 0 }

struct row {
	uint32_t index;
	uint64_t in;
	int done;
	uint64_t out;
};

static void check_rows(int vcpu, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		uint64_t before, after = 0;
		int known = msr_get(vcpu, r->index, &before);

		if (msr_set(vcpu, r->index, r->in) != r->done)
			print_error("row %zu: write of %lx to MSR %x %s\n", i, r->in, r->index,
				 r->done ? "refused" : "accepted");
		if (!r->done && !known)
			continue;
		if (msr_get(vcpu, r->index, &after) != 1)
			print_error("row %zu: MSR %x cannot be read\n", i, r->index);
		else
		if (after != (r->done ? r->out : before))
			print_error("row %zu: MSR %x: %lx reads as %lx\n", i, r->index, r->in, after);
	}
}

/* A new machine whose guest has all that is supported. */
static struct machine full_machine(enum chips chips)
{
	struct machine m = machine_new(chips);

	give_supported_cpuid(m.vcpu);
	return m;
}

static const struct row system_calls[] = {
	KEPT(SYSENTER_CS, 0x10), KEPT(SYSENTER_CS, 0xffffffff),
	KEPT(SYSENTER_ESP, 0xffffffff), KEPT(SYSENTER_EIP, 0x80000000),
	KEPT(STAR, 0xfedcba9876543210),
	KEPT(LSTAR, 0xffff800000000000), KEPT(LSTAR, 0x7fffffffffff),
	REFUSED(LSTAR, 0x800000000000), REFUSED(LSTAR, 0xffff7fffffffffff),
	KEPT(0xc0000083, ~0ull), REFUSED(0xc0000083, 1ull << 63),		/* CSTAR */
	KEPT(0xc0000084, 0xffffffff), KEPT(0xc0000084, 0x47700),		/* SFMASK */
	KEPT(0xc0000100, 0x7fff00000000), REFUSED(0xc0000100, 1ull << 47),	/* FS.base */
	KEPT(0xc0000101, ~0ull), REFUSED(0xc0000101, 1ull << 62),		/* GS.base */
	KEPT(0xc0000102, 0xffff888000000000), REFUSED(0xc0000102, 1ull << 47),	/* KernelGSbase */
};

/* PAT and MTRRs (SDM vol. 3A 11.11, 11.12); MAXPHYADDR is at most 52. */
static const struct row memory_types[] = {
	KEPT(0x277, 0x0007040600070406), KEPT(0x277, 0x0706050401000607),
	REFUSED(0x277, 2), REFUSED(0x277, 0x0300000000000000), REFUSED(0x277, 8),
	KEPT(0x2ff, 0xc06), KEPT(0x2ff, 0), KEPT(0x2ff, 0x800),
	REFUSED(0x2ff, 2), REFUSED(0x2ff, 7), REFUSED(0x2ff, 1 << 8), REFUSED(0x2ff, 1 << 12),
	KEPT(0x250, 0x0606060606060606), REFUSED(0x250, 7), KEPT(0x258, 0x0005040100060504),
	KEPT(0x259, 0), KEPT(0x268, 0x0505050505050505), KEPT(0x26f, 0x0101010101010101),
	REFUSED(0x26f, 0x0200000000000000), REFUSED(0x268, 1ull << 63),
	KEPT(0x200, 0x80000006), REFUSED(0x200, 0x80000007), REFUSED(0x200, 0x100),
	REFUSED(0x200, 1ull << 52), KEPT(0x201, 0x80000800), REFUSED(0x201, 0x400),
	REFUSED(0x201, 1ull << 52), KEPT(0x20e, 5), KEPT(0x20f, 0x800),
	REFUSED(0xfe, 0x508), REFUSED(0xfe, 0),					/* MTRRcap */
};

/* Machine checks (SDM vol. 3B 15.3). */
static const struct row machine_checks[] = {
	KEPT(0x17a, 5), KEPT(0x17a, 0),
	REFUSED(0x179, 32), REFUSED(0x179, 0),
	REFUSED(0x17b, 1), REFUSED(0x17b, ~0ull), KEPT(0x17b, 0),	/* no MCG_CTL_P */
	KEPT(0x400, 0), KEPT(0x400, ~0ull), REFUSED(0x400, 1),
	KEPT(0x400, ~0ull - 1), KEPT(0x410, ~(1ull << 10)),
	KEPT(0x401, 0xbe00000000000150), KEPT(0x402, 0x123456789abc), KEPT(0x403, 0x8c),
	KEPT(0x47f, 0), REFUSED(0x480, 1),
};

static const struct row control[] = {
	KEPT(0x9e, 0xa0000), KEPT(0x34, 0x1234),			/* SMBASE, SMI_COUNT */
	KEPT(0x1fc, 0x40),						/* POWER_CTL */
	KEPT(MISC_ENABLE, 1), KEPT(MISC_ENABLE, 0x1801), KEPT(MISC_ENABLE, 0x40001),
	KEPT(0xce, 0x80000000), KEPT(0x140, 0),		/* PLATFORM_INFO, MISC_FEATURES_ENABLES */
	KEPT(EFER, 0), KEPT(EFER, 0x801), REFUSED(EFER, 1 << 1), REFUSED(EFER, 1ull << 63),
	KEPT(APIC_BASE, 0xfee00900), REFUSED(APIC_BASE, 0xfee00901), REFUSED(APIC_BASE, 0xfee00500),
	REFUSED(APIC_BASE, 1ull << 52 | 0x900),
	KEPT(0x8b, 0x100000000),					/* microcode level */
	KEPT(TSC_AUX, 0xffffffff),
	KEPT(0xda0, 0), REFUSED(0xda0, 1ull << 63),			/* XSS */
	KEPT(0x1d9, 0),							/* DEBUGCTL */
	REFUSED(NO_MSR, 0), REFUSED(0, 1), REFUSED(0xffffffff, 0),
};

static const struct row paravirtual[] = {
	KEPT(0x11, 0), KEPT(0x12, 0x5000), KEPT(0x12, 0), KEPT(0x4b564d00, 0),
	KEPT(0x4b564d01, 0x3001), READS(0x4b564d01, 0, 0),
	KEPT(0x4b564d03, 0x4001), KEPT(0x4b564d03, 0), REFUSED(0x4b564d03, 0x4003),
	REFUSED(0x4b564d03, 0x4021),
	KEPT(0x4b564d04, 0x5001), KEPT(0x4b564d04, 0), REFUSED(0x4b564d04, 0x5003),
	KEPT(0x4b564d05, 0), KEPT(0x4b564d05, 1), REFUSED(0x4b564d05, 2),
	KEPT(0x4b564d02, 0), REFUSED(0x4b564d02, 0x10), REFUSED(0x4b564d02, 0x20),
	KEPT(0x4b564d06, 0xec), REFUSED(0x4b564d06, 0x100),
	READS(0x4b564d07, 0, 0),
};

/* AMD64 APM vol. 2 appendix A; there is no performance counter behind K7's. */
static const struct row amd[] = {
	KEPT(0xc0010117, 0x12345000), READS(0xc0010015, 1 << 3 | 1 << 6 | 1 << 8, 0),
	KEPT(0xc0010015, 1 << 18), KEPT(0xc0010015, 0), REFUSED(0xc0010015, 1),
	READS(0xc0010010, 0, 0), READS(0xc001001f, 0, 0),
	KEPT(0xc0010058, 0), REFUSED(0xc0010058, 1),
};

#define CHECK(machine, rows)	check_rows((machine).vcpu, rows, ARRAY_LEN(rows))

static void values(void **state)
{
	struct machine m = full_machine(FULL_CHIPS);
	uint8_t *ram = add_ram(m.vm, 1 << 20);

	print_message("A\n");CHECK(m, system_calls);
	print_message("B\n");CHECK(m, memory_types);
	print_message("C\n");CHECK(m, machine_checks);
	print_message("D\n");CHECK(m, control);
	print_message("E\n");CHECK(m, paravirtual);
	print_message("F\n");CHECK(m, amd);
	machine_free(m);
	munmap(ram, 1 << 20);
}

static void listed(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	int sys = kvm_open(O_RDWR);
	struct { struct kvm_msr_list h; uint32_t i[512]; } l = { .h.nmsrs = 512 };

	must(sys, KVM_GET_MSR_INDEX_LIST, &l);
	for (uint32_t i = 0; i < l.h.nmsrs; i++) {
		uint64_t v;

		if (msr_get(m.vcpu, l.i[i], &v) != 1)
			print_error("cannot read %x\n", l.i[i]);
		else if (msr_set(m.vcpu, l.i[i], v) != 1)
			print_error("cannot write back %x = %lx\n", l.i[i], v);
	}
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
	    cmocka_unit_test(values),
	    cmocka_unit_test(listed),
	    cmocka_unit_test(scope))
