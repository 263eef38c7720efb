/* SPDX-License-Identifier: MIT */
#include "code.h"

/* Ends after one. */
.macro REPEATED name, op
BEGIN jit_\name
	rep \op
	hlt
END jit_\name
.endm

REPEATED movsb, movsb
REPEATED movsw, movsw
REPEATED movsl, movsl
REPEATED movsq, movsq
REPEATED stosb, stosb
REPEATED stosw, stosw
REPEATED stosl, stosl
REPEATED stosq, stosq
