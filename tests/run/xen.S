/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Hypercalls whose registers the test has set, one after the other. */
BEGIN xen_call
1:	incq	0x40010
	vmcall
	out	%al, $0x10
	jmp	1b
END xen_call

	.code32
BEGIN xen_call32
1:	vmcall
	out	%al, $0x10
	jmp	1b
END xen_call32
	.code64

/* WRMSR of what the test has set. */
BEGIN xen_wrmsr
	wrmsr
	out	%al, $0x10
END xen_wrmsr

	.code32
BEGIN xen_wrmsr32
	wrmsr
	out	%al, $0x10
END xen_wrmsr32
	.code64

/* A hypercall through the page at RBX. */
BEGIN xen_call_page
	call	*%rbx
	out	%al, $0x10
END xen_call_page

/* #GP: with its error code still on the stack. */
BEGIN xen_gp
	out	%al, $0x13
END xen_gp

/* Upcall: counts, and takes note of what is in vcpu_info. */
BEGIN xen_upcall
	incq	0x40000
	movb	$0, 0x41000
	push	%rax
	xor	%eax, %eax
	xchg	%rax, 0x41008
	mov	%rax, 0x40008
	pop	%rax
	iretq
END xen_upcall

/* The same through the LAPIC. */
BEGIN xen_upcall_lapic
	incq	0x40000
	movb	$0, 0x41000
	push	%rax
	mov	$0xfee000b0, %eax
	movl	$0, (%rax)
	pop	%rax
	iretq
END xen_upcall_lapic

/* LAPIC on; sleeps, says so when it has woken, sleeps again. */
BEGIN xen_sleep
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
	incq	0x40010
1:	sti
	hlt
	cli
	out	%al, $0x10
	jmp	1b
END xen_sleep

/* Interrupts open, and exits. */
BEGIN xen_open
1:	sti
	nop
	out	%al, $0x10
	jmp	1b
END xen_open
