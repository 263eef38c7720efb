/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Counts up in the page at RBX for ever; RCX pages in turn. */
BEGIN mem_touch
1:	mov	%rbx, %rsi
	mov	%rcx, %rdi
2:	incq	(%rsi)
	add	$4096, %rsi
	dec	%rdi
	jnz	2b
	incq	0x40000
	jmp	1b
END mem_touch

/* Reads at RBX for ever. */
BEGIN mem_read
1:	mov	(%rbx), %rax
	incq	0x40000
	jmp	1b
END mem_read

/* Writes its RBX-th page once a port says so: a store, then OUT. */
BEGIN mem_step
1:	movb	$1, (%rbx)
	out	%al, $0x10
	jmp	1b
END mem_step
