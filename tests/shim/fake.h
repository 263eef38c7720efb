/* SPDX-License-Identifier: MIT */
/* The fake engine's extra requests, on its system descriptor. */
#ifndef ANYKVM_TESTS_SHIM_FAKE_H
#define ANYKVM_TESTS_SHIM_FAKE_H

#include <linux/kvm.h>
#include <sys/ioctl.h>

enum fake_counter {
	FAKE_CLOSED,		/* anykvm_fd_closed() calls */
	FAKE_DUPED,		/* anykvm_fd_duped() calls */
	FAKE_FAULTS,		/* faults taken by anykvm_fault() */
	FAKE_SIGNALLED,		/* anykvm_signalled() calls */
	FAKE_MASKED,		/* signals refused to the program */
	FAKE_MMAPS,		/* anykvm_mmap() calls */
	FAKE_REENTERED,		/* calls of the engine that came back to it */
	FAKE_N_COUNTERS
};

/* Returns a counter of enum fake_counter. */
#define FAKE_COUNT	_IO(KVMIO, 0xf0)
/* Touches a bad address under the engine's guard; 0 if it came back. */
#define FAKE_TOUCH	_IO(KVMIO, 0xf1)
/* From now on signal @arg counts as masked; 0 for none. */
#define FAKE_MASK	_IO(KVMIO, 0xf2)
/* A second descriptor, which is no system descriptor. */
#define FAKE_VM		KVM_CREATE_VM

#endif
