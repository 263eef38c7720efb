/* SPDX-License-Identifier: MIT */
/*
 * Reference time: the counter and the TSC page (TLFS, Timers).
 *
 * Time is kvmclock's; the page expresses it in ticks of the first vCPU's TSC,
 * and once it is written the counter is computed from it, so that the two
 * agree to the unit.
 *
 * Writing guest memory may unwind, so no lock is held meanwhile: only the
 * first vCPU writes, and what it has written counts if tsc_changes is still
 * what it was.  TSC emulation, which a guest turns on while it migrates, keeps
 * the page as it is until the guest has adapted.
 */
#include "util/guard.h"
#include "x86/api/clock.h"
#include "x86/hyperv/internal.h"
#include "x86/mmu/mmu.h"

static u64 mul_shift64(u64 a, u64 b)
{
	return (u128)a * b >> 64;
}

/* -- The counter ------------------------------------------------------------------------ */

u64 hv_reference_time(struct vm *vm)
{
	struct hv_vm *hv = vm->arch->hv;
	struct hv_tsc_page page;
	bool set;

	pthread_mutex_lock(&hv->tsc_lock);
	set = hv->tsc_status == HV_TSC_SET;
	page = hv->tsc_page;
	pthread_mutex_unlock(&hv->tsc_lock);
	if (!set)
		return clock_at(vm, host_tsc()) / 100;
	return mul_shift64(cpu_read_tsc(vm->vcpus[0]->cpu), page.scale) + page.offset;
}

/* -- The MSR ------------------------------------------------------------------------------- */

static void set_status_locked(struct hv_vm *hv, enum hv_tsc_status status)
{
	WRITE_ONCE(hv->tsc_status, status);
	hv->tsc_changes++;
}

u64 hv_tsc_page_get(struct hv_vm *hv)
{
	u64 msr;

	pthread_mutex_lock(&hv->tsc_lock);
	msr = hv->tsc_msr;
	pthread_mutex_unlock(&hv->tsc_lock);
	return msr;
}

void hv_tsc_page_set(struct cpu *c, u64 msr, bool host)
{
	struct hv_vm *hv = cpu_hv_vm(c);

	pthread_mutex_lock(&hv->tsc_lock);
	hv->tsc_msr = msr;
	if (!(msr & HV_MSR_ENABLE))
		set_status_locked(hv, HV_TSC_UNSET);
	else
		set_status_locked(hv, host ? HV_TSC_HOST_CHANGED : HV_TSC_GUEST_CHANGED);
	pthread_mutex_unlock(&hv->tsc_lock);
	if (!(msr & HV_MSR_ENABLE))
		return;
	if (!host && c->vcpu->idx == 0)
		hv_tsc_page_update(c);
	else
		vcpu_request(c->vcpu->vm->vcpus[0], REQ_CLOCK);
}

void hv_tsc_page_stale(struct vm *vm)
{
	struct hv_vm *hv = vm->arch->hv;
	bool stale;

	pthread_mutex_lock(&hv->tsc_lock);
	stale = hv->tsc_status == HV_TSC_SET && !READ_ONCE(hv->tsc_emulation_control);
	if (stale)
		set_status_locked(hv, HV_TSC_HOST_CHANGED);
	pthread_mutex_unlock(&hv->tsc_lock);
	if (stale)
		vcpu_request(vm->vcpus[0], REQ_CLOCK);
}

/* -- The page ------------------------------------------------------------------------------- */

/*
 * time = (tsc * scale >> 64) + offset, from pvclock's
 * ns = ((tsc - timestamp) << shift) * mul >> 32) + system_time.
 */
static bool compute(const struct cpu *c, struct hv_tsc_page *page)
{
	struct pvclock_vcpu_time_info p = { 0 };
	u128 scale;

	clock_params(c, &p);
	if (!(p.flags & PVCLOCK_TSC_STABLE_BIT))
		return false;
	scale = ((u128)p.tsc_to_system_mul << (32 + p.tsc_shift)) / 100;
	if (scale >> 64)
		return false;
	page->scale = scale;
	page->offset = p.system_time / 100 - mul_shift64(p.tsc_timestamp, page->scale);
	return true;
}

/* The number after the one in the page: neither 0 nor ~0, which mean "invalid". */
static u32 next_sequence(u32 sequence)
{
	sequence++;
	return sequence == 0 || sequence == ~0u ? 1 : sequence;
}

/* The sequence is 0 while the rest changes: the guest reads the MSR instead. */
static bool write_page(struct cpu *c, gpa_t gpa, struct hv_tsc_page *page)
{
	u32 sequence;

	if (!gpa_read(c, gpa, &sequence, sizeof(sequence)))
		return false;
	page->sequence = page->reserved = 0;
	if (!gpa_write(c, gpa, page, sizeof(page->sequence)) || !compute(c, page))
		return false;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (!gpa_write(c, gpa, page, sizeof(*page)))
		return false;
	page->sequence = next_sequence(sequence);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return gpa_write(c, gpa, page, sizeof(page->sequence));
}

/* Restored with TSC emulation on: what is in the page is what counts. */
static bool adopt_page(struct cpu *c, gpa_t gpa, struct hv_tsc_page *page)
{
	return gpa_read(c, gpa, page, sizeof(*page)) && page->sequence;
}

/* KVM: where the memory has gone the page is broken, which is no error of KVM_RUN. */
static bool make_page(struct cpu *c, gpa_t gpa, bool adopt, struct hv_tsc_page *page)
{
	struct guard g;
	bool ok;

	if (guard_enter(&g))
		return false;
	ok = (adopt && adopt_page(c, gpa, page)) || write_page(c, gpa, page);
	guard_leave(&g);
	return ok;
}

static bool is_due(enum hv_tsc_status status)
{
	return status == HV_TSC_GUEST_CHANGED || status == HV_TSC_HOST_CHANGED;
}

bool hv_tsc_page_is_due(const struct cpu *c)
{
	return c->vcpu->idx == 0 && is_due(READ_ONCE(cpu_hv_vm(c)->tsc_status));
}

void hv_tsc_page_update(struct cpu *c)
{
	struct hv_vm *hv = cpu_hv_vm(c);
	struct hv_tsc_page page = { 0 };
	enum hv_tsc_status status;
	u32 changes;
	gpa_t gpa;
	bool ok;

	if (c->vcpu->idx != 0)
		return;
	pthread_mutex_lock(&hv->tsc_lock);
	status = hv->tsc_status;
	changes = hv->tsc_changes;
	gpa = hv->tsc_msr & HV_MSR_PAGE;
	pthread_mutex_unlock(&hv->tsc_lock);
	if (!is_due(status))
		return;
	ok = make_page(c, gpa, status == HV_TSC_HOST_CHANGED &&
			       READ_ONCE(hv->tsc_emulation_control), &page);
	pthread_mutex_lock(&hv->tsc_lock);
	if (changes == hv->tsc_changes) {
		hv->tsc_page = page;
		set_status_locked(hv, ok ? HV_TSC_SET : HV_TSC_BROKEN);
	}
	pthread_mutex_unlock(&hv->tsc_lock);
}
