/* SPDX-License-Identifier: MIT */
/* Prototypes of the handlers named in ioctls.def (see api/dispatch.h). */
#ifndef ANYKVM_API_HANDLERS_H
#define ANYKVM_API_HANDLERS_H

#include "api/kvm.h"

#define IOCTL(scope, cmd, kind, fn) long fn(struct kfile *f, void *arg);
#include "api/ioctls.def"

#endif
