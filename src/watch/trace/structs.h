/* SPDX-License-Identifier: MIT */
/*
 * Descriptions of structures: structs.def expanded into one function a
 * structure, so that descriptions may refer to each other.
 */
#ifndef ANYKVM_WATCH_TRACE_STRUCTS_H
#define ANYKVM_WATCH_TRACE_STRUCTS_H

#include "watch/trace/out.h"

enum format {
	F_DEC, F_SIGNED, F_HEX, F_BOOL,
	F_FLAGS, F_NAME,	/* extra: struct name_value[] */
	F_MSR,			/* the index of one */
	F_DUMP,			/* bytes */
	F_STRUCT,		/* extra: struct_fn */
	F_UNION,		/* extra: struct choice[]; the field selects */
	F_LAPIC,		/* registers 16 bytes apart */
};

struct field {
	const char *name;
	u16 name_len;
	u16 offset;
	u16 size;		/* of one element */
	u16 count;		/* 0: no array */
	enum format format;
	const void *extra;
};

struct struct_desc {
	const char *name;
	u32 size, nr;
	const struct field *fields;
};

typedef const struct struct_desc *(*struct_fn)(void);

/* Fields of the same memory, told beside the selector's. */
struct choice {
	u64 value;
	struct_fn desc;		/* NULL: the end */
};

#define LIST(name)	extern const struct name_value names_##name[];
#define N(value)
#define END
#include "watch/trace/names.def"
extern const struct name_value names_caps[];

#define STRUCT_AS(name, type)	const struct struct_desc *struct_##name(void);
#define END_STRUCT
#define CHOICES(name)		extern const struct choice choices_##name[];
#define CHOICE(value, name)
#define END_CHOICES
#define FIELD(name, path, format, extra)
#define ARRAY(name, path, format, extra)
#include "watch/trace/structs.def"

/* One value of @size bytes in @format, but F_STRUCT and F_UNION. */
void out_value(struct out *o, const void *at, u32 size, enum format format,
	       const void *extra);

/* All fields, in braces; or those alone, behind what stands there. */
void out_struct(struct out *o, const struct struct_desc *d, const void *bytes);
void out_fields(struct out *o, const struct struct_desc *d, const void *bytes);

/* The MSR's name, "NAME+3", or its number. */
void out_msr(struct out *o, u32 index);

#endif
