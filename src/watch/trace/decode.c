/* SPDX-License-Identifier: MIT */
#include "watch/trace/decode.h"

#include "util/guard.h"

#define KEY(scope, cmd)	((u64)(scope) << 32 | (u32)(cmd))

/* args.def goes first: it knows more than a row's structure. */
static const struct arg_desc *special(u32 cmd)
{
	switch (cmd) {
#define SHOW_VALUE_AS(request, format_, list_)				\
	case (u32)request: {						\
		static const struct arg_desc arg = {			\
			.how = SHOW_VALUE, .format = format_, .extra = list_ }; \
		return &arg;						\
	}
#define SHOW_STRUCT(request, direction, name)				\
	case (u32)request: {						\
		static const struct arg_desc arg = {			\
			.how = SHOW_##direction, .desc = struct_##name };	\
		return &arg;						\
	}
#define SHOW_WITH(request, name)					\
	case (u32)request: {						\
		static const struct arg_desc arg = {			\
			.how = SHOW_LIST, .list = decode_##name };	\
		return &arg;						\
	}
#include "watch/trace/args.def"
	}
	return NULL;
}

/* Rows whose kind needs args.def have neither structure nor how. */
#define KIND_NONE	{ .how = SHOW_NOTHING }
#define KIND_ZERO	{ .how = SHOW_NONZERO }
#define KIND_VALUE	{ .how = SHOW_LIST }
#define KIND_RAW	{ .how = SHOW_LIST }
#define KIND_IN(s)	{ .how = SHOW_IN, .desc = struct_##s }
#define KIND_OUT(s)	{ .how = SHOW_OUT, .desc = struct_##s }
#define KIND_INOUT(s)	{ .how = SHOW_IN, .desc = struct_##s }

static const struct arg_desc *plain(enum scope scope, u32 cmd)
{
	switch (KEY(scope, cmd)) {
#define IOCTL(scope, cmd, kind, fn)					\
	case KEY(SCOPE_##scope, cmd): {					\
		static const struct arg_desc arg = KIND_##kind;		\
		return &arg;						\
	}
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn)					\
	case KEY(SCOPE_##scope, cmd): {					\
		static const struct arg_desc arg = KIND_##kind;		\
		return &arg;						\
	}
#include "arch_ioctls.def"
	}
	return NULL;
}

const struct arg_desc *decode_row(const struct ioctl_desc *row)
{
	const struct arg_desc *arg = special(row->cmd);

	if (!arg)
		arg = plain(row->scope, row->cmd);
	if (arg && arg->how == SHOW_LIST && !arg->list)
		return NULL;
	return arg;
}

bool decode_wants_head(const struct watch_call *call)
{
	return call->cmd == (u32)KVM_IRQ_LINE_STATUS;
}

void decode_pointer(const struct decode *d)
{
	if (d->call->arg) {
		out_hex(d->o, d->call->arg);
		return;
	}
	out_comma(d->o);
	out_lit2(d->o, "NULL", "null");
}

/* Of the largest structure: dispatch's rows bound it. */
#define MAX_STRUCT	4096

static void decode_struct(const struct decode *d, const struct struct_desc *desc)
{
	u8 bytes[MAX_STRUCT] __attribute__((aligned(8)));

	if (desc->size > sizeof(bytes) || copy_from_user(bytes, d->call->arg, desc->size))
		decode_pointer(d);
	else
		out_struct(d->o, desc, bytes);
}

void decode_arg(const struct decode *d)
{
	const struct arg_desc *arg = d->call->desc ? decode_row(d->call->desc) : NULL;
	const u64 value = d->call->arg;

	if (!arg) {
		decode_pointer(d);
		return;
	}
	switch (arg->how) {
	case SHOW_NOTHING:
		break;
	case SHOW_NONZERO:
		if (value)
			out_hex(d->o, value);
		else
			out_dec(d->o, 0);
		break;
	case SHOW_VALUE:
		out_value(d->o, &value, sizeof(value), arg->format, arg->extra);
		break;
	case SHOW_OUT:
		if (d->call->ret < 0)
			decode_pointer(d);
		else
			decode_struct(d, arg->desc());
		break;
	case SHOW_IN:
		decode_struct(d, arg->desc());
		break;
	case SHOW_LIST:
		arg->list(d);
		break;
	}
}
