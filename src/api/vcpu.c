/* SPDX-License-Identifier: MIT */
/*
 * How threads talk to a running vCPU: requests, sleep, and the agreement on
 * when it may use what it knows about memory slots.
 *
 * Three pairs of store-then-load keep wake-ups from being lost; all four
 * accesses of each are sequentially consistent:
 *   vcpu_request:  requests |= bits;  reads sleeping
 *   vcpu_block:    sleeping = 1;      reads requests
 *   vm_sync_vcpus: sync_gen += 1;     reads in_guest
 *   enter_guest:   in_guest = 1;      reads sync_gen
 *   alone_begin:   alone = true;      reads in_guest
 *   enter_guest:   in_guest = 1;      reads alone
 * Whoever comes second in a pair sees what the other has stored.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "api/kvm.h"
#include "api/run.h"
#include "api/stats.h"

/* Polls of a vCPU in guest before each way of giving way to it. */
#define SYNC_SPINS	1000
#define SYNC_YIELDS	100
#define SYNC_SLEEP_NS	20000

IN_SIGNAL_HANDLER
static long futex(u32 *word, int op, u32 val, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, timeout, NULL, 0);
}

static inline __attribute__((always_inline)) void set_request(struct vcpu *vcpu, u32 bits)
{
	__atomic_fetch_or(vcpu->requests, bits, __ATOMIC_SEQ_CST);
	if (vcpu->kick)
		__atomic_store_n(vcpu->kick, ~0ull, __ATOMIC_RELAXED);
}

static inline __attribute__((always_inline)) void post(struct vcpu *vcpu, u32 bits)
{
	int err;

	set_request(vcpu, bits);
	if (likely(!__atomic_load_n(&vcpu->sleeping, __ATOMIC_SEQ_CST)))
		return;
	if (__atomic_exchange_n(&vcpu->sleeping, 0, __ATOMIC_SEQ_CST)) {
		err = errno;
		futex(&vcpu->sleeping, FUTEX_WAKE, 1, NULL);
		errno = err;
	}
}

void vcpu_request(struct vcpu *vcpu, u32 bits)
{
	post(vcpu, bits);
}

IN_SIGNAL_HANDLER void vcpu_request_signal(struct vcpu *vcpu)
{
	post(vcpu, REQ_SIGNAL);
}

void vcpu_request_quietly(struct vcpu *vcpu, u32 bits)
{
	set_request(vcpu, bits);
}

static bool has_requests(const struct vcpu *vcpu)
{
	return __atomic_load_n(vcpu->requests, __ATOMIC_SEQ_CST);
}

/*
 * Sleeps once.  A signal handler that ran ends the sleep as a request would,
 * also where nobody tells us of handlers (anykvm_signalled).
 */
static void sleep_once(struct vcpu *vcpu, const struct timespec *timeout)
{
	int err = errno;

	__atomic_store_n(&vcpu->sleeping, 1, __ATOMIC_SEQ_CST);
	if (!has_requests(vcpu) &&
	    futex(&vcpu->sleeping, FUTEX_WAIT, 1, timeout) < 0 && errno == EINTR)
		run_signalled(0);
	__atomic_store_n(&vcpu->sleeping, 0, __ATOMIC_SEQ_CST);
	errno = err;
}

/* One poll later: the longer it has taken, the more the CPU is given away. */
static void back_off(u32 polls)
{
	const struct timespec nap = { .tv_nsec = SYNC_SLEEP_NS };

	if (polls < SYNC_SPINS)
		__builtin_ia32_pause();
	else if (polls < SYNC_SPINS + SYNC_YIELDS)
		sched_yield();
	else
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

/* -- Being alone in guest ------------------------------------------------------- */

/*
 * In the order of asking: who is often alone must not keep others out for ever.
 * A thread that is cancelled meanwhile ends when it has given the turn on.
 */
static void turn_begin(struct vm *vm)
{
	int cancel;
	u32 turn;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	turn = __atomic_fetch_add(&vm->turn_next, 1, __ATOMIC_SEQ_CST);
	for (u32 i = 0; __atomic_load_n(&vm->turn_now, __ATOMIC_ACQUIRE) != turn; i++)
		back_off(i);
	vm->turn_cancel = cancel;
}

static void turn_end(struct vm *vm)
{
	int cancel = vm->turn_cancel;

	__atomic_fetch_add(&vm->turn_now, 1, __ATOMIC_RELEASE);
	pthread_setcancelstate(cancel, NULL);
}

/* One that had to wait enters in a turn of its own. */
static void set_in_guest(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	__atomic_store_n(&vcpu->in_guest, 1, __ATOMIC_SEQ_CST);
	if (likely(!__atomic_load_n(&vm->alone, __ATOMIC_SEQ_CST)))
		return;
	vcpu_leave_guest(vcpu);
	turn_begin(vm);
	__atomic_store_n(&vcpu->in_guest, 1, __ATOMIC_SEQ_CST);
	turn_end(vm);
}

static bool slots_unchanged(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->vm->sync_gen, __ATOMIC_SEQ_CST) == vcpu->acked_gen;
}

