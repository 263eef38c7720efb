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

static inline void out_bytes(struct out *o, const char *s, size_t n)
{
	if (unlikely(n > (size_t)(o->end - o->p))) {
		o->overflow = true;
		return;
	}
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

/* Digits alone. */
void out_digits(struct out *o, u64 value, u32 width);

#endif
