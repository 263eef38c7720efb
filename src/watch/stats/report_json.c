/* SPDX-License-Identifier: MIT */
/*
 * The report for programs.  Members may be added to schema 1; those that are
 * there keep name, type and meaning.
 */
#include "watch/stats/report.h"

#include <stdlib.h>

#include "watch/stats/sum.h"

#define SCHEMA_VERSION	1

typedef unsigned long long ull;

/* All that is printed is ASCII. */
static void print_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void print_reason(FILE *out, u32 reason)
{
	char name[STATS_NAME_MAX];

	fputs("\"reason\": ", out);
	print_string(out, stats_reason(reason, name));
}

static void print_sum(FILE *out, const struct stats_sum *s)
{
	const char *separator = "";

	fprintf(out, "\"guest_ns\": %llu, \"halted_ns\": %llu, \"vmm_ns\": %llu, "
		"\"instructions\": %llu, \"mips\": %.1f, \"exits\": %llu, ",
		(ull)s->guest_ns, (ull)s->halted_ns, (ull)s->vmm_ns, (ull)s->insns,
		stats_mips(s->insns, s->guest_ns), (ull)s->exits);
	fputs("\"by_reason\": [", out);
	for (u32 i = 0; i < STATS_REASONS; i++) {
		if (!s->by_reason[i].count)
			continue;
		fprintf(out, "%s{", separator);
		print_reason(out, i);
		fprintf(out, ", \"count\": %llu, \"vmm_ns\": %llu}",
			(ull)s->by_reason[i].count, (ull)s->by_reason[i].vmm_ns);
		separator = ", ";
	}
	fputs("], \"kvm\": {", out);
	for (u32 i = 0; i < NR_STATS_KVM; i++)
		fprintf(out, "%s\"%s\": %llu", i ? ", " : "", stats_kvm_name(i), (ull)s->kvm[i]);
	fputs("}", out);
}

/* What had no slot of its own has neither VM nor id. */
static void print_vcpus(FILE *out, const struct stats_page *p)
{
	const char *separator = "";

	fputs("\"vcpus\": [", out);
	for (u32 i = 0; i < STATS_VCPUS; i++) {
		const struct stats_vcpu *v = &p->vcpu[i];
		struct stats_sum one = { 0 };

		if (!v->used)
			continue;
		stats_sum_vcpu(&one, v);
		fprintf(out, "%s{", separator);
		if (i < STATS_VCPUS - 1)
			fprintf(out, "\"vm\": %u, \"id\": %u, ", v->vm, v->id);
		else
			fputs("\"vm\": null, \"id\": null, ", out);
		print_sum(out, &one);
		fputs("}", out);
		separator = ", ";
	}
	fputs("], ", out);
}

static void print_pc(FILE *out, const struct stats_pc *pc, const struct symbols *s)
{
	u64 address = stats_key_pc(pc->key), offset;
	const char *name = symbols_find(s, address, &offset);

	fprintf(out, "{\"address\": \"0x%llx\", \"symbol\": ", (ull)address);
	if (name) {
		print_string(out, name);
		fprintf(out, ", \"offset\": %llu, ", (ull)offset);
	} else {
		fputs("null, \"offset\": null, ", out);
	}
	print_reason(out, stats_key_reason(pc->key));
	fprintf(out, ", \"count\": %llu, \"vmm_ns\": %llu}", (ull)pc->count, (ull)pc->vmm_ns);
}

static void print_pcs(FILE *out, const struct stats_page *p, const struct symbols *s)
{
	struct stats_pc *pcs = malloc(STATS_PCS * sizeof(*pcs));
	u32 n = pcs ? stats_sort_pcs(pcs, p) : 0;

	fputs(", \"addresses\": [", out);
	for (u32 i = 0; i < n; i++) {
		fputs(i ? ", " : "", out);
		print_pc(out, &pcs[i], s);
	}
	fprintf(out, "], \"addresses_lost\": %llu", (ull)p->pc_lost);
	free(pcs);
}

void report_json(FILE *out, const struct stats_page *p, const struct symbols *s)
{
	struct stats_sum sum;

	stats_sum(&sum, p);
	fprintf(out, "{\"schema\": \"anykvm-stats\", \"schema_version\": %d, "
		"\"version\": \"%s\", \"pid\": %u, \"ns\": %llu, \"vms\": %u, "
		"\"ioctls\": %llu, ", SCHEMA_VERSION, ANYKVM_VERSION, p->pid,
		(ull)(p->end_ns - p->start_ns), p->vms, (ull)p->ioctls);
	print_vcpus(out, p);
	fputs("\"all\": {", out);
	print_sum(out, &sum);
	fputs("}", out);
	print_pcs(out, p, s);
	fputs("}\n", out);
}
