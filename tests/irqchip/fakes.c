/* SPDX-License-Identifier: MIT */
/* In place of api/worker.c, routing.c, irqfd.c and x86/xen: one thread, a fake clock. */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "api/arch.h"
#include "api/eventfd.h"
#include "api/routing.h"
#include "api/worker.h"
#include "util/guard.h"
#include "x86/xen/xen.h"

const struct irqchip_ops *irqchip_ops;

/* -- Worker -------------------------------------------------------------------- */

u64 clock_ns;
static struct worker_timer *armed[4 * MAX_CPUS];
static u32 nr_armed;

static void disarm(struct worker_timer *t)
{
	for (u32 i = 0; i < nr_armed; i++)
		if (armed[i] == t)
			armed[i--] = armed[--nr_armed];
	t->deadline_ns = 0;
}

u64 worker_now_ns(void)
{
	return clock_ns;
}

void worker_timer_init(struct worker_timer *t, void (*fn)(struct worker_timer *t))
{
	*t = (struct worker_timer) { .fn = fn };
}

void worker_timer_arm(struct worker_timer *t, u64 deadline_ns)
{
	disarm(t);
	t->deadline_ns = deadline_ns;
	if (deadline_ns)
		armed[nr_armed++] = t;
}

void worker_timer_cancel(struct worker_timer *t)
{
	disarm(t);
}

static struct worker_timer *earliest(void)
{
	struct worker_timer *t = NULL;

	for (u32 i = 0; i < nr_armed; i++)
		if (!t || armed[i]->deadline_ns < t->deadline_ns)
			t = armed[i];
	return t;
}

void clock_advance(u64 ns)
{
	u64 end = clock_ns + ns;
	struct worker_timer *t;

	while ((t = earliest()) && t->deadline_ns <= end) {
		if (t->deadline_ns > clock_ns)
			clock_ns = t->deadline_ns;
		disarm(t);
		t->fn(t);
	}
	clock_ns = end;
}

/* -- Routing --------------------------------------------------------------------- */

static struct kvm_irq_routing_entry routes[128];
static u32 nr_routes;

void routing_set_for_tests(const struct kvm_irq_routing_entry *e, u32 n)
{
	assert_true(n <= ARRAY_SIZE(routes));
	if (n)
		memcpy(routes, e, n * sizeof(*e));
	nr_routes = n;
}

int routing_set(struct vm *vm, const struct kvm_irq_routing_entry *e, u32 n)
{
	routing_set_for_tests(e, n);
	arch_routes_changed(vm);
	return 0;
}

int set_routes(struct machine *m, const struct kvm_irq_routing_entry *e, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (arch_check_route(&m->vm, &e[i]))
			return -1;
	return routing_set(&m->vm, e, n);
}

int routing_set_irq(struct vm *vm, u32 gsi, int source, int level)
{
	int ret = -1;

	for (u32 i = 0; i < nr_routes; i++) {
		int r = routes[i].gsi == gsi ? arch_set_irq(vm, &routes[i], source, level) : -1;

		if (r >= 0)
			ret = MAX(ret, 0) + r;
	}
	return ret;
}

void routing_for_each(struct vm *vm,
		      void (*fn)(const struct kvm_irq_routing_entry *e, void *ctx), void *ctx)
{
	for (u32 i = 0; i < nr_routes; i++)
		fn(&routes[i], ctx);
}

/* -- irqfd, user copies -------------------------------------------------------------- */

u32 acks[3][32];

/* No vCPU here has a SynIC. */
int hv_synic_set_sint(struct vm *vm, u32 vp_index, u32 sint)
{
	return -1;
}

void hv_routes_changed(struct vm *vm)
{
}

void irqfd_notify_ack(struct vm *vm, u32 irqchip, u32 pin)
{
	acks[irqchip][pin]++;
}

int guard_copy_in(void *dst, const void *src, size_t n)
{
	if (!src)
		return -14;
	memcpy(dst, src, n);
	return 0;
}

int guard_copy_out(void *dst, const void *src, size_t n)
{
	if (!dst)
		return -14;
	memcpy(dst, src, n);
	return 0;
}

/* -- Xen: no guest of it ------------------------------------------------------------- */

int xen_set_irq(struct vm *vm, const struct kvm_irq_routing_entry *e, int level)
{
	return -1;
}

int xen_check_route(struct vm *vm, const struct kvm_irq_routing_entry *e)
{
	return -22;
}
