/* SPDX-License-Identifier: MIT */
/* A VM of the engine, seen from both sides: its ioctls and its state. */
#ifndef TESTS_X86_HARNESS_H
#define TESTS_X86_HARNESS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/api/api.h"

#define GUEST_PAGES	16

struct machine {
	struct vm *vm;
	struct kfile *system, *vm_file, *vcpu_file[4];
	int fd[6];		/* system, VM, vCPUs */
	struct kvm_run *run;	/* of the first vCPU */
	u32 nr;
	u8 *ram;		/* GUEST_PAGES at guest physical 0 */
};

/* cmocka set-up with one vCPU and no irqchip, or with all of it. */
int machine_up(void **state);
int machine_up_irqchip(void **state);
int machine_down(void **state);
struct cpu *machine_cpu(struct machine *m);
struct kfile *machine_add_vcpu(struct machine *m);

/* The ioctl: its result, or -errno. */
long call(struct kfile *f, u32 cmd, void *arg);

/* An address nobody may touch. */
#define BAD_POINTER	((void *)8)

#endif
