/* SPDX-License-Identifier: MIT */
/*
 * Time: the guest's TSC, kvmclock and steal time.
 *
 * kvmclock of a VM is a line through (clock_base_tsc, clock_base_ns), in ticks
 * of the host's TSC.  All vCPUs get the same point and slope, which is what
 * PVCLOCK_TSC_STABLE_BIT promises; KVM_GET_CLOCK computes from it too.
 */
#ifndef ANYKVM_X86_API_CLOCK_H
#define ANYKVM_X86_API_CLOCK_H

#include "x86/api/msr.h"

/* Kept per vCPU (cpu->pvclock). */
struct pvclock {
	u64 system_time;	/* MSR value: GPA and enable bit */
	u32 version;
	bool guest_stopped;	/* KVMCLOCK_CTRL: flag in the next update */
	u64 steal_time;		/* MSR value */
	bool steal_running;	/* the next three are of the last update */
	pthread_t steal_thread;
	u64 steal_switches;
	u64 steal_run_delay;
	u64 steal_next_tsc;	/* no update before */
	u64 steal_left_tsc;	/* KVM_RUN ended */
};

/* The guest's page (api: pvclock ABI, Linux Documentation/virt/kvm/x86/msr). */
struct pvclock_vcpu_time_info {
	u32 version;
	u32 pad0;
	u64 tsc_timestamp;
	u64 system_time;
	u32 tsc_to_system_mul;
	s8 tsc_shift;
	u8 flags;
	u8 pad[2];
};
_Static_assert(sizeof(struct pvclock_vcpu_time_info) == 32, "the guest's ABI");

struct pvclock_wall_clock {
	u32 version;
	u32 sec;
	u32 nsec;
};

#define PVCLOCK_TSC_STABLE_BIT	BIT(0)
#define PVCLOCK_GUEST_STOPPED	BIT(1)

/* -- Host ------------------------------------------------------------------------ */

void clock_init(void);			/* measures the host's TSC */
u64 host_tsc_hz(void);
u32 host_tsc_khz(void);
bool host_tsc_stable(void);
u64 host_tsc(void);

/* -- TSC (tsc.c) ------------------------------------------------------------------- */

void tsc_create(struct cpu *c);		/* synchronised with the VM's others */
int tsc_set_khz(struct cpu *c, u32 khz);
void tsc_write_host(struct cpu *c, u64 tsc);
void tsc_write_guest(struct cpu *c, u64 tsc);
void tsc_shift(struct cpu *c, u64 delta);	/* TSC_ADJUST by the guest */
u64 tsc_guest_hz(const struct cpu *c);
/* The guest's TSC when CLOCK_REALTIME is *@now. */
u64 tsc_realtime(const struct cpu *c, struct timespec *now);
/* Offset applied by the VMM (KVM_VCPU_TSC_OFFSET). */
void tsc_set_offset(struct cpu *c, u64 offset);

/* -- kvmclock (clock.c) -------------------------------------------------------------- */

void clock_vm_create(struct vm *vm);
void clock_vm_destroy(struct vm *vm);
/* Nanoseconds of the VM's kvmclock when the host's TSC is @tsc. */
u64 clock_at(struct vm *vm, u64 tsc);
/* The time of day when the VM's kvmclock was 0, in nanoseconds. */
u64 clock_wall_ns(struct vm *vm);
/* REQ_CLOCK, if the guest has a page.  Any thread. */
void clock_request(struct cpu *c);
/* The line of this vCPU's page, or of one it would have.  Any thread. */
void clock_params(const struct cpu *c, struct pvclock_vcpu_time_info *p);
/* pvclock's (mul, shift) so that ns = (ticks << shift) * mul >> 32. */
void clock_scale(u64 hz, u32 *mul, s8 *shift);
u64 clock_scale_delta(u64 delta, u32 mul, s8 shift);

enum msr_result clock_write_system_time(struct cpu *c, struct msr_access *a);
enum msr_result clock_write_wall_clock(struct cpu *c, struct msr_access *a);
enum msr_result steal_write_msr(struct cpu *c, struct msr_access *a);

/* -- For the loop, in guest: guest memory is written --------------------------------- */

/* REQ_CLOCK: rewrites the pvclock pages, kvmclock's and Xen's. */
void clock_update(struct cpu *c);
/* REQ_STEAL, or now and then: adds stolen time.  Cheap if nothing is due. */
void steal_time_update(struct cpu *c);
/* The vCPU starts or goes on, after KVM_RUN's entry or after blocking. */
void steal_time_enter(struct cpu *c);
/* It is about to block or to leave KVM_RUN. */
void steal_time_leave(struct cpu *c);
/*
 * Time stolen since the last call; 0 if that was on another thread.  Steal
 * time or Xen's runstate uses it, never both.
 */
u64 steal_time_stolen(struct pvclock *p);

#endif
