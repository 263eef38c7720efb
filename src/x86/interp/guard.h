/* SPDX-License-Identifier: MIT */
/* requirements.def as code, for the handlers of guarded.def. */
#ifndef ANYKVM_X86_INTERP_GUARD_H
#define ANYKVM_X86_INTERP_GUARD_H

#include "x86/cpu/features.h"
#include "x86/native/check.h"

enum {
#define REQUIRE(name, met, fault) NUMBER_##name,
#include "x86/interp/requirements.def"
};

enum {
#define REQUIRE(name, met, fault) name = BIT(NUMBER_##name),
#include "x86/interp/requirements.def"
};

/* A constant @which leaves of this what it names. */
static inline __attribute__((always_inline)) enum step require(struct cpu *c, u32 which)
{
#define REQUIRE(name, met, fault)			\
	if ((which & name) && unlikely(!(met)))		\
		return fault;
#include "x86/interp/requirements.def"
	return STEP_NEXT;
}

#define GUARDED(name, requirements)					\
enum step op_##name(struct cpu *c, const struct insn *in)		\
{									\
	TRY(require(c, requirements));					\
	return exec_##name(c, in);					\
}

#endif
