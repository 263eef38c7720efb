/* SPDX-License-Identifier: MIT */
#include "code.h"

	.code32

/*
 * Adds 0x40000 to EDX with DS flat, and to ECX with DS as selector ESI has it,
 * EDI times, by the same code.
 */
BEGIN flat32_ds
1:	mov	$0x10, %eax
	call	3f
	add	%eax, %edx
	mov	%esi, %eax
	call	3f
	add	%eax, %ecx
	dec	%edi
	jnz	1b
	hlt
3:	mov	%eax, %ds
	jmp	4f
4:	mov	0x40000, %eax
	ret
END flat32_ds

/* The same with GS. */
BEGIN flat32_gs
1:	mov	$0x10, %eax
	call	3f
	add	%eax, %edx
	mov	%esi, %eax
	call	3f
	add	%eax, %ecx
	dec	%edi
	jnz	1b
	hlt
3:	mov	%eax, %gs
	jmp	4f
4:	mov	%gs:0x40000, %eax
	ret
END flat32_gs

/* Calls EBX EDI times. */
BEGIN flat32_calls
1:	call	*%ebx
	dec	%edi
	jnz	1b
	hlt
END flat32_calls

/* Reads at ESI EDI times, and once at EBX. */
BEGIN flat32_reads
1:	mov	(%esi), %eax
	dec	%edi
	jnz	2f
	hlt
2:	cmp	$1, %edi
	jne	1b
	mov	%ebx, %esi
	jmp	1b
END flat32_reads

/* 32-bit code: dec eax; add edx, ecx.  64-bit code: add rdx, rcx. */
BEGIN flat32_both
1:	dec	%eax
	add	%ecx, %edx
	.byte	0xff, 0xcf	/* dec edi, in both */
	jnz	1b
	hlt
END flat32_both
