/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Counts at 0x40000 what comes, ends it at the LAPIC. */
BEGIN irq_handler
	push	%rax
	incq	0x40000
	mov	$0xfee000b0, %eax
	movl	$0, (%rax)
	pop	%rax
	iretq
END irq_handler

/* The same in x2APIC mode. */
BEGIN irq_handler_x2
	push	%rax
	push	%rcx
	push	%rdx
	incq	0x40000
	mov	$0x80b, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq
END irq_handler_x2

BEGIN irq_nmi_handler
	incq	0x40008
	iretq
END irq_nmi_handler

/* Ended at the master PIC. */
BEGIN irq_handler_pic
	push	%rax
	incq	0x40000
	mov	$0x20, %al
	out	%al, $0x20
	pop	%rax
	iretq
END irq_handler_pic

/* LAPIC on, then sleeps until 0x40000 reaches RDI; OUT says how far. */
BEGIN irq_sleep
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
	incq	0x40010
1:	SLEEP_UNTIL_RDI
2:	out	%al, $0x10
	jmp	1b
END irq_sleep

/* For interrupts that a test brings itself: HLT in a loop, NMIs counted. */
BEGIN irq_hlt
	sti
1:	hlt
	incq	0x40010
	jmp	1b
END irq_hlt

/* LAPIC timer: ESI is the LVT entry, EDX the initial count, divided by 1. */
BEGIN irq_timer
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	movl	$0xb, 0x3e0(%rbx)
	mov	%esi, 0x320(%rbx)
	mov	%edx, 0x380(%rbx)
1:	SLEEP_UNTIL_RDI
2:	mov	0x390(%rbx), %eax
	out	%al, $0x10
END irq_timer

/* TSC deadline, RDX cycles from now. */
BEGIN irq_deadline
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	movl	$0x40030, 0x320(%rbx)
	mfence
	mov	%rdx, %r8
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	add	%r8, %rax
	mov	%rax, %r9
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$0x6e0, %ecx
	wrmsr
	sti
	hlt
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	sub	%r9, %rax
	out	%al, $0x10
END irq_deadline

/* PIT channel 0 in mode 2 with count 1193 (1 ms), to vector 0x30. */
BEGIN irq_pit
	PIC_INIT 0xfe
	mov	$0x34, %al
	out	%al, $0x43
	mov	$0xa9, %al
	out	%al, $0x40
	mov	$0x04, %al
	out	%al, $0x40
	jmp	1f
1:	SLEEP_UNTIL_RDI
2:	out	%al, $0x10
END irq_pit

/* Sends INIT and SIPI to APIC id 1 (vector RSI), waits for its sign of life. */
BEGIN irq_bsp
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	movl	$0x01000000, 0x310(%rbx)
	movl	$0x4500, 0x300(%rbx)
	movl	$0x01000000, 0x310(%rbx)
	or	$0x4600, %esi
	movl	%esi, 0x300(%rbx)
1:	pause
	cmpl	$0x1234, 0x40020
	jne	1b
	hlt
END irq_bsp

	.code16
BEGIN irq_ap
	xor	%ax, %ax
	mov	%ax, %ds
	mov	$0x4000, %ax
	mov	%ax, %ds
	movl	$0x1234, 0x20
1:	cli
	hlt
	jmp	1b
END irq_ap
	.code64

/* Ping: RDI times an IPI (vector 0x30) to APIC id RSI, each once the last came. */
BEGIN irq_ping
	mov	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	shl	$24, %esi
1:	cmpq	$0, 0x40010
	je	1b
	xor	%ecx, %ecx
2:	movl	%esi, 0x310(%rbx)
	movl	$0x30, 0x300(%rbx)
	inc	%rcx
3:	pause
	cmp	%rcx, 0x40000
	jne	3b
	cmp	%rdi, %rcx
	jne	2b
	out	%al, $0x10
END irq_ping

BEGIN irq_ping_x2
	mov	$0x1b, %ecx
	rdmsr
	or	$0xc00, %eax
	wrmsr
	mov	$0x80f, %ecx
	mov	$0x1ff, %eax
	xor	%edx, %edx
	wrmsr
	xor	%ebx, %ebx
1:	cmpq	$0, 0x40010
	je	1b
2:	mov	$0x830, %ecx
	mov	$0x30, %eax
	mov	%esi, %edx
	wrmsr
	inc	%rbx
3:	pause
	cmp	%rbx, 0x40000
	jne	3b
	cmp	%rdi, %rbx
	jne	2b
	out	%al, $0x10
END irq_ping_x2

BEGIN irq_sleep_x2
	mov	$0x1b, %ecx
	rdmsr
	or	$0xc00, %eax
	wrmsr
	mov	$0x80f, %ecx
	mov	$0x1ff, %eax
	xor	%edx, %edx
	wrmsr
	incq	0x40010
1:	sti
	hlt
	jmp	1b
END irq_sleep_x2
