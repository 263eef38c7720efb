/* SPDX-License-Identifier: MIT */
/* Model-specific registers: the table, and RDMSR and WRMSR of the guest. */
#include "x86/api/msr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "x86/api/cpuid_table.h"
#include "x86/api/msr_handlers.h"
#include "x86/hyperv/msr.h"
#include "x86/xen/xen.h"

#define F(x)	offsetof(struct cpu, x)
#define VALUE	0

static struct msr_desc table[] = {
#define MSR(name, index, count, lists, vendor, field, reset, mask, rd, wr) \
	{ #name, index, count, lists, vendor, field, MSR_SLOT_##name, reset, mask, rd, wr },
#include "x86/api/msr.def"
};

#undef F
#undef VALUE

static u32 table_size = ARRAY_SIZE(table);

/* -- The table ---------------------------------------------------------------- */

static int by_index(const void *a, const void *b)
{
	u32 x = ((const struct msr_desc *)a)->first;
	u32 y = ((const struct msr_desc *)b)->first;

	return x < y ? -1 : x > y;
}

/* Drops the other vendor's rows and sorts, so that msr_find() can bisect. */
void msr_init(void)
{
	enum msr_vendor other = cpuid_host_amd() ? INTEL : AMD;
	u32 n = 0;

	for (u32 i = 0; i < table_size; i++)
		if (table[i].vendor != other)
			table[n++] = table[i];
	table_size = n;
	/* KVM asks the host's processor. */
	for (u32 i = 0; i < n; i++)
		if (table[i].slot == MSR_SLOT_F15H_PERF && !host_has(FEATURE_PERFCTR_CORE))
			table[i].lists = UNLISTED;
	qsort(table, n, sizeof(table[0]), by_index);
}

const struct msr_desc *msr_find(u32 index)
{
	u32 lo = 0, hi = table_size;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;
		const struct msr_desc *d = &table[mid];

		if (index < d->first)
			hi = mid;
		else if (index - d->first < d->count)
			return d;
		else
			lo = mid + 1;
	}
	return NULL;
}

u32 msr_list(enum msr_lists list, u32 *out)
{
	u32 n = 0;

	for (u32 i = 0; i < table_size; i++) {
		const struct msr_desc *d = &table[i];

		if (!(d->lists & list))
			continue;
		for (u32 k = 0; k < d->count; k++, n++)
			if (out)
				out[n] = d->first + k;
	}
	return n;
}

bool msr_feature(u32 index, u64 *data)
{
	const struct msr_desc *d = msr_find(index);

	if (!d || !(d->lists & FEATURE))
		return false;
	*data = d->reset;
	return true;
}

/* -- Storage -------------------------------------------------------------------- */

u64 *msr_storage(struct cpu *c, const struct msr_access *a)
{
	const struct msr_desc *d = a->desc;

	if (d->field)
		return (u64 *)((u8 *)c + d->field);
	return &c->msrs->value[d->slot + (a->index - d->first)];
}

int msrs_create(struct cpu *c)
{
	c->msrs = calloc(1, sizeof(*c->msrs));
	if (!c->msrs)
		return -ENOMEM;
	for (u32 i = 0; i < table_size; i++) {
		const struct msr_desc *d = &table[i];

		for (u32 k = 0; k < d->count && !d->field; k++)
			c->msrs->value[d->slot + k] = d->reset;
	}
	c->pat = msr_find(0x277)->reset;
	c->misc_enable = msr_find(0x1a0)->reset;
	if (cpuid_host_amd())
		MSR_VALUE(c, DE_CFG) = 0;	/* KVM: until somebody sets it */
	mce_reset(c);
	return 0;
}

void msrs_destroy(struct cpu *c)
{
	free(c->msrs);
	c->msrs = NULL;
}

/* -- Access ----------------------------------------------------------------------- */

static bool is_x2apic(u32 index)
{
	return index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST;
}

