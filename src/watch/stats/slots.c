/* SPDX-License-Identifier: MIT */
/*
 * The page, and which vCPU has which of its slots.
 *
 * Exits are counted in the page at once.  What the vCPU itself counts (stats.def,
 * instructions) is copied there every TICK_NS: by the worker while the vCPU is
 * not in KVM_RUN, else by its own thread, which is asked for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "api/arch.h"
#include "api/stats.h"
#include "api/worker.h"
#include "trace/trace.h"
#include "watch/stats/stats.h"

#define TICK_NS		250000000ull
#define ANSWER_NS	100000000ull	/* at exit: a vCPU's time to answer */
#define HIGH_FD		200		/* where programs do not expect to find theirs */

enum { MAX_TALLIES = 1024, MAX_VMS = 64 };

struct stats_page *stats_page;

/* Guards all of these; taken before a vCPU's mutex, which is only tried. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tally tallies[MAX_TALLIES];
static struct {
	const struct vm *vm;
	u32 number;
} vms[MAX_VMS];
static struct worker_timer timer;

/* -- The page --------------------------------------------------------------------- */

static int make_memfd(void)
{
	int low = memfd_create(STATS_MEMFD, MFD_CLOEXEC), high;

	if (low < 0)
		return low;
	high = fcntl(low, F_DUPFD_CLOEXEC, HIGH_FD);
	if (high < 0)
		return low;
	close(low);
	return high;
}

/* The descriptor stays open: others find the page by it. */
static struct stats_page *make_page(void)
{
	struct stats_page *p = MAP_FAILED;
	int fd = make_memfd();

