/* SPDX-License-Identifier: MIT */
#include "watch/trace/structs.h"

#include <linux/kvm.h>

#include "api/dispatch.h"

#define LIST(name)	const struct name_value names_##name[] = {
#define N(value)	{ value, #value },
#define END		{ 0, NULL } };
#include "watch/trace/names.def"

const struct name_value names_caps[] = {
#define CAP(name)	{ name, #name },
#include "watch/trace/caps.def"
	{ 0, NULL }
};

#define CHOICES(name)		const struct choice choices_##name[] = {
#define CHOICE(value, name)	{ value, struct_##name },
#define END_CHOICES		{ 0, NULL } };

#define STRUCT_AS(name, type)						\
	const struct struct_desc *struct_##name(void)			\
	{								\
		typedef type self;					\
		static const char self_name[] = #name;			\
		static const struct field fields[] = {
#define FIELD(name, path, format, extra)				\
	{ name, sizeof(name) - 1, offsetof(self, path),			\
	  sizeof(((self *)NULL)->path), 0, format, extra },
#define ARRAY(name, path, format, extra)				\
	{ name, sizeof(name) - 1, offsetof(self, path),			\
	  sizeof(((self *)NULL)->path[0]),				\
	  ARRAY_SIZE(((self *)NULL)->path), format, extra },
#define END_STRUCT							\
		};							\
		static const struct struct_desc desc = {		\
			self_name, sizeof(self), ARRAY_SIZE(fields), fields, \
		};							\
		return &desc;						\
	}
#include "watch/trace/structs.def"

static u64 load(const void *at, u32 size)
{
	u64 value = 0;

	memcpy(&value, at, MIN(size, sizeof(value)));
	return value;
}

static s64 load_signed(const void *at, u32 size)
{
	u32 shift = 64 - 8 * MIN(size, 8u);

	return (s64)(load(at, size) << shift) >> shift;
}

static void out_lapic(struct out *o, const u8 *regs, u32 size)
{
	char key[16] = "0x000";

	out_open(o, '{');
	for (u32 at = 0; at < size; at += 16) {
		u32 value = load(regs + at, sizeof(value));

		if (!value)
			continue;
		key[2] = "0123456789abcdef"[at >> 8];
		key[3] = "0123456789abcdef"[at >> 4 & 15];
		out_key_n(o, key, 5);
		out_hex(o, value);
	}
	out_close(o, '}');
}

void out_value(struct out *o, const void *at, u32 size, enum format format,
	       const void *extra)
{
	switch (format) {
	case F_DEC:	out_dec(o, load(at, size)); break;
	case F_SIGNED:	out_signed(o, load_signed(at, size)); break;
	case F_HEX:	out_hex(o, load(at, size)); break;
	case F_BOOL:	out_bool(o, load(at, size)); break;
	case F_FLAGS:	out_flags(o, load(at, size), extra); break;
	case F_NAME:	out_name(o, load(at, size), extra); break;
	case F_MSR:	out_msr(o, load(at, size)); break;
	case F_DUMP:	out_dump(o, at, size); break;
	case F_STRUCT:	out_struct(o, ((struct_fn)extra)(), at); break;
	case F_LAPIC:	out_lapic(o, at, size); break;
	case F_UNION:	break;
	}
}

static void out_choice(struct out *o, const struct choice *c, u64 value, const void *bytes)
{
	for (; c->desc; c++) {
		if (c->value == value) {
			out_fields(o, c->desc(), bytes);
			return;
		}
	}
}

static void out_field(struct out *o, const struct field *f, const u8 *bytes)
{
	const u8 *at = bytes + f->offset;

	if (f->format == F_UNION) {
		out_choice(o, f->extra, load(at, f->size), bytes);
		return;
	}
	out_key_n(o, f->name, f->name_len);
	if (!f->count) {
		out_value(o, at, f->size, f->format, f->extra);
		return;
	}
	out_open(o, '[');
	for (u32 i = 0; i < f->count; i++)
		out_value(o, at + i * f->size, f->size, f->format, f->extra);
	out_close(o, ']');
}

void out_fields(struct out *o, const struct struct_desc *d, const void *bytes)
{
	for (u32 i = 0; i < d->nr; i++)
		out_field(o, &d->fields[i], bytes);
}

void out_struct(struct out *o, const struct struct_desc *d, const void *bytes)
{
	out_open(o, '{');
	out_fields(o, d, bytes);
	out_close(o, '}');
}
