/* SPDX-License-Identifier: MIT */
#include "code.h"

BEGIN dbg_steps
	nop
	xor	%eax, %eax
	mov	$3, %ecx
1:	dec	%ecx
	jnz	1b
	in	$0x10, %al
	nop
	movl	$5, 0x40000
	hlt
END dbg_steps

BEGIN dbg_bp
	nop
	int3
	nop
	movl	$5, 0x40000
	nop
	mov	0x40004, %eax
	nop
	hlt
END dbg_bp

/* At 14 it jumps to 18, then calls its handler. */
BEGIN dbg_record
	mov	$0x1d9, %ecx
	mov	$1, %eax
	xor	%edx, %edx
	wrmsr
	jmp	1f
	nop
	nop
1:	int	$0x55
END dbg_record

/* At 28 it jumps to 31. */
BEGIN dbg_branch_step
	mov	$0x1d9, %ecx
	mov	$3, %eax
	xor	%edx, %edx
	wrmsr
	pushf
	orl	$0x100, (%rsp)
	popf
	nop
	xor	%ebx, %ebx
	jnz	1f
	jmp	1f
	nop
1:	nop
	hlt
END dbg_branch_step

BEGIN dbg_ud
	ud2
END dbg_ud

BEGIN dbg_de
	xor	%ecx, %ecx
	div	%ecx
END dbg_de

BEGIN dbg_gp
	mov	$0x8000000000000000, %rax
	mov	(%rax), %rax
END dbg_gp

BEGIN dbg_pf
	mov	$0x123456789000, %rax
	mov	%rbx, (%rax)
END dbg_pf

BEGIN dbg_int
	int	$0x55
END dbg_int

BEGIN dbg_int3
	int3
END dbg_int3

	.code16
BEGIN dbg_real_de
	xor	%cx, %cx
	div	%cx
END dbg_real_de

BEGIN dbg_real_int
	int	$0x55
END dbg_real_int
	.code64
