/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers: one row of msr.def each, found by index.
 * Guest and userspace go the same way and differ by msr_access.host.
 */
#ifndef ANYKVM_X86_API_MSR_H
#define ANYKVM_X86_API_MSR_H

#include "x86/api/api.h"

enum msr_result {
	MSR_DONE = 0,
	MSR_REFUSED,		/* #GP; KVM_MSR_EXIT_REASON_INVAL */
	MSR_UNKNOWN,		/* #GP; KVM_MSR_EXIT_REASON_UNKNOWN */
	MSR_FILTERED,		/* #GP; KVM_MSR_EXIT_REASON_FILTER */
};

struct msr_desc;

struct msr_access {
	const struct msr_desc *desc;
	u32 index;
	bool host;		/* by an ioctl: most guest checks do not apply */
	u64 data;
};

typedef enum msr_result (*msr_fn)(struct cpu *c, struct msr_access *a);

enum msr_lists {
	UNLISTED,
	LISTED = BIT(0),	/* KVM_GET_MSR_INDEX_LIST */
	FEATURE = BIT(1),	/* KVM_GET_MSR_FEATURE_INDEX_LIST */
};
enum msr_vendor { ANY, AMD, INTEL };

struct msr_desc {
	const char *name;
	u32 first, count;
	u8 lists, vendor;
	u32 field;		/* offset in struct cpu, or 0: msrs->value[slot] */
	u32 slot;
	u64 reset;
	u64 mask;		/* msr_write_value refuses other bits */
	msr_fn read, write;
};

/* Slots of struct x86_msrs.value, one per MSR of a row that has no field. */
enum msr_slot {
#define MSR(name, index, count, lists, vendor, field, reset, mask, rd, wr) \
	MSR_SLOT_##name, MSR_SLOT_END_##name = MSR_SLOT_##name + (count) - 1,
#include "x86/api/msr.def"
	NR_MSR_SLOTS
};

/* An instruction that waits for userspace's answer (msr.c, hypercall.c). */
struct user_reply {
	enum { REPLY_NONE, REPLY_WAITING, REPLY_READY } state;
	u32 exit;		/* KVM_EXIT_X86_RDMSR, _WRMSR, _HYPERCALL, _HYPERV, _XEN */
	u32 index;		/* MSR, or hypercall number */
	u64 rip;
	bool error;
	u64 data;
};

struct x86_msrs {
	u64 value[NR_MSR_SLOTS];
	u64 mcg_cap, mcg_status, mcg_ctl;
	u64 bank[MCG_BANKS_MAX][4];	/* CTL, STATUS, ADDR, MISC */
	struct user_reply reply;
	bool pv_enforce;	/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
};

#define MSR_VALUE(c, name)	((c)->msrs->value[MSR_SLOT_##name])

void msr_init(void);			/* from arch_init() */
int msrs_create(struct cpu *c);		/* with reset values; -ENOMEM */
void msrs_destroy(struct cpu *c);

enum msr_result msr_get(struct cpu *c, u32 index, bool host, u64 *data);
enum msr_result msr_set(struct cpu *c, u32 index, bool host, u64 data);

const struct msr_desc *msr_find(u32 index);
bool msr_feature(u32 index, u64 *data);	/* KVM_GET_MSRS of the system */

/* Copies indices of @list to @out (may be NULL); returns how many there are. */
u32 msr_list(enum msr_lists list, u32 *out);

/* msr_filter.c */
bool msr_filter_allows(struct vm *vm, u32 index, bool write);
void msr_filter_free(struct msr_filter *f);

/* mce.c */
enum msr_result mce_read(struct cpu *c, struct msr_access *a);
enum msr_result mce_write(struct cpu *c, struct msr_access *a);
enum msr_result mce_read_ctl2(struct cpu *c, struct msr_access *a);
enum msr_result mce_write_ctl2(struct cpu *c, struct msr_access *a);
void mce_reset(struct cpu *c);

/* user_reply.c: see user_reply_take(). */
bool user_reply_take(struct cpu *c, u32 exit, u32 index, struct user_reply *r);
void user_reply_wait(struct cpu *c, u32 exit, u32 index);

#endif
