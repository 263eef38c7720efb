/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

BEGIN in_then_spin
	in	$0x10, %al
1:	incq	0x40000
	jmp	1b
END in_then_spin
