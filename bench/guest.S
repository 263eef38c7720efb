/* SPDX-License-Identifier: MIT */
/*
 * Guest code of the benchmarks: position-independent, entered in long mode
 * with a stack, ends with HLT.  RCX holds the number of iterations; the
 * number of instructions of one iteration is exported beside each.
 */
	.section .rodata
	.code64

	.macro	BEGIN name
	.globl	bench_\name, bench_\name\()_end
	.balign	16
bench_\name:
	.endm
	.macro	END name
bench_\name\()_end:
	.endm

/* Port writes that nobody in the kernel takes: one exit each. */
BEGIN pio
	mov	$0x10, %dx
1:	out	%al, %dx
	dec	%rcx
	jnz	1b
	hlt
END pio

/* Stores to an address without a memslot: one KVM_EXIT_MMIO each. */
BEGIN mmio
	mov	$0xd0000000, %rbx
1:	movl	%eax, (%rbx)
	dec	%rcx
	jnz	1b
	hlt
END mmio

/* Registers only: 8 instructions. */
BEGIN alu
1:	add	%rax, %rbx
	xor	%rbx, %rdx
	lea	5(%rdx,%rbx,4), %rsi
	shl	$3, %rsi
	sub	%rsi, %rax
	and	$0x7fff, %rdi
	dec	%rcx
	jnz	1b
	hlt
END alu

/* Loads, stores and a read-modify-write: 8 instructions. */
BEGIN memory
	lea	-4096(%rsp), %rbx
1:	mov	(%rbx), %rax
	mov	8(%rbx), %edx
	add	%rax, 16(%rbx)
	mov	%rdx, 24(%rbx)
	movzbl	32(%rbx), %esi
	cmp	%rsi, 40(%rbx)
	dec	%rcx
	jnz	1b
	hlt
END memory

/* A call in each iteration, with the prologue of compiled code: 10. */
BEGIN call
1:	call	2f
	dec	%rcx
	jnz	1b
	hlt
2:	push	%rbp
	mov	%rsp, %rbp
	push	%rbx
	mov	%rcx, %rbx
	pop	%rbx
	pop	%rbp
	ret
END call

/* Conditional branches that go both ways, as compiled code has them: 9 on average. */
BEGIN branch
	xor	%eax, %eax
1:	inc	%eax
	test	$1, %al
	jz	2f
	add	$3, %rdx
2:	test	$2, %al
	jnz	3f
	sub	$5, %rsi
3:	cmp	%rsi, %rdx
	dec	%rcx
	jnz	1b
	hlt
END branch

/* SSE as the C library's string functions use it: 6 instructions. */
BEGIN sse
	lea	-4096(%rsp), %rbx
1:	movdqu	(%rbx), %xmm0
	pxor	%xmm1, %xmm1
	pcmpeqb	%xmm0, %xmm1
	pmovmskb %xmm1, %eax
	dec	%rcx
	jnz	1b
	hlt
END sse

/* 256 bits, integers and floating-point: 6. */
BEGIN avx
	mov	%rcx, %rsi
	mov	%cr4, %rax
	or	$0x40000, %rax		/* OSXSAVE */
	mov	%rax, %cr4
	mov	$7, %eax
	xor	%edx, %edx
	xor	%ecx, %ecx
	xsetbv
	mov	%rsi, %rcx
	lea	-4096(%rsp), %rbx
1:	vmovdqu	(%rbx), %ymm0
	vpaddd	%ymm0, %ymm1, %ymm1
	vfmadd231pd %ymm0, %ymm2, %ymm3
	vmovdqu	%ymm1, 32(%rbx)
	dec	%rcx
	jnz	1b
	hlt
END avx

/* 6. */
BEGIN x87
	fninit
	lea	-4096(%rsp), %rbx
1:	fldl	(%rbx)
	fmull	8(%rbx)
	faddl	16(%rbx)
	fstpl	24(%rbx)
	dec	%rcx
	jnz	1b
	hlt
END x87

/* Sleeps; each NMI makes an exit.  The handler is at bench_kick_nmi. */
BEGIN kick
1:	hlt
	jmp	1b
	.globl	bench_kick_nmi
bench_kick_nmi:
	out	%al, $0x10
	iretq
END kick

	.section .note.GNU-stack, "", @progbits
