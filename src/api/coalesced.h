/* SPDX-License-Identifier: MIT */
/* Coalesced MMIO and PIO (api.rst 4.116): writes that wait in a ring. */
#ifndef ANYKVM_API_COALESCED_H
#define ANYKVM_API_COALESCED_H

#include "api/kvm.h"

int coalesced_create(struct vm *vm);
void coalesced_destroy(struct vm *vm);

/* The memfd of the VM's ring page, for mapping it into vCPU mappings. */
int coalesced_ring_fd(struct vm *vm);

/* True if the write was queued: in a zone, and the ring has room. In guest. */
bool coalesced_write(struct vm *vm, bool pio, gpa_t addr, const void *data, u32 len);

#endif
