/* SPDX-License-Identifier: MIT */
/* The life of two VMs, in steps. */
#ifndef ANYKVM_TESTS_ROBUST_LIFE_H
#define ANYKVM_TESTS_ROBUST_LIFE_H

#include <linux/kvm.h>

#include "util/types.h"

struct life {
	int sys, vm, vcpu[2], vm2, vcpu2;
	struct kvm_run *run[2];
	const char *failed;		/* the first step that did, ... */
	int err;			/* ... with that errno */
};

/* What belongs to the VMM, made once. */
void life_prepare(void);

/*
 * A step that fails is made once more, and then has to succeed, as all others
 * have: true if so.
 */
bool life_live(struct life *l);
/* Closes and unmaps all there is. */
void life_end(struct life *l);

#endif
