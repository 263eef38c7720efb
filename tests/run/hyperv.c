/* SPDX-License-Identifier: MIT */
/* Guests that know Hyper-V: MSRs, reference time, hypercalls. */
#include "hyperv.h"

#include <sys/eventfd.h>

GUEST_BLOB(hv_ended);
GUEST_BLOB(hv_sleep);
GUEST_BLOB(hv_look);

static void only_for_guests_that_were_told(void **state)
{
	struct guest g;

	prepare(&g, 1);
	RUN(&g, 0, { RDMSR, OS_ID }, { WRMSR, OS_ID, LINUX_ID }, { RDMSR, TIME },
	    { RDMSR, SCONTROL }, { RDMSR, CRASH_P0 });
	for (u32 i = 0; i < 5; i++)
		assert_int_equal(result(&g, i), GP);
	assert_true(set(&g, 0, OS_ID, LINUX_ID));	/* the VMM's restoring */
	assert_int_equal(got(&g, OS_ID), LINUX_ID);
	guest_destroy(&g);
}

static void enforced_by_cpuid(void **state)
{
	struct guest g = hv_guest(1 << 5 | 1 << 1);	/* hypercall MSRs, time */

	RUN(&g, 0, { WRMSR, OS_ID, LINUX_ID }, { RDMSR, OS_ID }, { RDMSR, TIME },
	    { RDMSR, VP_INDEX }, { RDMSR, RESET }, { RDMSR, REFERENCE_TSC },
	    { RDMSR, TSC_HZ }, { RDMSR, ASSIST_PAGE }, { RDMSR, REENLIGHTEN });
	assert_int_equal(result(&g, 0), 0);
	assert_int_equal(result(&g, 1), LINUX_ID);
	assert_true(result(&g, 2) > 0 && result(&g, 2) != GP);
	for (u32 i = 3; i < 9; i++)
		assert_int_equal(result(&g, i), GP);
	guest_destroy(&g);
}

static void read_only_and_reserved(void **state)
{
	struct guest g = hv_guest(~0u);

	RUN(&g, 0, { WRMSR, TIME, 1 }, { WRMSR, TSC_HZ, 1 }, { WRMSR, APIC_HZ, 1 },
	    { WRMSR, VP_INDEX, 1 }, { WRMSR, RUNTIME, 1 }, { WRMSR, EMULATION_STATUS, 1 },
	    { RDMSR, EOI }, { RDMSR, RESET + 1 }, { RDMSR, APIC_HZ + 1 },
	    { RDMSR, RESET }, { RDMSR, APIC_HZ });
	for (u32 i = 0; i < 9; i++)
		assert_int_equal(result(&g, i), GP);
	assert_int_equal(result(&g, 9), 0);
	assert_int_equal(result(&g, 10), 1000000000);
	assert_true(set(&g, 0, TIME, 1));
	assert_true(set(&g, 0, TSC_HZ, 1));
	assert_int_equal(got(&g, TSC_HZ),
			 1000ull * kvm_ioctl_val(g.vcpu[0], KVM_GET_TSC_KHZ, 0));
	guest_destroy(&g);
}

static void vp_index_is_the_vmms(void **state)
{
	struct guest g;
	u64 index;

	prepare(&g, 2);
	assert_true(get(&g, 1, VP_INDEX, &index));
	assert_int_equal(index, 1);
	assert_false(set(&g, 1, VP_INDEX, 1u << 31));
	assert_true(set(&g, 1, VP_INDEX, 77));
	show_hyperv(&g, 1, ~0u);
	RUN(&g, 1, { RDMSR, VP_INDEX });
	assert_int_equal(result(&g, 0), 77);
	guest_destroy(&g);
}

/* CPU time of the thread, from whatever the VMM restored. */
static void runtime_goes_on(void **state)
{
	struct guest g = hv_guest(~0u);

	assert_true(set(&g, 0, RUNTIME, 1ull << 40));
	RUN(&g, 0, { RDMSR, RUNTIME }, { RDMSR, RUNTIME });
	assert_in_range(result(&g, 0), 1ull << 40, (1ull << 40) + 100000000);
	assert_true(result(&g, 1) >= result(&g, 0));
	guest_destroy(&g);
}

