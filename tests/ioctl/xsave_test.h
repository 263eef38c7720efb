/* SPDX-License-Identifier: MIT */
/* The XSAVE image (SDM vol. 1 13.4), for the tests of KVM_GET/SET_XSAVE(2). */
#ifndef ANYKVM_TESTS_IOCTL_XSAVE_TEST_H
#define ANYKVM_TESTS_IOCTL_XSAVE_TEST_H

#include <cpuid.h>

#include "vcpu_test.h"

enum {
	FX_FCW = 0, FX_FTW = 4, FX_MXCSR = 24, FX_ST = 32, FX_XMM = 160,
	XSTATE_BV = 512, XCOMP_BV = 520, HEADER_RESERVED = 528, HEADER_END = 576,
};

#define XF_X87	1ull
#define XF_SSE	2ull
#define XF_YMM	4ull

#define MXCSR_INIT	0x1f80u

static inline uint64_t word_at(const void *image, size_t offset)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)image + offset, sizeof(v));
	return v;
}

static inline void put_word(void *image, size_t offset, uint64_t v)
{
	memcpy((uint8_t *)image + offset, &v, sizeof(v));
}

static inline void put_mxcsr(void *image, uint32_t v)
{
	memcpy((uint8_t *)image + FX_MXCSR, &v, sizeof(v));
}

static inline uint32_t mxcsr_of(const void *image)
{
	return word_at(image, FX_MXCSR);
}

/* XCR0 bits a guest may have: KVM_X86_XCOMP_GUEST_SUPP. */
static inline uint64_t supported_xcr0(void)
{
	uint64_t v = 0;
	struct kvm_device_attr a = { .attr = KVM_X86_XCOMP_GUEST_SUPP, .addr = (uintptr_t)&v };
	int sys = kvm_open(O_RDWR);

	must(sys, KVM_GET_DEVICE_ATTR, &a);
	close(sys);
	return v;
}

/* Offsets of components are the host's CPUID.0DH. */
static inline uint32_t component_offset(int n)
{
	uint32_t eax, ebx, ecx, edx;

	__cpuid_count(0xd, n, eax, ebx, ecx, edx);
	return ebx;
}

/* KVM_CAP_XSAVE2: the size of what KVM_GET_XSAVE2 writes and SET_XSAVE reads. */
static inline size_t xsave2_size(int vm)
{
	int n = kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	assert_true(n >= 4096);
	return n;
}

/* Every register of x87 and SSE, and YMM if the host has it; returns XSTATE_BV. */
static inline uint64_t fill_image(uint8_t *image, size_t size)
{
	uint64_t bv = XF_X87 | XF_SSE | (supported_xcr0() & XF_YMM);

	memset(image, 0, size);
	put_word(image, FX_FCW, 0x027f);
	image[FX_FTW] = 0x81;
	put_mxcsr(image, 0x1fa0);
	for (int r = 0; r < 8; r++)
		memset(image + FX_ST + 16 * r, 0x10 + r, 10);
	for (int r = 0; r < 16; r++)
		memset(image + FX_XMM + 16 * r, 0x40 + r, 16);
	if (bv & XF_YMM)
		for (int i = 0; i < 256; i++)
			image[component_offset(2) + i] = i ^ 0x5a;
	put_word(image, XSTATE_BV, bv);
	return bv;
}

#endif
