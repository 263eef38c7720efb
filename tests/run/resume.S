/* SPDX-License-Identifier: MIT */
/* Guest code of resume.c: loops that leave KVM_RUN, RCX times round. */
#include "code.h"

/* Stores around an exit for MMIO at RBX, all near RDI. */
BEGIN resume_mmio
1:	mov	%ecx, (%rdi)
	mov	%eax, (%rbx)
	mov	%ecx, 8(%rdi)
	mov	%ecx, 16(%rdi)
	dec	%ecx
	jnz	1b
	hlt
END resume_mmio

/* R12 counts what an instruction behind the OUT says, at offset 3. */
BEGIN resume_pio
1:	out	%al, $0x10
	mov	$1, %esi
	add	%rsi, %r12
	dec	%ecx
	jnz	1b
	hlt
END resume_pio
