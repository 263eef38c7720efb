/* SPDX-License-Identifier: MIT */
#include "x86/interp/bulk.h"

#include <string.h>

typedef u64 vec __attribute__((vector_size(16), aligned(1), may_alias));

enum { CHUNK = 64 };

/* Keeps the compiler from making the loop around it a call of memcpy(). */
#define barrier()	__asm__ volatile("" : : : "memory")

static inline void copy_chunk(u8 *dst, const u8 *src)
{
	const vec *s = (const vec *)src;
	vec *d = (vec *)dst, a = s[0], b = s[1], c = s[2], e = s[3];

	d[0] = a;
	d[1] = b;
	d[2] = c;
	d[3] = e;
	barrier();
}

static inline void copy_word(u8 *dst, const u8 *src)
{
	u64 v;

	memcpy(&v, src, 8);
	memcpy(dst, &v, 8);
	barrier();
}

static inline void copy_byte(u8 *dst, const u8 *src)
{
	*dst = *src;
	barrier();
}

void bulk_copy_up(u8 *dst, const u8 *src, u64 n)
{
	u64 i = 0;

	for (; i + CHUNK <= n; i += CHUNK)
		copy_chunk(dst + i, src + i);
	for (; i + 8 <= n; i += 8)
		copy_word(dst + i, src + i);
	for (; i < n; i++)
		copy_byte(dst + i, src + i);
}

void bulk_copy_down(u8 *dst, const u8 *src, u64 n)
{
	for (; n >= CHUNK; n -= CHUNK)
		copy_chunk(dst + n - CHUNK, src + n - CHUNK);
	for (; n >= 8; n -= 8)
		copy_word(dst + n - 8, src + n - 8);
	for (; n; n--)
		copy_byte(dst + n - 1, src + n - 1);
}

void bulk_fill(u8 *dst, u64 v, u32 size, u64 n)
{
	u64 word = size == 1 ? (u8)v * 0x0101010101010101ull :
		   size == 2 ? (u16)v * 0x0001000100010001ull :
		   size == 4 ? (u32)v * 0x0000000100000001ull : v;
	u64 i = 0, bytes = n * size;
	vec x = { word, word };

	for (; i + CHUNK <= bytes; i += CHUNK) {
		vec *d = (vec *)(dst + i);

		d[0] = d[1] = d[2] = d[3] = x;
		barrier();
	}
	for (; i + 8 <= bytes; i += 8) {
		memcpy(dst + i, &word, 8);
		barrier();
	}
	for (; i < bytes; i++) {	/* i is a multiple of the element here */
		dst[i] = (u8)(word >> i % 8 * 8);
		barrier();
	}
}
