/* SPDX-License-Identifier: MIT */
/* KVM_RUN and the signals that end it. */
#ifndef ANYKVM_API_RUN_H
#define ANYKVM_API_RUN_H

#include "api/kvm.h"

/* As anykvm_signalled() and anykvm_signal_is_masked().  Async-signal-safe. */
void run_signalled(int sig);
bool run_signal_is_masked(int sig);

#endif
