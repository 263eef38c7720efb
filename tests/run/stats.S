/* SPDX-License-Identifier: MIT */
#include "code.h"

/* One of each: OUT, MMIO load, INVLPG, VMCALL, HLT. */
BEGIN stats_one_of_each
	out	%al, $0x80
	mov	0x40000000, %eax
	invlpg	0x40000
	mov	$1, %eax
	vmcall
	hlt
END stats_one_of_each

/* Waits with interrupts off until the VMM has one for us; lets it in; HLT. */
BEGIN stats_window
	out	%al, $0x80
	sti
	nop
	hlt
END stats_window
