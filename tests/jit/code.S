/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Calls RBX until RDI times are over; each time RAX goes to 0x40000. */
BEGIN jit_calls
1:	call	*%rbx
	mov	%rax, 0x40000
	dec	%rdi
	jnz	1b
	hlt
END jit_calls

BEGIN jit_constant
	mov	$1, %eax
	ret
END jit_constant

/* Calls RBX for ever; the interrupt's handler does so once, for 0x40008. */
BEGIN jit_irq
	mov	$0xfee000f0, %eax
	movl	$0x1ff, (%rax)
	sti
1:	call	*%rbx
	mov	%rax, 0x40000
	jmp	1b
END jit_irq

BEGIN jit_irq_handler
	push	%rax
	call	*%rbx
	mov	%rax, 0x40008
	mov	$0xfee000b0, %eax
	movl	$0, (%rax)
	pop	%rax
	iretq
END jit_irq_handler

/* Each round the constant at RBX grows by a store through RSI. */
BEGIN jit_stores
	xor	%edx, %edx
1:	inc	%edx
	mov	%edx, 1(%rsi)
	call	*%rbx
	cmp	%eax, %edx
	jne	2f
	dec	%rdi
	jnz	1b
2:	hlt
END jit_stores
