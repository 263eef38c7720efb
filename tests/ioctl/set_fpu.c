/* SPDX-License-Identifier: MIT */
/* KVM_SET_FPU (api.rst 4.23). */
#include "vcpu_test.h"

#define FXSAVE_MXCSR	24	/* SDM vol. 1 table 10-2 */

static void fill(struct kvm_fpu *f, uint8_t seed)
{
	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < 8; i++)
		for (size_t k = 0; k < 10; k++)		/* 80 bits each */
			f->fpr[i][k] = seed + i * 16 + k;
	for (size_t i = 0; i < 16; i++)
		for (size_t k = 0; k < 16; k++)
			f->xmm[i][k] = seed ^ (i * 16 + k);
	f->fcw = 0x27f;
	f->fsw = 0x3800;
	f->ftwx = seed;
	f->last_opcode = 0x5d8;
	f->last_ip = 0xffff800000001000 + seed;
	f->last_dp = 0x7fff12345678 + seed;
}

static void every_field_but_mxcsr_is_kept(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	for (int seed = 0; seed < 256; seed += 85) {
		struct kvm_fpu in, out;

		fill(&in, seed);
		must(m.vcpu, KVM_SET_FPU, &in);
		must(m.vcpu, KVM_GET_FPU, &out);
		assert_memory_equal(&in, &out, sizeof(in));
	}
	machine_free(m);
}

static void mxcsr_is_ignored(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t image[4096];
	struct kvm_fpu f;
	uint32_t mxcsr;

	fill(&f, 1);
	f.mxcsr = ~0u;		/* would be refused if it counted */
	must(m.vcpu, KVM_SET_FPU, &f);
	must(m.vcpu, KVM_GET_FPU, &f);
	assert_int_equal(f.mxcsr, 0);
	must(m.vcpu, KVM_GET_XSAVE, image);
	memcpy(&mxcsr, image + FXSAVE_MXCSR, sizeof(mxcsr));
	assert_int_equal(mxcsr, 0x1f80);
	machine_free(m);
}

/* ES and B follow the flags and their masks (SDM vol. 1 8.1.3.3), as after FXRSTOR. */
static void es_follows_the_flags(void **state)
{
	static const struct { uint16_t fcw, set, have; } rows[] = {
		{ 0x37f, 0x8080, 0x0000 }, { 0x37f, 0x0001, 0x0001 }, { 0x37e, 0x0001, 0x8081 },
		{ 0x37e, 0x8081, 0x8081 }, { 0x37f, 0x80ff, 0x007f }, { 0x340, 0x3841, 0xb8c1 },
	};
	struct machine m = machine_new(NO_CHIPS);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kvm_fpu f = { .fcw = rows[i].fcw, .fsw = rows[i].set };

		must(m.vcpu, KVM_SET_FPU, &f);
		must(m.vcpu, KVM_GET_FPU, &f);
		/* A kernel's processor loads it when the vCPU runs, and not before. */
		assert_int_equal(f.fsw, on_kernel() ? rows[i].set : rows[i].have);
	}
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	reads_all_of(m.vcpu, KVM_SET_FPU, sizeof(struct kvm_fpu));
	must(m.vcpu, KVM_SET_FPU, at_page_end(sizeof(struct kvm_fpu)));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_FPU);
}

IOCTL_TESTS(set_fpu,
	    cmocka_unit_test(every_field_but_mxcsr_is_kept),
	    cmocka_unit_test(mxcsr_is_ignored),
	    cmocka_unit_test(es_follows_the_flags),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
