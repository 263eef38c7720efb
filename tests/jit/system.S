/* SPDX-License-Identifier: MIT */
#include "code.h"

	.equ	COUNT, 0x40000
	.equ	SUM, 0x40008
	.equ	LAST, 0x40010

/* RDI rounds: an interrupt waits when IF is set.  RDX is 0 if it comes in time. */
BEGIN sys_sti
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
1:	cli
	mov	$0xfee00300, %eax
	movl	$0x40040, (%rax)
	xor	%edx, %edx
	sti
	nop
	.globl	guest_sys_sti_after
guest_sys_sti_after:
	inc	%edx
	dec	%rdi
	jnz	1b
	hlt
END sys_sti

/* IF is set for two instructions of a round, and not where it goes round. */
BEGIN sys_window
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
	movq	$1, LAST
1:	sti
	nop
	nop
	cli
	xor	%edx, %edx
	jmp	1b
END sys_window

BEGIN sys_irq
	push	%rax
	add	%rdx, SUM
	mov	8(%rsp), %rax
	mov	%rax, LAST
	incq	COUNT
	mov	$0xfee000b0, %eax
	movl	$0, (%rax)
	pop	%rax
	iretq
END sys_irq

/* RDI rounds: PUSHF after POPF of RSI, and of what ADD leaves. */
BEGIN sys_flags
1:	push	%rsi
	popfq
	pushfq
	pop	%rax
	mov	%rax, COUNT
	mov	$0x7f, %ebx
	add	$1, %bl
	pushfq
	pop	%rax
	cld
	mov	%rax, SUM
	dec	%rdi
	jnz	1b
	hlt
END sys_flags

/* Each is for CPL 0. */
BEGIN sys_privileged
1:	cli
	sti
	swapgs
	mov	%cr2, %rax
	dec	%rdi
	jnz	1b
	ud2
END sys_privileged

/* The instruction is skipped: it has 3 bytes if it begins with 0F, else 1. */
BEGIN sys_skip
	add	$8, %rsp
	incq	COUNT
	mov	(%rsp), %rcx
	incq	(%rsp)
	cmpb	$0x0f, (%rcx)
	jne	1f
	addq	$2, (%rsp)
1:	iretq
END sys_skip

BEGIN sys_halt
	hlt
END sys_halt

/* With IOPL 3: the flags after CLI to RAX, after STI to RBX. */
BEGIN sys_iopl
1:	cli
	pushfq
	pop	%rax
	sti
	nop
	pushfq
	pop	%rbx
	or	%rax, COUNT
	and	%rbx, SUM
	dec	%rdi
	jnz	1b
	ud2
END sys_iopl

/* RDI system calls; what GS leads to is added up on both sides. */
BEGIN sys_calls
1:	syscall
	mov	%gs:0, %rax
	add	%rax, LAST
	dec	%rdi
	jnz	1b
	pushfq
	pop	%rbx
	ud2
END sys_calls

BEGIN sys_entry
	swapgs
	mov	%gs:0, %rax
	add	%rax, SUM
	incq	COUNT
	mov	%rsp, %rdx
	mov	$0x60000, %esp
	pushfq
	pop	%rsi
	sti
	nop
	cli
	mov	%rdx, %rsp
	swapgs
	sysretq
END sys_entry

/* RDI rounds of what has 5 bytes. */
BEGIN sys_base
1:	wrfsbase %rsi
	rdfsbase %rax
	dec	%rdi
	jnz	1b
	hlt
END sys_base

BEGIN sys_skip_ud
	incq	COUNT
	addq	$5, (%rsp)
	iretq
END sys_skip_ud

BEGIN sys_skip_gp
	add	$8, %rsp
	incq	SUM
	addq	$5, (%rsp)
	iretq
END sys_skip_gp

/* RDI rounds: a load through RSI, of 3 bytes.  Then the same with RDX, without a stack. */
BEGIN sys_loads
1:	mov	(%rsi), %rax
	dec	%rdi
	jnz	1b
	test	%rdx, %rdx
	jz	2f
	mov	%rdx, %rsi
	mov	%rdx, %rsp
	inc	%rdi
	jmp	1b
2:	hlt
END sys_loads

BEGIN sys_page_fault
	pop	%rax
	add	%rax, SUM
	mov	%cr2, %rax
	mov	%rax, LAST
	incq	COUNT
	addq	$3, (%rsp)
	iretq
END sys_page_fault

/* RDI rounds: TF traps behind the first NOP. */
BEGIN sys_tf
1:	pushfq
	orl	$0x100, (%rsp)
	popfq
	nop
	.globl	guest_sys_tf_after
guest_sys_tf_after:
	nop
	dec	%rdi
	jnz	1b
	hlt
END sys_tf

BEGIN sys_db
	incq	COUNT
	push	%rax
	mov	8(%rsp), %rax
	mov	%rax, LAST
	pop	%rax
	andl	$~0x100, 16(%rsp)
	iretq
END sys_db
