/* SPDX-License-Identifier: MIT */
#include "code.h"

	.equ	WINDOW, 0x200000
	.equ	PTE, 0x40000
	.equ	STOP, 0x60000
	.equ	PCID, 5

	/* INVPCID of @type, for PCID and WINDOW. */
	.macro	BY_PCID type
	mov	$\type, %edx
	pushq	$WINDOW
	pushq	$PCID
	invpcid	(%rsp), %rdx
	add	$16, %rsp
	.endm

	/*
	 * With global pages and PCIDs on: reads the window into RBX, gives its
	 * entry the value of RSI, does what RDI says, and reads it into RCX.
	 */
BEGIN paging_flush
	mov	%cr4, %rax
	or	$0x20080, %eax
	mov	%rax, %cr4
	mov	%cr3, %rax
	or	$PCID, %eax
	mov	%rax, %cr3
	mov	WINDOW, %ebx
	mov	%rsi, PTE
	lea	flushes(%rip), %rax
	shl	$6, %rdi
	add	%rdi, %rax
	jmp	*%rax
	.balign	64
flushes:
	invlpg	WINDOW
	jmp	flushed
	.balign	64
	BY_PCID	2
	jmp	flushed
	.balign	64
	mov	%cr4, %rax
	btc	$7, %rax
	mov	%rax, %cr4
	btc	$7, %rax
	mov	%rax, %cr4
	jmp	flushed
	.balign	64
	mov	%cr3, %rax
	mov	%rax, %rcx
	and	$-0x1000, %rcx
	mov	%rcx, %cr3
	mov	%cr4, %rcx
	btc	$17, %rcx
	mov	%rcx, %cr4
	btc	$17, %rcx
	mov	%rcx, %cr4
	mov	%rax, %cr3
	jmp	flushed
	.balign	64
	mov	%cr3, %rax
	mov	%rax, %cr3
	jmp	flushed
	.balign	64
	BY_PCID	0
	jmp	flushed
	.balign	64
	BY_PCID	1
	jmp	flushed
	.balign	64
	BY_PCID	3
	jmp	flushed
	.balign	64
	/* From another PCID, and back with bit 63: kept is only what is right. */
	mov	%cr3, %rax
	lea	1(%rax), %rcx
	mov	%rcx, %cr3
	BY_PCID	1
	bts	$63, %rax
	mov	%rax, %cr3
flushed:
	mov	WINDOW, %ecx
	out	%al, $0x80
END paging_flush

	/* Stores into the window, its entry read anew each time, until told. */
BEGIN paging_store
1:	invlpg	WINDOW
	movl	$1, WINDOW
	cmpl	$0, STOP
	je	1b
	invlpg	WINDOW
	movl	$1, WINDOW
	out	%al, $0x80
END paging_store

	/* Changes ignored bits of the entry, and takes its flags away, RDI times. */
BEGIN paging_change
	mov	$1, %eax
	shl	$52, %rax
1:	lock addq %rax, PTE
	lock andq $~0x60, PTE
	lock addq %rax, PTE
	dec	%edi
	jnz	1b
	movl	$1, STOP
	out	%al, $0x80
END paging_change

	/* PKRU is EAX; then a store and a load through the window. */
BEGIN paging_keys
	mov	%cr4, %rbx
	bts	$22, %rbx
	mov	%rbx, %cr4
	xor	%ecx, %ecx
	xor	%edx, %edx
	wrpkru
	mov	WINDOW, %ebx
	mov	%ebx, WINDOW
	rdpkru
	out	%al, $0x80
END paging_keys

	/* #PF: the error code goes to RBX. */
BEGIN paging_fault
	pop	%rbx
	out	%al, $0x81
END paging_fault
