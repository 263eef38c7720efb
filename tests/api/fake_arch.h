/* SPDX-License-Identifier: MIT */
/* An architecture whose guest is a C function of the test. */
#ifndef ANYKVM_TESTS_API_FAKE_ARCH_H
#define ANYKVM_TESTS_API_FAKE_ARCH_H

#include "api/arch.h"

/* What KVM_RUN does: returns as arch_vcpu_run(). */
extern int (*fake_guest)(struct vcpu *vcpu, bool immediate_exit);

/* The last VM created. */
extern struct vm *fake_vm;

/* arch_set_irq() as it was called. */
struct fake_irq {
	u32 type, pin;
	u64 msi_address;
	int source, level;
};
#define FAKE_MAX_IRQS 64
extern struct fake_irq fake_irqs[FAKE_MAX_IRQS];
extern u32 fake_nr_irqs;	/* read with acquire */

u32 fake_irq_count(void);

/* VMs that exist (api/vm.h). */
u32 vm_count(void);

#endif
