/* SPDX-License-Identifier: MIT */
/* A VM with one vCPU that is a Xen guest, for tests/run/xen*.c. */
#ifndef ANYKVM_TESTS_RUN_XEN_GUEST_H
#define ANYKVM_TESTS_RUN_XEN_GUEST_H

#include "guest.h"
#include "lib/xen_api.h"

GUEST_BLOB(xen_call);
GUEST_BLOB(xen_call32);
GUEST_BLOB(xen_wrmsr);
GUEST_BLOB(xen_wrmsr32);
GUEST_BLOB(xen_call_page);
GUEST_BLOB(xen_gp);
GUEST_BLOB(xen_upcall);
GUEST_BLOB(xen_upcall_lapic);
GUEST_BLOB(xen_sleep);
GUEST_BLOB(xen_open);

enum {
	COUNT	= GUEST_DATA,		/* of upcalls */
	SEEN	= GUEST_DATA + 8,	/* the selector the last one saw */
	STARTED	= GUEST_DATA + 16,	/* the guest is about to sleep, or to call */
	INFO	= 0x41000,		/* vcpu_info; xen.S knows */
	SHARED	= 0x42000,
	PAGE	= 0x43000,		/* hypercalls */
	ARG	= 0x44000,		/* of hypercalls */
	HANDLER	= 0x20000,
	VECTOR	= 0x31,
	MSR	= 0x40000000,
	TIMER_PORT = 13,
	MS	= 1000000,
};

enum { SET_TIMER_OP = 15, XEN_VERSION = 17, VCPU_OP = 24, SCHED_OP = 29, EVENT_CHANNEL_OP = 32 };
enum { POLL = 3, SEND = 4, SET_SINGLESHOT = 8, STOP_SINGLESHOT = 9 };

#define INTERCEPT	KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL
#define SENDS		KVM_XEN_HVM_CONFIG_EVTCHN_SEND

static struct guest g;

/* One vCPU; hypercalls intercepted, 64-bit layout, addresses set, no vector. */
static inline int setup(void **state)
{
	guest_create(&g, GUEST_IRQCHIP, 1);
	if (!kvm_ioctl_val(g.vm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM))
		return 0;
	assert_ok(xen_config(g.vm, INTERCEPT | SENDS, MSR));
	assert_ok(xen_set_long_mode(g.vm, true));
	assert_ok(xen_set_shared_info(g.vm, SHARED / PG));
	assert_ok(xen_set_address(g.vcpu[0], KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, INFO));
	assert_ok(xen_set_timer(g.vcpu[0], TIMER_PORT, XEN_2LEVEL, 0));
	return 0;
}

static inline int teardown(void **state)
{
	guest_destroy(&g);
	return 0;
}

#define with_guest(test)	cmocka_unit_test_setup_teardown(test, setup, teardown)

static inline void needs_xen_guest(void)
{
	needs_guest();
	own_faults();		/* cmocka has put its own before each test */
	if (!kvm_ioctl_val(g.vm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM))
		skip();
}

static inline void start_handler(u64 vector, const u8 *code, const u8 *end)
{
	memcpy(g.mem + HANDLER, code, end - code);
	guest_gate(&g, vector, HANDLER);
}

#define START(name)	do { guest_load(&g, GUEST_CODE, name); guest_long(&g, 0, GUEST_CODE); } while (0)

static inline void begin_call(u64 nr, u64 a, u64 b, u64 c)
{
	struct kvm_regs r;

	START(xen_call);
	guest_regs(&g, 0, &r);
	r.rax = nr;
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	guest_set_regs(&g, 0, &r);
}

/* The result of a hypercall that does not exit. */
static inline u64 call(u64 nr, u64 a, u64 b, u64 c)
{
	begin_call(nr, a, b, c);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	return guest_rax(&g, 0);
}

static inline void assert_call_exits(u64 nr, u64 a, u64 b, u64 c)
{
	begin_call(nr, a, b, c);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_XEN);
	assert_int_equal(g.run[0]->xen.u.hcall.input, nr);
	/* Its result would be the next one's, which has the same RIP. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
}

/* vCPU 0 goes on in a thread, until it is about to sleep. */
static inline void run_to_sleep(struct runner *r)
{
	*guest_word(&g, STARTED) = 0;
	runner_start(r, &g, 0);
	assert_soon(*guest_word(&g, STARTED));
}

static inline volatile u8 *byte(u64 gpa)
{
	return g.mem + gpa;
}

#endif
