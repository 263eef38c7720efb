/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

BEGIN two_outs
	out	%al, $0x10
	out	%al, $0x11
	hlt
END two_outs
