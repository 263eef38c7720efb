/* SPDX-License-Identifier: MIT */
/* Hyper-V's part of a VM and of a vCPU: their life, and exits to userspace. */
#include "x86/hyperv/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "x86/mmu/mmu.h"

/* -- Life ---------------------------------------------------------------------------- */

int hv_vm_create(struct vm *vm)
{
	struct hv_vm *hv = calloc(1, sizeof(*hv));

	if (!hv)
		return -ENOMEM;
	if (hv_connections_create(hv)) {
		free(hv);
		return -ENOMEM;
	}
	pthread_mutex_init(&hv->tsc_lock, NULL);
	pthread_mutex_init(&hv->route_lock, NULL);
	vm->arch->hv = hv;
	return 0;
}

void hv_vm_destroy(struct vm *vm)
{
	struct hv_vm *hv = vm->arch->hv;

	if (!hv)
		return;
	hv_connections_destroy(hv);
	pthread_mutex_destroy(&hv->route_lock);
	pthread_mutex_destroy(&hv->tsc_lock);
	free(hv);
	vm->arch->hv = NULL;
}

int hv_vcpu_create(struct cpu *c)
{
	struct hv_vcpu *hv = calloc(1, sizeof(*hv));

	if (!hv)
		return -ENOMEM;
	hv->cpu = c;
	hv->vp_index = c->vcpu->idx;
	hv_synic_init(&hv->synic);
	hv_stimers_init(hv);
	c->hv = hv;
	return 0;
}

void hv_vcpu_stop(struct cpu *c)
{
	hv_stimers_cancel(c->hv);
}

void hv_vcpu_destroy(struct cpu *c)
{
	if (!c->hv)
		return;
	hv_stimers_cancel(c->hv);
	free(c->hv);
	c->hv = NULL;
}

/* Most are where they were created. */
struct vcpu *hv_find_vp(struct vm *vm, u32 vp_index)
{
	struct vcpu *v;
	u32 i;

	if (vp_index < __atomic_load_n(&vm->nr_vcpus, __ATOMIC_ACQUIRE) &&
	    hv_vp_index(vm->vcpus[vp_index]) == vp_index)
		return vm->vcpus[vp_index];
	vm_for_each_vcpu(vm, i, v) {
		if (hv_vp_index(v) == vp_index)
			return v;
	}
	return NULL;
}

/* -- Access ---------------------------------------------------------------------------- */

bool hv_permits(const struct cpu *c, const struct msr_access *a, u32 have, u32 bit)
{
	const struct hv_cpuid *id = &c->hv->cpuid;

	return a->host || (id->enabled && (!id->enforced || have & bit));
}

struct guest_store { gpa_t gpa; const void *buf; u32 n; bool ok; };

static void store(struct cpu *c, void *ctx)
{
	struct guest_store *s = ctx;

	s->ok = gpa_write(c, s->gpa, s->buf, s->n);
}

bool hv_write_memory(struct cpu *c, bool host, gpa_t gpa, const void *buf, u32 n)
{
	struct guest_store s = { .gpa = gpa, .buf = buf, .n = n };

	if (!host)
		store(c, &s);
	else if (!vcpu_with_memory(c, store, &s))
		return false;
	return s.ok;
}

/* -- Exits ------------------------------------------------------------------------------- */

void hv_exit_later(struct cpu *c, u8 exit)
{
	c->hv->exits |= exit;
	vcpu_request(c->vcpu, REQ_EVENT);
}

static bool take_exit(struct hv_vcpu *hv, u8 exit)
{
	bool due = hv->exits & exit;

	hv->exits &= ~exit;
	return due;
}

static bool system_event(struct kvm_run *run, u32 type)
{
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = type;
	run->system_event.ndata = 0;
	return true;
}

bool hv_exit(struct cpu *c)
{
	struct hv_vcpu *hv = c->hv;
	struct kvm_run *run = c->vcpu->run;

	if (likely(!hv->exits))
		return false;
	if (take_exit(hv, HV_EXIT_CRASH))
		return system_event(run, KVM_SYSTEM_EVENT_CRASH);
	if (take_exit(hv, HV_EXIT_RESET))
		return system_event(run, KVM_SYSTEM_EVENT_RESET);
	hv->exits = 0;
	hv->syndbg_waits = hv->exit.type == KVM_EXIT_HYPERV_SYNDBG;
	run->exit_reason = KVM_EXIT_HYPERV;
	run->hyperv = hv->exit;
	return true;
}

void hv_run_enter(struct cpu *c)
{
	const struct kvm_hyperv_exit *e = &c->vcpu->run->hyperv;

	if (unlikely(c->hv->syndbg_waits)) {
		c->hv->syndbg_waits = false;
		if (READ_ONCE(e->u.syndbg.msr) == HV_MSR_SYNDBG_CONTROL)
			WRITE_ONCE(cpu_hv_vm(c)->syndbg.status, READ_ONCE(e->u.syndbg.status));
	}
	/* A vCPU that waited for SIPI has dropped these requests. */
	if (unlikely(READ_ONCE(c->hv->stimers_due)))
		vcpu_request(c->vcpu, REQ_STIMER);
	if (unlikely(hv_tsc_page_is_due(c)))
		vcpu_request(c->vcpu, REQ_CLOCK);
}