static void hypercall_page(void **state)
{
	struct guest g = hv_guest(~0u);
	const u8 *page = g.mem + CALL_PAGE;

	RUN(&g, 0, { WRMSR, HYPERCALL, CALL_PAGE | ENABLE }, { RDMSR, HYPERCALL });
	assert_int_equal(result(&g, 1), 0);	/* nobody has said who he is */
	RUN(&g, 0, HYPERCALLS, { RDMSR, HYPERCALL }, { WRMSR, HYPERCALL, GUEST_MMIO | ENABLE },
	    { RDMSR, HYPERCALL });
	assert_int_equal(result(&g, 2), CALL_PAGE | ENABLE);
	assert_int_equal(result(&g, 3), GP);
	assert_int_equal(result(&g, 4), CALL_PAGE | ENABLE);
	assert_true(page[0] == 0x0f && page[1] == 0x01 && page[3] == 0xc3);
	assert_true(page[2] == 0xd9 || page[2] == 0xc1);
	RUN(&g, 0, { WRMSR, OS_ID, 0 }, { RDMSR, HYPERCALL });
	assert_int_equal(result(&g, 1), CALL_PAGE);
	guest_destroy(&g);
}

static void apic_registers(void **state)
{
	struct guest g = hv_guest(~0u);

	RUN(&g, 0, { WRMSR, TPR, 0x50 }, { RDMSR, TPR }, { WRMSR, TPR, 1ull << 32 },
	    { WRMSR, ICR, 3ull << 56 | 0x4061 }, { RDMSR, ICR });
	assert_int_equal(result(&g, 1), 0x50);
	assert_int_equal(result(&g, 2), GP);
	assert_int_equal(result(&g, 4), 3ull << 56 | 0x4061);
	guest_destroy(&g);
}

static void assist_page_is_cleared_in_part(void **state)
{
	struct guest g = hv_guest(~0u);

	memset(g.mem + ASSIST, 0xff, 16);
	RUN(&g, 0, { WRMSR, ASSIST_PAGE, ASSIST | ENABLE }, { RDMSR, ASSIST_PAGE },
	    { WRMSR, ASSIST_PAGE, GUEST_MMIO | ENABLE }, { WRMSR, ASSIST_PAGE, GUEST_MMIO });
	assert_int_equal(result(&g, 1), ASSIST | ENABLE);
	assert_int_equal(*guest_word(&g, ASSIST), 0xffffffff00000000);
	assert_int_equal(result(&g, 2), GP);
	assert_int_equal(result(&g, 3), 0);
	guest_destroy(&g);
}

static void reset_and_crash_exit(void **state)
{
	struct guest g = hv_guest(~0u);

	assert_true(set(&g, 0, CRASH_CTL, ~0ull));
	START(&g, 0, { WRMSR, RESET, 2 }, { WRMSR, RESET, 1 }, { WRMSR, CRASH_P0 + 4, 0x1234 },
	      { WRMSR, CRASH_CTL, 1 }, { WRMSR, CRASH_CTL, 1ull << 63 });
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_SYSTEM_EVENT);
	assert_int_equal(g.run[0]->system_event.type, KVM_SYSTEM_EVENT_RESET);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_SYSTEM_EVENT);
	assert_int_equal(g.run[0]->system_event.type, KVM_SYSTEM_EVENT_CRASH);
	assert_int_equal(got(&g, CRASH_P0 + 4), 0x1234);
	assert_int_equal(got(&g, CRASH_CTL), 1ull << 63);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	guest_destroy(&g);
}

/* -- Time ------------------------------------------------------------------------------ */

struct tsc_page { volatile uint32_t sequence, reserved; volatile u64 scale; volatile int64_t offset; };

static struct tsc_page *tsc_page(struct guest *g)
{
	return (struct tsc_page *)(g->mem + TSC_PAGE);
}

static u64 page_time(struct guest *g)
{
	const struct tsc_page *p = tsc_page(g);

	return (u64)((unsigned __int128)got(g, 0x10) * p->scale >> 64) + p->offset;
}

static void set_clock(struct guest *g, u64 ns)
{
	struct kvm_clock_data d = { .clock = ns };

	assert_ok(kvm_ioctl(g->vm, KVM_SET_CLOCK, &d));
}

