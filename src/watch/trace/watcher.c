/* SPDX-License-Identifier: MIT */
/* The watcher: one record for each thing it is told of. */
#include "watch/trace/watcher.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "trace/env.h"
#include "util/guard.h"
#include "watch/output.h"
#include "watch/trace/decode.h"
#include "watch/trace/record.h"

enum topic {
	TOPIC_IOCTL	= BIT(0),	/* every call but KVM_RUN */
	TOPIC_RUN	= BIT(1),	/* KVM_RUN, with the exit */
	TOPIC_IRQ	= BIT(2),	/* what vCPUs take */
	TOPIC_FD	= BIT(3),	/* descriptors made, mapped, ended */
};

static const struct name_value topics[] = {
	{ TOPIC_IOCTL, "ioctl" }, { TOPIC_RUN, "run" }, { TOPIC_IRQ, "irq" },
	{ TOPIC_FD, "fd" }, { 0, NULL },
};

#define NS_PER_S	1000000000ull

static u32 wanted;

static const char *const scopes[] = {
	[SCOPE_SYSTEM] = "system", [SCOPE_VM] = "vm", [SCOPE_VCPU] = "vcpu",
	[SCOPE_DEVICE] = "device", [SCOPE_STATS] = "stats", [SCOPE_MAPPING] = "mapping",
};

/* -- Parts ------------------------------------------------------------------------ */

#define put(o, s)	out_bytes(o, s, strlen(s))

/* "</dev/kvm vcpu 0>", or its keys. */
static void out_file(struct out *o, const struct kfile *f)
{
	if (o->json) {
		out_key(o, "scope");
		out_string(o, scopes[f->scope]);
		if (f->vcpu) {
			out_key(o, "vcpu");
			out_dec(o, f->vcpu->id);
		}
		return;
	}
	out_lit(o, "</dev/kvm");
	if (f->scope != SCOPE_SYSTEM) {
		out_lit(o, " ");
		put(o, scopes[f->scope]);
	}
	if (f->vcpu) {
		out_lit(o, " ");
		out_digits(o, f->vcpu->id, 1);
	}
	out_lit(o, ">");
}

/* "5</dev/kvm vm>" */
static void out_descriptor(struct out *o, int fd, const struct kfile *f)
{
	if (o->json)
		out_key(o, "fd");
	o->comma &= o->json;
	out_signed(o, fd);
	out_file(o, f);
}

static void out_duration(struct out *o, u64 ns)
{
	if (o->json) {
		out_key(o, "duration_ns");
		out_dec(o, ns);
		return;
	}
	out_lit(o, " <");
	if (likely(ns < NS_PER_S))
		out_lit(o, "0");
	else
		out_digits(o, ns / NS_PER_S, 1);
	out_lit(o, ".");
	out_micros(o, ns % NS_PER_S / 1000);
	out_lit(o, ">");
}

/* A request of another scope has a name, too. */
static const char *request_name(const struct watch_call *call)
{
	if (call->desc)
		return call->desc->name;
	for (int scope = SCOPE_SYSTEM; scope <= SCOPE_DEVICE; scope++) {
		const struct ioctl_desc *d = ioctl_find(scope, call->cmd);

		if (d)
			return d->name;
	}
	return NULL;
}

static bool has_arg(const struct watch_call *call)
{
	const struct arg_desc *arg = call->desc ? decode_row(call->desc) : NULL;

	return !arg || arg->how != SHOW_NOTHING;
}

/* -- Calls ------------------------------------------------------------------------- */

static void out_run_call(struct recorder *r, const struct watch_call *call)
{
	const u64 key[MEMO_KEYS] = {
		call->fd, (uintptr_t)call->file, call->file->vcpu->id,
	};
	struct out *o = &r->o;
	const char *begin = o->p;

	if (memo_put(&r->run, o, key))
		return;
	if (!o->json)
		out_lit(o, "ioctl(");
	out_descriptor(o, call->fd, call->file);
	if (!o->json)
		out_lit(o, ", KVM_RUN)");
	memo_keep(&r->run, o, key, begin);
}

