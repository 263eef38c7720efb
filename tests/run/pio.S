/* SPDX-License-Identifier: MIT */
#include "code.h"

BEGIN pio_in
	xor	%eax, %eax
	dec	%rax
	mov	$0x123, %edx
	in	%dx, %al
	in	%dx, %ax
	in	%dx, %eax
	hlt
END pio_in

BEGIN pio_out
	mov	$0x11223344, %eax
	out	%al, $0x80
	out	%ax, $0x80
	mov	$0x321, %edx
	out	%eax, %dx
	hlt
END pio_out

/* RDI, RCX, DX from outside. */
BEGIN pio_ins
	rep insb
	hlt
END pio_ins

BEGIN pio_outs
	rep outsw
	hlt
END pio_outs
