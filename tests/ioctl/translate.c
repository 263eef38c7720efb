/* SPDX-License-Identifier: MIT */
/* KVM_TRANSLATE (api.rst 4.15); tables: SDM vol. 3A 4.3-4.5. */
#include "sregs_test.h"

#define RAM	(1ul << 20)
#define GBPAGES	(1u << 26)	/* CPUID.80000001H:EDX */

static struct kvm_translation ask(int vcpu, uint64_t linear)
{
	struct kvm_translation t;

	memset(&t, 0xa5, sizeof(t));
	t.linear_address = linear;
	must(vcpu, KVM_TRANSLATE, &t);
	assert_int_equal(t.linear_address, linear);
	/* Constants: nothing says what the guest might do there. */
	assert_int_equal(t.writeable, 1);
	assert_int_equal(t.usermode, 0);
	return t;
}

static void leads_to(int vcpu, uint64_t linear, uint64_t physical)
{
	struct kvm_translation t = ask(vcpu, linear);

	assert_int_equal(t.valid, 1);
	assert_int_equal(t.physical_address, physical);
}

/* Not an error of the ioctl. */
static void leads_nowhere(int vcpu, uint64_t linear)
{
	struct kvm_translation t = ask(vcpu, linear);

	assert_int_equal(t.valid, 0);
	assert_int_equal(t.physical_address, ~0ull);
}

static void put(uint8_t *ram, uint64_t gpa, uint64_t entry)
{
	memcpy(ram + gpa, &entry, sizeof(entry));
}

static uint64_t entry_at(const uint8_t *ram, uint64_t gpa)
{
	uint64_t entry;

	memcpy(&entry, ram + gpa, sizeof(entry));
	return entry;
}

static void identity_without_paging(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	leads_to(m.vcpu, 0, 0);
	leads_to(m.vcpu, 0xfffffff0, 0xfffffff0);
	leads_to(m.vcpu, 0x123456789, 0x123456789);	/* no slot is needed */
	machine_free(m);
}

static void four_levels(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t *ram = add_ram(m.vm, RAM);
	struct cpuid_list l;
	struct kvm_sregs s;

	put(ram, 0x1000, 0x2000 | PTE_P | PTE_W);
	put(ram, 0x2000, 0x3000 | PTE_P);
	put(ram, 0x2008, 0x40000000 | PTE_P | PTE_PS);
	put(ram, 0x3000, 0x4000 | PTE_P);
	put(ram, 0x3008, 0x600000 | PTE_P | PTE_PS);
	put(ram, 0x4000, 0xabcde000 | PTE_P);
	put(ram, 0x4010, 1ull << 51 | PTE_P);	/* above MAXPHYADDR: reserved */
	supported_cpuid(&l);
	must(m.vcpu, KVM_SET_CPUID2, &l);
	must(m.vcpu, KVM_GET_SREGS, &s);
	to_long_mode(&s, 0x1000);
	must(m.vcpu, KVM_SET_SREGS, &s);

	leads_to(m.vcpu, 0x123, 0xabcde123);
	leads_to(m.vcpu, 0x200000 + 0x12345, 0x600000 + 0x12345);
	if (find_leaf(&l, 0x80000001, 0)->edx & GBPAGES)
		leads_to(m.vcpu, 0x40000000 + 0x1234567, 0x40000000 + 0x1234567);
	else
		leads_nowhere(m.vcpu, 0x40000000);
	leads_nowhere(m.vcpu, 0x1000);
	leads_nowhere(m.vcpu, 0x8000000000);
	leads_nowhere(m.vcpu, 0x2000);
	leads_to(m.vcpu, 0x1000000000123, 0xabcde123);	/* the upper bits do not count */
	machine_free(m);
	munmap(ram, RAM);
}

/* It is a read by the supervisor, with its rights (SDM vol. 3A 4.6.1). */
static void smap_hides_user_pages_unless_ac(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t *ram = add_ram(m.vm, RAM);
	struct kvm_regs r = { .rflags = 2 };
	struct kvm_sregs s;

	put(ram, 0x1000, 0x2000 | PTE_P | PTE_U);
	put(ram, 0x2000, 0x3000 | PTE_P | PTE_U);
	put(ram, 0x3000, 0x600000 | PTE_P | PTE_PS | PTE_U);
	put(ram, 0x3008, 0x800000 | PTE_P | PTE_PS);
	must(m.vcpu, KVM_GET_SREGS, &s);
	to_long_mode(&s, 0x1000);
	s.cr4 |= CR4_SMAP;
	must(m.vcpu, KVM_SET_SREGS, &s);
	must(m.vcpu, KVM_SET_REGS, &r);
	leads_nowhere(m.vcpu, 0);
	leads_to(m.vcpu, 0x200000, 0x800000);
	r.rflags |= RFLAGS_AC;
	must(m.vcpu, KVM_SET_REGS, &r);
	leads_to(m.vcpu, 0, 0x600000);
	machine_free(m);
	munmap(ram, RAM);
}

