/* SPDX-License-Identifier: MIT */
/* Dirty rings while guests write (api.rst 8.29). */
#include "guest.h"

GUEST_BLOB(ring_writer);
GUEST_BLOB(ring_sweep);
GUEST_BLOB(ring_stosb);

#define LOG_GPA		0x1000000ul
#define RING_OFFSET	(KVM_DIRTY_LOG_PAGE_OFFSET * PG)

enum { CPUS = 3, SLOT = 9, PAGES = 512, ENTRIES = PG / sizeof(struct kvm_dirty_gfn) };

struct logged {
	struct guest g;
	u8 *mem, *copy;
	struct kvm_dirty_gfn *ring[CPUS];
	u32 next[CPUS];
	bool seen[PAGES];
	volatile u32 ring_full[CPUS];
	u64 harvested;
};

static void log_create(struct logged *l, u32 cpus)
{
	needs_guest();
	memset(l, 0, sizeof(*l));
	guest_create(&l->g, GUEST_DIRTY_RING, cpus);
	l->mem = guest_ram(PAGES * PG);
	l->copy = guest_ram(PAGES * PG);
	assert_ok(set_region(l->g.vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, LOG_GPA, PAGES * PG,
			     l->mem));
	for (u32 i = 0; i < cpus; i++) {
		l->ring[i] = kvm_mmap(PG, MAP_SHARED, l->g.vcpu[i], RING_OFFSET);
		assert_ptr_not_equal(l->ring[i], MAP_FAILED);
	}
}

static void log_destroy(struct logged *l)
{
	for (u32 i = 0; i < l->g.nr; i++)
		munmap(l->ring[i], PG);
	guest_destroy(&l->g);
	munmap(l->mem, PAGES * PG);
	munmap(l->copy, PAGES * PG);
}

static void begin(struct logged *l, u32 i, u64 rip, u64 rdi, u64 rsi)
{
	struct kvm_regs r;

	guest_long(&l->g, i, rip);
	guest_regs(&l->g, i, &r);
	r.rdi = rdi;
	r.rsi = rsi;
	r.rdx = i * 256;
	guest_set_regs(&l->g, i, &r);
}

/* Takes the entries that are there; at most @max. */
static u32 harvest_ring(struct logged *l, u32 i, bool *pages, u32 max)
{
	u32 n = 0;

	for (; n < max; n++, l->next[i]++) {
		struct kvm_dirty_gfn *e = &l->ring[i][l->next[i] % ENTRIES];

		if (__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			break;
		assert_int_equal(e->slot, SLOT);
		assert_true(e->offset < PAGES);
		pages[e->offset] = true;
		__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	}
	return n;
}

/* What migration does: take, arm again, then copy. */
static void copy_dirty(struct logged *l)
{
	bool pages[PAGES] = { false };
	u32 n = 0;

	for (u32 i = 0; i < l->g.nr; i++)
		n += harvest_ring(l, i, pages, ENTRIES);
	assert_int_equal(kvm_ioctl_val(l->g.vm, KVM_RESET_DIRTY_RINGS, 0), n);
	for (u32 p = 0; p < PAGES; p++) {
		if (!pages[p])
			continue;
		memcpy(l->copy + p * PG, l->mem + p * PG, PG);
		l->seen[p] = true;
	}
	l->harvested += n;
}

/* -- Several vCPUs and a thread that harvests ---------------------------------- */

struct writer {
	struct logged *l;
	u32 i;
	pthread_t thread;
	volatile bool stop, done;
	volatile int result;
};

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	for (;;) {
		w->result = guest_run(&w->l->g, w->i);
		if (w->result == KVM_EXIT_DIRTY_RING_FULL)
			w->l->ring_full[w->i]++;
		else if (w->result != -EINTR)
			break;
		if (w->stop)
			break;
		usleep(50);
	}
	w->done = true;
	return NULL;
}

static void writers_start(struct logged *l, struct writer *w)
{
	kick_prepare();
	guest_load(&l->g, GUEST_CODE, ring_writer);
	for (u32 i = 0; i < l->g.nr; i++) {
		begin(l, i, GUEST_CODE, LOG_GPA, PAGES - 1);
		w[i] = (struct writer){ .l = l, .i = i };
		pthread_create(&w[i].thread, NULL, writer_main, &w[i]);
	}
}

