/* SPDX-License-Identifier: MIT */
/*
 * The objects of the API, independent of the guest's architecture
 * (Linux: virt/kvm): VM, vCPU and the descriptors that refer to them.
 *
 * Lock order: vm->lock -> vm->slots_lock -> vcpu->mutex -> the irqchip's locks.
 * docs/locking.md says who takes what.
 */
#ifndef ANYKVM_API_KVM_H
#define ANYKVM_API_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

#include "util/types.h"

struct arch_vm;		/* x86: src/x86/x86.h */
struct cpu;		/* x86: src/x86/cpu/state.h */
struct dirty_ring;
struct dirty_rings;
struct memslots;
struct tally;
struct vcpu;
struct vcpu_stats;
struct vfio;
struct vm;
struct vm_stats;

/* Limits reported by KVM_CHECK_EXTENSION. */
#define KVM_MAX_VCPUS		1024
#define KVM_MAX_VCPU_IDS	4096
#define KVM_USER_MEM_SLOTS	32764
#define KVM_ADDRESS_SPACES	2	/* x86: normal and SMM */
#define KVM_MAX_GSI		4096

/* What a descriptor refers to; the scope of an ioctl (api.rst section 2). */
enum scope {
	SCOPE_SYSTEM, SCOPE_VM, SCOPE_VCPU, SCOPE_DEVICE, SCOPE_STATS,
	SCOPE_MAPPING,		/* no descriptor: what mappings of a ring hold */
};

/*
 * One open file of ours.  Found by fd number or by inode (api/fd.h); lives
 * until the kernel says the last descriptor and mapping of it are gone.
 * @vm is NULL for SCOPE_SYSTEM, @vcpu is set for SCOPE_VCPU only.
 */
struct kfile {
	enum scope scope;
	struct vm *vm;		/* holds a reference */
	struct vcpu *vcpu;
	int memfd;		/* of several open files: our own of their inode; -1 */
	ino_t ino;
	int watch;		/* inotify watch that reports its end; -1 none */
	u32 refs;		/* the descriptor itself, plus calls under way */
	u32 gen;		/* grows when the struct is reused (api/fd.c) */
	struct kfile *next_ino, *next_watch;
} __attribute__((aligned(64)));		/* @refs changes with each call */

/* -- VM ------------------------------------------------------------------- */

struct vm {
	pthread_mutex_t lock;		/* creation of vCPUs and chips, caps */
	u32 refs;			/* one per kfile */
	struct vm *all_next, **all_prev;	/* api/vm.c: the list of all VMs */
	bool dead;			/* KVM_RUN and ioctls answer EIO */

	/* Memory: see api/memslot.h. */
	pthread_mutex_t slots_lock;
	struct memslots *slots[KVM_ADDRESS_SPACES];	/* published snapshots */
	u64 sync_gen;			/* see vm_sync_vcpus() */
	u32 turn_next, turn_now;	/* of vCPUs that want to be alone */
	int turn_cancel;		/* cancel state of the thread whose turn it is */
	bool alone;			/* see vcpu_alone_begin() */
	u64 manual_dirty_log;		/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
	struct dirty_rings *dirty_rings;	/* api/dirty_ring.c; NULL: bitmaps */

	/* vCPUs in creation order; entries never change once published. */
	struct vcpu *vcpus[KVM_MAX_VCPUS];
	u32 nr_vcpus;			/* read with acquire, no lock needed */
	u32 max_vcpu_ids;
	u32 halt_poll_ns;		/* KVM_CAP_HALT_POLL; atomic */

	struct vm_stats *stats;		/* api/stats.h; changed under slots_lock */
	int stats_fd;
	pid_t stats_pid;		/* the thread that made it */

	/* Owned by the file named after each. */
	struct routing *routing;	/* api/routing.c */
	struct eventfds *eventfds;	/* api/eventfds.c */
	struct coalesced *coalesced;	/* api/coalesced.c */
	struct vfio *vfio;		/* api/vfio.c; NULL: no such device */

	struct arch_vm *arch;
};

/* -- vCPU ----------------------------------------------------------------- */

/*
 * Requests to a vCPU, posted by any thread with vcpu_request() and seen by the
 * running loop at the end of the current block.  Bits from REQ_ARCH up belong
 * to the architecture.
 */
enum {
	REQ_SIGNAL	= BIT(0),	/* a signal arrived: leave with EINTR */
	REQ_SYNC	= BIT(1),	/* flush what came from memslots, then ack */
	REQ_UNHALT	= BIT(2),	/* wake from HLT without an event */
	REQ_DIRTY_RING	= BIT(3),	/* look at dirty_ring_full() */
	REQ_PAUSE	= BIT(4),	/* another is alone: leave, enter when it is done */
	REQ_TICK	= BIT(5),	/* tell those who watch: watch_tick() */
	REQ_ARCH_SHIFT	= 8,
};

struct vcpu {
	struct vm *vm;			/* no reference: the VM owns its vCPUs */
	u32 id;				/* as given to KVM_CREATE_VCPU */
	u32 idx;			/* position in vm->vcpus */
	pthread_mutex_t mutex;		/* held by every vCPU ioctl and KVM_RUN */

