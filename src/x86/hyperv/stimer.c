/* SPDX-License-Identifier: MIT */
/*
 * Synthetic timers (TLFS, Timers): four a vCPU, in units of the reference time.
 * Each expires by a message to a SINT, or in direct mode by an interrupt.
 *
 * The worker only says that a timer is due; the vCPU looks at the reference
 * time itself, so that one which the clock's change made early starts again.
 */
#include "x86/hyperv/internal.h"
#include "x86/hyperv/msr.h"

#define NS_PER_UNIT	100
/* Further away than any VM lives: no overflow in nanoseconds. */
#define FAR_AWAY	(1ull << 56)

static void mark_due(struct hv_stimer *t)
{
	__atomic_fetch_or(&t->hv->stimers_due, BIT(t->index), __ATOMIC_RELEASE);
	vcpu_request(t->hv->cpu->vcpu, REQ_STIMER);
}

static void on_timer(struct worker_timer *wt)
{
	mark_due(container_of(wt, struct hv_stimer, wt));
}

void hv_stimers_init(struct hv_vcpu *hv)
{
	for (u32 i = 0; i < HV_NR_STIMERS; i++) {
		hv->stimer[i].hv = hv;
		hv->stimer[i].index = i;
		worker_timer_init(&hv->stimer[i].wt, on_timer);
	}
}

void hv_stimers_cancel(struct hv_vcpu *hv)
{
	for (u32 i = 0; i < HV_NR_STIMERS; i++)
		worker_timer_cancel(&hv->stimer[i].wt);
}

static void stop(struct hv_stimer *t)
{
	worker_timer_cancel(&t->wt);
	__atomic_fetch_and(&t->hv->stimers_due, ~BIT(t->index), __ATOMIC_ACQ_REL);
	t->message_due = false;
	t->expiration = 0;
}

/* -- Running ------------------------------------------------------------------------------ */

static struct vm *timer_vm(const struct hv_stimer *t)
{
	return t->hv->cpu->vcpu->vm;
}

/* Periods that were missed altogether are left out; one may be longer than time. */
static u64 next_period(const struct hv_stimer *t, u64 now)
{
	u64 next;

	if (t->expiration && now < t->expiration)
		return t->expiration;
	next = now + t->count;
	if (next < now)
		return UINT64_MAX;
	return t->expiration ? next - (now - t->expiration) % t->count : next;
}

static void start(struct hv_stimer *t)
{
	u64 now = hv_reference_time(timer_vm(t));

	t->expiration = t->config & HV_STIMER_PERIODIC ? next_period(t, now) : t->count;
	if (t->expiration <= now)
		mark_due(t);		/* in the past: it expires at once */
	else
		worker_timer_arm(&t->wt, worker_now_ns() +
				 MIN(t->expiration - now, FAR_AWAY) * NS_PER_UNIT);
}

/* To avoid piling up, a periodic message that finds its slot taken is dropped. */
static bool send_message(struct hv_stimer *t)
{
	struct hv_timer_message msg = {
		.header.type = HV_MESSAGE_TIMER,
		.header.payload_size = sizeof(msg) - sizeof(msg.header),
		.timer = t->index,
		.expiration = t->expiration,
		.delivery = hv_reference_time(timer_vm(t)),
	};

	return hv_synic_send(t->hv->cpu, t->config >> HV_STIMER_SINT_SHIFT & 0xf, &msg.header,
			     t->config & HV_STIMER_PERIODIC) == 0;
}

static bool interrupt_directly(struct hv_stimer *t)
{
	struct lapic *l = t->hv->cpu->lapic;

	return !l || lapic_post(l, t->config >> HV_STIMER_VECTOR_SHIFT & 0xff) > 0;
}

static void expire(struct hv_stimer *t)
{
	bool sent = t->config & HV_STIMER_DIRECT_MODE ? interrupt_directly(t) : send_message(t);

	t->message_due = !sent;
	if (sent && !(t->config & HV_STIMER_PERIODIC))
		t->config &= ~HV_STIMER_ENABLE;
}

static void process(struct hv_stimer *t)
{
	if (!(t->config & HV_STIMER_ENABLE))
		return;
	if (t->expiration && hv_reference_time(timer_vm(t)) >= t->expiration)
		expire(t);
	if (!(t->config & HV_STIMER_ENABLE) || !t->count)
		stop(t);
	else if (!t->message_due)
		start(t);
}

void hv_stimers_process(struct cpu *c)
{
	u32 due = __atomic_exchange_n(&c->hv->stimers_due, 0, __ATOMIC_ACQ_REL);

	for (; due; due &= due - 1)
		process(&c->hv->stimer[__builtin_ctz(due)]);
}

void hv_stimers_retry(struct hv_vcpu *hv, u32 sint)
{
	for (u32 i = 0; i < HV_NR_STIMERS; i++) {
		struct hv_stimer *t = &hv->stimer[i];

		if (t->message_due && t->config & HV_STIMER_ENABLE &&
		    !(t->config & HV_STIMER_DIRECT_MODE) &&
		    (t->config >> HV_STIMER_SINT_SHIFT & 0xf) == sint)
			mark_due(t);
	}
}

/* -- MSRs ------------------------------------------------------------------------------------ */

static struct hv_stimer *timer_of(struct cpu *c, const struct msr_access *a, bool *is_count)
{
	u32 i = a->index - HV_MSR_STIMER0_CONFIG;

	*is_count = i & 1;
	return &c->hv->stimer[i / 2];
}

/* No SINT 0 for a timer that is on: it goes off (TLFS, Synthetic Timer Configuration). */
static enum msr_result set_config(struct cpu *c, struct hv_stimer *t, const struct msr_access *a)
{
	const struct hv_cpuid *id = &c->hv->cpuid;
	bool direct = a->data & HV_STIMER_DIRECT_MODE;

	if (!a->host && id->enforced && direct && !(id->features_edx & HV_STIMER_DIRECT))
		return MSR_REFUSED;
	stop(t);
	if (t->config & HV_STIMER_ENABLE && !direct && !(a->data >> HV_STIMER_SINT_SHIFT & 0xf))
		t->config = a->data & ~HV_STIMER_ENABLE;
	else
		t->config = a->data;
	return MSR_DONE;
}

/* KVM: what userspace restores has its enable bit already. */
static enum msr_result set_count(struct hv_stimer *t, const struct msr_access *a)
{
	stop(t);
	t->count = a->data;
	if (a->host)
		return MSR_DONE;
	if (!t->count)
		t->config &= ~HV_STIMER_ENABLE;
	else if (t->config & HV_STIMER_AUTO_ENABLE)
		t->config |= HV_STIMER_ENABLE;
	return MSR_DONE;
}

MSR_WRITE(hv_stimer)
{
	bool is_count;
	struct hv_stimer *t = timer_of(c, a, &is_count);
	enum msr_result r;

	if (!hv_permits(c, a, c->hv->cpuid.features_eax, HV_ACCESS_STIMER))
		return MSR_REFUSED;
	if (!READ_ONCE(c->hv->synic.active) && (!a->host || a->data))
		return MSR_REFUSED;
	r = is_count ? set_count(t, a) : set_config(c, t, a);
	if (r == MSR_DONE && t->config & HV_STIMER_ENABLE)
		mark_due(t);
	return r;
}

MSR_READ(hv_stimer)
{
	bool is_count;
	const struct hv_stimer *t = timer_of(c, a, &is_count);

	if (!hv_permits(c, a, c->hv->cpuid.features_eax, HV_ACCESS_STIMER))
		return MSR_REFUSED;
	a->data = is_count ? t->count : t->config;
	return MSR_DONE;
}
