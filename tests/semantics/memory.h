/* SPDX-License-Identifier: MIT */
/* Guests of memory.S; included after semantics.h. */
#ifndef ANYKVM_TESTS_SEMANTICS_MEMORY_H
#define ANYKVM_TESTS_SEMANTICS_MEMORY_H

GUEST_BLOB(mem_touch);
GUEST_BLOB(mem_read);
GUEST_BLOB(mem_step);
GUEST_BLOB(mem_alias);
GUEST_BLOB(mem_constant);
GUEST_BLOB(mem_same);

static inline void set_args(struct guest *g, u32 i, u64 rbx, u64 rcx)
{
	struct kvm_regs r;

	guest_regs(g, i, &r);
	r.rbx = rbx;
	r.rcx = rcx;
	guest_set_regs(g, i, &r);
}

#define START(name, nr, rbx, rcx) struct guest g; guest_create(&g, 0, nr); \
	guest_load(&g, GUEST_CODE, name);			\
	for (u32 i_ = 0; i_ < nr; i_++) {			\
		guest_long(&g, i_, GUEST_CODE);			\
		set_args(&g, i_, rbx, rcx);			\
	}

#endif
