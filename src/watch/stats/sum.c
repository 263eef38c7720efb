/* SPDX-License-Identifier: MIT */
#include "watch/stats/sum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stats_sum_vcpu(struct stats_sum *sum, const struct stats_vcpu *v)
{
	u64 guest, halted;

	for (u32 i = 0; i < NR_STATS_KVM; i++)
		sum->kvm[i] += stats_get(&v->kvm[i]);
	for (u32 i = 0; i < STATS_REASONS; i++) {
		u64 count = stats_get(&v->exits[i].count), ns = stats_get(&v->exits[i].vmm_ns);

		sum->by_reason[i].count += count;
		sum->by_reason[i].vmm_ns += ns;
		sum->exits += count;
		sum->vmm_ns += ns;
	}
	halted = stats_get(&v->kvm[STATS_KVM_halt_wait_ns]) +
		 stats_get(&v->kvm[STATS_KVM_halt_poll_success_ns]) +
		 stats_get(&v->kvm[STATS_KVM_halt_poll_fail_ns]);
	guest = stats_get(&v->guest_ns);
	sum->guest_ns += guest - MIN(guest, halted);
	sum->halted_ns += halted;
	sum->insns += stats_get(&v->insns);
}

void stats_sum(struct stats_sum *sum, const struct stats_page *p)
{
	memset(sum, 0, sizeof(*sum));
	for (u32 i = 0; i < STATS_VCPUS; i++)
		if (READ_ONCE(p->vcpu[i].used))
			stats_sum_vcpu(sum, &p->vcpu[i]);
}

double stats_mips(u64 insns, u64 guest_ns)
{
	return guest_ns ? insns * 1000.0 / guest_ns : 0;
}

static int by_count(const void *a, const void *b)
{
	const struct stats_pc *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->key < y->key ? -1 : x->key > y->key;
}

u32 stats_sort_pcs(struct stats_pc out[STATS_PCS], const struct stats_page *p)
{
	u32 n = 0;

	for (u32 i = 0; i < STATS_PCS; i++) {
		out[n].key = stats_get(&p->pcs[i].key);
		out[n].count = stats_get(&p->pcs[i].count);
		out[n].vmm_ns = stats_get(&p->pcs[i].vmm_ns);
		n += out[n].key && out[n].count;
	}
	qsort(out, n, sizeof(*out), by_count);
	return n;
}

const char *stats_reason(u32 reason, char name[STATS_NAME_MAX])
{
	switch (reason) {
	case STATS_FAILED:
		return "KVM_RUN failed";
#define EXIT(exit, when) case KVM_EXIT_##exit: return #exit;
#define EXIT_NEVER(exit, why) EXIT(exit, why)
#include "api/exits.def"
	}
	snprintf(name, STATS_NAME_MAX, "exit %u", reason);
	return name;
}

const char *stats_kvm_name(u32 i)
{
	static const char *const names[] = {
#define NAME_1(name) #name,
#define NAME_32(name)
#define VCPU_STAT(kind, name, n) NAME_##n(name)
#include "api/stats.def"
	};

	return names[i];
}
