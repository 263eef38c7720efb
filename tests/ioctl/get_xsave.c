/* SPDX-License-Identifier: MIT */
/* KVM_GET_XSAVE (api.rst 4.42). */
#include "xsave_test.h"

static void initial_state(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t image[4096];

	memset(image, 0xa5, sizeof(image));
	must(m.vcpu, KVM_GET_XSAVE, image);
	assert_int_equal((uint16_t)word_at(image, FX_FCW), 0x37f);
	assert_int_equal(image[FX_FTW], 0);
	assert_int_equal(mxcsr_of(image), MXCSR_INIT);
	for (int i = FX_ST; i < FX_XMM + 256; i++)
		assert_int_equal(image[i], 0);
	for (int i = XCOMP_BV; i < (int)sizeof(image); i++)
		assert_int_equal(image[i], 0);
	machine_free(m);
}

/* The legacy region is there for who does not look at XSTATE_BV. */
static void names_only_supported_components(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t image[4096], out[4096];

	fill_image(image, sizeof(image));
	must(m.vcpu, KVM_SET_XSAVE, image);
	must(m.vcpu, KVM_GET_XSAVE, out);
	assert_int_equal(word_at(out, XSTATE_BV) & ~supported_xcr0(), 0);
	assert_int_equal(word_at(out, XCOMP_BV), 0);
	machine_free(m);
}

static void writes_4096_bytes(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_XSAVE, sizeof(struct kvm_xsave));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_XSAVE);
}

IOCTL_TESTS(get_xsave,
	    cmocka_unit_test(initial_state),
	    cmocka_unit_test(names_only_supported_components),
	    cmocka_unit_test(writes_4096_bytes),
	    cmocka_unit_test(scope))
