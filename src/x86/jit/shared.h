/* SPDX-License-Identifier: MIT */
/*
 * Which pages of guest memory some vCPU of the VM has translated code from.
 *
 * Such a page has no write tag in any vCPU's TLB.  Who is about to store into
 * it calls shared_written() before, and may then keep a write tag: the page is
 * no code any more, for anybody.  Who wants to translate from it (again)
 * registers it, which ends when no vCPU has a write tag for it.
 */
#ifndef ANYKVM_X86_JIT_SHARED_H
#define ANYKVM_X86_JIT_SHARED_H

#include "x86/jit/internal.h"

struct shared_page {
	u64 host;	/* 0: none; never changes afterwards */
	u32 state;	/* enum shared_state */
	u32 gen;	/* counts the stores that ended SHARED_CODE */
};

enum shared_state {
	SHARED_DATA,
	SHARED_WANTED,	/* no new write tags; old ones may be there */
	SHARED_CODE,
};

/* The number of the VM's epoch: epoch.c. */
u64 *jit_vm_epoch(struct jit_vm *jv);
/* True once in the life of the VM. */
bool jit_vm_first_unseen(struct jit_vm *jv);

/* Of the page of @host; NULL if it has never been code. */
struct shared_page *shared_find(struct jit_vm *jv, const u8 *host);

/*
 * Makes it code.  May let other threads change anything meanwhile, slots
 * included; NULL if there is no room.  The state may be another one already.
 */
struct shared_page *shared_register(struct cpu *c, const u8 *host);

/* Before a store; true if it was code. */
bool shared_written(struct cpu *c, struct shared_page *s);

#endif
