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

/* HLT is 4 bytes from the start. */
BEGIN mmio_far_jump
	rex.w ljmp *(%rbx)
	nop
	hlt
END mmio_far_jump

BEGIN mmio_push
	mov	%rbx, %rsp
	mov	$0xabcdef, %eax
	push	%rax
	pop	%rcx
	hlt
END mmio_push

/* To memory, to RBX and back: what comes back is at 0x41000. */
BEGIN mmio_fxsave
	mov	$0x0123456789abcdef, %rax
	movq	%rax, %xmm0
	movq	%rax, %xmm15
	fldpi
	fxsave64 0x40000
	fxsave64 (%rbx)
	fninit
	pxor	%xmm0, %xmm0
	pxor	%xmm15, %xmm15
	fxrstor64 (%rbx)
	fxsave64 0x41000
	hlt
END mmio_fxsave

BEGIN mmio_xsave
	mov	%cr4, %rax
	or	$0x40000, %eax
	mov	%rax, %cr4
	xor	%ecx, %ecx
	xor	%edx, %edx
	mov	$7, %eax
	xsetbv
	fldpi
	vpcmpeqd %xmm1, %xmm1, %xmm1
	vinsertf128 $1, %xmm1, %ymm1, %ymm1
	vinsertf128 $1, %xmm1, %ymm1, %ymm15
	xsave64	0x40000
	xsave64	(%rbx)
	fninit
	vzeroall
	xrstor64 (%rbx)
	xsave64	0x41000
	hlt
END mmio_xsave

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
