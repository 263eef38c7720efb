/* SPDX-License-Identifier: MIT */
#include "x86/interp/exec.h"
#include "x86/interp/guard.h"
#include "x86/interp/ops.h"
#include "x86/interp/ops_far.h"

#include "x86/interp/guarded_system.def"
