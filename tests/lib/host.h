/* SPDX-License-Identifier: MIT */
/*
 * The processor that is the oracle.  Where the manuals leave room, what the
 * tests take for granted was measured on Zen 4.
 */
#ifndef ANYKVM_TESTS_LIB_HOST_H
#define ANYKVM_TESTS_LIB_HOST_H

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

/* AMD's family 19h, models 10h to 1Fh, 60h to 7Fh and A0h to AFh. */
static inline bool host_is_zen4(void)
{
	uint32_t eax, ebx, ecx, edx, family, model;

	__cpuid(0, eax, ebx, ecx, edx);
	if (ebx != signature_AMD_ebx)
		return false;
	__cpuid(1, eax, ebx, ecx, edx);
	family = (eax >> 8 & 0xf) + (eax >> 20 & 0xff);
	model = (eax >> 4 & 0xf) | (eax >> 12 & 0xf0);
	return family == 0x19 && ((model & 0xf0) == 0x10 || (model & 0xe0) == 0x60 ||
				  (model & 0xf0) == 0xa0);
}

#endif
