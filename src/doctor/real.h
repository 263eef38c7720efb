/* SPDX-License-Identifier: MIT */
/* The host's own /dev/kvm: is it usable, and if not, why? */
#ifndef ANYKVM_DOCTOR_REAL_H
#define ANYKVM_DOCTOR_REAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "doctor/finding.h"

struct real_facts {
	bool present;
	mode_t mode;
	gid_t gid;
	int open_error;		/* errno; 0: it was opened */
	int api_version;	/* -1: it does not know the question */
	int vm_error;		/* errno of KVM_CREATE_VM */
	bool in_sysfs;		/* the kernel has the device */
	bool vmx, svm;
	bool gid_given;		/* this process has the group */
	bool gid_promised;	/* the group's list has the user */
};

void real_read(struct real_facts *facts);

/* CHECK_OK, or *f says why not. */
enum check real_judge(const struct real_facts *facts, struct finding *f);

#endif