static enum msr_result x2apic_access(struct cpu *c, u32 index, bool write, u64 *data)
{
	bool x2apic = (c->apic_base & (APIC_BASE_EN | APIC_BASE_EXTD)) ==
		      (APIC_BASE_EN | APIC_BASE_EXTD);
	bool ok = c->lapic && x2apic &&
		  (write ? lapic_write_x2apic(c->lapic, index, *data) :
			   lapic_read_x2apic(c->lapic, index, data));

	return ok ? MSR_DONE : MSR_REFUSED;
}

enum msr_result msr_get(struct cpu *c, u32 index, bool host, u64 *data)
{
	struct msr_access a = { .index = index, .host = host };
	enum msr_result r;

	if (is_x2apic(index))
		return x2apic_access(c, index, false, data);
	a.desc = msr_find(index);
	if (!a.desc)
		return MSR_UNKNOWN;
	r = a.desc->read(c, &a);
	*data = a.data;
	return r;
}

enum msr_result msr_set(struct cpu *c, u32 index, bool host, u64 data)
{
	struct msr_access a = { .index = index, .host = host, .data = data };

	if (unlikely(xen_is_hypercall_msr(c->vcpu->vm, index)))
		return xen_write_hypercall_page(c, data, host);
	if (is_x2apic(index))
		return x2apic_access(c, index, true, &data);
	a.desc = msr_find(index);
	return a.desc ? a.desc->write(c, &a) : MSR_UNKNOWN;
}

/* -- RDMSR and WRMSR (SDM vol. 2B) --------------------------------------------------- */

static u32 exit_reason_of(enum msr_result r)
{
	switch (r) {
	case MSR_REFUSED:
		return KVM_MSR_EXIT_REASON_INVAL;
	case MSR_UNKNOWN:
		return KVM_MSR_EXIT_REASON_UNKNOWN;
	default:
		return KVM_MSR_EXIT_REASON_FILTER;
	}
}

/* #GP, or userspace decides (KVM_CAP_X86_USER_SPACE_MSR). */
static enum step refused(struct cpu *c, u32 exit, u32 index, u64 data, enum msr_result r)
{
	u32 reason = exit_reason_of(r);
	struct kvm_run *run = c->vcpu->run;

	if (!(READ_ONCE(cpu_arch_vm(c)->user_space_msr) & reason))
		return cpu_raise_gp0(c);
	run->exit_reason = exit;
	memset(&run->msr, 0, sizeof(run->msr));
	run->msr.reason = reason;
	run->msr.index = index;
	run->msr.data = data;
	user_reply_wait(c, exit, index);
	return STEP_EXIT;
}

enum step cpu_rdmsr(struct cpu *c, u32 index, u64 *data)
{
	struct user_reply reply;
	enum msr_result r;

	if (user_reply_take(c, KVM_EXIT_X86_RDMSR, index, &reply)) {
		*data = reply.data;
		return reply.error ? cpu_raise_gp0(c) : STEP_NEXT;
	}
	r = msr_filter_allows(c->vcpu->vm, index, false) ?
		msr_get(c, index, false, data) : MSR_FILTERED;
	if (likely(r == MSR_DONE))
		return STEP_NEXT;
	return refused(c, KVM_EXIT_X86_RDMSR, index, 0, r);
}

enum step cpu_wrmsr(struct cpu *c, u32 index, u64 data)
{
	struct user_reply reply;
	enum msr_result r;

	if (user_reply_take(c, KVM_EXIT_X86_WRMSR, index, &reply))
		return reply.error ? cpu_raise_gp0(c) : STEP_NEXT;
	if (!msr_filter_allows(c->vcpu->vm, index, true))
		r = MSR_FILTERED;
	else if (index == MSR_EFER && cpu_efer_valid(c, data))
		return cpu_write_efer(c, data);
	else if (index == MSR_EFER)
		r = MSR_REFUSED;
	else
		r = msr_set(c, index, false, data);
	if (likely(r == MSR_DONE))
		return STEP_NEXT;
	return refused(c, KVM_EXIT_X86_WRMSR, index, data, r);
}
