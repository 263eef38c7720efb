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

	.section .note.GNU-stack, "", @progbits
	.section .rodata
	.code64
