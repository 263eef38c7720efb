/* SPDX-License-Identifier: MIT */
#include "code.h"

/* RBX is the LAPIC.  TPR read, written, both; then a register next to it. */
BEGIN vapic_touch
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	mov	0x80(%rbx), %eax
	movl	$0x40, 0x80(%rbx)
	orl	$0x10, 0x80(%rbx)
	mov	0xa0(%rbx), %eax
	mov	%cr8, %rax
	out	%al, $0x10
	hlt
END vapic_touch

/* Exits at once; then the TPR as the LAPIC, CR8 and the word have it. */
BEGIN vapic_tpr
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	out	%al, $0x10		/* 1: the word shows the LAPIC's TPR */
	movl	$0x70, 0x42000
	mov	0x80(%rbx), %eax
	mov	0xa0(%rbx), %ecx
	mov	%cr8, %rdx
	out	%al, $0x10		/* 2: the LAPIC has the word's */
	movl	$0x30, 0x80(%rbx)
	mov	0x42000, %eax
	mov	$5, %esi
	mov	%rsi, %cr8
	mov	0x42000, %ecx
	out	%al, $0x10		/* 3: the word has the LAPIC's */
	jmp	.
END vapic_tpr

/* The word holds an interrupt back until it is lowered and VMMCALL polls. */
BEGIN vapic_hold
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	movl	$0x40, 0x42000
	sti
	out	%al, $0x10		/* an interrupt of class 3 comes */
	mov	$100, %ecx
1:	loop	1b
	mov	0x40000, %rsi
	mov	0x42000, %edi
	movl	$0, 0x42000
	mov	$1, %eax		/* KVM_HC_VAPIC_POLL_IRQ */
	vmmcall
	mov	0x40000, %rdx
	mov	0x42000, %ecx
	out	%al, $0x10
END vapic_hold

/* Counts, and keeps what the word said before and after the EOI. */
BEGIN vapic_handler
	push	%rax
	push	%rbx
	incq	0x40000
	mov	0x42000, %eax
	mov	%eax, 0x40008
	mov	$0xfee000b0, %ebx
	movl	$0, (%rbx)
	mov	0x42000, %eax
	mov	%eax, 0x40010
	pop	%rbx
	pop	%rax
	iretq
END vapic_handler