static void time_counts_100_ns(void **state)
{
	struct guest g = hv_guest(~0u);
	u64 n0 = now_ns(), t0 = got(&g, TIME), t1, n1;

	usleep(20000);
	t1 = got(&g, TIME);
	n1 = now_ns();
	assert_in_range((t1 - t0) * 100, 20000000, n1 - n0 + 2000000);
	guest_destroy(&g);
}

static void tsc_page_agrees_with_the_counter(void **state)
{
	struct guest g = hv_guest(~0u);
	u64 before, after;

	memset(g.mem + TSC_PAGE, 0, PG);
	RUN(&g, 0, { WRMSR, REFERENCE_TSC, TSC_PAGE }, { RDMSR, TIME });
	assert_int_equal(tsc_page(&g)->sequence, 0);
	RUN(&g, 0, { WRMSR, REFERENCE_TSC, TSC_PAGE | ENABLE }, { RDMSR, REFERENCE_TSC });
	assert_int_equal(result(&g, 1), TSC_PAGE | ENABLE);
	assert_int_not_equal(tsc_page(&g)->sequence, 0);
	before = page_time(&g);
	after = got(&g, TIME);
	assert_in_range(after, before, before + 1000000);
	guest_destroy(&g);
}

static void tsc_page_follows_the_clock(void **state)
{
	struct guest g = hv_guest(~0u);
	uint32_t sequence;

	memset(g.mem + TSC_PAGE, 0, PG);
	RUN(&g, 0, { WRMSR, REFERENCE_TSC, TSC_PAGE | ENABLE });
	sequence = tsc_page(&g)->sequence;
	set_clock(&g, 1000000000000ull);
	RUN(&g, 0, { RDMSR, TIME });
	assert_int_not_equal(tsc_page(&g)->sequence, sequence);
	assert_in_range(result(&g, 0), 10000000000ull, 10000000000ull + 10000000);
	assert_in_range(page_time(&g), 10000000000ull, 10000000000ull + 10000000);
	guest_destroy(&g);
}

/* While a guest has its TSC emulated it has not yet adapted to the new clock. */
static void tsc_emulation_keeps_the_page(void **state)
{
	struct guest g = hv_guest(~0u);
	struct tsc_page before;

	memset(g.mem + TSC_PAGE, 0, PG);
	RUN(&g, 0, { WRMSR, REFERENCE_TSC, TSC_PAGE | ENABLE }, { WRMSR, EMULATE_TSC, 1 });
	before = *tsc_page(&g);
	set_clock(&g, 1000000000000ull);
	RUN(&g, 0, { RDMSR, TIME });
	assert_memory_equal(&before, (void *)tsc_page(&g), sizeof(before));
	/* Restored elsewhere, too. */
	assert_true(set(&g, 0, REFERENCE_TSC, TSC_PAGE | ENABLE));
	RUN(&g, 0, { RDMSR, TIME });
	assert_memory_equal(&before, (void *)tsc_page(&g), sizeof(before));
	RUN(&g, 0, { WRMSR, EMULATE_TSC, 0 }, { WRMSR, REFERENCE_TSC, TSC_PAGE | ENABLE });
	assert_int_equal(tsc_page(&g)->sequence, before.sequence + 1);
	guest_destroy(&g);
}

static void tsc_page_without_memory_is_broken(void **state)
{
	struct guest g = hv_guest(~0u);

	RUN(&g, 0, { WRMSR, REFERENCE_TSC, GUEST_MMIO | ENABLE }, { RDMSR, TIME });
	assert_int_equal(result(&g, 0), 0);
	assert_int_not_equal(result(&g, 1), GP);
	guest_destroy(&g);
}

/* The page is in terms of the first vCPU's TSC, which writes it. */
static void tsc_page_of_another_vcpu(void **state)
{
	struct guest g;

	prepare(&g, 2);
	show_hyperv(&g, 0, ~0u);
	show_hyperv(&g, 1, ~0u);
	memset(g.mem + TSC_PAGE, 0, PG);
	RUN(&g, 1, { WRMSR, REFERENCE_TSC, TSC_PAGE | ENABLE });
	RUN(&g, 0, { RDMSR, TIME });
	assert_int_not_equal(tsc_page(&g)->sequence, 0);
	guest_destroy(&g);
}

