/* SPDX-License-Identifier: MIT */
/* Padding and undefined bits, as fields.def has them. */
#include "watch/check/check.h"

struct field {
	enum scope scope;
	u32 cmd;
	u16 offset, size;
	u64 defined;
	const char *name, *section;
};

#define PAD(scope, cmd, type, member, section)					\
	{ SCOPE_##scope, (u32)cmd, offsetof(struct type, member),		\
	  sizeof(((struct type *)0)->member), 0, #type "." #member, section },
#define FLAGS(scope, cmd, type, member, defined, section)

static const struct field pads[] = {
#include "watch/check/fields.def"
};

#define PAD(scope, cmd, type, member, section)
#define FLAGS(scope, cmd, type, member, defined, section)			\
	{ SCOPE_##scope, (u32)cmd, offsetof(struct type, member),		\
	  sizeof(((struct type *)0)->member), (u64)(defined), #type "." #member, section },

static const struct field flags[] = {
#include "watch/check/fields.def"
};

static bool concerns(const struct check_call *c, const struct field *f)
{
	return f->cmd == c->cmd && f->scope == c->file->scope &&
	       f->offset + f->size <= (int)c->size;
}

static bool is_zero(const u8 *p, u32 n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static u64 value_of(const struct check_call *c, const struct field *f)
{
	const u8 *p = c->arg.bytes + f->offset;

	return f->size == 8 ? *(const mem_u64 *)p : f->size == 4 ? *(const mem_u32 *)p :
	       f->size == 2 ? *(const mem_u16 *)p : *p;
}

void judge_fields(struct check_call *c)
{
	u64 value;

	if (!c->size)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(pads); i++)
		if (concerns(c, &pads[i]) &&
		    !is_zero(c->arg.bytes + pads[i].offset, pads[i].size))
			check_found(c, RULE_PADDING, pads[i].section, "%s", pads[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		value = concerns(c, &flags[i]) ? value_of(c, &flags[i]) : 0;
		if (value & ~flags[i].defined)
			check_found(c, RULE_UNDEFINED_FLAGS, flags[i].section, "%s (0x%llx)",
				    flags[i].name, (unsigned long long)value);
	}
}
