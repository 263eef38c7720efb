/* SPDX-License-Identifier: MIT */
/* The life of VMs and vCPUs. */
#ifndef ANYKVM_API_VM_H
#define ANYKVM_API_VM_H

#include "api/kvm.h"

#define VCPU_MMAP_PAGES	3	/* kvm_run, PIO data, coalesced ring */
#define VCPU_MMAP_SIZE	(VCPU_MMAP_PAGES * PAGE_SIZE)

/* A VM with one reference, the caller's. */
int vm_create(struct vm **vm);
void vm_get(struct vm *vm);
/* The last one tears the VM down.  Caller holds no lock. */
void vm_put(struct vm *vm);

/* The VM descriptor is gone, though vCPUs may keep the VM (irqfds go). */
void vm_fd_released(struct vm *vm);

/* In a forked child, before anything else of this header. */
void vm_reinit_child(void);

/* VMs that exist, for tests and the exit statistics. */
u32 vm_count(void);

#endif