static void record_run(struct recorder *r, const struct watch_call *call)
{
	struct out *o = &r->o;

	record_head(r, "run", call->start);
	out_run_call(r, call);
	record_result(o, call->ret);
	if (call->ret >= 0 && !o->json) {
		out_lit(o, " {");
		o->comma = false;
	}
	if (call->ret >= 0)
		decode_exit(r, call->file->vcpu);
	if (call->ret >= 0 && !o->json)
		out_lit(o, "}");
	out_duration(o, call->end - call->start);
	record_end(r);
}

static void out_request(struct out *o, const struct watch_call *call)
{
	const char *name = request_name(call);

	if (o->json)
		out_key(o, "request");
	else
		o->comma = true;
	if (name)
		out_string(o, name);
	else
		out_hex(o, call->cmd);
}

static void record_ioctl(struct recorder *r, const struct watch_call *call)
{
	const struct decode d = { .o = &r->o, .call = call, .head = r->arg_head };
	struct out *o = &r->o;

	record_head(r, "ioctl", call->start);
	if (!o->json)
		out_lit(o, "ioctl(");
	out_descriptor(o, call->fd, call->file);
	out_request(o, call);
	if (has_arg(call)) {
		if (o->json)
			out_key(o, "arg");
		decode_arg(&d);
	}
	if (!o->json)
		out_lit(o, ")");
	record_result(o, call->ret);
	out_duration(o, call->end - call->start);
	record_end(r);
}

static bool is_run(const struct watch_call *call)
{
	return call->cmd == (u32)KVM_RUN && call->file->vcpu;
}

static void before(struct watch_call *call)
{
	struct recorder *r;

	if (!decode_wants_head(call) || !(wanted & TOPIC_IOCTL))
		return;
	r = record_begin();
	if (!r)
		return;
	r->arg_head = 0;
	copy_from_user(&r->arg_head, call->arg, sizeof(r->arg_head));
	record_drop(r);
}

static void after(struct watch_call *call)
{
	struct recorder *r;

	if (!(wanted & (is_run(call) ? TOPIC_RUN : TOPIC_IOCTL)))
		return;
	r = record_begin();
	if (!r)
		return;
	if (is_run(call))
		record_run(r, call);
	else
		record_ioctl(r, call);
}

/* -- Interrupts -------------------------------------------------------------------- */

static const char *const exceptions[] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9", "#TS",
	"#NP", "#SS", "#GP", "#PF", "15", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

static const char *const events[] = {
	[WATCH_INTERRUPT] = "interrupt", [WATCH_NMI] = "nmi", [WATCH_SMI] = "smi",
	[WATCH_EXCEPTION] = "exception",
};

static void out_event(struct out *o, const struct vcpu *vcpu, int what, u8 vector)
{
	const char *name = what == WATCH_EXCEPTION && vector < ARRAY_SIZE(exceptions) ?
			   exceptions[vector] : NULL;

	if (!o->json)
		out_lit(o, "{");
	out_key(o, "vcpu");
	out_dec(o, vcpu->id);
	out_key(o, "event");
	out_string(o, events[what]);
	if (what == WATCH_INTERRUPT || what == WATCH_EXCEPTION) {
		out_key(o, "vector");
		out_dec(o, vector);
	}
	if (name) {
		out_key(o, "name");
		out_string(o, name);
	}
	if (!o->json)
		out_lit(o, "}");
}

static void event(struct vcpu *vcpu, int what, u8 vector)
{
	struct recorder *r = wanted & TOPIC_IRQ ? record_begin() : NULL;

	if (!r)
		return;
	record_head(r, "irq", watch_now());
	if (!r->o.json)
		out_lit(&r->o, "irq ");
	out_event(&r->o, vcpu, what, vector);
	record_end(r);
}

