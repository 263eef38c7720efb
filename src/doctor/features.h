/* SPDX-License-Identifier: MIT */
/* The CPUID of a guest, as the trial has found it. */
#ifndef ANYKVM_DOCTOR_FEATURES_H
#define ANYKVM_DOCTOR_FEATURES_H

#include "doctor/trial.h"

/* The next feature that the guest gets, in lower case; *i starts with 0. */
const char *feature_next(const struct trial *t, unsigned int *i, char name[32]);

/* "x86-64", "x86-64-v2" or "x86-64-v3"; NULL if CPUID is not known. */
const char *feature_level(const struct trial *t);

/* The brand string, or NULL. */
const char *feature_processor(const struct trial *t, char name[49]);

#endif
