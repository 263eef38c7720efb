/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Counts interrupts at 0x40000, with EOI. */
BEGIN ev_handler
	push	%rax
	incq	0x40000
	mov	$0xfee000b0, %eax
	movl	$0, (%rax)
	pop	%rax
	iretq
END ev_handler

BEGIN ev_sleep
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
	incq	0x40010
1:	sti
	hlt
	jmp	1b
END ev_sleep

/* Programs IOAPIC pin RDI for vector 0x30 as RSI says, then sleeps. */
BEGIN ev_ioapic
	mov	$0xfec00000, %ebx
	lea	0x10(%rdi,%rdi), %eax
	mov	%eax, (%rbx)
	mov	%esi, 0x10(%rbx)
	inc	%eax
	mov	%eax, (%rbx)
	movl	$0, 0x10(%rbx)
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
	incq	0x40010
1:	sti
	hlt
	jmp	1b
END ev_ioapic
