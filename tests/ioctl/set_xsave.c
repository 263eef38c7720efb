/* SPDX-License-Identifier: MIT */
/* KVM_SET_XSAVE (api.rst 4.43); what XRSTOR refuses: SDM vol. 1 13.8.1. */
#include "xsave_test.h"

static void every_component_is_kept(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t in[4096], out[4096];
	uint64_t bv = fill_image(in, sizeof(in));

	give_supported_cpuid(m.vcpu);	/* Linux 6.6: what CPUID lacks is hidden */
	must(m.vcpu, KVM_SET_XSAVE, in);
	must(m.vcpu, KVM_GET_XSAVE, out);
	assert_int_equal(word_at(out, XSTATE_BV) & bv, bv);
	assert_int_equal(mxcsr_of(out), mxcsr_of(in));
	assert_memory_equal(in + FX_ST, out + FX_ST, FX_XMM + 256 - FX_ST);
	if (bv & XF_YMM)
		assert_memory_equal(in + component_offset(2), out + component_offset(2), 256);
	machine_free(m);
}

static void get_fpu_sees_it(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t image[4096];
	struct kvm_fpu f;

	fill_image(image, sizeof(image));
	must(m.vcpu, KVM_SET_XSAVE, image);
	must(m.vcpu, KVM_GET_FPU, &f);
	assert_int_equal(f.fcw, 0x27f);
	assert_int_equal(f.ftwx, 0x81);
	assert_memory_equal(f.fpr, image + FX_ST, 128);
	assert_memory_equal(f.xmm, image + FX_XMM, 256);
	machine_free(m);
}

/* A component without its bit goes to its initial state, whatever its bytes. */
static void what_is_not_in_xstate_bv_is_initial(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t in[4096], out[4096];
	struct kvm_fpu f;

	fill_image(in, sizeof(in));
	must(m.vcpu, KVM_SET_XSAVE, in);
	put_word(in, XSTATE_BV, XF_SSE);
	must(m.vcpu, KVM_SET_XSAVE, in);
	must(m.vcpu, KVM_GET_XSAVE, out);
	assert_int_equal((uint16_t)word_at(out, FX_FCW), 0x37f);
	assert_int_equal(out[FX_FTW], 0);
	assert_int_equal(out[FX_ST], 0);
	assert_int_equal(out[FX_XMM], 0x40);
	assert_int_equal(word_at(out, XSTATE_BV) & XF_YMM, 0);

	put_word(in, XSTATE_BV, XF_X87);
	must(m.vcpu, KVM_SET_XSAVE, in);
	must(m.vcpu, KVM_GET_XSAVE, out);
	assert_int_equal((uint16_t)word_at(out, FX_FCW), 0x27f);
	assert_int_equal(out[FX_XMM], 0);
	must(m.vcpu, KVM_GET_FPU, &f);
	assert_int_equal(f.fcw, 0x27f);
	machine_free(m);
}

static void rejects(int vcpu, uint8_t *image)
{
	uint8_t before[4096], after[4096];

	must(vcpu, KVM_GET_XSAVE, before);
	refused(EINVAL, vcpu, KVM_SET_XSAVE, image);
	must(vcpu, KVM_GET_XSAVE, after);
	assert_memory_equal(before, after, sizeof(before));
}

static void unsupported_components(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint64_t supported = supported_xcr0();
	uint8_t image[4096];

	for (int bit = 0; bit < 64; bit++) {
		if (supported >> bit & 1)
			continue;
		fill_image(image, sizeof(image));
		put_word(image, XSTATE_BV, word_at(image, XSTATE_BV) | 1ull << bit);
		rejects(m.vcpu, image);
	}
	machine_free(m);
}

static void a_header_that_is_not_the_standard_forms(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t image[4096];

	for (int i = XCOMP_BV; i < HEADER_END; i += 8) {
		fill_image(image, sizeof(image));
		put_word(image, i, i == XCOMP_BV ? 1ull << 63 | 3 : 1);
		rejects(m.vcpu, image);
	}
	machine_free(m);
}

static void reserved_bits_of_mxcsr(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t image[4096];

	for (int bit = 18; bit < 32; bit++) {	/* 16 is reserved, 17 AMD's MM */
		fill_image(image, sizeof(image));
		put_mxcsr(image, MXCSR_INIT | 1u << bit);
		rejects(m.vcpu, image);
	}
	machine_free(m);
}

/* XSTATE_BV is looked at first: the header of what is not there is not. */
static void bytes_behind_the_header_do_not_matter(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t image[4096];

	fill_image(image, sizeof(image));
	memset(image + FX_XMM + 256, 0xff, XSTATE_BV - FX_XMM - 256);	/* for software */
	memset(image + 3072, 0xff, 1024);
	must(m.vcpu, KVM_SET_XSAVE, image);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	const size_t size = xsave2_size(m.vm);
	uint8_t *arg;

	reads_all_of(m.vcpu, KVM_SET_XSAVE, size);
	arg = at_page_end(size);
	must(m.vcpu, KVM_GET_XSAVE, arg);
	must(m.vcpu, KVM_SET_XSAVE, arg);
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_XSAVE);
}

IOCTL_TESTS(set_xsave,
	    cmocka_unit_test(every_component_is_kept),
	    cmocka_unit_test(get_fpu_sees_it),
	    cmocka_unit_test(what_is_not_in_xstate_bv_is_initial),
	    cmocka_unit_test(unsupported_components),
	    cmocka_unit_test(a_header_that_is_not_the_standard_forms),
	    cmocka_unit_test(reserved_bits_of_mxcsr),
	    cmocka_unit_test(bytes_behind_the_header_do_not_matter),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
