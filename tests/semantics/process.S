/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

/* A port, an address without memory, a page that is not there, and again. */
BEGIN proc_round
1:	out	%al, $0x10
	mov	%rcx, 0x40000000
	mov	(%rbx), %rax
	inc	%rcx
	jmp	1b
END proc_round

/* LAPIC timer at 1 ms, and HLT. */
BEGIN proc_ticks
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	movl	$0xb, 0x3e0(%rbx)
	movl	$0x20030, 0x320(%rbx)
	movl	$1000000, 0x380(%rbx)
1:	sti
	hlt
	cmpq	$10, 0x40000
	jb	1b
	mov	(%rsi), %rax
	out	%al, $0x10
END proc_ticks
