/* SPDX-License-Identifier: MIT */
#include "watch/trace/out.h"

static const char hex_digits[] = "0123456789abcdef";
static const char pairs[] =
	"00010203040506070809101112131415161718192021222324"
	"25262728293031323334353637383940414243444546474849"
	"50515253545556575859606162636465666768697071727374"
	"75767778798081828384858687888990919293949596979899";

bool memo_put(const struct memo *m, struct out *o, const u64 key[MEMO_KEYS])
{
	if (!m->n || memcmp(m->key, key, sizeof(m->key)))
		return false;
	out_bytes(o, m->text, m->n);
	o->comma = m->comma;
	return true;
}

void memo_keep(struct memo *m, const struct out *o, const u64 key[MEMO_KEYS],
	       const char *begin)
{
	if (o->p - begin > MEMO_TEXT || o->overflow)
		return;
	memcpy(m->key, key, sizeof(m->key));
	memcpy(m->text, begin, o->p - begin);
	m->n = o->p - begin;
	m->comma = o->comma;
}

void out_open(struct out *o, char brace)
{
	out_comma(o);
	out_bytes(o, &brace, 1);
	o->comma = false;
}

void out_close(struct out *o, char brace)
{
	out_bytes(o, &brace, 1);
	o->comma = true;
}

void out_digits(struct out *o, u64 value, u32 width)
{
	char digits[24], *const end = digits + sizeof(digits), *p = end;

	while (value >= 10) {
		const char *two = pairs + value % 100 * 2;

		value /= 100;
		*--p = two[1];
		*--p = two[0];
	}
	if (value || p == end)
		*--p = '0' + value;
	while (end - p < width)
		*--p = '0';
	out_bytes(o, p, end - p);
}

void out_micros(struct out *o, u32 us)
{
	const u32 high = us / 10000 % 100, mid = us / 100 % 100, low = us % 100;
	const char digits[6] = {
		pairs[2 * high], pairs[2 * high + 1], pairs[2 * mid], pairs[2 * mid + 1],
		pairs[2 * low], pairs[2 * low + 1],
	};

	out_bytes(o, digits, sizeof(digits));
}

void out_dec(struct out *o, u64 value)
{
	out_comma(o);
	out_digits(o, value, 1);
}

void out_signed(struct out *o, s64 value)
{
	out_comma(o);
	if (value < 0)
		out_lit(o, "-");
	out_digits(o, value < 0 ? -(u64)value : (u64)value, 1);
}

static void hex(struct out *o, u64 value)
{
	char digits[18], *const end = digits + sizeof(digits), *p = end;

	do {
		*--p = hex_digits[value & 15];
		value >>= 4;
	} while (value);
	*--p = 'x';
	*--p = '0';
	out_bytes(o, p, end - p);
}

static void quote_json(struct out *o)
{
	if (o->json)
		out_lit(o, "\"");
}

void out_hex(struct out *o, u64 value)
{
	out_comma(o);
	quote_json(o);
	hex(o, value);
	quote_json(o);
}

void out_string(struct out *o, const char *s)
{
	out_comma(o);
	quote_json(o);
	out_bytes(o, s, strlen(s));
	quote_json(o);
}

void out_bool(struct out *o, bool value)
{
	out_comma(o);
	if (value)
		out_lit(o, "true");
	else
		out_lit(o, "false");
}

void out_name(struct out *o, u64 value, const struct name_value *list)
{
	for (; list->name; list++) {
		if (list->value == value) {
			out_string(o, list->name);
			return;
		}
	}
	out_dec(o, value);
}

static void flags_json(struct out *o, u64 value, const struct name_value *list)
{
	out_open(o, '[');
	for (; list->name; list++) {
		if (value & list->value) {
			out_string(o, list->name);
			value &= ~list->value;
		}
	}
	if (value)
		out_hex(o, value);
	out_close(o, ']');
}

void out_flags(struct out *o, u64 value, const struct name_value *list)
{
	u64 left = value;

	if (o->json) {
		flags_json(o, value, list);
		return;
	}
	out_comma(o);
	for (; list->name; list++) {
		if (!(left & list->value))
			continue;
		if (left != value)
			out_lit(o, "|");
		out_bytes(o, list->name, strlen(list->name));
		left &= ~list->value;
	}
	if (left && left != value)
		out_lit(o, "|");
	if (left)
		hex(o, left);
	if (!value)
		out_lit(o, "0");
}

static void dump_all(struct out *o, const u8 *bytes, size_t n)
{
	out_comma(o);
	out_lit(o, "\"");
	for (size_t i = 0; i < n; i++) {
		const char two[2] = { hex_digits[bytes[i] >> 4], hex_digits[bytes[i] & 15] };

		out_bytes(o, two, 2);
	}
	out_lit(o, "\"");
}

void out_dump(struct out *o, const u8 *bytes, size_t n)
{
	while (n && !bytes[n - 1])
		n--;
	dump_all(o, bytes, n);
}

static void escaped(struct out *o, u8 c)
{
	static const char letters[] = "abtnvfr";	/* \7 to \15 */
	char text[4] = { '\\', 'x', hex_digits[c >> 4], hex_digits[c & 15] };

	if (c == '"' || c == '\\') {
		text[1] = c;
		out_bytes(o, text, 2);
	} else if (c >= ' ' && c < 0x7f) {
		out_bytes(o, (const char *)&c, 1);
	} else if (c >= 7 && c <= 13) {
		text[1] = letters[c - 7];
		out_bytes(o, text, 2);
	} else {
		out_bytes(o, text, 4);
	}
}

void out_data(struct out *o, const u8 *bytes, size_t n, size_t max)
{
	if (o->json) {
		dump_all(o, bytes, n);
		return;
	}
	out_comma(o);
	out_lit(o, "\"");
	for (size_t i = 0; i < MIN(n, max); i++)
		escaped(o, bytes[i]);
	out_lit(o, "\"");
	if (n > max)
		out_lit(o, "...");
}
