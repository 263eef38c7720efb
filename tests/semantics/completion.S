/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

BEGIN in_then_read
	in	$0x10, %al
	mov	(%rbx), %ecx
	hlt
END in_then_read

BEGIN out_then_mark
	out	%al, $0x10
	mov	$1, %ecx
	hlt
END out_then_mark

BEGIN outs
	outsb
	hlt
END outs

BEGIN out_7e
	out	%al, $0x7e
	out	%ax, $0x7e
	hlt
END out_7e

BEGIN rep_insb
	rep insb
	hlt
END rep_insb

BEGIN rep_insw
	rep insw
	hlt
END rep_insw

BEGIN rep_insw_down
	std
	rep insw
	hlt
END rep_insw_down

BEGIN wide
	movdqu	(%rbx), %xmm1
	movdqu	%xmm1, (%rbx)
	hlt
END wide

BEGIN eight
	movq	(%rbx), %rax
	movq	%rax, (%rbx)
	hlt
END eight

BEGIN rmw
	addl	$5, (%rbx)
	lock addl $5, (%rbx)
	mov	$7, %eax
	xchg	%eax, (%rbx)
	hlt
END rmw
