/* SPDX-License-Identifier: MIT */
/* What the tests of KVM_SET_SREGS, SET_SREGS2 and TRANSLATE share. */
#ifndef ANYKVM_TESTS_IOCTL_SREGS_TEST_H
#define ANYKVM_TESTS_IOCTL_SREGS_TEST_H

#include "vcpu_test.h"

#define CR0_PE		(1ull << 0)
#define CR0_ET		(1ull << 4)
#define CR0_NW		(1ull << 29)
#define CR0_CD		(1ull << 30)
#define CR0_PG		(1ull << 31)
#define CR4_PSE		(1ull << 4)
#define CR4_PAE		(1ull << 5)
#define CR4_SMAP	(1ull << 21)
#define RFLAGS_AC	(1ull << 18)
#define EFER_LME	(1ull << 8)
#define EFER_LMA	(1ull << 10)
#define EFER_NX		(1ull << 11)
#define APIC_EXTD	(1ull << 10)
#define APIC_EN		(1ull << 11)

#define PTE_P		1ull
#define PTE_W		2ull
#define PTE_U		4ull
#define PTE_A		0x20ull
#define PTE_PS		0x80ull

/* Paging with tables at @cr3, from the state after creation. */
static inline void to_long_mode(struct kvm_sregs *s, uint64_t cr3)
{
	s->cr0 |= CR0_PE | CR0_PG;
	s->cr4 |= CR4_PAE;
	s->efer |= EFER_LME | EFER_LMA;
	s->cr3 = cr3;
	s->cs.l = 1;
}

static inline void to_pae(struct kvm_sregs *s, uint64_t cr3)
{
	s->cr0 |= CR0_PE | CR0_PG;
	s->cr4 |= CR4_PAE;
	s->cr3 = cr3;
}

#endif
