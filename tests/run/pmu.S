/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Counter 0 counts as RDI says while this runs; read by RDMSR and RDPMC. */
BEGIN pmu_count
	mov	$0xc0010000, %ecx
	mov	%edi, %eax
	mov	%rdi, %rdx
	shr	$32, %rdx
	wrmsr
	mov	$0xc0010004, %ecx
	rdmsr
	mov	%eax, %esi
	mov	$10, %ecx
1:	loop	1b
	mov	$0xc0010004, %ecx
	rdmsr
	mov	%eax, %r8d
	xor	%ecx, %ecx
	rdpmc
	mov	%eax, %r9d
	out	%al, $0x10
	jmp	pmu_count_again
pmu_count_again:
	mov	$0xc0010000, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	mov	$10, %ecx
1:	loop	1b
	mov	$0xc0010004, %ecx
	rdmsr
	mov	%eax, %r10d
	mov	$0xc0010004, %ecx
	rdmsr
	mov	%eax, %r11d
	out	%al, $0x11
	hlt
END pmu_count

BEGIN pmu_rdpmc
	mov	%edi, %ecx
	rdpmc
	out	%al, $0x10
	hlt
END pmu_rdpmc

BEGIN pmu_gp
	add	$8, %rsp
	out	%al, $0x12
	hlt
END pmu_gp

/* Overflow of counter 0, with an interrupt by the LAPIC's entry for it. */
BEGIN pmu_overflow
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	movl	$0x30, 0x340(%rbx)
	mov	$0xc0010004, %ecx
	mov	$-100, %rax
	cqo
	wrmsr
	mov	$0xc0010000, %ecx
	mov	$0x5200c0, %eax		/* instructions, OS, INT, EN */
	xor	%edx, %edx
	wrmsr
	sti
1:	cmpq	$0, 0x40000
	je	1b
	out	%al, $0x10
	hlt
END pmu_overflow

BEGIN pmu_handler
	incq	0x40000
	movl	$0, 0xb0(%rbx)
	iretq
END pmu_handler
