/* SPDX-License-Identifier: MIT */
/*
 * Lists that VMMs hand over again and again, nearly the same: shown is what
 * differs from the list before.  For CPUID that is the vCPU's last one, else
 * the supported one of the process; for MSRs the vCPU's values seen last.
 */
#include <stdlib.h>

#include "util/guard.h"
#include "watch/trace/decode.h"

enum { MAX_CPUID = 256, MAX_MSRS = 512 };

struct cpuid_list {
	u32 nr;		/* 0: none */
	struct kvm_cpuid_entry2 entries[MAX_CPUID];
};

struct seen {
	const struct vcpu *vcpu;
	struct seen *next;
	struct cpuid_list cpuid;
	u32 nr_msrs;
	struct kvm_msr_entry msrs[MAX_MSRS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct seen *all;
static struct cpuid_list supported;

/* NULL without memory: then everything is new. */
static struct seen *seen_of(const struct vcpu *vcpu)
{
	struct seen *s = all;

	while (s && s->vcpu != vcpu)
		s = s->next;
	if (s || !vcpu)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->vcpu = vcpu;
	s->next = all;
	all = s;
	return s;
}

void changes_forget(const struct vcpu *vcpu)
{
	struct seen **at = &all, *s;
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&lock);
	while (*at && (*at)->vcpu != vcpu)
		at = &(*at)->next;
	s = *at;
	if (s)
		*at = s->next;
	pthread_mutex_unlock(&lock);
	free(s);
	pthread_setcancelstate(cancel, NULL);
}

void changes_forked(void)
{
	pthread_mutex_init(&lock, NULL);
	all = NULL;
}

/* -- CPUID -------------------------------------------------------------------------- */

static bool same_leaf(const struct kvm_cpuid_entry2 *a, const struct kvm_cpuid_entry2 *b)
{
	return a->function == b->function && a->index == b->index;
}

static bool cpuid_has(const struct cpuid_list *list, const struct kvm_cpuid_entry2 *e)
{
	for (u32 i = 0; i < list->nr; i++) {
		if (same_leaf(&list->entries[i], e))
			return !memcmp(&list->entries[i], e,
				       offsetof(struct kvm_cpuid_entry2, padding));
	}
	return false;
}

/* Of the list at @arg: how many could be read. */
static u32 read_cpuid(uintptr_t arg, u32 nent, struct cpuid_list *list)
{
	const size_t size = sizeof(list->entries[0]);

	nent = MIN(nent, (u32)MAX_CPUID);
	for (list->nr = 0; list->nr < nent; list->nr++) {
		if (copy_from_user(&list->entries[list->nr],
				   arg + sizeof(struct kvm_cpuid2) + list->nr * size, size))
			break;
	}
	return list->nr;
}

static void out_removed(struct out *o, const struct cpuid_list *list,
			const struct cpuid_list *before)
{
	bool any = false;

	for (u32 i = 0; i < before->nr; i++) {
		const struct kvm_cpuid_entry2 *e = &before->entries[i];
		u32 j = 0;

		while (j < list->nr && !same_leaf(&list->entries[j], e))
			j++;
		if (j < list->nr)
			continue;
		if (!any) {
			out_key(o, "removed");
			out_open(o, '[');
		}
		any = true;
		out_open(o, '{');
		out_key(o, "function");
		out_hex(o, e->function);
		out_key(o, "index");
		out_hex(o, e->index);
		out_close(o, '}');
	}
	if (any)
		out_close(o, ']');
}

static void out_cpuid(struct out *o, const struct cpuid_list *list,
		      const struct cpuid_list *before, const char *against)
{
	u32 unchanged = 0;

	out_key(o, "entries");
	out_open(o, '[');
	for (u32 i = 0; i < list->nr; i++) {
		if (cpuid_has(before, &list->entries[i]))
			unchanged++;
		else
			out_struct(o, struct_kvm_cpuid_entry2(), &list->entries[i]);
	}
	out_close(o, ']');
	if (!before->nr)
		return;
	out_removed(o, list, before);
	out_key(o, "unchanged");
	out_dec(o, unchanged);
	out_key(o, "against");
	out_string(o, against);
}

/* @list takes the place of @mine, which came before it. */
static void show_cpuid(const struct decode *d, const struct cpuid_list *list,
		       struct cpuid_list *mine, bool of_vcpu)
{
	static const struct cpuid_list none;

