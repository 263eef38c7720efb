/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

	.code16
BEGIN sipi_target
	out	%al, $0x10
	hlt
END sipi_target
	.code64

/* KVM_HC_KICK_CPU for APIC id 0. */
BEGIN kick_cpu
	mov	$5, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	vmmcall
	out	%al, $0x10
END kick_cpu

BEGIN window
	cli
	out	%al, $0x10
	sti
	inc	%ecx
	inc	%ecx
	inc	%ecx
	out	%al, $0x11
1:	jmp	1b
END window
