/* SPDX-License-Identifier: MIT */
/*
 * --check: a watcher that tells a VMM's author where the API is misused.
 *
 * check.c	is told of calls and descriptors, and asks the rules
 * state.c	what is known of VMs, vCPUs and slots, from the calls alone
 * finding.c	what was found: said once per place, counted, summed up at exit
 * report.c	the same as text or JSON
 * place.c	where in the program a call came from
 * the others	the rules by subject; rules.def lists them
 *
 * One lock guards the state.  It is the innermost of all, and nothing is
 * printed under it.  What the VMM's pointers lead to is read before it is
 * taken: such a read may have to wait for another thread of the VMM.
 */
#ifndef ANYKVM_WATCH_CHECK_CHECK_H
#define ANYKVM_WATCH_CHECK_CHECK_H

#include "watch/check/state.h"
#include "watch/watch.h"

enum level { LEVEL_NONE, LEVEL_ERROR, LEVEL_WARN };	/* of less and less weight */

enum rule {
#define RULE(id, level, section, sentence, advice) RULE_##id,
#include "watch/check/rules.def"
	NR_RULES
};

/* Adds itself if ANYKVM_CHECK says so; once. */
void check_init(void);

/* -- A call that is being judged ------------------------------------------------- */

enum { MAX_FOUND = 4, ARG_BYTES = 640 };

struct found {
	enum rule rule;
	const char *section;
	char detail[160];
};

/* KVM_SET_CPUID(2) in short. */
struct cpuid_digest {
	bool valid, has_leaf1, has_topology;
	u32 apic_id, topology_id;
	u32 leaf1_ecx, pv_features;
	u64 features;			/* a hash */
};

struct check_call {
	const struct watch_call *call;	/* NULL: not a request */
	const char *what;		/* its name, "mmap" */
	const struct kfile *file;
	int fd;
	u32 cmd;
	long ret;
	u32 thread;
	s64 vcpu_id;			/* -1: of none */
	struct check_vm *vm;		/* NULL: none that we know */
	struct check_vcpu *vcpu;
	u32 size;			/* of the structure at @arg; 0: could not be read */
	union {
		u64 align;
		u8 bytes[ARG_BYTES];
	} arg;
	struct cpuid_digest cpuid;
	u32 msr;			/* the one at which KVM_SET_MSRS stopped */
	u32 nr_found;
	struct found found[MAX_FOUND];
};

/* The structure that came with the call, or NULL. */
#define check_arg(c, type) \
	((c)->size >= MIN(sizeof(type), ARG_BYTES) ? (const type *)(c)->arg.bytes : NULL)

/* @fmt fills the rule's sentence; @section NULL: the rule's.  Under the lock. */
__attribute__((format(printf, 4, 5)))
void check_found(struct check_call *c, enum rule rule, const char *section,
		 const char *fmt, ...);

/* Each judges one that has returned, KVM_RUN excepted. */
void judge_system(struct check_call *c);
void judge_fields(struct check_call *c);
void judge_order(struct check_call *c);
void judge_memory(struct check_call *c);
void judge_cpuid(struct check_call *c);
void judge_interrupts(struct check_call *c);
void judge_vcpu(struct check_call *c);

/* Before and after KVM_RUN; the others of its file. */
void judge_entry(struct check_call *c);
void judge_exit(struct check_call *c);
void judge_mapping(struct check_call *c, size_t length, off_t offset);
void judge_run_fault(struct check_call *c);	/* memory.c */
void judge_first_run(struct check_call *c);	/* order.c */

/* cpuid.c: outside the lock. */
void cpuid_digest(struct cpuid_digest *d, uintptr_t arg, bool has_subleaves);

/* -- finding.c --------------------------------------------------------------------- */

/* Of any scope; NULL: not known. */
const char *request_name(u32 cmd);

/* Prints what was found, if it is new.  No lock is held. */
void findings_tell(struct check_call *c);

/* What has been found at least once, of that level or heavier. */
bool findings_any(enum level level);
void findings_summary(void);
void findings_forget(void);		/* in a forked child */

/* -- place.c ----------------------------------------------------------------------- */

enum { PLACE_DEPTH = 3 };

struct frame {
	uintptr_t offset;		/* in the module */
	uintptr_t into;			/* the symbol */
	char module[64], symbol[64];
};

struct place {
	u32 depth;			/* 0: not known */
	uintptr_t callers[PLACE_DEPTH];	/* return addresses, innermost first */
};

void place_init(void);
/* Where the program has called us from. */
void place_find(struct place *p);
bool place_is(const struct place *a, const struct place *b);
void place_describe(uintptr_t caller, struct frame *f);

#endif