static void pause_others(struct vcpu *self)
{
	struct vcpu *v;
	u32 i;

	vm_for_each_vcpu(self->vm, i, v) {
		if (v != self && __atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST))
			vcpu_request(v, REQ_PAUSE);
	}
	vm_for_each_vcpu(self->vm, i, v) {
		for (u32 polls = 0; v != self &&
		     __atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST); polls++)
			back_off(polls);
	}
}

bool vcpu_alone_begin(struct vcpu *self)
{
	struct vm *vm = self->vm;

	vcpu_leave_guest(self);
	turn_begin(vm);
	__atomic_store_n(&vm->alone, true, __ATOMIC_SEQ_CST);
	pause_others(self);
	__atomic_store_n(&self->in_guest, 1, __ATOMIC_SEQ_CST);
	return slots_unchanged(self);
}

void vcpu_alone_end(struct vcpu *self)
{
	__atomic_store_n(&self->vm->alone, false, __ATOMIC_SEQ_CST);
	turn_end(self->vm);
}

/* -- Entering and leaving --------------------------------------------------------- */

/* Not acknowledged here: the loop does that when it has flushed. */
static void reenter_guest(struct vcpu *vcpu)
{
	set_in_guest(vcpu);
	if (!slots_unchanged(vcpu))
		__atomic_fetch_or(vcpu->requests, REQ_SYNC, __ATOMIC_SEQ_CST);
}

bool vcpu_block(struct vcpu *vcpu)
{
	const bool in_guest = vcpu->in_guest;

	if (has_requests(vcpu))
		return false;
	vcpu_leave_guest(vcpu);
	stat_set(vcpu, blocking, 1);
	while (!has_requests(vcpu))
		sleep_once(vcpu, NULL);
	stat_set(vcpu, blocking, 0);
	if (in_guest)
		reenter_guest(vcpu);
	return true;
}

void vcpu_doze(struct vcpu *vcpu, u64 ns)
{
	const struct timespec timeout = { .tv_nsec = ns };

	sleep_once(vcpu, &timeout);
}

bool vcpu_enter_guest(struct vcpu *vcpu)
{
	u64 gen;

	set_in_guest(vcpu);
	gen = __atomic_load_n(&vcpu->vm->sync_gen, __ATOMIC_SEQ_CST);
	if (likely(gen == vcpu->acked_gen))
		return false;
	__atomic_store_n(&vcpu->acked_gen, gen, __ATOMIC_RELEASE);
	return true;
}

void vcpu_leave_guest(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->in_guest, 0, __ATOMIC_RELEASE);
}

void vcpu_ack_sync(struct vcpu *vcpu)
{
	/*
	 * A generation that began after the flush may be acknowledged too: the
	 * TLB is still empty, and what fills it from here on sees its slots.
	 */
	u64 gen = __atomic_load_n(&vcpu->vm->sync_gen, __ATOMIC_SEQ_CST);

	__atomic_store_n(&vcpu->acked_gen, gen, __ATOMIC_RELEASE);
}

static bool is_synced(const struct vcpu *vcpu, u64 gen)
{
	return !__atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&vcpu->acked_gen, __ATOMIC_ACQUIRE) >= gen;
}

static void wait_synced(const struct vcpu *vcpu, u64 gen)
{
	for (u32 i = 0; !is_synced(vcpu, gen); i++)
		back_off(i);
}

void vm_sync_vcpus(struct vm *vm)
{
	u64 gen = __atomic_add_fetch(&vm->sync_gen, 1, __ATOMIC_SEQ_CST);
	bool asked = false;
	struct vcpu *v;
	u32 i;

	/* All are asked before any is waited for. */
	vm_for_each_vcpu(vm, i, v) {
		if (!is_synced(v, gen)) {
			vcpu_request(v, REQ_SYNC);
			asked = true;
		}
	}
	stat_inc(vm, remote_tlb_flush_requests);
	stat_add(vm, remote_tlb_flush, asked);
	/* A handler on top of KVM_RUN cannot wait for what it interrupted. */
	vm_for_each_vcpu(vm, i, v) {
		if (v != current_vcpu)
			wait_synced(v, gen);
	}
}

static bool has_taken(const struct vcpu *vcpu, u32 bits)
{
	return !__atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST) ||
	       !(__atomic_load_n(vcpu->requests, __ATOMIC_SEQ_CST) & bits);
}

void vm_wait_taken(struct vcpu *self, u32 bits)
{
	struct vcpu *v;
	u32 i;

	vcpu_leave_guest(self);
	vm_for_each_vcpu(self->vm, i, v) {
		for (u32 polls = 0; v != self && !has_taken(v, bits); polls++)
			back_off(polls);
	}
	reenter_guest(self);
}
