/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

BEGIN clock_out
1:	out	%al, $0x10
	jmp	1b
END clock_out
