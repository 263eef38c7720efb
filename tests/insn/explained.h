/* SPDX-License-Identifier: MIT */
/* The encodings in which a guest's CPU and the host's user mode must differ. */
#ifndef ANYKVM_TESTS_INSN_EXPLAINED_H
#define ANYKVM_TESTS_INSN_EXPLAINED_H

#include "util/types.h"

/* Is there a reason that the host, and only it, raises #UD or does not? */
bool explained_difference(const u8 *bytes, u8 code_size, bool host_ud);
/* What Zydis calls the instruction. */
const char *explained_name(const u8 *bytes, u8 code_size);

#endif
