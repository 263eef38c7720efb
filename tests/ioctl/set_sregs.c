/* SPDX-License-Identifier: MIT */
/* KVM_SET_SREGS (api.rst 4.14). */
#include "sregs_test.h"

/* -- What is refused --------------------------------------------------------- */

enum mode { REAL, LONG };

static const struct {
	const char *why;
	enum mode mode;			/* valid before the change */
	uint64_t cr0, cr4, efer;	/* bits to flip */
	uint64_t cr3, apic_base;	/* bits to set */
	int cs_l;			/* to be set to, if not negative */
} malformed[] = {
	{ "long mode without PAE", LONG, .cr4 = CR4_PAE, .cs_l = -1 },
	{ "LME and PG without LMA", LONG, .efer = EFER_LMA, .cs_l = -1 },
	{ "CR3 above MAXPHYADDR", LONG, .cr3 = 1ull << 52, .cs_l = -1 },
	{ "bit 63 of CR3", LONG, .cr3 = 1ull << 63, .cs_l = -1 },
	{ "LMA without LME", LONG, .efer = EFER_LME, .cs_l = 0 },
	{ "LMA without PG", LONG, .cr0 = CR0_PG, .cs_l = 0 },
	{ "CS.L outside long mode", REAL, .cs_l = 1 },
	{ "CR0 bit 32", REAL, .cr0 = 1ull << 32, .cs_l = -1 },
	{ "CR0 bit 63", REAL, .cr0 = 1ull << 63, .cs_l = -1 },
	{ "PG without PE", REAL, .cr0 = CR0_PG, .cs_l = -1 },
	{ "NW without CD", REAL, .cr0 = CR0_CD, .cs_l = -1 },
	{ "CR4 bit 19, defined by nobody", REAL, .cr4 = 1 << 19, .cs_l = -1 },
	{ "CR4 bit 63", REAL, .cr4 = 1ull << 63, .cs_l = -1 },
	{ "APIC_BASE bit 0", REAL, .apic_base = 1, .cs_l = -1 },
	{ "APIC_BASE bit 9", REAL, .apic_base = 1 << 9, .cs_l = -1 },
	{ "APIC_BASE above MAXPHYADDR", REAL, .apic_base = 1ull << 52, .cs_l = -1 },
	{ "x2APIC without CPUID", REAL, .apic_base = APIC_EXTD, .cs_l = -1 },
};

static void malformed_is_einval_and_changes_nothing(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_sregs before, s, after;

	must(m.vcpu, KVM_GET_SREGS, &before);
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		s = before;
		if (malformed[i].mode == LONG)
			to_long_mode(&s, 0x1000);
		s.cr0 ^= malformed[i].cr0;
		s.cr4 ^= malformed[i].cr4;
		s.efer ^= malformed[i].efer;
		s.cr3 |= malformed[i].cr3;
		s.apic_base |= malformed[i].apic_base;
		if (malformed[i].cs_l >= 0)
			s.cs.l = malformed[i].cs_l;
		s.cr2 = 0x1234;
		if (kvm_ioctl(m.vcpu, KVM_SET_SREGS, &s) != -1 || errno != EINVAL)
			fail_msg("%s", malformed[i].why);
		must(m.vcpu, KVM_GET_SREGS, &after);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	machine_free(m);
}

static void x2apic_needs_the_apic_enabled(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_sregs s;

	give_supported_cpuid(m.vcpu);
	must(m.vcpu, KVM_GET_SREGS, &s);
	s.apic_base &= ~APIC_EN;
	s.apic_base |= APIC_EXTD;
	refused(EINVAL, m.vcpu, KVM_SET_SREGS, &s);
	s.apic_base |= APIC_EN;
	must(m.vcpu, KVM_SET_SREGS, &s);
	machine_free(m);
}

/* The guest's CPUID takes away what the host offers (SDM vol. 3A 2.5). */
static void cr4_follows_cpuid(void **state)
{
	static const struct { uint32_t leaf; int reg; uint32_t bit; uint64_t cr4; } rows[] = {
		{ 1, 2, 1 << 26, 1 << 18 },	/* OSXSAVE */
		{ 7, 1, 1 << 7, 1 << 20 },	/* SMEP */
		{ 7, 1, 1 << 20, 1 << 21 },	/* SMAP */
		{ 7, 1, 1 << 0, 1 << 16 },	/* FSGSBASE */
		{ 7, 2, 1 << 2, 1 << 11 },	/* UMIP */
	};
	struct machine m = machine_new(NO_CHIPS);

	needs_guest();	/* PVM looks at the host's CPUID only */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cpuid_list l;
		struct kvm_cpuid_entry2 *e;
		struct kvm_sregs s;
		uint32_t *reg;

		supported_cpuid(&l);
		e = find_leaf(&l, rows[i].leaf, 0);
		assert_non_null(e);
		reg = rows[i].reg == 1 ? &e->ebx : &e->ecx;
		must(m.vcpu, KVM_SET_CPUID2, &l);
		must(m.vcpu, KVM_GET_SREGS, &s);
		s.cr4 = rows[i].cr4;
		if (*reg & rows[i].bit)
			must(m.vcpu, KVM_SET_SREGS, &s);
		s.cr4 = 0;
		must(m.vcpu, KVM_SET_SREGS, &s);
		*reg &= ~rows[i].bit;
		must(m.vcpu, KVM_SET_CPUID2, &l);
		s.cr4 = rows[i].cr4;
		refused(EINVAL, m.vcpu, KVM_SET_SREGS, &s);
	}
	machine_free(m);
}

