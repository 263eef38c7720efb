/* SPDX-License-Identifier: MIT */
#include "code.h"

/*
 * A store of any kind changes the operand of the MOV behind it, through
 * whatever the segment or page tables make of R8: RBX and RDI point there, RSI
 * to what is to be stored, which RAX, XMM0 and MM0 have, too.
 */
	.macro	STORE name, insn
BEGIN smc_\name
	lea	1f+1(%rip), %rbx
	add	%r8, %rbx
	mov	%rbx, %rdi
	lea	2f(%rip), %rsi
	mov	(%rsi), %rax
	movups	(%rsi), %xmm0
	movq	(%rsi), %mm0
	\insn
1:	mov	$0x11111111, %ecx
	hlt
	.fill	16, 1, 0x90
2:	.long	0x22222222
	.byte	0xf4
	.fill	11, 1, 0x90
END smc_\name
	.endm

	STORE mov32, "mov %eax, (%rbx)"
	STORE mov8, "mov %al, (%rbx)"
	STORE mov_imm, "movl $0x22222222, (%rbx)"
	STORE add, "add %eax, (%rbx)"
	STORE inc, "incw (%rbx)"
	STORE not, "notl (%rbx)"
	STORE shl, "shll $3, (%rbx)"
	STORE shld, "shld $4, %eax, (%rbx)"
	STORE bts, "btsl $1, (%rbx)"
	STORE setcc, "setnz (%rbx)"
	STORE xchg, "xchg %eax, (%rbx)"
	STORE xadd, "lock xadd %eax, (%rbx)"
	STORE lock_or, "lock orl $2, (%rbx)"
	STORE cmpxchg, "mov %eax, %edx; mov (%rbx), %eax; lock cmpxchg %edx, (%rbx)"
	STORE cmpxchg8b, "mov (%rdi), %eax; mov 4(%rdi), %edx; mov (%rsi), %ebx; mov 4(%rsi), %ecx; lock cmpxchg8b (%rdi)"
	STORE cmpxchg16b, "mov (%rdi), %rax; mov 8(%rdi), %rdx; mov (%rsi), %rbx; mov 8(%rsi), %rcx; lock cmpxchg16b (%rdi); .balign 16, 0x90; .fill 15, 1, 0x90"
	STORE movnti, "movnti %eax, (%rbx)"
	STORE push, "lea 8(%rbx), %rsp; push %rax"
	STORE pushw, "lea 2(%rbx), %rsp; pushw %ax"
	STORE pop, "mov %rsi, %rsp; popq (%rbx)"
	STORE stos, "stosl"
	STORE movs, "movsb"
	STORE rep_stos, "mov $4, %ecx; rep stosb"
	STORE rep_movs, "mov $4, %ecx; rep movsb"
	STORE rep_movs_down, "std; mov $4, %ecx; add $3, %rdi; add $3, %rsi; rep movsb; cld"
	STORE movups, "movups %xmm0, (%rbx)"
	STORE movd, "movd %xmm0, (%rbx)"
	STORE movlps, "movlps %xmm0, (%rbx)"
	STORE maskmovdqu, "pxor %xmm1, %xmm1; pcmpeqb %xmm1, %xmm1; maskmovdqu %xmm1, %xmm0"
	STORE movq_mmx, "movq %mm0, (%rbx)"
	STORE fistp, "emms; fildll (%rsi); fistpll (%rbx)"
	STORE fst, "emms; flds (%rsi); fstps (%rbx)"
	STORE sgdt, "sub $8, %rsp; movw $0x2222, (%rsp); movl $0x90f42222, 2(%rsp); movl $0, 6(%rsp); lgdt (%rsp); sgdt (%rbx)"
	STORE stmxcsr, "stmxcsr (%rbx)"
	STORE str, "strw (%rbx)"

/* INSB of one byte; the VMM answers. */
BEGIN smc_ins
	lea	1f+1(%rip), %rdi
	mov	$4, %ecx
	mov	$0x77, %edx
	rep insb
1:	mov	$0x11111111, %ecx
	hlt
END smc_ins

/* Over itself and to the end of RCX bytes from RDI on; it is not interrupted. */
BEGIN smc_rep_over_itself
	rep stosb
	nop
END smc_rep_over_itself

/* A number goes into the code behind a wait; a serialising instruction is between. */
	.macro	SERIALIZED name, insn
BEGIN smc_\name
	mov	$0x40000, %esi
	lea	3f(%rip), %rbp
1:	incq	(%rsi)			/* ready for the next one */
2:	xor	%eax, %eax
	mov	$1, %ecx
	xor	%edx, %edx
	.rept	8
	div	%rcx
	.endr
	mov	(%rsi), %rax
	cmp	8(%rsi), %rax
	jne	2b
	\insn
3:	mov	$0, %eax
	cmp	%eax, (%rsi)
	jne	4f
	cmp	%eax, %edi
	jne	1b
4:	hlt
END smc_\name
	.endm
	SERIALIZED cpuid, "push %rdi; cpuid; pop %rdi"
	SERIALIZED mfence, "mfence"
	SERIALIZED wbinvd, "wbinvd"
	SERIALIZED invd, "invd"
	SERIALIZED lgdt, "sub $16, %rsp; sgdt (%rsp); lgdt (%rsp); add $16, %rsp"
	SERIALIZED lidt, "sub $16, %rsp; sidt (%rsp); lidt (%rsp); add $16, %rsp"
	SERIALIZED lldt, "xor %eax, %eax; lldt %ax"
	SERIALIZED invlpg, "invlpg (%rsp)"
	SERIALIZED mov_cr, "mov %cr3, %rax; mov %rax, %cr3"

/* The other one: writes RDI numbers to RBX, each after the last has come. */
BEGIN smc_writer
	mov	$0x40000, %esi
	xor	%eax, %eax
1:	inc	%rax
2:	pause
	cmp	%rax, (%rsi)
	jne	2b
	mov	%eax, (%rbx)
	mov	%rax, 8(%rsi)
	cmp	%rdi, %rax
	jne	1b
	hlt
END smc_writer

/* The first instruction ends on the next page. */
BEGIN smc_crossing
	mov	$0x11111111, %eax
	hlt
END smc_crossing
