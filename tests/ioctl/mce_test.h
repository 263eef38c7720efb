/* SPDX-License-Identifier: MIT */
/* Machine check registers (SDM vol. 3B 15.3), for the two requests about them. */
#ifndef ANYKVM_TESTS_IOCTL_MCE_TEST_H
#define ANYKVM_TESTS_IOCTL_MCE_TEST_H

#include "vcpu_test.h"

enum { MCG_CAP = 0x179, MCG_STATUS = 0x17a, MCG_CTL = 0x17b, MC0_CTL = 0x400 };
enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC };

#define MCG_CTL_P	(1ull << 8)
#define MCG_CMCI_P	(1ull << 10)
#define MCG_TES_P	(1ull << 11)
#define MCG_SER_P	(1ull << 24)

#define MCI_VAL		(1ull << 63)
#define MCI_OVER	(1ull << 62)
#define MCI_UC		(1ull << 61)
#define MCI_PCC		(1ull << 57)
#define MCI_S		(1ull << 56)
#define MCI_AR		(1ull << 55)
#define MCG_RIPV	(1ull << 0)
#define MCG_MCIP	(1ull << 2)

static inline int setup_mce(int vcpu, uint64_t cap)
{
	return kvm_ioctl(vcpu, KVM_X86_SETUP_MCE, &cap);
}

static inline uint64_t bank(int vcpu, uint32_t n, uint32_t reg)
{
	return msr_must_get(vcpu, MC0_CTL + 4 * n + reg);
}

#endif
