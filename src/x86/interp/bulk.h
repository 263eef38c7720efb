/* SPDX-License-Identifier: MIT */
/*
 * Copies and fills of guest memory.  Unlike memcpy() and memset(), they store
 * each byte once: a second store could undo what another CPU stored after the
 * first.
 */
#ifndef ANYKVM_X86_INTERP_BULK_H
#define ANYKVM_X86_INTERP_BULK_H

#include "util/types.h"

/* Ascending, for @dst below @src or apart from it; descending, the opposite. */
void bulk_copy_up(u8 *dst, const u8 *src, u64 n);
void bulk_copy_down(u8 *dst, const u8 *src, u64 n);

/* @n elements of @size bytes (1, 2, 4, 8) of @v from @dst up. */
void bulk_fill(u8 *dst, u64 v, u32 size, u64 n);

#endif
