/* SPDX-License-Identifier: MIT */
#include "code.h"

/* RDI rounds of calls of what is at RBX to RSI, each RDX bytes further. */
BEGIN cache_calls
	xor	%eax, %eax
1:	mov	%rbx, %rcx
2:	call	*%rcx
	add	%rdx, %rcx
	cmp	%rsi, %rcx
	jb	2b
	dec	%rdi
	jnz	1b
	hlt
END cache_calls

/* RDI rounds: the constant at RBX changes, and is called for three times. */
BEGIN cache_stores
1:	incl	1(%rbx)
	call	*%rbx
	call	*%rbx
	call	*%rbx
	dec	%rdi
	jnz	1b
	hlt
END cache_stores