static void writers_stop(struct logged *l, struct writer *w)
{
	for (u32 i = 0; i < l->g.nr; i++) {
		w[i].stop = true;
		while (!w[i].done) {
			pthread_kill(w[i].thread, SIGUSR1);
			usleep(200);
		}
		pthread_join(w[i].thread, NULL);
		assert_true(w[i].result == -EINTR ||
			    w[i].result == KVM_EXIT_DIRTY_RING_FULL);
	}
}

/* Each page more than once, and rings that were full. */
static bool has_seen_enough(const struct logged *l)
{
	for (u32 p = 0; p < PAGES - 1; p++) {
		if (!l->seen[p])
			return false;
	}
	return l->harvested > 4 * PAGES && l->ring_full[0] + l->ring_full[1] + l->ring_full[2];
}

/* The copy made while the guest ran is exact in the end. */
static void nothing_is_lost(void **state)
{
	const u64 until = now_ns() + 700000000;
	struct writer w[CPUS];
	struct logged l;

	log_create(&l, CPUS);
	writers_start(&l, w);
	for (u32 round = 0; now_ns() < until || !has_seen_enough(&l); round++) {
		copy_dirty(&l);
		if (round % 8 == 0)
			usleep(1000);
	}
	writers_stop(&l, w);
	copy_dirty(&l);
	assert_memory_equal(l.copy, l.mem, PAGES * PG);
	log_destroy(&l);
}

static void *scribbler_main(void *arg)
{
	struct writer *w = arg;
	u64 x = 88172645463325252ull;

	while (!w->stop) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		((volatile u32 *)w->l->ring[x % CPUS])[x >> 8 & 1023] =
			x & 1 << 20 ? KVM_DIRTY_GFN_F_RESET : (u32)(x >> 32);
	}
	return NULL;
}

/* A VMM that writes nonsense into the rings hurts itself alone. */
static void rings_may_be_scribbled_on(void **state)
{
	const u64 until = now_ns() + 300000000;
	struct writer w[CPUS], s;
	struct logged l;
	u64 rip;

	log_create(&l, CPUS);
	s = (struct writer){ .l = &l };
	writers_start(&l, w);
	pthread_create(&s.thread, NULL, scribbler_main, &s);
	while (now_ns() < until) {
		int n = kvm_ioctl_val(l.g.vm, KVM_RESET_DIRTY_RINGS, 0);

		assert_in_range(n, 0, CPUS * ENTRIES);
	}
	s.stop = true;
	pthread_join(s.thread, NULL);
	writers_stop(&l, w);
	/* Order again: all that is there is given back, and the guest goes on. */
	rip = guest_rip(&l.g, 0);
	assert_in_range(rip, GUEST_CODE, GUEST_CODE + 256);
	for (u32 i = 0; i < CPUS; i++)
		for (u32 e = 0; e < ENTRIES; e++)
			l.ring[i][e].flags = KVM_DIRTY_GFN_F_RESET;
	assert_true(kvm_ioctl_val(l.g.vm, KVM_RESET_DIRTY_RINGS, 0) >= 0);
	memset(l.ring[0], 0, PG);
	guest_load(&l.g, GUEST_CODE + 0x1000, ring_sweep);
	begin(&l, 0, GUEST_CODE + 0x1000, LOG_GPA, 1);
	assert_int_equal(guest_run(&l.g, 0), KVM_EXIT_HLT);
	log_destroy(&l);
}

/* -- One vCPU --------------------------------------------------------------------- */

/* Runs until HLT, harvests at each exit for the ring: how many there were. */
static u32 run_to_hlt(struct logged *l)
{
	u32 full = 0;
	int r;

	while ((r = guest_run(&l->g, 0)) == KVM_EXIT_DIRTY_RING_FULL) {
		full++;
		copy_dirty(l);
	}
	assert_int_equal(r, KVM_EXIT_HLT);
	copy_dirty(l);
	return full;
}

static void full_ring_stops_the_guest(void **state)
{
	struct kvm_regs before, after;
	bool pages[PAGES];
	struct logged l;
	u32 taken;

	log_create(&l, 1);
	guest_load(&l.g, GUEST_CODE, ring_sweep);
	begin(&l, 0, GUEST_CODE, LOG_GPA, PAGES);
	assert_int_equal(guest_run(&l.g, 0), KVM_EXIT_DIRTY_RING_FULL);
	guest_regs(&l.g, 0, &before);
	/* Again and again, and nothing is executed. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(guest_run(&l.g, 0), KVM_EXIT_DIRTY_RING_FULL);
	guest_regs(&l.g, 0, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	/* immediate_exit comes first; harvesting alone is not enough. */
	l.g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&l.g, 0), -EINTR);
	l.g.run[0]->immediate_exit = 0;
	taken = harvest_ring(&l, 0, pages, 10);
	assert_int_equal(taken, 10);
	assert_int_equal(guest_run(&l.g, 0), KVM_EXIT_DIRTY_RING_FULL);
	assert_int_equal(kvm_ioctl_val(l.g.vm, KVM_RESET_DIRTY_RINGS, 0), 10);
	assert_int_equal(guest_run(&l.g, 0), KVM_EXIT_DIRTY_RING_FULL);
	guest_regs(&l.g, 0, &after);
	assert_int_equal(after.rdi - before.rdi, 10 * PG);
	run_to_hlt(&l);
	log_destroy(&l);
}

