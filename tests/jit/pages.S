/* SPDX-License-Identifier: MIT */
#include "code.h"

/* What RBX returns is written to port 0x10, again and again. */
BEGIN page_ports
1:	call	*%rbx
	out	%eax, $0x10
	jmp	1b
END page_ports

/*
 * RDI rounds: calls RBX, which is to return 1, gives its PTE (at RSI) the value
 * RBP, calls it again after INVLPG, for 2, and gives the PTE back the value R8.
 */
BEGIN page_remaps
1:	call	*%rbx
	cmp	$1, %eax
	jne	2f
	mov	%rbp, (%rsi)
	invlpg	(%rbx)
	call	*%rbx
	cmp	$2, %eax
	jne	2f
	mov	%r8, (%rsi)
	invlpg	(%rbx)
	dec	%rdi
	jnz	1b
2:	hlt
END page_remaps

/*
 * What is at RBX is written to port 0x10, as is found near a register, at an
 * index of 0 in RCX, and on the stack.
 */
BEGIN page_data
1:	mov	(%rbx), %eax
	add	4(%rbx), %eax
	out	%eax, $0x10
	mov	(%rbx, %rcx), %eax
	out	%eax, $0x10
	mov	%rbx, %rsp
	pop	%rax
	push	%rax
	out	%eax, $0x10
	jmp	1b
END page_data

/* The same to 0x40000. */
BEGIN page_calls
1:	call	*%rbx
	mov	%rax, 0x40000
	jmp	1b
END page_calls

/*
 * RDI rounds: calls RBX, unmaps it (the PTE is at RSI), puts the number of the
 * round to 0x40000, waits for it at 0x40008, gives the PTE the value R8 and calls
 * RBX, which is to return that number.  Nothing else tells of the new code.
 */
BEGIN page_polls
	xor	%ecx, %ecx
1:	inc	%ecx
	call	*%rbx
	movq	$0, (%rsi)
	invlpg	(%rbx)
	mov	%rcx, 0x40000
2:	pause
	cmp	%rcx, 0x40008
	jne	2b
	mov	%r8, (%rsi)
	call	*%rbx
	cmp	%ecx, %eax
	jne	3f
	dec	%rdi
	jnz	1b
3:	hlt
END page_polls

/* The same with the page mapped all the time, and CR3 loaded before the call. */
BEGIN page_reloads
	xor	%ecx, %ecx
	mov	%cr3, %rdx
1:	inc	%ecx
	call	*%rbx
	mov	%rcx, 0x40000
2:	pause
	cmp	%rcx, 0x40008
	jne	2b
	mov	%rdx, %cr3
	call	*%rbx
	cmp	%ecx, %eax
	jne	3f
	dec	%rdi
	jnz	1b
3:	hlt
END page_reloads
