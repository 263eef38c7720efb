/* SPDX-License-Identifier: MIT */
#ifndef ANYKVM_UTIL_ALLOC_H
#define ANYKVM_UTIL_ALLOC_H

#include <stdlib.h>
#include <string.h>

#define CACHE_LINE	64

/* Zeroed, for free(), in cache lines of its own: what one thread writes often. */
static inline void *alloc_lines(size_t n)
{
	void *p;

	n = (n + CACHE_LINE - 1) & -(size_t)CACHE_LINE;
	p = aligned_alloc(CACHE_LINE, n);
	return p ? memset(p, 0, n) : NULL;
}

#endif
