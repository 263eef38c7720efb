/* SPDX-License-Identifier: MIT */
/* For the guest code of tests: position-independent blobs with C names. */
	.section .rodata

	.macro	BEGIN name
	.globl	guest_\name, guest_\name\()_end
	.balign	16
guest_\name:
	.endm
	.macro	END name
guest_\name\()_end:
	.endm

	/* The master PIC at vectors 0x30 to 0x37, with this mask (8259A). */
	.macro	PIC_INIT mask
	mov	$0x11, %al
	out	%al, $0x20
	mov	$0x30, %al
	out	%al, $0x21
	mov	$4, %al
	out	%al, $0x21
	mov	$1, %al
	out	%al, $0x21
	mov	$\mask, %al
	out	%al, $0x21
	.endm

	/* Leaves the loop at 1b by 2f when 0x40000 has reached RDI, else sleeps. */
	.macro	SLEEP_UNTIL_RDI
	cli
	cmp	%rdi, 0x40000
	jae	2f
	sti
	hlt
	jmp	1b
	.endm

	.section .note.GNU-stack, "", @progbits
	.section .rodata
	.code64
