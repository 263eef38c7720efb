/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Enables the APIC, then HLT in a loop. */
BEGIN halt_poll_sleep
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
1:	sti
	hlt
	jmp	1b
END halt_poll_sleep

/* Counts and ends the interrupt. */
BEGIN halt_poll_handler
	push	%rax
	incq	0x40000
	mov	$0xfee000b0, %eax
	movl	$0, (%rax)
	pop	%rax
	iretq
END halt_poll_handler
