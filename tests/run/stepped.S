/* SPDX-License-Identifier: MIT */
#include "code.h"

	.equ	COUNT, 0x50000
	.equ	RECORDS, 0x50010	/* RIP and DR6 of each #DB */

BEGIN step_db
	push	%rax
	push	%rbx
	mov	COUNT, %rbx
	incq	COUNT
	shl	$4, %rbx
	mov	16(%rsp), %rax
	mov	%rax, RECORDS(%rbx)
	mov	%dr6, %rax
	mov	%rax, RECORDS+8(%rbx)
	xor	%eax, %eax
	mov	%rax, %dr6
	pop	%rbx
	pop	%rax
	iretq
END step_db

BEGIN step_int
	iretq
END step_int

	/* Offsets that #DB is to tell of, in order. */
	.section .rodata.stepped
BEGIN step_ends
	.section .rodata

	/* Here one comes. */
	.macro	HERE
9:	.pushsection .rodata.stepped
	.word	9b - guest_step_code
	.popsection
	.endm
	/* An instruction that is stepped, and one behind which no #DB comes. */
	.macro	I insn:vararg
	\insn
	HERE
	.endm
	.macro	N insn:vararg
	\insn
	.endm

/* RBX: MMIO.  With TF set from the first instruction on. */
BEGIN step_code
	I	nop
	I	lea	8f(%rip), %rbp
	I	mov	$1, %ecx
	/* What the processor serialises, and what leaves it for a moment */
	I	xor	%eax, %eax
	I	push	%rbx
	I	cpuid
	I	pop	%rbx
	I	mov	$0x10, %ecx
	I	rdmsr
	I	mov	$0xc0000103, %ecx
	I	wrmsr
	I	rdtsc
	I	rdtscp
	I	rdrand	%eax
	I	rdseed	%eax
	I	mov	%cr0, %rax
	I	mov	%rax, %cr0
	I	mov	%cr3, %rax
	I	mov	%rax, %cr3
	I	mov	%cr4, %rax
	I	mov	%rax, %cr4
	I	mov	%cr8, %rax
	I	mov	%rax, %cr8
	I	mov	%dr7, %rax
	I	mov	%rax, %dr7
	I	clts
	I	smsw	%ax
	I	lmsw	%ax
	I	invlpg	(%rsp)
	I	wbinvd
	I	mfence
	I	lfence
	I	clflush	(%rsp)
	I	monitor
	I	mwait
	I	pause
	/* Segments and tables */
	I	sub	$16, %rsp
	I	sgdt	(%rsp)
	I	lgdt	(%rsp)
	I	sidt	(%rsp)
	I	lidt	(%rsp)
	I	add	$16, %rsp
	I	xor	%eax, %eax
	I	lldt	%ax
	I	str	%ax
	I	mov	$0x10, %eax
	I	mov	%eax, %ds
	I	mov	%eax, %fs
	I	lar	%ax, %edx
	I	verr	%ax
	I	swapgs
	I	swapgs
	N	mov	%eax, %ss	/* puts the trap off, and is never told of */
	I	nop
	/* Flags */
	I	cli
	I	sti
	I	nop
	I	cli
	I	pushf
	I	popf
	I	pushf
	I	andq	$~0x100, (%rsp)
	I	popf			/* TF was set when it began */
	N	pushf
	N	orq	$0x100, (%rsp)
	N	popf			/* and clear here */
	I	nop
	/* Memory of the VMM, and its ports */
	I	mov	(%rbx), %eax
	I	mov	%eax, (%rbx)
	I	lock incl (%rbx)
	I	push	(%rbx)
	I	pop	(%rbx)
	I	mov	%rbx, %rdi
	I	mov	%rsp, %rsi
	I	movsl
	I	fxsave	(%rbx)
	I	in	$0x10, %al
	I	out	%al, $0x10
	/* Branches */
	I	call	1f
1:	I	pop	%rax
	N	jmp	1f
	hlt
1:	HERE
	I	cmp	%eax, %eax
	I	jne	1f
1:	I	push	$8
	I	lea	1f(%rip), %rax
	I	push	%rax
	N	lretq
1:	HERE
	N	int	$0x30		/* entered and left without TF */
	I	nop
	I	mov	%rsp, %rax
	I	push	$0x10
	I	push	%rax
	I	pushf
	I	push	$8
	I	push	%rbp
	N	iretq
	hlt
8:	HERE
	I	emms
	I	fld1
	I	fstp	%st(0)
	I	pxor	%xmm0, %xmm0
	hlt
END step_code

	.section .rodata.stepped
END step_ends