static void each_page_once(void **state)
{
	struct logged l;

	log_create(&l, 1);
	guest_load(&l.g, GUEST_CODE, ring_sweep);
	for (int i = 0; i < 3; i++) {
		l.harvested = 0;
		begin(&l, 0, GUEST_CODE, LOG_GPA, PAGES);
		run_to_hlt(&l);
		assert_int_equal(l.harvested, PAGES);
		assert_memory_equal(l.copy, l.mem, PAGES * PG);
	}
	log_destroy(&l);
}

static void string_stops_when_it_is_full(void **state)
{
	struct kvm_regs r;
	struct logged l;

	log_create(&l, 1);
	guest_load(&l.g, GUEST_CODE, ring_stosb);
	begin(&l, 0, GUEST_CODE, LOG_GPA, 0);
	guest_regs(&l.g, 0, &r);
	r.rcx = PAGES * PG;
	r.rax = 0x5a;
	guest_set_regs(&l.g, 0, &r);
	assert_true(run_to_hlt(&l) > 1);
	assert_int_equal(l.harvested, PAGES);
	assert_int_equal(l.copy[PAGES * PG - 1], 0x5a);
	assert_memory_equal(l.copy, l.mem, PAGES * PG);
	log_destroy(&l);
}

/* Page tables' A and D bits, and the page of the kvmclock. */
static void writes_of_the_cpu_itself(void **state)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} clock = {
		.head.nmsrs = 1,
		.entry = { .index = 0x4b564d01, .data = (LOG_GPA + 100 * PG) | 1 },
	};
	struct kvm_sregs s;
	struct logged l;

	log_create(&l, 1);
	guest_load(&l.g, GUEST_CODE, ring_sweep);
	/* A copy of the tables in logged memory, with A and D clear. */
	memcpy(l.mem, l.g.mem + GUEST_PML4, 6 * PG);
	*(u64 *)l.mem = (LOG_GPA + PG) | 7;
	*(u64 *)(l.mem + PG) = (LOG_GPA + 2 * PG) | 7;
	begin(&l, 0, GUEST_CODE, LOG_GPA + 50 * PG, 1);
	assert_ok(kvm_ioctl(l.g.vcpu[0], KVM_GET_SREGS, &s));
	s.cr3 = LOG_GPA;
	assert_ok(kvm_ioctl(l.g.vcpu[0], KVM_SET_SREGS, &s));
	assert_int_equal(kvm_ioctl(l.g.vcpu[0], KVM_SET_MSRS, &clock), 1);
	run_to_hlt(&l);
	for (u32 p = 0; p < PAGES; p++)
		assert_int_equal(l.seen[p], p < 3 || p == 50 || p == 100);
	log_destroy(&l);
}

/* Logging that is switched off and on again begins anew. */
static void logging_toggles(void **state)
{
	struct logged l;
	bool pages[PAGES];

	log_create(&l, 1);
	guest_load(&l.g, GUEST_CODE, ring_sweep);
	for (u32 i = 0; i < 4; i++) {
		u32 flags = i % 2 ? 0 : KVM_MEM_LOG_DIRTY_PAGES;

		assert_ok(set_region(l.g.vm, SLOT, flags, LOG_GPA, PAGES * PG, l.mem));
		begin(&l, 0, GUEST_CODE, LOG_GPA, 3);
		assert_int_equal(guest_run(&l.g, 0), KVM_EXIT_HLT);
		assert_int_equal(harvest_ring(&l, 0, pages, ENTRIES), i % 2 ? 0 : 3);
	}
	log_destroy(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_page_once),
		cmocka_unit_test(full_ring_stops_the_guest),
		cmocka_unit_test(string_stops_when_it_is_full),
		cmocka_unit_test(writes_of_the_cpu_itself),
		cmocka_unit_test(logging_toggles),
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(rings_may_be_scribbled_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
