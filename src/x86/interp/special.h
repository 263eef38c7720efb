/* SPDX-License-Identifier: MIT */
/* Families that decode_special.c picks by form. */
#ifndef ANYKVM_X86_INTERP_SPECIAL_H
#define ANYKVM_X86_INTERP_SPECIAL_H

#include "x86/interp/family.h"

/* Near branches; relative: imm is the displacement from the branch's start. */
extern const struct op_family family_jmp, family_call, family_ret;

extern const struct op_family family_push, family_pop;
extern const struct op_family family_movzx8, family_movzx16;
extern const struct op_family family_movsx8, family_movsx16, family_movsx32;

#endif
