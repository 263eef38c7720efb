/* SPDX-License-Identifier: MIT */
#include "../run/code.h"

/* PIC at vectors 0x30 to 0x37, pin 5 open; sleeps until 0x40000 reaches RDI. */
BEGIN int_pic_sleep
	PIC_INIT 0xdf
	incq	0x40010
1:	SLEEP_UNTIL_RDI
2:	inc	%rdi
	out	%al, $0x10
	jmp	1b
END int_pic_sleep
