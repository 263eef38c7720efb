/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Calls RBX until RDI times are over; each time RAX goes to 0x40000. */
BEGIN jit_calls
1:	call	*%rbx
	mov	%rax, 0x40000
	dec	%rdi
	jnz	1b
	hlt
END jit_calls

BEGIN jit_constant
	mov	$1, %eax
	ret
END jit_constant

/* Calls RBX for ever; the interrupt's handler does so once, for 0x40008. */
BEGIN jit_irq
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
	sti
1:	call	*%rbx
	mov	%rax, 0x40000
	jmp	1b
END jit_irq

BEGIN jit_irq_handler
	push	%rax
	call	*%rbx
	mov	%rax, 0x40008
	mov	$0xfee000b0, %eax
	movl	$0, (%rax)
	pop	%rax
	iretq
END jit_irq_handler

/* RET and JMP to what is no address: the handler of #GP counts, and comes back. */
BEGIN jit_nowhere
	mov	$0x8000000000000000, %rax
1:	push	%rax
	ret
2:	jmp	*%rax
3:	dec	%rdi
	jnz	1b
	hlt
END jit_nowhere

/* RIP was at RET, or at the 2 bytes of JMP. */
BEGIN jit_nowhere_handler
	add	$8, %rsp
	incq	0x40000
	mov	(%rsp), %rsi
	cmpb	$0xc3, (%rsi)
	jne	1f
	incq	(%rsp)
	addq	$8, 24(%rsp)
	iretq
1:	addq	$2, (%rsp)
	iretq
END jit_nowhere_handler

/* Each round the constant at RBX grows by a store through RSI. */
BEGIN jit_stores
	xor	%edx, %edx
1:	inc	%edx
	mov	%edx, 1(%rsi)
	call	*%rbx
	cmp	%eax, %edx
	jne	2f
	dec	%rdi
	jnz	1b
2:	hlt
END jit_stores

/*
 * RDI rounds: calls RBX, rings at port 0x50, waits until 0x40008 has the number
 * of the round, and calls RBX, which is to return it.
 */
BEGIN jit_doorbell
	xor	%ecx, %ecx
1:	inc	%ecx
	call	*%rbx
	out	%al, $0x50
2:	pause
	cmp	%ecx, 0x40008
	jne	2b
	call	*%rbx
	cmp	%ecx, %eax
	jne	3f
	dec	%rdi
	jnz	1b
3:	hlt
END jit_doorbell

/* Words around RSI, which moves along RDI times; each round adds 1 to 0x40000. */
BEGIN jit_windows
1:	mov	%rdi, (%rsi)
	mov	%rdi, 64(%rsi)
	add	$8, %rsi
	addq	$1, -8(%rsi)
	mov	-8(%rsi), %rax
	sub	56(%rsi), %rax
	add	%rax, 0x40000
	dec	%rdi
	jnz	1b
	hlt
END jit_windows

/*
 * Copies RDI words from 0x44ff8 on to 0x46ff0 by an index, and from there to
 * 0x49fe8 by two pointers.  RAX: the flags behind the first loop, and 0x40000.
 */
BEGIN jit_loops
	mov	$0x44ff8, %r8d
	mov	$0x46ff0, %r11d
	xor	%ecx, %ecx
1:	mov	(%r8,%rcx,8), %rbx
	mov	%rbx, (%r11,%rcx,8)
	add	$1, %rcx
	cmp	%rdi, %rcx
	jb	1b
	lahf
	mov	%rax, 0x40000
	mov	$0x46ff0, %r9d
	mov	$0x49fe8, %r10d
2:	mov	(%r9), %rbx
	add	$8, %r9
	mov	%rbx, (%r10)
	add	$8, %r10
	dec	%rcx
	jnz	2b
	hlt
END jit_loops

/* FSTP, 8 bytes from the beginning, is the last but a control instruction. */
BEGIN jit_x87
1:	fld1
	fadd	%st, %st(0)
	fmul	%st, %st(0)
	fsub	%st, %st(0)
	fstp	%st(0)
	dec	%rdi
	jnz	1b
	fnstcw	0x40000
	hlt
END jit_x87
