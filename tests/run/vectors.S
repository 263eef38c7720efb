/* SPDX-License-Identifier: MIT */
#include "code.h"

	.equ	DATA, 0x40000

/* XMM1 += 2 * XMM0, an exit, YMM2 = 2 * XMM1 to DATA. */
BEGIN vec_add
1:	paddd	%xmm0, %xmm1
	paddd	%xmm0, %xmm1
	out	%al, $0x10
	movdqa	%xmm1, %xmm2
	paddd	%xmm1, %xmm2
	movdqu	%xmm2, DATA
	jmp	1b
END vec_add

/* The same of YMM1; YMM3 without VEX, YMM4 with 128 bits. */
BEGIN vec_avx
1:	vpaddd	%ymm0, %ymm1, %ymm1
	paddd	%xmm0, %xmm3
	vpaddd	%xmm0, %xmm4, %xmm4
	out	%al, $0x10
	jmp	1b
END vec_avx

/* XMM1 += 2 * XMM0; between, CR0.TS is set if RDI is. */
BEGIN vec_ts
1:	paddd	%xmm0, %xmm1
	test	%rdi, %rdi
	jz	2f
	mov	%cr0, %rax
	or	$8, %rax
	mov	%rax, %cr0
2:	paddd	%xmm0, %xmm1
	out	%al, $0x10
	jmp	1b
END vec_ts

BEGIN vec_hlt
	hlt
END vec_hlt

/*
 * CVTSS2SI of XMM0 with each of the MXCSRs at RSI, RDI of them; results and
 * MXCSRs go to DATA.
 */
BEGIN vec_mxcsr
1:	xor	%ebx, %ebx
2:	ldmxcsr	(%rsi,%rbx,4)
	cvtss2si %xmm0, %eax
	movaps	%xmm1, %xmm2
	mulss	%xmm1, %xmm2
	mov	%eax, DATA(,%rbx,8)
	movd	%xmm2, DATA+4(,%rbx,8)
	stmxcsr	DATA+0x100(,%rbx,4)
	inc	%ebx
	cmp	%edi, %ebx
	jb	2b
	out	%al, $0x10
	jmp	1b
END vec_mxcsr

/* XMM3 += XMM2, XMM1 /= XMM0, between two counters. */
BEGIN vec_div
1:	inc	%rbx
	addps	%xmm2, %xmm3
	divps	%xmm0, %xmm1
	inc	%rcx
	out	%al, $0x10
	jmp	1b
END vec_div

/*
 * With the control word at RDI ST0 += the double at RSI; XMM1 += XMM0 before
 * and after.
 */
BEGIN vec_x87
1:	fninit
	fldl	DATA
2:	paddd	%xmm0, %xmm1
	fldcw	(%rdi)
	faddl	(%rsi)
	paddd	%xmm0, %xmm1
	fstl	DATA
	fnstsw	%ax
	out	%al, $0x10
	jmp	2b
END vec_x87

/* MM1 += MM0. */
BEGIN vec_mmx
1:	paddd	%mm0, %mm1
	out	%al, $0x10
	jmp	1b
END vec_mmx

/* XMM1 += 16 bytes at RSI, which has to be aligned, once more at RDI. */
BEGIN vec_load
1:	paddd	(%rsi), %xmm1
	inc	%rbx
	paddd	(%rdi), %xmm1
	inc	%rcx
	out	%al, $0x10
	jmp	1b
END vec_load
