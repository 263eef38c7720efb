/* SPDX-License-Identifier: MIT */
#include "watch/trace/out.h"

static const char hex_digits[] = "0123456789abcdef";

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
	char digits[24];
	u32 at = sizeof(digits);

	do {
		digits[--at] = '0' + value % 10;
		value /= 10;
	} while (value || sizeof(digits) - at < width);
	out_bytes(o, digits + at, sizeof(digits) - at);
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
	char digits[18];
	u32 at = sizeof(digits);

	do {
		digits[--at] = hex_digits[value & 15];
		value >>= 4;
	} while (value);
	digits[--at] = 'x';
	digits[--at] = '0';
	out_bytes(o, digits + at, sizeof(digits) - at);
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
