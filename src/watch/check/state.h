/* SPDX-License-Identifier: MIT */
/* What the calls so far tell about VMs.  All under the lock of check.c. */
#ifndef ANYKVM_WATCH_CHECK_STATE_H
#define ANYKVM_WATCH_CHECK_STATE_H

#include "api/kvm.h"

struct check_call;

enum chip { CHIP_NONE, CHIP_SPLIT, CHIP_FULL };

struct check_slot {
	u64 gpa, size, hva;		/* size 0: there is none */
	u32 flags;
};

/* What sets a vCPU's state and may not fail unnoticed: setters of state.c. */
enum { MAX_SETTERS = 16 };

struct check_vcpu {
	u32 id;
	int fd;
	ino_t ino;
	bool ended;
	bool mapped;			/* kvm_run, at least once */
	bool entered;			/* a KVM_RUN got as far as the guest */

	bool running;
	u32 run_thread;
	u64 run_start, run_end;
	u32 runs, changes;		/* of the thread */

	int exit;			/* reason of the last exit; -1 none, or served */
	bool io_pending;
	bool rip_known;			/* the VMM has read it since */
	u64 rip;
	bool ring_reset;		/* since the last exit */

	u32 interrupted;		/* KVM_RUNs that failed one after the other */
	u32 left;			/* those that found immediate_exit set */
	bool sigmask;

	u32 refused;			/* setters that failed, a bit each */
	int refused_errno[MAX_SETTERS];
	struct { bool set; u32 index; } msrs_cut;
	bool has_cpuid;
	u64 features;
};

struct check_vm {
	const struct vm *vm;
	struct check_vm *next;
	int fd;
	ino_t ino;
	bool closed;
	bool inherited;			/* from before a fork */
	bool run;			/* some vCPU has been */
	enum chip chip;
	u64 caps[4];			/* enabled: a bit each */
	bool has_tss;
	u64 tss, identity;
	bool slot_refused;
	u32 slot_refused_id;
	int slot_refused_errno;
	u32 nr_slots[KVM_ADDRESS_SPACES];
	struct check_slot *slots[KVM_ADDRESS_SPACES];
	u32 nr_vcpus;
	struct check_vcpu **vcpus;	/* by vcpu->idx; some may be NULL */
};

/* Of the process. */
struct check_process {
	bool version_asked, size_asked, cpuid_refused;
	u64 asked[8];			/* capabilities: a bit each */
	struct check_vm *vms;
};

extern struct check_process check_process;

#define IDENTITY_DEFAULT	0xfffbc000ull

/* How much KVM_GET_VCPU_MMAP_SIZE returns. */
#define CHECK_RUN_SIZE		(3 * PAGE_SIZE)

bool bit_is_set(const u64 *bits, u32 nr_words, u64 bit);
#define cap_was_asked(cap)	bit_is_set(check_process.asked, 8, cap)
#define cap_is_enabled(vm, cap)	bit_is_set((vm)->caps, 4, cap)

struct check_vm *state_vm(const struct kfile *f);
struct check_vcpu *state_vcpu(struct check_vm *vm, const struct kfile *f);
const struct check_slot *state_slot(const struct check_vm *vm, u32 as, u32 id);

/* The bit of a request in refused, -1; and the name of a bit's. */
int setter_of(u32 cmd);
const char *setter_name(u32 setter);

void state_opened(int fd, const struct kfile *f);
void state_ended(const struct kfile *f);
void state_called(struct check_call *c);	/* after the rules have judged */
void state_forked(void);

#endif
