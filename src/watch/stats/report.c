/* SPDX-License-Identifier: MIT */
/* The report for people: 79 columns, but for long names of symbols. */
#include "watch/stats/report.h"

#include <stdlib.h>

#include "watch/stats/sum.h"

enum { TOP_PCS = 20 };

static double seconds(u64 ns)
{
	return ns / 1e9;
}

static double percent(u64 part, u64 whole)
{
	return whole ? part * 100.0 / whole : 0;
}

static double average_us(u64 ns, u64 n)
{
	return n ? ns / 1e3 / n : 0;
}

static void print_vcpu(FILE *out, const char *name, const struct stats_sum *s)
{
	fprintf(out, "%-9s %8.3f %8.3f %8.3f %11llu %9.1f %7.1f\n", name, seconds(s->guest_ns),
		seconds(s->halted_ns), seconds(s->vmm_ns), (unsigned long long)s->exits,
		s->insns / 1e6, stats_mips(s->insns, s->guest_ns));
}

static void print_vcpus(FILE *out, const struct stats_page *p)
{
	struct stats_sum all;
	char name[32];
	u32 n = 0;

	fprintf(out, "\n%-9s %8s %8s %8s %11s %9s %7s\n", "vCPU", "guest s", "halted s",
		"VMM s", "exits", "Minsns", "MIPS");
	for (u32 i = 0; i < STATS_VCPUS; i++) {
		const struct stats_vcpu *v = &p->vcpu[i];
		struct stats_sum one = { 0 };

		if (!v->used)
			continue;
		stats_sum_vcpu(&one, v);
		if (i == STATS_VCPUS - 1)
			snprintf(name, sizeof(name), "others");
		else if (p->vms > 1)
			snprintf(name, sizeof(name), "%u:%u", v->vm, v->id);
		else
			snprintf(name, sizeof(name), "%u", v->id);
		print_vcpu(out, name, &one);
		n++;
	}
	stats_sum(&all, p);
	if (n != 1)
		print_vcpu(out, "all", &all);
}

static void print_reasons(FILE *out, const struct stats_sum *sum)
{
	bool done[STATS_REASONS] = { false };
	char name[STATS_NAME_MAX];

	fprintf(out, "\n%-20s %11s %6s %15s\n", "exit", "count", "%", "VMM us each");
	for (;;) {
		u32 most = 0;
		const struct stats_exit *e;

		for (u32 i = 1; i < STATS_REASONS; i++)
			if (done[most] || (!done[i] && sum->by_reason[i].count >
						       sum->by_reason[most].count))
				most = i;
		e = &sum->by_reason[most];
		if (done[most] || !e->count)
			break;
		done[most] = true;
		fprintf(out, "%-20s %11llu %6.1f %15.2f\n", stats_reason(most, name),
			(unsigned long long)e->count, percent(e->count, sum->exits),
			average_us(e->vmm_ns, e->count));
	}
}

static void print_address(FILE *out, u64 pc, const struct symbols *s)
{
	u64 offset;
	const char *name = symbols_find(s, pc, &offset);

	fprintf(out, "0x%016llx", (unsigned long long)pc);
	if (name)
		fprintf(out, " %s+0x%llx", name, (unsigned long long)offset);
	fputc('\n', out);
}

static void print_pcs(FILE *out, const struct stats_page *p, u64 exits,
		      const struct symbols *s)
{
	struct stats_pc *pcs = malloc(STATS_PCS * sizeof(*pcs));
	char name[STATS_NAME_MAX];
	u32 n;

	if (!pcs)
		return;
	n = stats_sort_pcs(pcs, p);
	fprintf(out, "\n%-14s %11s %6s %12s  guest address (%u of %u)\n", "exit", "count", "%",
		"VMM us each", MIN(n, (u32)TOP_PCS), n);
	for (u32 i = 0; i < n && i < TOP_PCS; i++) {
		fprintf(out, "%-14s %11llu %6.1f %12.2f  ",
			stats_reason(stats_key_reason(pcs[i].key), name),
			(unsigned long long)pcs[i].count, percent(pcs[i].count, exits),
			average_us(pcs[i].vmm_ns, pcs[i].count));
		print_address(out, stats_key_pc(pcs[i].key), s);
	}
	if (p->pc_lost)
		fprintf(out, "%llu exits of other addresses, for which there was no room\n",
			(unsigned long long)p->pc_lost);
	free(pcs);
}

/* Under the names of KVM_GET_STATS_FD. */
static void print_counts(FILE *out, const struct stats_sum *sum)
{
	fputc('\n', out);
	for (u32 i = 0; i < NR_STATS_KVM; i++)
		if (sum->kvm[i])
			fprintf(out, "%-28s %14llu\n", stats_kvm_name(i),
				(unsigned long long)sum->kvm[i]);
}

void report_text(FILE *out, const struct stats_page *p, const struct symbols *s)
{
	struct stats_sum sum;

	stats_sum(&sum, p);
	fprintf(out, "anykvm: process %u: %.3f s, VMs %u, vCPUs %u, other ioctls %llu\n",
		p->pid, seconds(p->end_ns - p->start_ns), p->vms, p->vcpus, (unsigned long long)p->ioctls);
	print_vcpus(out, p);
	print_reasons(out, &sum);
	print_pcs(out, p, sum.exits, s);
	print_counts(out, &sum);
}