/* -- Descriptors -------------------------------------------------------------------- */

/* "opened ", or the key "event". */
static struct recorder *begin_fd(const char *what)
{
	struct recorder *r = wanted & TOPIC_FD ? record_begin() : NULL;

	if (!r)
		return NULL;
	record_head(r, "fd", watch_now());
	if (r->o.json) {
		out_key(&r->o, "event");
		out_string(&r->o, what);
	} else {
		put(&r->o, what);
	}
	return r;
}

static void out_inode(struct out *o, const struct kfile *f)
{
	if (o->json)
		out_key(o, "inode");
	else
		out_lit(o, " inode ");
	o->comma &= o->json;
	out_dec(o, f->ino);
}

static void opened(int fd, const struct kfile *file)
{
	struct recorder *r = begin_fd("open");

	if (!r)
		return;
	if (!file) {
		record_result(&r->o, fd);
	} else {
		if (!r->o.json)
			out_lit(&r->o, " ");
		out_descriptor(&r->o, fd, file);
		out_inode(&r->o, file);
	}
	record_end(r);
}

static void ended(const struct kfile *file)
{
	struct recorder *r = begin_fd("end");

	if (file->vcpu)
		changes_forget(file->vcpu);
	if (!r)
		return;
	if (!r->o.json)
		out_lit(&r->o, " ");
	out_file(&r->o, file);
	out_inode(&r->o, file);
	record_end(r);
}

static void mapped(int fd, const struct kfile *file, void *map, size_t length,
		   off_t offset, int err)
{
	struct recorder *r = begin_fd("mmap");
	struct out *o;

	if (!r)
		return;
	o = &r->o;
	if (!o->json)
		out_lit(o, "(");
	out_descriptor(o, fd, file);
	o->comma = true;
	out_key(o, "length");
	out_dec(o, length);
	out_key(o, "offset");
	out_hex(o, offset);
	if (!o->json)
		out_lit(o, ")");
	if (map == MAP_FAILED) {
		record_result(o, -err);
	} else {
		if (o->json)
			out_key(o, "address");
		else
			out_lit(o, " = ");
		o->comma &= o->json;
		out_hex(o, (uintptr_t)map);
	}
	record_end(r);
}

/* -- Beginning and end --------------------------------------------------------------- */

static void record_start(void)
{
	struct recorder *r = record_begin();
	struct out *o;

	if (!r)
		return;
	o = &r->o;
	record_head(r, "start", watch_now());
	if (!o->json) {
		out_lit(o, "anykvm " ANYKVM_VERSION " traces ");
		o->comma = false;
		for (const struct name_value *t = topics; t->name; t++)
			if (wanted & t->value)
				out_string(o, t->name);
		record_end(r);
		return;
	}
	out_key(o, "schema");
	out_string(o, TRACE_SCHEMA);
	out_key(o, "schema_version");
	out_dec(o, TRACE_SCHEMA_VERSION);
	out_key(o, "version");
	out_string(o, ANYKVM_VERSION);
	out_key(o, "topics");
	out_flags(o, wanted, topics);
	record_end(r);
}

static void forked(void)
{
	records_forked();
	changes_forked();
	record_start();
}

static const struct watcher watcher = {
	.name = "trace",
	.before = before,
	.after = after,
	.opened = opened,
	.ended = ended,
	.mapped = mapped,
	.forked = forked,
	.event = event,
	.finish = record_lost,
};

void trace_init(void)
{
	const char *list = getenv("ANYKVM_TRACE");

	if (!env_is_on("ANYKVM_TRACE"))
		return;
	for (const struct name_value *t = topics; t->name; t++)
		if (!strcmp(list, "1") || env_has_word(list, t->name))
			wanted |= t->value;
	if (!wanted)
		return;
	output_open();
	records_init(env_is_on("ANYKVM_JSON"));
	watch_add(&watcher);
	record_start();
}
