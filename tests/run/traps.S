/* SPDX-License-Identifier: MIT */
#include "code.h"

	/* What each event finds goes to 0x50040; their number is at 0x50000. */
	.equ	COUNT, 0x50000
	.equ	DB_SET, 0x50008		/* #DB returns with these flags */
	.equ	RECORDS, 0x50040

/* A stub of 16 bytes for each vector; faults and aborts end with HLT. */
BEGIN trap_stubs
	.set	v, 0
	.rept	64
	.balign	16
	.if	v != 8 && (v < 10 || v > 14) && v != 17
	push	$0
	.endif
	push	$v
	jmp	trap_common
	.set	v, v + 1
	.endr
	.balign	16
trap_common:
	push	%rax
	push	%rbx
	mov	COUNT, %rbx
	incq	COUNT
	shl	$6, %rbx
	mov	16(%rsp), %rax
	mov	%rax, RECORDS(%rbx)
	mov	24(%rsp), %rax
	mov	%rax, RECORDS+8(%rbx)
	mov	32(%rsp), %rax
	mov	%rax, RECORDS+16(%rbx)
	mov	48(%rsp), %rax
	mov	%rax, RECORDS+24(%rbx)
	mov	56(%rsp), %rax
	mov	%rax, RECORDS+32(%rbx)
	mov	%dr6, %rax
	mov	%rax, RECORDS+40(%rbx)
	mov	%dr7, %rax
	mov	%rax, RECORDS+48(%rbx)
	cmpq	$1, 16(%rsp)
	jne	1f
	xor	%eax, %eax
	mov	%rax, %dr6
	mov	DB_SET, %rax
	or	%rax, 48(%rsp)
	jmp	2f
1:	cmpq	$3, 16(%rsp)
	je	2f
	cmpq	$32, 16(%rsp)
	jae	2f
	hlt
2:	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq
END trap_stubs

/* Ports 0x10 to the VMM; RDI, RSI and RCX from outside. */
BEGIN trap_io
	out	%al, $0x10		/* 0 */
	in	$0x10, %al		/* 2 */
	mov	$0x10, %edx		/* 4 */
	rep outsb			/* 9 */
	mov	$2, %ecx		/* 11 */
	rep insb			/* 16 */
	hlt				/* 18 */
END trap_io

BEGIN trap_out_7e
	mov	$0x7e, %edx		/* 0 */
	out	%al, %dx		/* 5 */
	hlt				/* 6 */
END trap_out_7e

BEGIN trap_rep
	rep movsb			/* 0 */
	nop				/* 2 */
	hlt				/* 3 */
END trap_rep

/* SS is at 0x40000, which a breakpoint watches. */
BEGIN trap_mov_ss_int
	mov	0x40000, %ss		/* 0 */
	int	$0x30			/* 7 */
	hlt				/* 9 */
END trap_mov_ss_int

/* A load that is watched, and a store that faults. */
BEGIN trap_fault_after_hit
	push	(%rsi)
	hlt
END trap_fault_after_hit

BEGIN trap_mov_ss_step
	mov	%ss, %eax		/* 0 */
	mov	%eax, %ss		/* 2 */
	nop				/* 4 */
	nop				/* 5 */
	hlt				/* 6 */
END trap_mov_ss_step

/* TF goes with the frame that IRET takes, and with POPF. */
BEGIN trap_iret
	mov	%rsp, %rcx
	mov	%ss, %eax
	push	%rax
	push	%rcx
	pushf
	orl	$0x100, (%rsp)
	mov	%cs, %eax
	push	%rax
	lea	1f(%rip), %rax
	push	%rax
	iretq
	nop
1:	nop				/* 28 */
	nop
	hlt
END trap_iret

BEGIN trap_syscall
	syscall				/* 0 */
	hlt
END trap_syscall

BEGIN trap_icebp
	.byte	0xf1			/* 0 */
	hlt				/* 1 */
END trap_icebp

BEGIN trap_gd
	mov	%dr0, %rax		/* 0 */
	hlt				/* 3 */
END trap_gd

BEGIN trap_nops
	nop
	nop
	nop
	hlt
END trap_nops

BEGIN trap_hlt
	hlt				/* 0 */
	nop				/* 1 */
	out	%al, $0x99		/* 2 */
END trap_hlt

	.macro	X2APIC
	mov	$0x1b, %ecx
	rdmsr
	or	$0xc00, %eax
	wrmsr
	mov	$0x80f, %ecx
	xor	%edx, %edx
	mov	$0x1ff, %eax
	wrmsr
	mov	$0x83f, %ecx
	mov	$0x31, %eax
	.endm

	/* To the VMM: with a LAPIC, HLT would sleep. */
	.macro	END_RUN
	cli
	out	%al, $0x99
	.endm

/* An interrupt and a single step come due at once, at RBX. */
BEGIN trap_before_irq
	X2APIC
	lea	1f(%rip), %rbx
	pushf
	orl	$0x300, (%rsp)
	popf
	wrmsr
1:	END_RUN
END trap_before_irq

/* RBX: where the shadow of STI ends. */
BEGIN trap_sti
	X2APIC
	wrmsr
	lea	1f(%rip), %rbx
	sti
	nop
1:	nop
	END_RUN
END trap_sti

/* 64 KiB of REP STOS, at RBX, while an interrupt is pending. */
BEGIN trap_rep_irq
	X2APIC
	wrmsr
	mov	$0x10000, %ecx
	mov	$0x90000, %edi
	lea	1f(%rip), %rbx
	sti
1:	rep stosb
	END_RUN
END trap_rep_irq
