/* SPDX-License-Identifier: MIT */
#include "code.h"

/*
 * For ever: each round RBX grows, and all RSI pages from RDI on get it in some
 * way, RDX into each page.  RDX is a multiple of 256.
 */
BEGIN ring_writer
1:	inc	%rbx
	mov	%rdi, %r8
	mov	%rsi, %rcx
	movq	%rbx, %xmm0
	punpcklqdq %xmm0, %xmm0
2:	lea	(%r8,%rdx), %r9
	mov	%ecx, %eax
	and	$7, %eax
	cmp	$1, %eax
	je	3f
	cmp	$2, %eax
	je	4f
	cmp	$3, %eax
	je	5f
	cmp	$4, %eax
	je	6f
	cmp	$5, %eax
	je	7f
	mov	%rbx, (%r9)
	jmp	9f
3:	lock incq 8(%r9)
	jmp	9f
4:	movups	%xmm0, 16(%r9)
	jmp	9f
5:	mov	%rsp, %r10
	lea	48(%r9), %rsp
	push	%rbx
	mov	%r10, %rsp
	jmp	9f
6:	addq	$3, 48(%r9)
	jmp	9f
7:	/* Twelve bytes across this page and the next. */
	lea	4096-4(%r8), %r11
	mov	%rbx, (%r11)
9:	add	$4096, %r8
	dec	%rcx
	jnz	2b
	/* All of this vCPU's parts again, with strings: three pages in one go. */
	cmp	$0, %rdx
	jne	1b
	mov	%rcx, %r11
	mov	%rdi, %r10
	lea	4096*8+2048(%rdi), %rdi
	mov	%ebx, %eax
	mov	$2048, %ecx
	rep stosl
	mov	%r10, %rdi
	jmp	1b
END ring_writer

/* Once: a word into each of RSI pages from RDI on. */
BEGIN ring_sweep
1:	mov	%rsi, (%rdi)
	add	$4096, %rdi
	dec	%rsi
	jnz	1b
	hlt
END ring_sweep

/* Once: RCX bytes from RDI on, in one instruction. */
BEGIN ring_stosb
	rep stosb
	hlt
END ring_stosb
