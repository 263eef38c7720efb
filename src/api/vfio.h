/* SPDX-License-Identifier: MIT */
/* KVM's VFIO device (Documentation/virt/kvm/devices/vfio.rst): at most one per VM. */
#ifndef ANYKVM_API_VFIO_H
#define ANYKVM_API_VFIO_H

#include "api/kvm.h"

void vfio_destroy(struct vm *vm);

#endif