/* -- What is kept -------------------------------------------------------------- */

static void control_registers_are_kept(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs in, out;

	must(m.vcpu, KVM_GET_SREGS, &in);
	to_long_mode(&in, 0x1000);
	in.cr2 = 0xdeadbeefcafef00d;
	in.cr8 = 15;
	in.efer |= EFER_NX | 1;
	in.apic_base = 0xfee00900 & ~APIC_EN;
	in.gdt.base = 0xffff800000001000;
	in.gdt.limit = 0x7f;
	in.idt.base = 0x2000;
	in.idt.limit = 0xfff;
	in.fs.base = 0xffff888000000000;
	in.gs.base = 0x7fffffffffff;
	must(m.vcpu, KVM_SET_SREGS, &in);
	must(m.vcpu, KVM_GET_SREGS, &out);
	assert_int_equal(out.cr0, in.cr0);
	assert_int_equal(out.cr2, in.cr2);
	assert_int_equal(out.cr3, in.cr3);
	assert_int_equal(out.cr4, in.cr4);
	assert_int_equal(out.cr8, in.cr8);
	assert_int_equal(out.efer, in.efer);
	assert_int_equal(out.apic_base, in.apic_base);
	assert_int_equal(out.gdt.base, in.gdt.base);
	assert_int_equal(out.gdt.limit, in.gdt.limit);
	assert_int_equal(out.idt.base, in.idt.base);
	assert_int_equal(out.idt.limit, in.idt.limit);
	assert_int_equal(out.fs.base, in.fs.base);
	assert_int_equal(out.gs.base, in.gs.base);
	machine_free(m);
}

static void segments_are_kept(void **state)
{
	const struct kvm_segment code = { .base = 0x1000, .limit = 0xfffff, .selector = 8,
		.type = 11, .present = 1, .s = 1, .db = 1 };
	const struct kvm_segment data = { .base = 0x2000, .limit = 0xfffff, .selector = 0x10,
		.type = 3, .present = 1, .s = 1, .db = 1, .avl = 1 };
	const struct kvm_segment tss = { .base = 0x3000, .limit = 0x67, .selector = 0x18,
		.type = 11, .present = 1 };
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs in, out;

	must(m.vcpu, KVM_GET_SREGS, &in);
	in.cr0 |= CR0_PE;
	in.cs = code;
	in.ds = in.es = in.fs = in.gs = in.ss = data;
	in.tr = tss;
	in.ldt = (struct kvm_segment){ .selector = 0x20, .type = 2, .present = 1, .limit = 7 };
	must(m.vcpu, KVM_SET_SREGS, &in);
	must(m.vcpu, KVM_GET_SREGS, &out);
	assert_memory_equal(&in.cs, &out.cs, sizeof(in.cs));
	assert_memory_equal(&in.ds, &out.ds, sizeof(in.ds));
	assert_memory_equal(&in.gs, &out.gs, sizeof(in.gs));
	assert_memory_equal(&in.ss, &out.ss, sizeof(in.ss));
	assert_memory_equal(&in.tr, &out.tr, sizeof(in.tr));
	assert_memory_equal(&in.ldt, &out.ldt, sizeof(in.ldt));
	machine_free(m);
}

static void an_absent_segment_is_unusable(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs s;

	needs_guest();	/* PVM knows no other segments than user space's */
	must(m.vcpu, KVM_GET_SREGS, &s);
	s.cr0 |= CR0_PE;
	s.gs.unusable = 1;
	s.fs.present = 0;
	must(m.vcpu, KVM_SET_SREGS, &s);
	must(m.vcpu, KVM_GET_SREGS, &s);
	assert_int_equal(s.gs.unusable, 1);
	assert_int_equal(s.gs.present, 0);
	assert_int_equal(s.fs.unusable, 1);
	machine_free(m);
}

