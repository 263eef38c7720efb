/* SPDX-License-Identifier: MIT */
/* Senders on other threads, without a lock: no interrupt is lost. */
#include "machine.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { SENDERS = 2, ROUNDS = 4000, FIRST = 0x40 };

static u32 taken[256];
static struct machine *m;

static void ignore(struct cpu *c) { }

static const struct irqchip_ops quiet = { .interrupt = ignore };

/* Sends, by an IPI of vCPU 1 + n, its own vector, and waits until it is taken. */
static void *sender(void *arg)
{
	u32 n = (uintptr_t)arg, v = FIRST + 0x20 * n;

	for (u32 i = 1; i <= ROUNDS; i++) {
		lapic_send_ipi(lapic(m, 1 + n), v, 0);
		while (__atomic_load_n(&taken[v], __ATOMIC_ACQUIRE) != i)
			sched_yield();
	}
	return NULL;
}

static void no_interrupt_is_lost(void **state)
{
	pthread_t threads[SENDERS];
	u32 left = SENDERS * ROUNDS;

	m = machine_new(IRQCHIP_FULL, 1 + SENDERS);
	for (u32 i = 0; i < 1 + SENDERS; i++)
		apic_enable(m, i);
	irqchip_ops = &quiet;
	alarm(30);	/* a lost interrupt hangs its sender */
	for (uintptr_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sender, (void *)i), 0);
	while (left) {
		int v = irqchip_has_interrupt(&m->cpu[0]) ?
			irqchip_get_interrupt(&m->cpu[0]) : -1;

		if (v < 0) {
			sched_yield();
			continue;
		}
		apic_write(m, 0, LAPIC_EOI, 0);
		__atomic_fetch_add(&taken[v], 1, __ATOMIC_RELEASE);
		left--;
	}
	for (u32 i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_false(irqchip_has_interrupt(&m->cpu[0]));
	alarm(0);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_interrupt_is_lost) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
