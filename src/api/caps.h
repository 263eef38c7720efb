/* SPDX-License-Identifier: MIT */
/* KVM_CHECK_EXTENSION (api.rst 4.4). */
#ifndef ANYKVM_API_CAPS_H
#define ANYKVM_API_CAPS_H

#include "api/kvm.h"

/* The value of @cap for @vm, or for the system if that is NULL; 0: unknown. */
int caps_check(struct vm *vm, long cap);

#endif