static void what_is_written_is_dirty(void **state)
{
	struct guest g = hv_guest(~0u);
	static u64 bitmap[GUEST_RAM / PG / 64];
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };

	assert_ok(set_region(g.vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, GUEST_RAM, g.mem));
	RUN(&g, 0, HYPERCALLS, { WRMSR, REFERENCE_TSC, TSC_PAGE | ENABLE },
	    { WRMSR, ASSIST_PAGE, ASSIST | ENABLE });
	assert_ok(kvm_ioctl(g.vm, KVM_GET_DIRTY_LOG, &log));
	assert_true(bitmap[TSC_PAGE / PG / 64] >> TSC_PAGE / PG % 64 & 1);
	assert_true(bitmap[CALL_PAGE / PG / 64] >> CALL_PAGE / PG % 64 & 1);
	assert_true(bitmap[ASSIST / PG / 64] >> ASSIST / PG % 64 & 1);
	assert_false(bitmap[SIMP / PG / 64] >> SIMP / PG % 64 & 1);
	guest_destroy(&g);
}

/* -- Hypercalls ---------------------------------------------------------------------------- */

static void statuses(void **state)
{
	struct guest g = hv_guest(~0u);

	RUN(&g, 0, HYPERCALLS, { CALL, 0xbeef }, { CALL, SPIN_WAIT }, { CALL, SPIN_WAIT | 1ull << 32 },
	    { CALL, SPIN_WAIT | 1 << 27 }, { CALL, FLUSH_SPACE, GUEST_MMIO },
	    { CALL, FLUSH_SPACE | FAST }, { CALL, POST_MESSAGE }, { CALL, SIGNAL_EVENT, INPUT + 4 },
	    { CALL, SIGNAL_EVENT | FAST, 1ull << 24 });
	assert_int_equal(result(&g, 2), 2);		/* no such call */
	assert_int_equal(result(&g, 3), 0);
	assert_int_equal(result(&g, 4), 3);		/* it is not a rep call */
	assert_int_equal(result(&g, 5), 3);		/* reserved */
	assert_int_equal(result(&g, 6), 3);		/* no memory */
	assert_int_equal(result(&g, 7), 0);
	assert_int_equal(result(&g, 8), 3);		/* no SynIC to answer */
	assert_int_equal(result(&g, 9), 4);		/* alignment */
	assert_int_equal(result(&g, 10), 3);		/* no such connection can be */
	guest_destroy(&g);
}

static void userspace_answers_messages(void **state)
{
	struct guest g = hv_guest(~0u);
	struct kvm_hyperv_exit *e = &g.run[0]->hyperv;

	synic(&g, KVM_CAP_HYPERV_SYNIC);
	START(&g, 0, HYPERCALLS, { CALL, POST_MESSAGE, INPUT, 0x77 });
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HYPERV);
	assert_int_equal(e->type, KVM_EXIT_HYPERV_HCALL);
	assert_int_equal(e->u.hcall.input, POST_MESSAGE);
	assert_int_equal(e->u.hcall.params[0], INPUT);
	assert_int_equal(e->u.hcall.params[1], 0x77);
	e->u.hcall.result = 0x1234;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(result(&g, 2), 0x1234);
	guest_destroy(&g);
}

static void connect_eventfd(struct guest *g, u32 id, int fd)
{
	struct kvm_hyperv_eventfd e = { .conn_id = id, .fd = fd };

	assert_ok(kvm_ioctl(g->vm, KVM_HYPERV_EVENTFD, &e));
}

static void events_go_to_the_eventfd(void **state)
{
	struct guest g = hv_guest(~0u);
	int fd = eventfd(0, EFD_NONBLOCK);
	u64 n;

	synic(&g, KVM_CAP_HYPERV_SYNIC);
	connect_eventfd(&g, 5, fd);
	*guest_word(&g, INPUT) = 5;
	START(&g, 0, HYPERCALLS, { CALL, SIGNAL_EVENT | FAST, 5 }, { CALL, SIGNAL_EVENT, INPUT },
	      { CALL, SIGNAL_EVENT | FAST, 6 }, { CALL, SIGNAL_EVENT | FAST, 5 | 1ull << 32 });
	/* Connection 6, and 5's flag 1, are userspace's. */
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_HYPERV);
		assert_int_equal(g.run[0]->hyperv.type, KVM_EXIT_HYPERV_HCALL);
		g.run[0]->hyperv.u.hcall.result = 18;
	}
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(result(&g, 2), 0);
	assert_int_equal(result(&g, 3), 0);
	assert_int_equal(result(&g, 4), 18);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 2);
	close(fd);
	guest_destroy(&g);
}

