/* SPDX-License-Identifier: MIT */
/*
 * What Xen's guests see, as far as KVM implements it (Xen: public/xen.h,
 * vcpu.h, event_channel.h, sched.h).  The layouts of 32-bit and 64-bit guests
 * differ; bitmaps begin at the same place and are arrays of bytes to us.
 */
#ifndef ANYKVM_X86_XEN_ABI_H
#define ANYKVM_X86_XEN_ABI_H

#include "util/types.h"

/* -- Hypercalls ------------------------------------------------------------------ */

enum xen_hypercall_nr {
	XEN_HC_SET_TIMER_OP	= 15,
	XEN_HC_XEN_VERSION	= 17,
	XEN_HC_VCPU_OP		= 24,
	XEN_HC_SCHED_OP		= 29,
	XEN_HC_EVENT_CHANNEL_OP	= 32,
};

enum {
	XENVER_VERSION			= 0,
	VCPUOP_SET_SINGLESHOT_TIMER	= 8,
	VCPUOP_STOP_SINGLESHOT_TIMER	= 9,
	SCHEDOP_YIELD			= 0,
	SCHEDOP_POLL			= 3,
	EVTCHNOP_SEND			= 4,
};

#define VCPU_SSHOTTMR_FUTURE	BIT(0)	/* refuse a deadline in the past */

/* 32-bit guests have no padding at the end. */
struct xen_singleshot_timer {
	u64 timeout_abs_ns;
	u32 flags;
	u32 pad;
};
#define XEN_SINGLESHOT_TIMER_SIZE32	12

struct xen_sched_poll {
	u64 ports;		/* linear address of an array of u32 */
	u32 nr_ports;
	u32 pad;
	u64 timeout;
};

struct xen_sched_poll32 {
	u32 ports;
	u32 nr_ports;
	u64 timeout;
};
_Static_assert(sizeof(struct xen_sched_poll) == 24, "the guest's ABI");
_Static_assert(sizeof(struct xen_sched_poll32) == 16, "the guest's ABI");

#define XEN_POLL_MAX_PORTS	128

/* -- Event channels --------------------------------------------------------------- */

/* KVM_XEN_ATTR_TYPE_EVTCHN's types (EVTCHNSTAT_*) that can be sent to. */
enum { XEN_EVTCHN_INTERDOMAIN = 2, XEN_EVTCHN_IPI = 5 };

/* The two-level ABI: words of the size of the guest's long, squared. */
#define XEN_PORTS32	1024
#define XEN_PORTS64	4096

/* -- shared_info --------------------------------------------------------------------- */

#define SHARED_PENDING		2048	/* after 32 vcpu_info of 64 bytes */
#define SHARED_MASK32		(SHARED_PENDING + XEN_PORTS32 / 8)
#define SHARED_MASK64		(SHARED_PENDING + XEN_PORTS64 / 8)
#define SHARED_WALL32		(SHARED_MASK32 + XEN_PORTS32 / 8)
#define SHARED_WALL64		(SHARED_MASK64 + XEN_PORTS64 / 8)
#define SHARED_WALL_HI32	(SHARED_WALL32 + 12 + 24)	/* end of arch_shared_info */
#define SHARED_WALL_HI64	(SHARED_WALL64 + 12)

/* -- vcpu_info ------------------------------------------------------------------------ */

#define VCPU_INFO_SIZE		64
#define VCPU_INFO_UPCALL	0
#define VCPU_INFO_SELECTOR32	4
#define VCPU_INFO_SELECTOR64	8
#define VCPU_INFO_TIME		32

/* -- vcpu_runstate_info ---------------------------------------------------------------- */

enum xen_runstate_nr {
	RUNSTATE_RUNNING, RUNSTATE_RUNNABLE, RUNSTATE_BLOCKED, RUNSTATE_OFFLINE,
	NR_RUNSTATES
};

/* After state: state_entry_time and the times. */
#define RUNSTATE_ENTRY32	4
#define RUNSTATE_ENTRY64	8
#define RUNSTATE_SIZE32		(RUNSTATE_ENTRY32 + (1 + NR_RUNSTATES) * 8)
#define RUNSTATE_SIZE64		(RUNSTATE_ENTRY64 + (1 + NR_RUNSTATES) * 8)
/* In state_entry_time while the structure is being written. */
#define RUNSTATE_UPDATE		BIT_ULL(63)

#endif
