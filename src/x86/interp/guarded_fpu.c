/* SPDX-License-Identifier: MIT */
#include "x86/interp/exec.h"
#include "x86/interp/guard.h"
#include "x86/interp/ops.h"

#define DECIDES(name, what)
#include "x86/interp/guarded_fpu.def"
