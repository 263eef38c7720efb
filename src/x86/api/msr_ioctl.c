/* SPDX-License-Identifier: MIT */
/* KVM_GET/SET_MSRS and the index lists (api.rst 4.3, 4.18, 4.19). */
#include <errno.h>
#include <stdlib.h>

#include "util/guard.h"
#include "x86/api/msr.h"

#define MAX_IO_MSRS	256

/* -- Index lists ---------------------------------------------------------------------------- */

/* The true count is stored before E2BIG: that is how VMMs learn it. */
static long get_list(void *arg, enum msr_lists list)
{
	u32 indices[512];
	u32 room, n = msr_list(list, NULL);

	_Static_assert(NR_MSR_SLOTS <= ARRAY_SIZE(indices), "every MSR fits");
	if (copy_from_user(&room, arg, sizeof(room)))
		return -EFAULT;
	if (copy_to_user(arg, &n, sizeof(n)))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	msr_list(list, indices);
	return copy_to_user((u8 *)arg + sizeof(struct kvm_msr_list), indices, n * sizeof(u32));
}

long system_get_msr_index_list(struct kfile *f, void *arg)
{
	return get_list(arg, LISTED);
}

long system_get_msr_feature_index_list(struct kfile *f, void *arg)
{
	return get_list(arg, FEATURE);
}

/* -- Values ----------------------------------------------------------------------------------- */

/* One entry; false stops the list.  KVM: an MSR that there is not reads as 0. */
typedef bool (*entry_fn)(struct cpu *c, struct kvm_msr_entry *e);

static bool get_feature(struct cpu *c, struct kvm_msr_entry *e)
{
	u64 data = 0;
	bool ok = msr_feature(e->index, &data);

	e->data = data;
	return ok;
}

static bool get_one(struct cpu *c, struct kvm_msr_entry *e)
{
	u64 data;
	enum msr_result r = msr_get(c, e->index, true, &data);

	if (r == MSR_DONE)
		e->data = data;
	else if (r == MSR_UNKNOWN)
		e->data = 0;
	return r == MSR_DONE;
}

static bool set_one(struct cpu *c, struct kvm_msr_entry *e)
{
	return msr_set(c, e->index, true, e->data) == MSR_DONE;
}

/* The number of entries done, as the ioctl returns it. */
static long msrs_io(struct cpu *c, void *arg, entry_fn fn, bool write_back)
{
	struct kvm_msr_entry e[MAX_IO_MSRS];
	const uintptr_t entries = (uintptr_t)arg + sizeof(struct kvm_msrs);
	struct kvm_msrs head;
	u32 n = 0;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_IO_MSRS)
		return -E2BIG;
	if (copy_from_user(e, entries, head.nmsrs * sizeof(e[0])))
		return -EFAULT;
	while (n < head.nmsrs && fn(c, &e[n]))
		n++;
	if (write_back && copy_to_user(entries, e, head.nmsrs * sizeof(e[0])))
		return -EFAULT;
	return n;
}

long system_get_msrs(struct kfile *f, void *arg)
{
	return msrs_io(NULL, arg, get_feature, true);
}

long vcpu_get_msrs(struct kfile *f, void *arg)
{
	return msrs_io(kfile_cpu(f), arg, get_one, true);
}

long vcpu_set_msrs(struct kfile *f, void *arg)
{
	return msrs_io(kfile_cpu(f), arg, set_one, false);
}
