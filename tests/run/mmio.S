/* SPDX-License-Identifier: MIT */
#include "code.h"

/* RBX: the address. */
BEGIN mmio_reads
	xor	%eax, %eax
	dec	%rax
	movb	(%rbx), %al
	movw	2(%rbx), %cx
	movl	4(%rbx), %edx
	movq	8(%rbx), %rsi
	hlt
END mmio_reads

BEGIN mmio_writes
	mov	$0x1122334455667788, %rax
	movb	%al, (%rbx)
	movw	%ax, (%rbx)
	movl	%eax, (%rbx)
	movq	%rax, (%rbx)
	hlt
END mmio_writes

BEGIN mmio_push
	mov	%rbx, %rsp
	mov	$0xabcdef, %eax
	push	%rax
	pop	%rcx
	hlt
END mmio_push

BEGIN mmio_movs
	mov	%rbx, %rdi
	mov	$0x40000, %esi
	mov	$2, %ecx
	rep movsl
	hlt
END mmio_movs

BEGIN mmio_interrupted
	sti
	nop
	movl	%eax, (%rbx)
	movl	4(%rbx), %ecx
	hlt
END mmio_interrupted

BEGIN mmio_handler
	out	%al, $0x10
	iretq
END mmio_handler
