/* SPDX-License-Identifier: MIT */
#include "code.h"

/*
 * Does what the list at RSI says; an entry is four words: what, two arguments
 * and the result.  RBX is the hypercall page.  A fault is the result then.
 */
	.set	OP_RDMSR, 1
	.set	OP_WRMSR, 2
	.set	OP_CALL, 3		/* the result word is the third argument first */
	.set	OP_HLT, 4
	.set	OP_EXIT, 5

BEGIN hv_script
1:	lea	9f(%rip), %r15
	mov	8(%rsi), %rcx
	mov	(%rsi), %rax
	cmp	$OP_RDMSR, %rax
	je	2f
	cmp	$OP_WRMSR, %rax
	je	3f
	cmp	$OP_CALL, %rax
	je	4f
	cmp	$OP_HLT, %rax
	je	5f
	out	%al, $0x10
	jmp	9f
2:	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, 24(%rsi)
	jmp	9f
3:	mov	16(%rsi), %eax
	mov	20(%rsi), %edx
	wrmsr
	movq	$0, 24(%rsi)
	jmp	9f
4:	mov	16(%rsi), %rdx
	mov	24(%rsi), %r8
	call	*%rbx
	mov	%rax, 24(%rsi)
	jmp	9f
5:	sti
	hlt
	cli
9:	add	$32, %rsi
	jmp	1b
END hv_script

BEGIN hv_gp
	add	$8, %rsp
	movq	$0xfa0d, 24(%rsi)
	mov	%r15, (%rsp)
	iretq
END hv_gp

BEGIN hv_ud
	movq	$0xfa06, 24(%rsi)
	mov	%r15, (%rsp)
	iretq
END hv_ud

	.macro	ZERO msr
	mov	$\msr, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	.endm

/* Counts; keeps the message of SINT 2 and frees its slot; EOM and EOI. */
BEGIN hv_message
	push	%rax
	push	%rcx
	push	%rdx
	incq	0x48000
	mov	0x52200, %eax
	mov	%rax, 0x48008
	mov	0x52210, %rax
	mov	%rax, 0x48010
	movl	$0, 0x52200
	ZERO	0x40000084
	ZERO	0x40000070
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq
END hv_message

/* Counts, and ends the interrupt. */
BEGIN hv_ended
	push	%rax
	push	%rcx
	push	%rdx
	incq	0x48000
	ZERO	0x40000070
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq
END hv_ended

/* Counts, and does not. */
BEGIN hv_counted
	incq	0x48000
	iretq
END hv_counted

/* Sleeps for ever. */
BEGIN hv_sleep
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
1:	sti
	hlt
	jmp	1b
END hv_sleep

/* Shows what it sees at RDI. */
BEGIN hv_look
1:	mov	(%rdi), %rax
	mov	%rax, 0x48018
	jmp	1b
END hv_look
