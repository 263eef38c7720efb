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
