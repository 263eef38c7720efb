/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

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

/*
 * Counts in the function below and in a word, both through the alias at RBX;
 * calls the function, and reads the word through the read-only alias behind.
 */
BEGIN mem_alias
	lea	1f(%rip), %rsi
	add	%rbx, %rsi
2:	mov	%edx, 1(%rsi)
	mov	%edx, 0x40000(%rbx)
	call	1f
	mov	0x440000(%rbx), %edx
	out	%al, $0x10
	inc	%edx
	jmp	2b
1:	mov	$0, %eax
	ret
END mem_alias

/* Stores a constant for ever; its operand is at byte 1. */
BEGIN mem_constant
1:	mov	$0, %eax
	mov	%eax, 0x40000
	jmp	1b
END mem_constant

/* Stores what is there; a CMPXCHG that fails. */
BEGIN mem_same
	mov	(%rbx), %eax
	mov	%eax, (%rbx)
	out	%al, $0x10
	mov	$-1, %eax
	lock cmpxchg %ecx, 4096(%rbx)
	out	%al, $0x10
END mem_same
