/* SPDX-License-Identifier: MIT */
/* The argument of an ioctl: from the rows of dispatch to structs.def. */
#ifndef ANYKVM_WATCH_TRACE_DECODE_H
#define ANYKVM_WATCH_TRACE_DECODE_H

#include "watch/trace/record.h"
#include "watch/trace/structs.h"
#include "watch/watch.h"

/* What a decoder of args.def is given. */
struct decode {
	struct out *o;
	const struct watch_call *call;
	u64 head;	/* the argument's first 8 bytes before the call */
};

typedef void (*decode_fn)(const struct decode *d);

struct arg_desc {
	enum { SHOW_NOTHING, SHOW_NONZERO, SHOW_VALUE, SHOW_IN, SHOW_OUT, SHOW_LIST } how;
	enum format format;	/* of SHOW_VALUE */
	const void *extra;
	struct_fn desc;
	decode_fn list;
};

/* How the argument of a row is shown; NULL: nobody has said. */
const struct arg_desc *decode_row(const struct ioctl_desc *row);

/* True if the call overwrites what decode->head remembers. */
bool decode_wants_head(const struct watch_call *call);

/* The argument as a value, if there is one to show; text begins with ", ". */
void decode_arg(const struct decode *d);

/* A pointer, when what it points to cannot be read or has not been written. */
void decode_pointer(const struct decode *d);

/* -- lists.c ---------------------------------------------------------------------- */

#define DECODER(name)	void decode_##name(const struct decode *d);
DECODER(irq_line_status)
DECODER(dirty_log)
DECODER(clear_dirty_log)
DECODER(gsi_routing)
DECODER(signal_mask)
DECODER(device_attr)
DECODER(msr_index_list)
DECODER(msr_filter)
DECODER(pmu_event_filter)
DECODER(cpuid)
/* -- changes.c -------------------------------------------------------------------- */
DECODER(supported_cpuid)
DECODER(vcpu_cpuid)
DECODER(msrs)
#undef DECODER

/* The vCPU, or the last of its descriptors, has ended: nothing precedes any more. */
void changes_forget(const struct vcpu *vcpu);
/* In a forked child: nobody holds the lock, and the vCPUs are the parent's. */
void changes_forked(void);

/* -- exits.c ---------------------------------------------------------------------- */

/* exit_reason, and the member of kvm_run's union that belongs to it. */
void decode_exit(struct recorder *r, struct vcpu *vcpu);

#endif
