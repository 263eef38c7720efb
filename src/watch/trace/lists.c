/* SPDX-License-Identifier: MIT */
/* Arguments that end with an array, or whose parts depend on each other. */
#include "api/memslot.h"
#include "util/guard.h"
#include "watch/trace/decode.h"

#define ARG_AT(d, offset)	((d)->call->arg + (offset))

/*
 * Elements of @desc from @at on, @nr of them, as far as they can be read and
 * there is room.  The count beside them tells how many there are.
 */
static void out_elements(struct out *o, uintptr_t at, u64 nr, const struct struct_desc *desc)
{
	u8 bytes[64] __attribute__((aligned(8)));

	out_open(o, '[');
	for (u64 i = 0; i < nr && !out_is_full(o); i++) {
		if (copy_from_user(bytes, at + i * desc->size, desc->size))
			break;
		out_struct(o, desc, bytes);
	}
	out_close(o, ']');
}

void decode_irq_line_status(const struct decode *d)
{
	struct kvm_irq_level level;

	if (copy_from_user(&level, d->call->arg, sizeof(level))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_key(d->o, "irq");
	out_dec(d->o, (u32)d->head);
	out_key(d->o, "level");
	out_dec(d->o, d->head >> 32);
	if (d->call->ret >= 0) {
		out_key(d->o, "status");
		out_signed(d->o, level.status);
	}
	out_close(d->o, '}');
}

/* -- Dirty pages ------------------------------------------------------------------- */

#define CHUNK_WORDS	512

struct ranges {
	struct out *o;
	u64 pages;		/* set so far */
	u64 first, next;	/* of the range under construction; equal: none */
};

static void end_range(struct ranges *r)
{
	if (r->first != r->next && !out_is_full(r->o)) {
		out_open(r->o, '[');
		out_dec(r->o, r->first);
		out_dec(r->o, r->next - 1);
		out_close(r->o, ']');
	}
}

static void add_word(struct ranges *r, u64 word, u64 page)
{
	for (; word; word &= word - 1) {
		u64 set = page + __builtin_ctzll(word);

		if (set != r->next || r->first == r->next) {
			end_range(r);
			r->first = set;
		}
		r->next = set + 1;
		r->pages++;
	}
}

/* The pages whose bits are set, as ranges, and their number. */
static void out_dirty(struct out *o, uintptr_t bitmap, u64 npages)
{
	struct ranges r = { .o = o };
	u64 words[CHUNK_WORDS];

	out_key(o, "dirty");
	out_open(o, '[');
	for (u64 page = 0; page < npages; page += CHUNK_WORDS * 64) {
		u64 n = MIN((npages - page + 63) / 64, (u64)CHUNK_WORDS);

		if (copy_from_user(words, bitmap + page / 8, n * 8))
			break;
		if (npages - page < n * 64 && npages % 64)
			words[n - 1] &= BIT_ULL(npages % 64) - 1;
		for (u64 i = 0; i < n; i++)
			add_word(&r, words[i], page + i * 64);
	}
	end_range(&r);
	out_close(o, ']');
	out_key(o, "dirty_pages");
	out_dec(o, r.pages);
}

static u64 slot_pages(struct vm *vm, u32 slot)
{
	const u16 as_id = slot >> 16, id = slot;
	u64 npages = 0;

	if (as_id >= KVM_ADDRESS_SPACES)
		return 0;
	pthread_mutex_lock(&vm->slots_lock);
	for (u32 i = 0; i < vm->slots[as_id]->count; i++) {
		if (vm->slots[as_id]->slot[i].id == id)
			npages = vm->slots[as_id]->slot[i].npages;
	}
	pthread_mutex_unlock(&vm->slots_lock);
	return npages;
}

void decode_dirty_log(const struct decode *d)
{
	struct kvm_dirty_log log;

	if (copy_from_user(&log, d->call->arg, sizeof(log))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_fields(d->o, struct_kvm_dirty_log(), &log);
	if (d->call->ret >= 0)
		out_dirty(d->o, (uintptr_t)log.dirty_bitmap,
			  slot_pages(d->call->file->vm, log.slot));
	out_close(d->o, '}');
}

void decode_clear_dirty_log(const struct decode *d)
{
	struct kvm_clear_dirty_log log;

	if (copy_from_user(&log, d->call->arg, sizeof(log))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_fields(d->o, struct_kvm_clear_dirty_log(), &log);
	if (d->call->ret >= 0)
		out_dirty(d->o, (uintptr_t)log.dirty_bitmap, log.num_pages);
	out_close(d->o, '}');
}

/* -- Interrupts and signals --------------------------------------------------------- */

void decode_gsi_routing(const struct decode *d)
{
	struct kvm_irq_routing head;

	if (copy_from_user(&head, d->call->arg, sizeof(head))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_key(d->o, "nr");
	out_dec(d->o, head.nr);
	out_key(d->o, "flags");
	out_hex(d->o, head.flags);
	out_key(d->o, "entries");
	out_elements(d->o, ARG_AT(d, sizeof(head)), head.nr, struct_kvm_irq_routing_entry());
	out_close(d->o, '}');
}

void decode_signal_mask(const struct decode *d)
{
	struct kvm_signal_mask head;
	u64 mask = 0;

	if (copy_from_user(&head, d->call->arg, sizeof(head))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_key(d->o, "len");
	out_dec(d->o, head.len);
	if (head.len == sizeof(mask) &&
	    !copy_from_user(&mask, ARG_AT(d, sizeof(head)), sizeof(mask))) {
		out_key(d->o, "sigset");
		out_hex(d->o, mask);
	}
	out_close(d->o, '}');
}

/* -- Attributes --------------------------------------------------------------------- */

struct attr_names {
	const struct name_value *groups, *attrs;
	u32 group, size;	/* of which there are names, and of its values */
};

static struct attr_names attr_names(enum scope scope)
{
	if (scope == SCOPE_DEVICE)
		return (struct attr_names){ names_vfio_groups, names_vfio_attrs,
					    KVM_DEV_VFIO_GROUP, sizeof(u32) };
	if (scope == SCOPE_VCPU)
		return (struct attr_names){ names_vcpu_groups, names_vcpu_attrs,
					    KVM_VCPU_TSC_CTRL, sizeof(u64) };
	return (struct attr_names){ names_system_groups, names_system_attrs, 0, sizeof(u64) };
}

static bool attr_has_value(const struct watch_call *call)
{
	return call->cmd == (u32)KVM_SET_DEVICE_ATTR ||
	       (call->cmd == (u32)KVM_GET_DEVICE_ATTR && call->ret >= 0);
}

void decode_device_attr(const struct decode *d)
{
	const struct attr_names names = attr_names(d->call->file->scope);
	struct kvm_device_attr a;
	u64 value = 0;

	if (copy_from_user(&a, d->call->arg, sizeof(a))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_key(d->o, "flags");
	out_hex(d->o, a.flags);
	out_key(d->o, "group");
	out_name(d->o, a.group, names.groups);
	out_key(d->o, "attr");
	out_name(d->o, a.attr, a.group == names.group ? names.attrs : names_no_flags);
	out_key(d->o, "addr");
	out_hex(d->o, a.addr);
	if (attr_has_value(d->call) && a.group == names.group &&
	    !copy_from_user(&value, a.addr, names.size)) {
		out_key(d->o, "value");
		out_value(d->o, &value, names.size, F_SIGNED, NULL);
	}
	out_close(d->o, '}');
}

/* -- MSRs --------------------------------------------------------------------------- */


void decode_msr_index_list(const struct decode *d)
{
	struct kvm_msr_list head;
	u32 index;

	if (copy_from_user(&head, d->call->arg, sizeof(head))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_key(d->o, "nmsrs");
	out_dec(d->o, head.nmsrs);
	if (d->call->ret >= 0) {
		out_key(d->o, "indices");
		out_open(d->o, '[');
		for (u32 i = 0; i < head.nmsrs && !out_is_full(d->o); i++) {
			if (copy_from_user(&index, ARG_AT(d, sizeof(head) + i * sizeof(index)),
					   sizeof(index)))
				break;
			out_msr(d->o, index);
		}
		out_close(d->o, ']');
	}
	out_close(d->o, '}');
}

static void out_filter_range(struct out *o, const struct kvm_msr_filter_range *r)
{
	u8 bitmap[KVM_MSR_FILTER_MAX_BITMAP_SIZE];
	u64 n = ((u64)r->nmsrs + 7) / 8;

	out_open(o, '{');
	out_fields(o, struct_kvm_msr_filter_range(), r);
	if (n <= sizeof(bitmap) && !copy_from_user(bitmap, r->bitmap, n)) {
		out_key(o, "bits");
		out_dump(o, bitmap, n);
	}
	out_close(o, '}');
}

void decode_msr_filter(const struct decode *d)
{
	struct kvm_msr_filter f;

	if (copy_from_user(&f, d->call->arg, sizeof(f))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_fields(d->o, struct_kvm_msr_filter(), &f);
	out_key(d->o, "ranges");
	out_open(d->o, '[');
	for (u32 i = 0; i < ARRAY_SIZE(f.ranges); i++) {
		if (f.ranges[i].nmsrs)
			out_filter_range(d->o, &f.ranges[i]);
	}
	out_close(d->o, ']');
	out_close(d->o, '}');
}

/* -- The rest of x86 ----------------------------------------------------------------- */

void decode_pmu_event_filter(const struct decode *d)
{
	struct kvm_pmu_event_filter head;
	u64 event;

	if (copy_from_user(&head, d->call->arg, sizeof(head))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_fields(d->o, struct_kvm_pmu_event_filter(), &head);
	out_key(d->o, "events");
	out_open(d->o, '[');
	for (u32 i = 0; i < head.nevents && !out_is_full(d->o); i++) {
		if (copy_from_user(&event, ARG_AT(d, sizeof(head) + i * sizeof(event)),
				   sizeof(event)))
			break;
		out_hex(d->o, event);
	}
	out_close(d->o, ']');
	out_close(d->o, '}');
}

void decode_cpuid(const struct decode *d)
{
	struct kvm_cpuid head;

	if (copy_from_user(&head, d->call->arg, sizeof(head))) {
		decode_pointer(d);
		return;
	}
	out_open(d->o, '{');
	out_key(d->o, "nent");
	out_dec(d->o, head.nent);
	out_key(d->o, "entries");
	out_elements(d->o, ARG_AT(d, sizeof(head)), head.nent, struct_kvm_cpuid_entry());
	out_close(d->o, '}');
}
