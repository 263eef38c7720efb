/* SPDX-License-Identifier: MIT */
/*
 * VMMs that misuse the API in one way, or not at all.  Each rule of
 * src/watch/check/rules.def has its MISUSE(rule): with @bad it breaks that rule
 * and no other; without it does the same properly, and breaks none.
 */
#ifndef ANYKVM_TESTS_WATCH_MISUSE_H
#define ANYKVM_TESTS_WATCH_MISUSE_H

#include "lib/kvm_api.h"

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define MISUSE(rule)	void misuse_##rule(bool bad)
#define RULE(id, level, section, sentence, advice) MISUSE(id);
#include "watch/check/rules.def"

enum {
	VMM_IRQCHIP = 1, VMM_RING = 2, VMM_NO_TSS = 4, VMM_NO_MAP = 8, VMM_LOG = 16,
	VMM_SLOT_1 = 32,	/* of one page at SLOT_1 */
};

enum { MEMORY = 1 << 20, SLOT_1 = MEMORY, CODE = 0x1010 };

struct vmm {
	u32 flags, nr;
	int sys, vm, vcpu[2];
	struct kvm_run *run[2];
	u8 *mem, *mem1;
	struct kvm_cpuid2 *cpuid;
};

/* /dev/kvm, its version, all capabilities, the size of kvm_run, CPUID. */
void vmm_open(struct vmm *v);
/* The same, and a VM with memory at 0. */
void vmm_vm(struct vmm *v, u32 flags);
/* The same, and a vCPU at the code: IN from port 0x10, OUT to it, over again. */
void vmm_start(struct vmm *v, u32 flags);

int vmm_vcpu(struct vmm *v);
void vmm_map(struct vmm *v, u32 i);
void vmm_cpuid(struct vmm *v, u32 i);
/* CPUID of the one and only entry, or NULL. */
struct kvm_cpuid_entry2 *vmm_leaf(struct vmm *v, u32 function);
void vmm_code(struct vmm *v, const void *code, size_t n);
#define VMM_CODE(v, ...) do {				\
	static const u8 code_[] = { __VA_ARGS__ };	\
	vmm_code(v, code_, sizeof(code_));		\
} while (0)
/* At the code, in real mode. */
void vmm_reset(struct vmm *v, u32 i);
/* The exit reason, or -errno. */
int vmm_run(struct vmm *v, u32 i);
void vmm_close(struct vmm *v);

/* SIGUSR1 ends KVM_RUN; @set is what the handler makes of immediate_exit. */
void vmm_kicks(struct kvm_run *run, u8 set);
void vmm_in_thread(struct vmm *v, void *(*fn)(void *));

#endif
