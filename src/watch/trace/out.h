/* SPDX-License-Identifier: MIT */
/*
 * One record under construction, as text or as JSON: the same calls make both.
 * Text is "{slot=0, flags=0}", JSON {"slot":0,"flags":[]}.  What does not fit
 * is left out, and `overflow` says so: such a record is not written.
 */
#ifndef ANYKVM_WATCH_TRACE_OUT_H
#define ANYKVM_WATCH_TRACE_OUT_H

#include <string.h>

#include "util/types.h"

struct name_value {
	u64 value;
	const char *name;	/* NULL: the end of the list */
};

struct out {
	char *p, *end;
	char *start;
	bool json;
	bool comma;		/* something stands before, on this level */
	bool overflow;
};

#define OUT_SIZE	(512u << 10)
/* Lists that reach this end early, so that the rest of the record has room. */
#define OUT_LIST_END	(256u << 10)

/* memcpy() of 32 bytes at most, without a call: both ends of it, which may overlap. */
static inline void copy_short(char *to, const char *from, size_t n)
{
	typedef char v16 __attribute__((vector_size(16), aligned(1)));

	if (n >= 16) {
		*(v16 *)to = *(const v16 *)from;
		*(v16 *)(to + n - 16) = *(const v16 *)(from + n - 16);
	} else if (n >= 8) {
		*(mem_u64 *)to = *(const mem_u64 *)from;
		*(mem_u64 *)(to + n - 8) = *(const mem_u64 *)(from + n - 8);
	} else if (n >= 4) {
		*(mem_u32 *)to = *(const mem_u32 *)from;
		*(mem_u32 *)(to + n - 4) = *(const mem_u32 *)(from + n - 4);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

static inline void out_bytes(struct out *o, const char *s, size_t n)
{
	if (unlikely(n > (size_t)(o->end - o->p))) {
		o->overflow = true;
		return;
	}
	if (__builtin_constant_p(n))
		memcpy(o->p, s, n);
	else if (likely(n <= 32))
		copy_short(o->p, s, n);
	else
		memcpy(o->p, s, n);
	o->p += n;
}

/* Literals; what they hold is not quoted. */
#define out_lit(o, s)	out_bytes(o, s, sizeof(s) - 1)
#define out_lit2(o, text, json_) \
	((o)->json ? out_lit(o, json_) : out_lit(o, text))

static inline void out_comma(struct out *o)
{
	if (o->comma)
		out_lit2(o, ", ", ",");
	o->comma = true;
}

/* The key of the value that follows, in braces. */
static inline void out_key_n(struct out *o, const char *key, size_t n)
{
	out_comma(o);
	if (o->json)
		out_lit(o, "\"");
	out_bytes(o, key, n);
	out_lit2(o, "=", "\":");
	o->comma = false;
}

#define out_key(o, key)	out_key_n(o, key, strlen(key))

static inline bool out_is_full(const struct out *o)
{
	return o->p - o->start > OUT_LIST_END;
}

void out_open(struct out *o, char brace);
void out_close(struct out *o, char brace);

/* Values; each begins with a comma if one is due. */
void out_dec(struct out *o, u64 value);
void out_signed(struct out *o, s64 value);
void out_hex(struct out *o, u64 value);
void out_string(struct out *o, const char *s);
void out_bool(struct out *o, bool value);
/* The name, or the number if there is none. */
void out_name(struct out *o, u64 value, const struct name_value *list);
/* "A|B|0x8", or ["A","B","0x8"]. */
void out_flags(struct out *o, u64 value, const struct name_value *list);
/* Hexadecimal digits in quotes, without the zeros at the end. */
void out_dump(struct out *o, const u8 *bytes, size_t n);
/* Text: as strace quotes strings, @max bytes at most. JSON: out_dump() of all. */
void out_data(struct out *o, const u8 *bytes, size_t n, size_t max);

/* Digits alone; out_micros() is six of them. */
void out_digits(struct out *o, u64 value, u32 width);
void out_micros(struct out *o, u32 us);

/*
 * A part that was made before from the same @key is copied: memo_put() is true
 * then, else the caller makes it and memo_keep() remembers it from @begin on.
 */
enum { MEMO_KEYS = 4, MEMO_TEXT = 208 };

struct memo {
	u64 key[MEMO_KEYS];
	u32 n;			/* 0: nothing is remembered */
	bool comma;
	char text[MEMO_TEXT];
};

bool memo_put(const struct memo *m, struct out *o, const u64 key[MEMO_KEYS]);
void memo_keep(struct memo *m, const struct out *o, const u64 key[MEMO_KEYS],
	       const char *begin);

#endif