	struct kvm_run *run;		/* our own mapping of the vCPU's memfd */
	u8 *pio_data;			/* page 1 of it */
	int fd_once;			/* the memfd as created; -1 once handed out */

	/*
	 * 1 while the vCPU may touch guest memory through its TLB or read
	 * vm->slots; 0 outside KVM_RUN and while it sleeps.  See vm_sync_vcpus.
	 */
	u32 in_guest;
	u64 acked_gen;			/* last vm->sync_gen it has acted on */
	u32 sleeping;			/* futex word, see vcpu_block() */
	u32 *requests;			/* lives in the arch state: it is polled */
	u64 *kick;			/* becomes all ones after each request; or NULL */
	u32 halt_poll_ns;		/* api/halt.c */

	struct dirty_ring *dirty_ring;	/* api/dirty_ring.h; NULL: bitmaps */

	struct vcpu_stats *stats;	/* api/stats.h; changed under mutex */
	int stats_fd;
	pid_t stats_pid;		/* the thread that made it */
	struct tally *tally;		/* watch/stats/; NULL: it is not counted there */

	/* Since it left the guest the VMM has done more than to serve an exit for I/O. */
	bool attended;
	bool sigmask_active;		/* KVM_SET_SIGNAL_MASK */
	sigset_t sigmask;

	struct cpu *cpu;		/* the architecture's state */
};

/* The vCPU whose KVM_RUN this thread is in, or NULL. */
extern __thread struct vcpu *current_vcpu
	__attribute__((tls_model("initial-exec")));

/* Posts @bits and makes the vCPU notice soon, asleep or not.  Any thread. */
void vcpu_request(struct vcpu *vcpu, u32 bits);

/* The same, but a sleeper sleeps on: it sees them before it does anything. */
void vcpu_request_quietly(struct vcpu *vcpu, u32 bits);

/* Posts REQ_SIGNAL to the caller's own vCPU.  Async-signal-safe, keeps errno. */
void vcpu_request_signal(struct vcpu *vcpu);

/*
 * Returns when each other vCPU that is in guest has taken those of @bits that
 * were posted.  @self is the caller's, in guest; it counts as out of it
 * meanwhile, so that two may wait for each other, and must look at its own
 * requests before guest code goes on.
 */
void vm_wait_taken(struct vcpu *self, u32 bits);

/* Takes those of @bits that are posted, and clears them. */
static inline u32 vcpu_take_requests(struct vcpu *vcpu, u32 bits)
{
	/* Mostly there are none, and a locked instruction would be all the work. */
	if (!(__atomic_load_n(vcpu->requests, __ATOMIC_ACQUIRE) & bits))
		return 0;
	return __atomic_fetch_and(vcpu->requests, ~bits, __ATOMIC_ACQ_REL) & bits;
}

/*
 * Sleeps until a request is posted.  The caller is the vCPU's own thread, in
 * KVM_RUN; in_guest, if it was set, is dropped meanwhile.  Returns at once if
 * any is posted; false then.
 */
bool vcpu_block(struct vcpu *vcpu);

/* One halt, from vcpu_halt_poll() to vcpu_halt_end(). */
struct halt {
	u64 start, poll_end;
	bool allowed, polled;
};

/*
 * A halted vCPU, in guest, polls for a while before it sleeps, if @allowed.
 * True if a request came.  Else the caller sleeps, and says whether it did.
 */
bool vcpu_halt_poll(struct vcpu *vcpu, bool allowed, struct halt *h);
void vcpu_halt_end(struct vcpu *vcpu, const struct halt *h, bool slept);

/* The same for @ns at most, and without leaving the guest. */
void vcpu_doze(struct vcpu *vcpu, u64 ns);

/*
 * Leaving and entering the section in which guest memory may be touched.
 * vcpu_enter_guest() returns true if everything derived from memslots (TLBs)
 * must be flushed first, because slots changed meanwhile.
 */
bool vcpu_enter_guest(struct vcpu *vcpu);
void vcpu_leave_guest(struct vcpu *vcpu);

/* Called by the arch loop when it has acted on REQ_SYNC (TLB flushed). */
void vcpu_ack_sync(struct vcpu *vcpu);

/*
 * Returns when no vCPU uses anything it derived from memslots before the call:
 * running ones have flushed their TLBs, others will before they run.  Caller
 * holds vm->slots_lock; a vCPU in guest must never wait for that lock.
 */
void vm_sync_vcpus(struct vm *vm);

/*
 * From begin to end no other vCPU of the VM is in guest: @self, which is, may do
 * to guest memory in several steps what must look like one.  Nothing between may
 * unwind or wait.  It leaves the guest on the way: false if slots have changed,
 * so that what it derived from them must be flushed, and be no longer used.
 */
bool vcpu_alone_begin(struct vcpu *self);
void vcpu_alone_end(struct vcpu *self);

struct vcpu *vm_vcpu_by_id(struct vm *vm, u32 id);

#define vm_for_each_vcpu(vm, i, v)						\
	for ((i) = 0;								\
	     (i) < __atomic_load_n(&(vm)->nr_vcpus, __ATOMIC_ACQUIRE) &&	\
	     ((v) = (vm)->vcpus[i]);						\
	     (i)++)

#endif
