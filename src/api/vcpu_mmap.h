/* SPDX-License-Identifier: MIT */
/* What a vCPU's descriptor shows when it is mapped (api.rst 4.5). */
#ifndef ANYKVM_API_VCPU_MMAP_H
#define ANYKVM_API_VCPU_MMAP_H

#include "api/kvm.h"

/* mmap() of @fd, a vCPU's descriptor.  MAP_FAILED and errno. */
void *vcpu_mmap(struct kfile *f, void *addr, size_t length, int prot, int flags,
		int fd, off_t offset);

#endif
