/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

/* PIC at vectors 0x30 to 0x37, pin 5 open; sleeps until 0x40000 reaches RDI. */
BEGIN int_pic_sleep
	mov	$0x11, %al
	out	%al, $0x20
	mov	$0x30, %al
	out	%al, $0x21
	mov	$4, %al
	out	%al, $0x21
	mov	$1, %al
	out	%al, $0x21
	mov	$0xdf, %al
	out	%al, $0x21
	incq	0x40010
1:	cli
	cmp	%rdi, 0x40000
	jae	2f
	sti
	hlt
	jmp	1b
2:	inc	%rdi
	out	%al, $0x10
	jmp	1b
END int_pic_sleep

BEGIN int_out
1:	out	%al, $0x10
	jmp	1b
END int_out
