/* SPDX-License-Identifier: MIT */
#include "code.h"

BEGIN off_hlt
	sti
	hlt
	mov	$1, %esi
	out	%al, $0x10
	jmp	guest_off_hlt
END off_hlt

BEGIN off_handler
	incq	0x40000
	iretq
END off_handler

/* Ten waits with nothing to wait for. */
BEGIN off_mwait
	mov	$10, %edi
	xor	%edx, %edx
1:	mov	$0x40000, %eax
	xor	%ecx, %ecx
	monitor
	mwait
	dec	%edi
	jnz	1b
	out	%al, $0x10
	hlt
END off_mwait

/* Split mode: LINT0 as it is after a reset; then ExtINT; a vector; then none. */
BEGIN off_window
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	movl	$0x10000, 0x350(%rbx)
	sti
	nop
	out	%al, $0x10
	movl	$0x700, 0x350(%rbx)
	jmp	1f
1:	nop
	out	%al, $0x11
	cli
	out	%al, $0x12
	sti
	nop
	out	%al, $0x13
	hlt
END off_window
