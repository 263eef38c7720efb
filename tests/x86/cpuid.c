/* SPDX-License-Identifier: MIT */
/* CPUID: what is offered, what is set, what the guest reads. */
#include "harness.h"

#include <stdio.h>

#include "x86/api/cpuid_table.h"

struct list {
	u32 nent, padding;
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES + 1];
};

static struct kfile *vcpu(void **state)
{
	return ((struct machine *)*state)->vcpu_file[0];
}

static void get_supported(void **state, struct list *l)
{
	struct machine *m = *state;

	l->nent = KVM_MAX_CPUID_ENTRIES;
	assert_int_equal(call(m->system, KVM_GET_SUPPORTED_CPUID, l), 0);
}

static void supported_grows_until_it_fits(void **state)
{
	struct machine *m = *state;
	static struct list l;
	u32 nent;

	l.nent = 0;
	assert_int_equal(call(m->system, KVM_GET_SUPPORTED_CPUID, &l), -E2BIG);
	for (nent = 1; ; nent *= 2) {
		l.nent = nent;
		if (!call(m->system, KVM_GET_SUPPORTED_CPUID, &l))
			break;
		assert_int_equal(l.nent, nent);
		assert_true(nent < KVM_MAX_CPUID_ENTRIES);
	}
	assert_true(l.nent <= nent && l.nent > 30);
	assert_int_equal(call(m->system, KVM_GET_SUPPORTED_CPUID, BAD_POINTER), -EFAULT);
}

static struct kvm_cpuid_entry2 *find(struct list *l, u32 leaf, u32 index)
{
	for (u32 i = 0; i < l->nent; i++)
		if (l->e[i].function == leaf &&
		    (!(l->e[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || l->e[i].index == index))
			return &l->e[i];
	return NULL;
}

/* A data instruction that the host lacks would be executed on its silicon. */
static void host_features_are_the_hosts(void **state)
{
	static struct list l;

	get_supported(state, &l);
	for (u32 i = 0; i < NR_FEATURES; i++) {
		const struct cpuid_bit *b = &cpuid_bits[i];
		struct kvm_cpuid_entry2 *e = find(&l, b->leaf, b->subleaf);
		struct cpuid_regs r;
		bool offered = e && *cpuid_entry_reg(e, b->reg) >> b->bit & 1;

		if (b->how == CPUID_NEVER)
			assert_false(offered);
		if (b->how != CPUID_HOST || !offered)
			continue;
		cpuid_host(b->leaf, b->subleaf, &r);
		assert_true((&r.eax)[b->reg] >> b->bit & 1);
	}
}

/* A word of features holds those with a row, and no others. */
static void only_known_bits_are_offered(void **state)
{
	static const struct { u32 leaf, subleaf; u8 reg; } words[] = {
		{ 1, 0, CPUID_ECX }, { 1, 0, CPUID_EDX }, { 7, 0, CPUID_EBX },
		{ 7, 0, CPUID_ECX }, { 7, 0, CPUID_EDX }, { 0xd, 1, CPUID_EAX },
		{ 0x80000001, 0, CPUID_ECX }, { 0x80000001, 0, CPUID_EDX },
		{ 0x40000001, 0, CPUID_EAX },
	};
	static struct list l;

	get_supported(state, &l);
	for (u32 w = 0; w < ARRAY_SIZE(words); w++) {
		struct kvm_cpuid_entry2 *e = find(&l, words[w].leaf, words[w].subleaf);
		u32 known = 0;

		for (u32 i = 0; i < NR_FEATURES; i++)
			if (cpuid_bits[i].leaf == words[w].leaf &&
			    cpuid_bits[i].subleaf == words[w].subleaf &&
			    cpuid_bits[i].reg == words[w].reg)
				known |= BIT(cpuid_bits[i].bit);
		assert_non_null(e);
		assert_int_equal(*cpuid_entry_reg(e, words[w].reg) & ~known, 0);
	}
}

static void leaves_of_note(void **state)
{
	static struct list l;
	struct cpuid_regs host;

	get_supported(state, &l);
	cpuid_host(0, 0, &host);
	assert_int_equal(find(&l, 0, 0)->ebx, host.ebx);	/* the host's vendor */
	assert_memory_equal(&find(&l, 0x40000000, 0)->ebx, "KVMKVMKVM\0\0\0", 12);
	assert_int_equal(find(&l, 0x40000000, 0)->eax, 0x40000001);
	assert_int_equal(find(&l, 0x40000001, 0)->eax, 0x01007efb);
	assert_int_equal(find(&l, 0xd, 0)->eax, fpu_supported_xcr0());
	assert_int_equal(find(&l, 0xb, 0)->ebx, 0);
	assert_int_equal(find(&l, 0x80000008, 0)->eax >> 8 & 0xff, 48);
	for (u32 i = 0; i < l.nent; i++)		/* no leaf twice */
		assert_ptr_equal(find(&l, l.e[i].function, l.e[i].index), &l.e[i]);
}

static void set_then_get_is_the_same(void **state)
{
	static struct list l, back;

	get_supported(state, &l);
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, &l), 0);
	back.nent = l.nent - 1;
	assert_int_equal(call(vcpu(state), KVM_GET_CPUID2, &back), -E2BIG);
	assert_int_equal(back.nent, l.nent - 1);
	back.nent = KVM_MAX_CPUID_ENTRIES;
	assert_int_equal(call(vcpu(state), KVM_GET_CPUID2, &back), 0);
	assert_int_equal(back.nent, KVM_MAX_CPUID_ENTRIES);
	for (u32 i = 0; i < l.nent; i++)
		if (l.e[i].function != 0xd)		/* sizes follow XCR0 */
			assert_memory_equal(&l.e[i], &back.e[i], sizeof(l.e[i]));
}

