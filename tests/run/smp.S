/* SPDX-License-Identifier: MIT */
#include "code.h"

/* RDI: number of rounds; everything shared is at 0x40000. */
BEGIN smp_locked
1:	lock incq 0x40000
	mov	$1, %eax
	lock xadd %eax, 0x40008
	lock addw $1, 0x40010
	dec	%rdi
	jnz	1b
	hlt
END smp_locked

/* 8 bytes at RBX are a counter; its last one is another of its own, too. */
BEGIN smp_split
1:	lock incq (%rbx)
	mov	$1, %eax
	lock xadd %rax, (%rbx)
	mov	(%rbx), %rax
2:	lea	1(%rax), %rdx
	lock cmpxchg %rdx, (%rbx)
	jnz	2b
	lock incb 7(%rbx)
	dec	%rdi
	jnz	1b
	hlt
END smp_split

/* RDI times: a descriptor's accessed bit is cleared, and set by loading it. */
BEGIN smp_load_segment
	sub	$16, %rsp
	sgdt	(%rsp)
	mov	2(%rsp), %rbx
1:	lock andb $~1, 0x10 + 5(%rbx)
	mov	$0x10, %eax
	mov	%eax, %ds
	testb	$1, 0x10 + 5(%rbx)
	jz	2f
	dec	%rdi
	jnz	1b
2:	hlt
END smp_load_segment

/* RDI times: another bit of it changes, and must stay as it has been made. */
BEGIN smp_change_descriptor
	sub	$16, %rsp
	sgdt	(%rsp)
	mov	2(%rsp), %rbx
1:	movb	0x10 + 5(%rbx), %al
	lock xorb $0x60, 0x10 + 5(%rbx)
	movb	0x10 + 5(%rbx), %cl
	xor	%cl, %al
	and	$0x60, %al
	cmp	$0x60, %al
	jne	2f
	dec	%rdi
	jnz	1b
2:	hlt
END smp_change_descriptor

BEGIN smp_cmpxchg16b
1:	mov	0x40000, %rax
	mov	0x40008, %rdx
2:	lea	1(%rax), %rbx
	lea	3(%rdx), %rcx
	lock cmpxchg16b 0x40000
	jnz	2b
	dec	%rdi
	jnz	1b
	hlt
END smp_cmpxchg16b

/* A spin lock taken with XCHG guards a plain counter. */
BEGIN smp_spin
1:	mov	$1, %eax
2:	pause
	xchg	%eax, 0x40000
	test	%eax, %eax
	jnz	2b
	incq	0x40100
	incq	0x40200
	movl	$0, 0x40000
	dec	%rdi
	jnz	1b
	hlt
END smp_spin

/* Calls code at RBX for ever; what it left in RAX goes to 0x40000. */
BEGIN smp_call
1:	call	*%rbx
	mov	%eax, 0x40000
	incq	0x40008
	jmp	1b
END smp_call

/* The other vCPU writes RDI numbers into that code, each of which must come. */
BEGIN smp_patch
	xor	%ecx, %ecx
1:	inc	%ecx
	mov	%ecx, 1(%rbx)
2:	pause
	cmp	%ecx, 0x40000
	jne	2b
	dec	%rdi
	jnz	1b
	hlt
END smp_patch

/* Its own code: each round changes an instruction just ahead. */
BEGIN smp_self
	xor	%ecx, %ecx
	lea	2f+1(%rip), %rbx
1:	inc	%ecx
	mov	%ecx, (%rbx)
2:	mov	$0, %eax
	cmp	%ecx, %eax
	jne	3f
	cmp	%edi, %ecx
	jne	1b
3:	hlt
END smp_self
