/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

BEGIN one_in
	in	$0x10, %al
	hlt
END one_in

/* Two fragments at RBX. */
BEGIN wide_read
	movdqu	(%rbx), %xmm0
	hlt
END wide_read

BEGIN tpr
	mov	$5, %eax
	mov	%rax, %cr8
	out	%al, $0x10
	mov	%cr8, %rbx
	mov	$3, %eax
	mov	%rax, %cr8
	hlt
END tpr

/* An unknown MSR, a port, an address; the handler counts #GP in R8. */
BEGIN unknown
	xor	%r8d, %r8d
	mov	$0x12345678, %ecx
	rdmsr
	wrmsr
	mov	$0xffff, %edx
	in	%dx, %al
	out	%al, %dx
	mov	$0xdeadb000, %ebx
	mov	(%rbx), %eax
	mov	%eax, (%rbx)
	hlt
END unknown

BEGIN skip_msr
	inc	%r8
	addq	$2, 8(%rsp)
	add	$8, %rsp
	iretq
END skip_msr