static void a_cr8_too_high_is_ignored(void **state)
{
	enum chips chips[] = { NO_CHIPS, FULL_CHIPS };

	for (size_t i = 0; i < ARRAY_LEN(chips); i++) {
		struct machine m = machine_new(chips[i]);
		struct kvm_sregs s;

		must(m.vcpu, KVM_GET_SREGS, &s);
		s.cr8 = 9;
		must(m.vcpu, KVM_SET_SREGS, &s);
		s.cr8 = 16;
		must(m.vcpu, KVM_SET_SREGS, &s);
		must(m.vcpu, KVM_GET_SREGS, &s);
		assert_int_equal(s.cr8, 9);
		machine_free(m);
	}
}

/* -- Interrupts and halts ------------------------------------------------------- */

static void lowest_bit_of_the_bitmap_is_injected(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e;
	struct kvm_sregs s;

	must(m.vcpu, KVM_GET_SREGS, &s);
	s.interrupt_bitmap[1] = 1ull << 63 | 1ull << 5;
	s.interrupt_bitmap[3] = 1;
	must(m.vcpu, KVM_SET_SREGS, &s);
	must(m.vcpu, KVM_GET_VCPU_EVENTS, &e);
	assert_int_equal(e.interrupt.injected, 1);
	assert_int_equal(e.interrupt.nr, 64 + 5);
	assert_int_equal(e.interrupt.soft, 0);
	machine_free(m);
}

static void an_empty_bitmap_keeps_the_injected_one(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .interrupt = { .injected = 1, .nr = 0x33 } };
	struct kvm_sregs s;

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	must(m.vcpu, KVM_GET_SREGS, &s);
	memset(s.interrupt_bitmap, 0, sizeof(s.interrupt_bitmap));
	must(m.vcpu, KVM_SET_SREGS, &s);
	must(m.vcpu, KVM_GET_VCPU_EVENTS, &e);
	assert_int_equal(e.interrupt.injected, 1);
	assert_int_equal(e.interrupt.nr, 0x33);
	machine_free(m);
}

static uint32_t mp_state(int vcpu)
{
	struct kvm_mp_state s;

	must(vcpu, KVM_GET_MP_STATE, &s);
	return s.mp_state;
}

/* Older VMMs reset the boot processor with nothing but registers. */
static void the_reset_image_ends_a_halt(void **state)
{
	struct kvm_mp_state halted = { KVM_MP_STATE_HALTED };
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);
	struct kvm_sregs s, other;
	struct kvm_regs r;

	must(m.vcpu, KVM_GET_SREGS, &s);
	must(m.vcpu, KVM_SET_MP_STATE, &halted);
	other = s;
	other.cs.selector = 0xf001;
	must(m.vcpu, KVM_SET_SREGS, &other);
	assert_int_equal(mp_state(m.vcpu), KVM_MP_STATE_HALTED);
	must(m.vcpu, KVM_GET_REGS, &r);
	r.rip = 0xfff1;
	must(m.vcpu, KVM_SET_REGS, &r);
	must(m.vcpu, KVM_SET_SREGS, &s);
	assert_int_equal(mp_state(m.vcpu), KVM_MP_STATE_HALTED);
	r.rip = 0xfff0;
	must(m.vcpu, KVM_SET_REGS, &r);
	must(m.vcpu, KVM_SET_SREGS, &s);
	assert_int_equal(mp_state(m.vcpu), KVM_MP_STATE_RUNNABLE);

	must(ap, KVM_GET_SREGS, &s);
	must(ap, KVM_SET_SREGS, &s);
	assert_int_equal(mp_state(ap), KVM_MP_STATE_UNINITIALIZED);
	close(ap);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs *s;

	reads_all_of(m.vcpu, KVM_SET_SREGS, sizeof(struct kvm_sregs));
	s = at_page_end(sizeof(*s));
	must(m.vcpu, KVM_GET_SREGS, s);
	must(m.vcpu, KVM_SET_SREGS, s);
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_SREGS);
}

IOCTL_TESTS(set_sregs,
	    cmocka_unit_test(malformed_is_einval_and_changes_nothing),
	    cmocka_unit_test(x2apic_needs_the_apic_enabled),
	    cmocka_unit_test(cr4_follows_cpuid),
	    cmocka_unit_test(control_registers_are_kept),
	    cmocka_unit_test(segments_are_kept),
	    cmocka_unit_test(an_absent_segment_is_unusable),
	    cmocka_unit_test(a_cr8_too_high_is_ignored),
	    cmocka_unit_test(lowest_bit_of_the_bitmap_is_injected),
	    cmocka_unit_test(an_empty_bitmap_keeps_the_injected_one),
	    cmocka_unit_test(the_reset_image_ends_a_halt),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
