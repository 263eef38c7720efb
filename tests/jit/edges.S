/* SPDX-License-Identifier: MIT */
#include "code.h"

/* RBX: code that sees no flags, and could; RAX: the sum of what it makes RAX, RDI times. */
.macro seen
	xor	%eax, %eax
	nop
	movzbl	%al, %eax
	add	%rax, %rsi
	dec	%rdi
.endm

/* CF is set if RDI is even. */
.macro compare
	mov	%edi, %eax
	and	$1, %eax
	cmp	$1, %eax
.endm

.macro back name, jump, before:vararg
BEGIN \name
	lea	1f(%rip), %rbx
	xor	%esi, %esi
	jmp	2f
1:	seen
	jz	3f
2:	compare
	\before
	\jump	1b
	ud2
3:	mov	%rsi, %rax
	hlt
END \name
.endm

back jit_jmp, jmp
back jit_jmp_behind_store, jmp, mov %rdi, 0x40000
back jit_jcc, jno
back jit_jcc_behind_store, jno, mov %rdi, 0x40000

/* The flags cannot be made again. */
BEGIN jit_forward
	lea	1f(%rip), %rbx
	xor	%esi, %esi
2:	lea	1(%rdi), %eax
	shr	%eax
	mov	$0, %eax
	jmp	1f
1:	seen
	jnz	2b
	mov	%rsi, %rax
	hlt
END jit_forward

/* RBX: a constant that each dispatch adds to RAX; RDI times. */
BEGIN jit_dispatch
	lea	2f+3(%rip), %rbx
	lea	3f(%rip), %r9
	lea	4f(%rip), %r10
	xor	%eax, %eax
1:	mov	%r9, %rcx
	test	$1, %edi
	cmovz	%r10, %rcx
2:	add	$1, %rax
	jmp	*%rcx
3:	dec	%rdi
	jz	5f
	jmp	1b
4:	dec	%rdi
	jz	5f
	jmp	1b
5:	hlt
END jit_dispatch
