/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

BEGIN wide_write
	movdqu	%xmm0, (%rbx)
	hlt
END wide_write

/* The LAPIC's TPR, then RBX, then a port. */
BEGIN tpr_and_rbx
	mov	$0xfee00080, %esi
	movl	$0x50, (%rsi)
	movl	$1, (%rbx)
	out	%al, $0x10
END tpr_and_rbx

/* Writes of all sizes at RBX, one beside it, a read; the same at port 0x500. */
BEGIN bells
	mov	$0x1234, %eax
	movb	%al, (%rbx)
	movw	%ax, (%rbx)
	movl	%eax, (%rbx)
	movq	%rax, (%rbx)
	movl	%eax, 4(%rbx)
	movl	(%rbx), %ecx
	mov	$0x500, %edx
	out	%al, %dx
	out	%ax, %dx
	out	%eax, %dx
	in	%dx, %ax
	hlt
END bells

/* RCX counts down: a write of it at RBX, and one at port 0x500. */
BEGIN writes
	mov	$0x500, %edx
1:	mov	%ecx, (%rbx)
	mov	%ecx, %eax
	out	%ax, %dx
	dec	%ecx
	jnz	1b
	hlt
END writes

BEGIN jump
	jmp	*%rbx
END jump

BEGIN load_and_store
	mov	(%rbx), %rax
	movl	$7, (%rbx)
	lock addl $1, (%rbx)
	hlt
END load_and_store

BEGIN touch
	incq	0x40000
	hlt
END touch
