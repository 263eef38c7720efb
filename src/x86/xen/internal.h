/* SPDX-License-Identifier: MIT */
/*
 * State of x86/xen/ and what its files share.
 *
 * xen_vm.lock protects everything configured by VM and vCPU ioctls, and is
 * held for reading while guest memory named by it is written: after an ioctl
 * has taken an address away, nothing writes there any more.  It comes after
 * vm->slots_lock; its holders wait for nobody.
 */
#ifndef ANYKVM_X86_XEN_INTERNAL_H
#define ANYKVM_X86_XEN_INTERNAL_H

#include "api/worker.h"
#include "x86/api/clock.h"
#include "x86/x86.h"
#include "x86/xen/abi.h"
#include "x86/xen/xen.h"

#define XEN_NO_GPA		(~0ull)
#define XEN_NO_GFN		(~0ull)
#define XEN_PRIO_2LEVEL		KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL
#define XEN_OUTBOUND_BUCKETS	64

struct xen_outbound;

struct xen_vm {
	pthread_rwlock_t lock;
	struct kvm_xen_hvm_config config;
	bool long_mode;			/* layout of what is shared with the guest */
	u8 upcall_vector;
	u32 version;			/* XENVER_version's; 0: userspace answers */
	gpa_t shared_info;
	struct xen_outbound *outbound[XEN_OUTBOUND_BUCKETS];
};

struct xen_vcpu {
	/* Addresses, or XEN_NO_GPA. */
	gpa_t info, time_info, runstate;
	u32 vcpu_id;			/* Xen's number of it */
	u8 upcall_vector;		/* 0: the VM's, without the LAPIC */
	u64 pending_selector;		/* bits that could not be put into vcpu_info; atomic */

	/* Runstate, by its own thread or under vcpu->mutex. */
	u32 state;
	u64 state_entry;
	u64 state_time[NR_RUNSTATES];

	/* VIRQ_TIMER. */
	u32 timer_port;			/* 0: the guest has none */
	u64 timer_expires;		/* kvmclock; 0: not running */
	bool timer_pending;		/* it has expired; atomic */
	struct worker_timer timer;

	/* SCHEDOP_poll. */
	bool polling;			/* atomic: who clears it wakes the vCPU */
	u32 poll_port;			/* 0: any */
	struct worker_timer poll_timer;
	struct vcpu *vcpu;
};

static inline struct xen_vm *vm_xen(const struct vm *vm)
{
	return vm->arch->xen;
}

static inline u32 xen_max_port(const struct vm *vm)
{
	return READ_ONCE(vm_xen(vm)->long_mode) ? XEN_PORTS64 : XEN_PORTS32;
}

static inline u64 xen_now(struct vm *vm)
{
	return clock_at(vm, host_tsc());
}

/* -- memory.c: guest memory of address space 0, from any thread ------------------------ */

/* The vCPU in whose KVM_RUN this thread is, if that vCPU is in guest. */
struct vcpu *xen_self(struct vm *vm);

/*
 * Between begin and end xen_access() may be used.  @self: the caller is this
 * vCPU, in guest or in an ioctl with its mutex; NULL: any other thread.
 */
struct xen_memory {
	struct vm *vm;
	struct vcpu *entered;
	bool locked;
};
void xen_memory_begin(struct xen_memory *m, struct vm *vm, struct vcpu *self);
void xen_memory_end(struct xen_memory *m);

/*
 * Calls @fn with the host's address of @gpa, which is good to the end of its
 * page.  False if no writable memory is there, or it has gone.
 */
bool xen_access(struct vm *vm, gpa_t gpa, void (*fn)(u8 *host, void *ctx), void *ctx);

/* A hypercall's argument.  False: -EFAULT. */
bool xen_read_linear(struct cpu *c, u64 lin, void *buf, u32 n);

/* -- evtchn.c ----------------------------------------------------------------------------- */

/*
 * 1 delivered, 0 was pending already, -ENOTCONN masked, -EINVAL no such vCPU,
 * port or shared_info, -EFAULT no memory.
 */
int xen_evtchn_raise(struct vm *vm, struct vcpu *self, u32 vcpu_id, u32 port);
/* Sets the vector of a VM or vCPU; 0 is none.  -EINVAL. */
long xen_set_upcall_vector(u8 *where, u8 vector);
/* Is one of the ports pending?  Also if that cannot be known.  In guest. */
bool xen_evtchn_any_pending(struct cpu *c, const u32 *ports, u32 n);

/* -- outbound.c: KVM_XEN_ATTR_TYPE_EVTCHN ----------------------------------------------------- */

long xen_outbound_set(struct vm *vm, const struct kvm_xen_hvm_attr *a);
void xen_outbound_reset(struct xen_vm *x);
/* EVTCHNOP_send of the guest.  False: userspace's business. */
bool xen_outbound_send(struct cpu *c, u32 port);

/* -- timer.c ------------------------------------------------------------------------------------ */

void xen_timer_init(struct xen_vcpu *x);
void xen_timer_start(struct cpu *c, u64 expires, s64 delta);
void xen_timer_stop(struct cpu *c);
/* If it has expired: raises its event. */
void xen_timer_deliver(struct cpu *c);
/* True: handled, with result. */
bool xen_set_timer_op(struct cpu *c, u64 timeout, u64 *ret);
bool xen_vcpu_op(struct cpu *c, bool mode64, u32 op, u32 vcpu_id, u64 arg, u64 *ret);

/* -- poll.c ----------------------------------------------------------------------------------- */

void xen_poll_init(struct xen_vcpu *x);
bool xen_sched_op(struct cpu *c, bool mode64, u32 op, u64 arg, u64 *ret);
/* An event has arrived for @x: ends its poll if it was for that port. */
void xen_poll_wake(struct xen_vcpu *x, u32 port, bool masked);

/* -- runstate.c ----------------------------------------------------------------------------------- */

long xen_runstate_set(struct cpu *c, const struct kvm_xen_vcpu_attr *a);
void xen_runstate_get(struct cpu *c, struct kvm_xen_vcpu_attr *a);
u32 xen_runstate_size(const struct vm *vm);

#endif