	if (fd >= 0 && !ftruncate(fd, sizeof(*p)))
		p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		log_error("no statistics: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	p->version = STATS_VERSION;
	p->size = sizeof(*p);
	p->nr_kvm = NR_STATS_KVM;
	p->pid = getpid();
	p->start_ns = worker_now_ns();
	/* Who finds it there finds the rest. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(p->magic, STATS_MAGIC, sizeof(p->magic));
	return p;
}

/* -- Publishing ------------------------------------------------------------------- */

static void add(u64 *v, u64 n)
{
	__atomic_fetch_add(v, n, __ATOMIC_RELAXED);
}

static void set(u64 *v, u64 n)
{
	__atomic_store_n(v, n, __ATOMIC_RELAXED);
}

/* The caller is the only one who may change what @vcpu counts. */
static void publish(const struct vcpu *vcpu, struct stats_vcpu *slot)
{
	const struct vcpu_stats *s = vcpu->stats;
	u64 entry = arch_vcpu_syscall_entry(vcpu);

	if (entry)
		set(&stats_page->syscall_entry, entry);
	set(&slot->insns, arch_vcpu_insns(vcpu));
#define PUBLISH_1(name)		set(&slot->kvm[STATS_KVM_##name], s->name[0]);
#define PUBLISH_32(name)
#define VCPU_STAT(kind, name, n) PUBLISH_##n(name)
#include "api/stats.def"
}

/* A slot that others have, too, gets a vCPU's numbers when it ends. */
static void publish_end(const struct tally *t)
{
	struct stats_vcpu last;

	if (!t->shared) {
		publish(t->vcpu, t->slot);
		return;
	}
	memset(&last, 0, sizeof(last));
	publish(t->vcpu, &last);
	add(&t->slot->insns, last.insns);
	for (u32 i = 0; i < NR_STATS_KVM; i++)
		add(&t->slot->kvm[i], last.kvm[i]);
}

static void count_guest_time(struct tally *t)
{
	u64 now = worker_now_ns(), since = READ_ONCE(t->since);

	if (since) {
		add(&t->slot->guest_ns, now - since);
		WRITE_ONCE(t->counted, t->counted + now - since);
	}
	WRITE_ONCE(t->since, now);
}

void slots_tick(struct vcpu *vcpu)
{
	struct tally *t = READ_ONCE(vcpu->tally);

	if (!t)
		return;
	count_guest_time(t);
	if (!t->shared)
		publish(vcpu, t->slot);
	__atomic_fetch_add(&t->published, 1, __ATOMIC_RELEASE);
}

/* False if it is in KVM_RUN, whose thread has to do it. */
static bool publish_idle(struct tally *t)
{
	struct vcpu *vcpu = t->vcpu;

	if (t->shared)
		return true;
	if (pthread_mutex_trylock(&vcpu->mutex))
		return false;
	publish(vcpu, t->slot);
	pthread_mutex_unlock(&vcpu->mutex);
	return true;
}

static void on_timer(struct worker_timer *w)
{
	bool live = false;

	pthread_mutex_lock(&lock);
	for (u32 i = 0; i < MAX_TALLIES; i++) {
		struct tally *t = &tallies[i];

		if (!t->vcpu)
			continue;
		live = true;
		if (!publish_idle(t))
			vcpu_request_quietly(t->vcpu, REQ_TICK);
	}
	if (live)
		worker_timer_arm(&timer, worker_now_ns() + TICK_NS);
	pthread_mutex_unlock(&lock);
}

static void wait_for_answer(const struct tally *t, u32 before, u64 until)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (__atomic_load_n(&t->published, __ATOMIC_ACQUIRE) == before &&
	       READ_ONCE(t->running) && worker_now_ns() < until)
		nanosleep(&pause, NULL);
}

/* A thread that has been interrupted in it may have the lock. */
static bool lock_at_exit(u64 until)
{
	while (pthread_mutex_trylock(&lock))
		if (worker_now_ns() >= until)
			return false;
	return true;
}

void slots_publish_all(void)
{
	u64 until = worker_now_ns() + ANSWER_NS;

	if (!lock_at_exit(until))
		return;
	for (u32 i = 0; i < MAX_TALLIES; i++) {
		struct tally *t = &tallies[i];
		u32 before = READ_ONCE(t->published);

		if (!t->vcpu || publish_idle(t))
			continue;
		vcpu_request(t->vcpu, REQ_TICK);
		wait_for_answer(t, before, until);
		publish_idle(t);
	}
	pthread_mutex_unlock(&lock);
}

/* -- Slots ------------------------------------------------------------------------ */

static struct stats_vcpu *last_slot(void)
{
	return &stats_page->vcpu[STATS_VCPUS - 1];
}

static bool has_tally(const struct stats_vcpu *slot)
{
	for (u32 i = 0; i < MAX_TALLIES; i++)
		if (tallies[i].vcpu && tallies[i].slot == slot)
			return true;
	return false;
}

static void move(u64 *to, u64 *from)
{
	add(to, *from);
	set(from, 0);
}

/* The vCPU of @slot has ended; its numbers go to the last one. */
static void fold(struct stats_vcpu *slot)
{
	struct stats_vcpu *all = last_slot();

	all->used = 1;
	move(&all->guest_ns, &slot->guest_ns);
	move(&all->insns, &slot->insns);
	for (u32 i = 0; i < NR_STATS_KVM; i++)
		move(&all->kvm[i], &slot->kvm[i]);
	for (u32 i = 0; i < STATS_REASONS; i++) {
		move(&all->exits[i].count, &slot->exits[i].count);
		move(&all->exits[i].vmm_ns, &slot->exits[i].vmm_ns);
	}
	WRITE_ONCE(slot->ended, 0);
	WRITE_ONCE(slot->used, 0);
}

static struct stats_vcpu *find_slot(void)
{
	for (u32 i = 0; i < STATS_VCPUS - 1; i++)
		if (!stats_page->vcpu[i].used)
			return &stats_page->vcpu[i];
	for (u32 i = 0; i < STATS_VCPUS - 1; i++) {
		struct stats_vcpu *slot = &stats_page->vcpu[i];

		if (slot->ended && !has_tally(slot)) {
			fold(slot);
			return slot;
		}
	}
	return last_slot();
}

static u32 number_of(const struct vm *vm)
{
	for (u32 i = 0; i < MAX_VMS; i++)
		if (vms[i].vm == vm)
			return vms[i].number;
	return 0;
}

static struct tally *find_tally(const struct vcpu *vcpu)
{
	for (u32 i = 0; i < MAX_TALLIES; i++)
		if (tallies[i].vcpu == vcpu)
			return &tallies[i];
	return NULL;
}

static void add_locked(struct vcpu *vcpu)
{
	struct tally *t = find_tally(NULL);
	struct stats_vcpu *slot;

	__atomic_fetch_add(&stats_page->vcpus, 1, __ATOMIC_RELAXED);
	if (!t)
		return;
	slot = find_slot();
	*t = (struct tally){ .vcpu = vcpu, .slot = slot, .shared = slot == last_slot() };
	if (!t->shared) {
		slot->id = vcpu->id;
		slot->vm = number_of(vcpu->vm);
	}
	WRITE_ONCE(slot->used, 1);
	WRITE_ONCE(vcpu->tally, t);
	worker_timer_arm(&timer, worker_now_ns() + TICK_NS);
}

void slots_add(struct vcpu *vcpu)
{
	pthread_mutex_lock(&lock);
	if (!READ_ONCE(vcpu->tally))
		add_locked(vcpu);
	pthread_mutex_unlock(&lock);
}

void slots_end(struct vcpu *vcpu)
{
	struct tally *t;

	pthread_mutex_lock(&lock);
	t = vcpu->tally;
	if (t) {
		publish_end(t);
		WRITE_ONCE(t->slot->ended, !t->shared);
		t->vcpu = NULL;
		WRITE_ONCE(vcpu->tally, NULL);
	}
	pthread_mutex_unlock(&lock);
}

void slots_add_vm(const struct vm *vm)
{
	pthread_mutex_lock(&lock);
	for (u32 i = 0; i < MAX_VMS; i++) {
		if (vms[i].vm)
			continue;
		vms[i].vm = vm;
		vms[i].number = stats_page->vms;
		break;
	}
	WRITE_ONCE(stats_page->vms, stats_page->vms + 1);
	pthread_mutex_unlock(&lock);
}

void slots_end_vm(const struct vm *vm)
{
	pthread_mutex_lock(&lock);
	for (u32 i = 0; i < MAX_VMS; i++)
		if (vms[i].vm == vm)
			vms[i].vm = NULL;
	pthread_mutex_unlock(&lock);
}

bool slots_init(void)
{
	worker_timer_init(&timer, on_timer);
	stats_page = make_page();
	return stats_page;
}

/* The parent counts in its page, this process in one of its own. */
void slots_forked(void)
{
	pthread_mutex_init(&lock, NULL);
	for (u32 i = 0; i < MAX_TALLIES; i++)
		if (tallies[i].vcpu)
			tallies[i].vcpu->tally = NULL;
	memset(tallies, 0, sizeof(tallies));
	memset(vms, 0, sizeof(vms));
	munmap(stats_page, sizeof(*stats_page));
	slots_init();
}