	if (mine && mine->nr)
		out_cpuid(d->o, list, mine, of_vcpu ? "vcpu" : "supported");
	else
		out_cpuid(d->o, list, of_vcpu ? &supported : &none, "supported");
	if (mine && d->call->ret >= 0)
		*mine = *list;
}

/* The list that the next is compared with; NULL: none is. */
static struct cpuid_list *list_before(const struct watch_call *call, bool of_vcpu)
{
	struct seen *s;

	if (!of_vcpu)
		return call->cmd == (u32)KVM_GET_SUPPORTED_CPUID ? &supported : NULL;
	s = seen_of(call->file->vcpu);
	return s ? &s->cpuid : NULL;
}

static void decode_cpuid2(const struct decode *d, bool has_list, bool of_vcpu)
{
	static struct cpuid_list list;	/* guarded by @lock: it is large */
	struct kvm_cpuid2 head;
	int cancel;

	if (copy_from_user(&head, d->call->arg, sizeof(head))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_key(d->o, "nent");
	out_dec(d->o, head.nent);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&lock);
	if (has_list && read_cpuid(d->call->arg, head.nent, &list))
		show_cpuid(d, &list, list_before(d->call, of_vcpu), of_vcpu);
	pthread_mutex_unlock(&lock);
	pthread_setcancelstate(cancel, NULL);
	out_close(d->o, '}');
}

void decode_supported_cpuid(const struct decode *d)
{
	decode_cpuid2(d, d->call->ret >= 0, false);
}

void decode_vcpu_cpuid(const struct decode *d)
{
	decode_cpuid2(d, d->call->cmd == (u32)KVM_SET_CPUID2 || d->call->ret >= 0, true);
}

/* -- MSRs ---------------------------------------------------------------------------- */

/* True if the value is the one seen last; it is from now on. */
static bool msr_seen(struct seen *s, const struct kvm_msr_entry *e)
{
	u32 i = 0;

	if (!s)
		return false;
	while (i < s->nr_msrs && s->msrs[i].index != e->index)
		i++;
	if (i < s->nr_msrs && s->msrs[i].data == e->data)
		return true;
	if (i < MAX_MSRS)
		s->msrs[i] = *e;
	if (i == s->nr_msrs && i < MAX_MSRS)
		s->nr_msrs++;
	return false;
}

static void out_msrs(const struct decode *d, u32 nmsrs)
{
	const u64 at = d->call->arg + sizeof(struct kvm_msrs);
	/* Only so many have been read or written; asked for were all. */
	const bool set = d->call->cmd == (u32)KVM_SET_MSRS;
	u32 valid = d->call->ret < 0 ? 0 : MIN(nmsrs, (u32)d->call->ret), unchanged = 0;
	struct seen *s = seen_of(d->call->file->vcpu);
	struct kvm_msr_entry e;

	out_key(d->o, "entries");
	out_open(d->o, '[');
	for (u32 i = 0; i < nmsrs && !out_is_full(d->o); i++) {
		if (copy_from_user(&e, at + (u64)i * sizeof(e), sizeof(e)))
			break;
		if (i < valid && msr_seen(s, &e)) {
			unchanged++;
		} else if (i < valid || set) {
			out_struct(d->o, struct_kvm_msr_entry(), &e);
		} else {
			out_open(d->o, '{');
			out_key(d->o, "index");
			out_msr(d->o, e.index);
			out_close(d->o, '}');
		}
	}
	out_close(d->o, ']');
	if (unchanged) {
		out_key(d->o, "unchanged");
		out_dec(d->o, unchanged);
	}
}

void decode_msrs(const struct decode *d)
{
	struct kvm_msrs head;
	int cancel;

	if (copy_from_user(&head, d->call->arg, sizeof(head))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_key(d->o, "nmsrs");
	out_dec(d->o, head.nmsrs);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&lock);
	out_msrs(d, head.nmsrs);
	pthread_mutex_unlock(&lock);
	pthread_setcancelstate(cancel, NULL);
	out_close(d->o, '}');
}
