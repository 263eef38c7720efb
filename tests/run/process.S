/* SPDX-License-Identifier: MIT */
#include "code.h"

BEGIN proc_spin
1:	incq	0x40000
	jmp	1b
END proc_spin

/* State that must survive: x87, SSE, registers; counts RCX down to 0. */
BEGIN proc_state
	fldpi
	movq	%rcx, %xmm3
1:	in	$0x10, %al
	dec	%rcx
	jnz	1b
	movq	%xmm3, %rdx
	fstpl	0x40000
	hlt
END proc_state
