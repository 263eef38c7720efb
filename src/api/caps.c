/* SPDX-License-Identifier: MIT */
#include "api/caps.h"

#include <unistd.h>

#include "api/arch.h"
#include "api/dirty_ring.h"

/* The recommended maximum: one vCPU per host CPU. */
static int nr_vcpus(struct vm *vm)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : MIN(n, KVM_MAX_VCPUS);
}

#define ARCH	arch_check_extension(vm, cap)

int caps_check(struct vm *vm, long cap)
{
	switch (cap) {
#define CAP(name, value) case name: return value;
#include "api/caps.def"
	}
	return 0;
}
