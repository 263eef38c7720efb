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
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
