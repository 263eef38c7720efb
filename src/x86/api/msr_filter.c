/* SPDX-License-Identifier: MIT */
/* KVM_X86_SET_MSR_FILTER (api.rst 4.97): which MSRs a guest may touch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/guard.h"
#include "x86/api/msr.h"

struct range {
	u32 flags, base, count;
	u8 *bitmap;
};

/* Immutable once published; freed when no vCPU can still be reading it. */
struct msr_filter {
	bool default_allow;
	u32 nr_ranges;
	struct range range[KVM_MSR_FILTER_MAX_RANGES];
};

void msr_filter_free(struct msr_filter *f)
{
	if (!f)
		return;
	for (u32 i = 0; i < f->nr_ranges; i++)
		free(f->range[i].bitmap);
	free(f);
}

bool msr_filter_allows(struct vm *vm, u32 index, bool write)
{
	u32 flag = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
	const struct msr_filter *f = __atomic_load_n(&vm->arch->msr_filter, __ATOMIC_ACQUIRE);

	if (likely(!f) || (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST))
		return true;
	for (u32 i = 0; i < f->nr_ranges; i++) {
		const struct range *r = &f->range[i];
		u32 bit = index - r->base;

		if (r->flags & flag && index >= r->base && bit < r->count)
			return r->bitmap[bit / 8] & BIT(bit % 8);
	}
	return f->default_allow;
}

static bool range_valid(const struct kvm_msr_filter_range *r)
{
	const u32 known = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;

	return r->flags && !(r->flags & ~known) &&
	       r->nmsrs <= KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8;
}

static int range_add(struct msr_filter *f, const struct kvm_msr_filter_range *r)
{
	u32 size = (r->nmsrs + 63) / 64 * 8;
	struct range *to = &f->range[f->nr_ranges];

	if (!r->nmsrs)
		return 0;
	if (!range_valid(r))
		return -EINVAL;
	*to = (struct range){ r->flags, r->base, r->nmsrs, malloc(size) };
	if (!to->bitmap)
		return -ENOMEM;
	f->nr_ranges++;
	return copy_from_user(to->bitmap, r->bitmap, size);
}

static bool filter_empty(const struct kvm_msr_filter *in)
{
	for (u32 i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		if (in->ranges[i].nmsrs)
			return false;
	return true;
}

/* Running vCPUs use the old filter until they have passed a block boundary. */
static void filter_publish(struct vm *vm, struct msr_filter *f)
{
	struct msr_filter *old;

	pthread_mutex_lock(&vm->slots_lock);
	old = __atomic_exchange_n(&vm->arch->msr_filter, f, __ATOMIC_ACQ_REL);
	if (old)
		vm_sync_vcpus(vm);
	pthread_mutex_unlock(&vm->slots_lock);
	msr_filter_free(old);
}

long vm_x86_set_msr_filter(struct kfile *k, void *arg)
{
	const struct kvm_msr_filter *in = arg;
	struct msr_filter *f;
	int err = 0;

	if (in->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	if (in->flags & KVM_MSR_FILTER_DEFAULT_DENY && filter_empty(in))
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->default_allow = !(in->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (u32 i = 0; i < KVM_MSR_FILTER_MAX_RANGES && !err; i++)
		err = range_add(f, &in->ranges[i]);
	if (err) {
		msr_filter_free(f);
		return err;
	}
	filter_publish(k->vm, f);
	return 0;
}
