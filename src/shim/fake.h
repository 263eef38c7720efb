/* SPDX-License-Identifier: MIT */
/*
 * What programs look at instead of /dev/kvm: the processor's flags, and KVM's
 * modules.  It is not true, so it is shown only on request
 * (ANYKVM_FAKE_CPUINFO), and only where the host has neither itself.
 */
#ifndef ANYKVM_SHIM_FAKE_H
#define ANYKVM_SHIM_FAKE_H

#include <stdbool.h>

/* True if opening @path with these flags is for fake_open_cpuinfo(). */
bool fake_is_cpuinfo(const char *path, int flags);

/* A copy of /proc/cpuinfo with vmx or svm among the flags.  -1 and errno. */
int fake_open_cpuinfo(int flags);

/* @path, or for a directory of KVM's modules one that is there. */
const char *fake_module(const char *path);

#endif
