/* SPDX-License-Identifier: MIT */
#include "hyperv.S"