static void ipi_wakes_the_other(void **state)
{
	struct guest g;
	struct runner r;

	prepare(&g, 2);
	show_hyperv(&g, 0, ~0u);
	guest_load(&g, IRQ_HANDLER, hv_ended);
	guest_load(&g, GUEST_CODE + 0x1000, hv_sleep);
	show_hyperv(&g, 1, ~0u);
	guest_long(&g, 1, GUEST_CODE + 0x1000);
	runner_start(&r, &g, 1);
	usleep(5000);
	RUN(&g, 0, HYPERCALLS, { CALL, SEND_IPI | FAST, VECTOR, 1 << 1 },
	    { CALL, SEND_IPI | FAST, 0xf, 1 << 1 }, { CALL, SEND_IPI | FAST, VECTOR | 1ull << 32, 2 });
	assert_int_equal(result(&g, 2), 0);
	assert_int_equal(result(&g, 3), 3);
	assert_int_equal(result(&g, 4), 3);
	assert_soon(*guest_word(&g, COUNT) == 1);
	runner_stop(&r);
	guest_destroy(&g);
}

/* The other spins on an address whose page is exchanged under it. */
static void flush_reaches_the_other(void **state)
{
	const u64 lin = 0x40000000, a = 0x200000, b = 0x300000;
	struct guest g;
	struct runner r;
	struct kvm_regs regs;
	u64 *pd, *pt;

	prepare(&g, 2);
	show_hyperv(&g, 0, ~0u);
	show_hyperv(&g, 1, ~0u);
	pd = (u64 *)(g.mem + GUEST_PML4 + 0x3000);	/* of the second GiB */
	pt = (u64 *)(g.mem + 0x3f0000);
	*(volatile u64 *)pd = 0x3f0000 | 7;
	*(volatile u64 *)pt = a | 7;
	*guest_word(&g, a) = 1;
	*guest_word(&g, b) = 2;
	guest_load(&g, GUEST_CODE + 0x1000, hv_look);
	guest_long(&g, 1, GUEST_CODE + 0x1000);
	guest_regs(&g, 1, &regs);
	regs.rdi = lin;
	guest_set_regs(&g, 1, &regs);
	runner_start(&r, &g, 1);
	for (u32 i = 0; i < 50; i++) {
		assert_soon(*guest_word(&g, SEEN) == 1 + i % 2);
		*(volatile u64 *)pt = (i % 2 ? a : b) | 7;
		RUN(&g, 0, HYPERCALLS, { CALL, FLUSH_SPACE | FAST, 0, 1 });
		assert_int_equal(result(&g, 2), 0);
	}
	runner_stop(&r);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_for_guests_that_were_told),
		cmocka_unit_test(enforced_by_cpuid),
		cmocka_unit_test(read_only_and_reserved),
		cmocka_unit_test(vp_index_is_the_vmms),
		cmocka_unit_test(runtime_goes_on),
		cmocka_unit_test(hypercall_page),
		cmocka_unit_test(apic_registers),
		cmocka_unit_test(assist_page_is_cleared_in_part),
		cmocka_unit_test(reset_and_crash_exit),
		cmocka_unit_test(time_counts_100_ns),
		cmocka_unit_test(tsc_page_agrees_with_the_counter),
		cmocka_unit_test(tsc_page_follows_the_clock),
		cmocka_unit_test(tsc_emulation_keeps_the_page),
		cmocka_unit_test(tsc_page_without_memory_is_broken),
		cmocka_unit_test(tsc_page_of_another_vcpu),
		cmocka_unit_test(what_is_written_is_dirty),
		cmocka_unit_test(statuses),
		cmocka_unit_test(userspace_answers_messages),
		cmocka_unit_test(events_go_to_the_eventfd),
		cmocka_unit_test(ipi_wakes_the_other),
		cmocka_unit_test(flush_reaches_the_other),
	};

	kick_prepare();
	alarm(20);	/* an interrupt that is lost is slept for */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