/* The walk is the guest's: it leaves accessed bits behind. */
static void sets_accessed_bits(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t *ram = add_ram(m.vm, RAM);
	struct kvm_sregs s;

	put(ram, 0x1000, 0x2000 | PTE_P);
	put(ram, 0x2000, 0x3000 | PTE_P);
	put(ram, 0x3000, 0x600000 | PTE_P | PTE_PS);
	must(m.vcpu, KVM_GET_SREGS, &s);
	to_long_mode(&s, 0x1000);
	must(m.vcpu, KVM_SET_SREGS, &s);
	leads_to(m.vcpu, 0, 0x600000);
	assert_int_equal(entry_at(ram, 0x1000), 0x2000 | PTE_P | PTE_A);
	assert_int_equal(entry_at(ram, 0x3000), 0x600000 | PTE_P | PTE_PS | PTE_A);
	machine_free(m);
	munmap(ram, RAM);
}

static void two_levels(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t *ram = add_ram(m.vm, RAM);
	const uint32_t directory[] = { 0x2000 | PTE_P, 0x800000 | PTE_P | PTE_PS, 0 };
	const uint32_t table[] = { 0x9000 | PTE_P };
	struct kvm_sregs s;

	needs_guest();	/* PVM has long mode only */
	memcpy(ram + 0x1000, directory, sizeof(directory));
	memcpy(ram + 0x2000, table, sizeof(table));
	must(m.vcpu, KVM_GET_SREGS, &s);
	s.cr0 |= CR0_PE | CR0_PG;
	s.cr4 |= CR4_PSE;
	s.cr3 = 0x1000;
	must(m.vcpu, KVM_SET_SREGS, &s);
	leads_to(m.vcpu, 0xabc, 0x9abc);
	leads_to(m.vcpu, 0x400000 + 0x54321, 0x800000 + 0x54321);
	leads_nowhere(m.vcpu, 0x800000);
	machine_free(m);
	munmap(ram, RAM);
}

static void pae(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t *ram = add_ram(m.vm, RAM);
	struct kvm_sregs s;

	needs_guest();	/* PVM has long mode only */
	put(ram, 0x1020, 0x2000 | PTE_P);
	put(ram, 0x2000, 0x3000 | PTE_P);
	put(ram, 0x3000, 0x123456000 | PTE_P);
	must(m.vcpu, KVM_GET_SREGS, &s);
	to_pae(&s, 0x1020);
	must(m.vcpu, KVM_SET_SREGS, &s);
	leads_to(m.vcpu, 0x789, 0x123456789);
	leads_nowhere(m.vcpu, 0x40000000);
	machine_free(m);
	munmap(ram, RAM);
}

static void tables_outside_of_any_slot(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs s;

	must(m.vcpu, KVM_GET_SREGS, &s);
	to_long_mode(&s, 0x1000);
	must(m.vcpu, KVM_SET_SREGS, &s);
	leads_nowhere(m.vcpu, 0);
	machine_free(m);
}

static void tables_whose_memory_is_gone(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t *ram = add_ram(m.vm, RAM);
	struct kvm_sregs s;

	must(m.vcpu, KVM_GET_SREGS, &s);
	to_long_mode(&s, 0x1000);
	must(m.vcpu, KVM_SET_SREGS, &s);
	munmap(ram, RAM);
	leads_nowhere(m.vcpu, 0);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_TRANSLATE, sizeof(struct kvm_translation));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_TRANSLATE);
}

IOCTL_TESTS(translate,
	    cmocka_unit_test(identity_without_paging),
	    cmocka_unit_test(four_levels),
	    cmocka_unit_test(smap_hides_user_pages_unless_ac),
	    cmocka_unit_test(sets_accessed_bits),
	    cmocka_unit_test(two_levels),
	    cmocka_unit_test(pae),
	    cmocka_unit_test(tables_outside_of_any_slot),
	    cmocka_unit_test(tables_whose_memory_is_gone),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