static void set_is_checked(void **state)
{
	struct cpu *c = machine_cpu(*state);
	static struct list l;

	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, BAD_POINTER), -EFAULT);
	l.nent = 257;
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, &l), -E2BIG);
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID, &l), -E2BIG);
	l.nent = 1;
	l.e[0] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 49 << 8 };
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, &l), -EINVAL);
	l.nent = 0;
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, &l), 0);
	get_supported(state, &l);
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, &l), 0);
	c->has_run = true;
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, &l), 0);
	l.e[2].eax ^= 1;
	assert_int_equal(call(vcpu(state), KVM_SET_CPUID2, &l), -EINVAL);
}

static void guest_sees_runtime_bits(void **state)
{
	struct cpu *c = machine_cpu(*state);
	static struct list l;
	struct cpuid_regs r;

	get_supported(state, &l);
	call(vcpu(state), KVM_SET_CPUID2, &l);
	cpu_cpuid(c, 1, 0, &r);
	assert_int_equal(r.ecx >> 27 & 1, 0);
	assert_int_equal(r.edx >> 9 & 1, 1);
	find(&l, 7, 0)->ecx |= 1 << 3;		/* PKU */
	call(vcpu(state), KVM_SET_CPUID2, &l);
	cpu_cpuid(c, 7, 0, &r);
	assert_int_equal(r.ecx >> 4 & 1, 0);
	c->cr4 |= X86_CR4_PKE | X86_CR4_OSXSAVE;
	cpu_cpuid(c, 7, 0, &r);
	assert_int_equal(r.ecx >> 4 & 1, 1);
	c->apic_base &= ~APIC_BASE_EN;
	cpu_cpuid(c, 1, 0, &r);
	assert_int_equal(r.ecx >> 27 & 1, cpu_has(c, FEATURE_XSAVE));
	assert_int_equal(r.edx >> 9 & 1, 0);
	c->xcr0 = 1;
	cpu_cpuid(c, 0xd, 0, &r);
	assert_int_equal(r.ebx, 576);
	c->xcr0 = 7;
	cpu_cpuid(c, 0xd, 0, &r);
	assert_int_equal(r.ebx, 832);
}

static void install(struct cpu *c, const char *vendor)
{
	struct kvm_cpuid_entry2 *e = calloc(3, sizeof(*e));

	e[0].eax = 2;
	memcpy(&e[0].ebx, vendor, 4);
	e[1] = (struct kvm_cpuid_entry2){ .function = 2, .eax = 0x22222222 };
	e[2] = (struct kvm_cpuid_entry2){ .function = 0xb, .index = 1, .edx = 9,
					  .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX };
	cpuid_install(c, e, 3);
}

static void out_of_range_follows_the_vendor(void **state)
{
	struct cpu *c = machine_cpu(*state);
	struct cpuid_regs r;

	install(c, "Auth");
	cpu_cpuid(c, 0x20, 0, &r);
	assert_int_equal(r.eax, 0);
	install(c, "Genu");
	cpu_cpuid(c, 0x20, 0, &r);
	assert_int_equal(r.eax, 0x22222222);
	cpu_cpuid(c, 1, 0, &r);			/* in range, but not there */
	assert_int_equal(r.eax, 0);
	cpu_cpuid(c, 0xb, 5, &r);		/* past the topology's end */
	assert_int_equal(r.ecx, 5);
	assert_int_equal(r.edx, 9);
}

static void physical_width(void **state)
{
	struct cpu *c = machine_cpu(*state);
	static struct list l;

	assert_int_equal(c->maxphyaddr, 36);
	l.nent = 2;
	l.e[0] = (struct kvm_cpuid_entry2){ .function = 0x80000000, .eax = 0x80000008 };
	l.e[1] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 40 | 48 << 8 };
	call(vcpu(state), KVM_SET_CPUID2, &l);
	assert_int_equal(c->maxphyaddr, 40);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, machine_up, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(supported_grows_until_it_fits),
		TEST(host_features_are_the_hosts),
		TEST(only_known_bits_are_offered),
		TEST(leaves_of_note),
		TEST(set_then_get_is_the_same),
		TEST(set_is_checked),
		TEST(guest_sees_runtime_bits),
		TEST(out_of_range_follows_the_vendor),
		TEST(physical_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
