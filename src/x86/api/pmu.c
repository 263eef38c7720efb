/* SPDX-License-Identifier: MIT */
/* The performance counters' MSRs, and KVM_SET_PMU_EVENT_FILTER (api.rst 4.120). */
#include "x86/cpu/pmu.h"

#include <errno.h>
#include <stdlib.h>

#include "util/guard.h"
#include "x86/api/msr_handlers.h"

#define MAX_FILTER_EVENTS	300

/* -- MSRs ---------------------------------------------------------------------------- */

static enum msr_result counter_read(struct cpu *c, struct msr_access *a, u32 i, bool select)
{
	if (!pmu_nr_counters(c))
		return MSR_REFUSED;
	a->data = select ? pmu_read_select(c, i) : pmu_read(c, i);
	return MSR_DONE;
}

static enum msr_result counter_write(struct cpu *c, struct msr_access *a, u32 i, bool select)
{
	if (!pmu_nr_counters(c))
		return MSR_REFUSED;
	if (select)
		pmu_write_select(c, i, a->data);
	else
		pmu_write(c, i, a->data);
	return MSR_DONE;
}

/* K7: four selects, then four counters; each of the first four of F15H's. */
MSR_READ(k7_pmu)
{
	return counter_read(c, a, a->index & 3, !(a->index & 4));
}

MSR_WRITE(k7_pmu)
{
	return counter_write(c, a, a->index & 3, !(a->index & 4));
}

/* KVM: what is in the index list can be read and written with 0 at least. */
static bool is_saved(const struct msr_access *a)
{
	return a->host && a->desc->lists & LISTED;
}

/* F15H: select and counter by turns, where CPUID has PERFCTR_CORE. */
MSR_READ(perfctr_core)
{
	u32 n = a->index - a->desc->first;

	if (!cpu_has(c, FEATURE_PERFCTR_CORE)) {
		a->data = 0;
		return is_saved(a) ? MSR_DONE : MSR_UNKNOWN;
	}
	return counter_read(c, a, n / 2, n % 2 == 0);
}

MSR_WRITE(perfctr_core)
{
	u32 n = a->index - a->desc->first;

	if (!cpu_has(c, FEATURE_PERFCTR_CORE))
		return is_saved(a) && !a->data ? MSR_DONE : MSR_UNKNOWN;
	return counter_write(c, a, n / 2, n % 2 == 0);
}

/* -- The filter ------------------------------------------------------------------------ */

struct pmu_filter {
	u32 action, nr;
	u64 event[];		/* sorted */
};

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

bool pmu_filter_allows(struct cpu *c, u64 select)
{
	u64 key = select & (PMU_SEL_EVENT | PMU_SEL_UNIT_MASK);
	struct arch_vm *vm = cpu_arch_vm(c);
	const struct pmu_filter *f;
	bool allowed = true, listed;

	pthread_mutex_lock(&vm->pmu_lock);
	f = vm->pmu_filter;
	if (f) {
		listed = bsearch(&key, f->event, f->nr, sizeof(key), compare);
		allowed = listed == (f->action == KVM_PMU_EVENT_ALLOW);
	}
	pthread_mutex_unlock(&vm->pmu_lock);
	return allowed;
}

static void filter_publish(struct vm *vm, struct pmu_filter *f)
{
	struct pmu_filter *old;
	struct vcpu *v;
	u32 i;

	pthread_mutex_lock(&vm->arch->pmu_lock);
	old = vm->arch->pmu_filter;
	vm->arch->pmu_filter = f;
	pthread_mutex_unlock(&vm->arch->pmu_lock);
	free(old);
	vm_for_each_vcpu(vm, i, v)
		vcpu_request(v, REQ_PMU);
}

long vm_set_pmu_event_filter(struct kfile *f, void *arg)
{
	struct kvm_pmu_event_filter head;
	struct pmu_filter *filter;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.action != KVM_PMU_EVENT_ALLOW && head.action != KVM_PMU_EVENT_DENY)
		return -EINVAL;
	if (head.flags)
		return -EINVAL;
	if (head.nevents > MAX_FILTER_EVENTS)
		return -E2BIG;
	filter = malloc(sizeof(*filter) + head.nevents * sizeof(u64));
	if (!filter)
		return -ENOMEM;
	filter->action = head.action;
	filter->nr = head.nevents;
	if (copy_from_user(filter->event, (u8 *)arg + sizeof(head), head.nevents * sizeof(u64))) {
		free(filter);
		return -EFAULT;
	}
	qsort(filter->event, filter->nr, sizeof(u64), compare);
	filter_publish(f->vm, filter);
	return 0;
}
