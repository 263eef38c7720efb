/* SPDX-License-Identifier: MIT */
/* KVM_XEN_HVM_SET_ATTR (api.rst 4.126); events themselves: tests/run/xen_events.c. */
#include <sys/eventfd.h>

#include "xen_test.h"

enum { SHARED = 2, WALL64 = 3072, WALL32 = 2304 };

static void errors_of_the_call(void **state)
{
	struct kvm_xen_hvm_attr a = { .type = 5 };

	needs();
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, NO_POINTER));
	if (!on_kernel())	/* Linux 6.2: RUNSTATE_UPDATE_FLAG, 6.9: SHARED_INFO_HVA */
		assert_errno(ENOENT, kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a));
	a.type = 0xffff;
	assert_errno(ENOENT, kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a));
}

static void vectors_below_16_are_not_interrupts(void **state)
{
	needs();
	assert_ok(xen_set_vector(vm, 0));
	for (int v = 1; v < 16; v++)
		assert_errno(EINVAL, xen_set_vector(vm, v));
	assert_ok(xen_set_vector(vm, 16));
	assert_ok(xen_set_vector(vm, 255));
}

static void shared_info_must_be_in_writable_memory(void **state)
{
	void *gone = guest_ram(PG);

	needs();
	assert_errno(EFAULT, xen_set_shared_info(vm, 16));
	assert_ok(set_region(vm, 1, KVM_MEM_READONLY, 0x100000, PG, gone));
	assert_errno(EFAULT, xen_set_shared_info(vm, 0x100));
	assert_ok(set_region(vm, 2, 0, 0x200000, PG, gone));
	munmap(gone, PG);
	assert_errno(EFAULT, xen_set_shared_info(vm, 0x200));
	assert_ok(xen_set_shared_info(vm, SHARED));
	assert_ok(xen_set_shared_info(vm, XEN_NONE));
}

struct wall { uint32_t version, sec, nsec, hi; };

static void assert_wall(const struct wall *w, time_t before)
{
	assert_true(w->version && !(w->version & 1));
	assert_in_range(w->sec, before - 1, time(NULL));
	assert_true(w->nsec < 1000000000);
}

static void shared_info_gets_the_wall_clock(void **state)
{
	time_t before = time(NULL);
	struct wall *w = (void *)(ram + SHARED * PG + WALL64);

	needs();
	assert_ok(xen_set_long_mode(vm, true));
	memset(ram + SHARED * PG, 0xff, PG);
	w->version = 6;
	assert_ok(xen_set_shared_info(vm, SHARED));
	assert_wall(w, before);
	assert_int_equal(w->version, 8);
	assert_int_equal(w->hi, 0);

	w = (void *)(ram + SHARED * PG + WALL32);
	assert_int_equal(w->version, 0xffffffff);
	assert_ok(xen_set_long_mode(vm, false));
	assert_ok(xen_set_shared_info(vm, SHARED));
	assert_wall(w, before);
	assert_int_equal(((uint32_t *)w)[9], 0);	/* wc_sec_hi, after arch_shared_info */
}

/* api.rst 4.8: userspace takes the page for dirty. */
static void shared_info_is_exempt_from_dirty_logging(void **state)
{
	uint64_t bits = 0;
	struct kvm_dirty_log log = { .dirty_bitmap = &bits };

	needs();
	assert_ok(set_region(vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 16 * PG, ram));
	assert_ok(xen_set_shared_info(vm, SHARED));
	assert_ok(kvm_ioctl(vm, KVM_GET_DIRTY_LOG, &log));
	assert_int_equal(bits, 0);
}

/* -- Event channels ----------------------------------------------------------------- */

static void ports_are_those_of_the_layout(void **state)
{
	needs();
	assert_errno(EINVAL, xen_outbound(vm, 0, 0, XEN_INTERDOMAIN, 1, 0));
	assert_errno(EINVAL, xen_outbound(vm, 0, 1024, XEN_INTERDOMAIN, 1, 0));
	assert_errno(EINVAL, xen_outbound(vm, 0, 1, XEN_INTERDOMAIN, 1024, 0));
	assert_ok(xen_set_long_mode(vm, true));
	assert_ok(xen_outbound(vm, 0, 1024, XEN_INTERDOMAIN, 4095, 0));
	assert_errno(EINVAL, xen_outbound(vm, 0, 4096, XEN_INTERDOMAIN, 1, 0));
	assert_errno(EINVAL, xen_outbound(vm, KVM_XEN_EVTCHN_DEASSIGN, 4096, 0, 0, 0));
	assert_errno(EINVAL, xen_outbound(vm, KVM_XEN_EVTCHN_UPDATE, 0, 0, 0, 0));
}

static void assigned_are_ipis_and_interdomain_ports(void **state)
{
	struct kvm_xen_hvm_attr a = {
		.type = KVM_XEN_ATTR_TYPE_EVTCHN,
		.u.evtchn = { .send_port = 9, .type = XEN_INTERDOMAIN,
			      .deliver.port = { .port = 1, .priority = 0 } },
	};

	needs();
	for (uint32_t type = 0; type < 7; type++)
		if (type != XEN_INTERDOMAIN && type != XEN_IPI)
			assert_errno(EINVAL, xen_outbound(vm, 0, 9, type, 9, 0));
	assert_errno(EINVAL, xen_outbound(vm, 0, 9, XEN_IPI, 8, 0));
	assert_ok(xen_outbound(vm, 0, 9, XEN_IPI, 9, 0));
	assert_errno(EEXIST, xen_outbound(vm, 0, 9, XEN_INTERDOMAIN, 1, 0));
	/* The priority is looked at before the table. */
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a));
	assert_errno(EINVAL, xen_outbound(vm, 8, 10, XEN_INTERDOMAIN, 1, 0));
	assert_errno(EINVAL, xen_outbound(vm, 3, 9, XEN_INTERDOMAIN, 1, 0));
	/* The vCPU need not exist. */
	assert_ok(xen_outbound(vm, 0, 11, XEN_INTERDOMAIN, 1, 4095));
}

static void eventfds_are_looked_up(void **state)
{
	int fd = eventfd(0, 0), file = open("/dev/null", O_RDONLY);

	needs();
	assert_errno(EBADF, xen_outbound(vm, 0, 9, XEN_INTERDOMAIN, 9999, -1));
	assert_errno(EINVAL, xen_outbound(vm, 0, 9, XEN_INTERDOMAIN, file, -1));
	assert_ok(xen_outbound(vm, 0, 9, XEN_INTERDOMAIN, fd, -1));
	/* An eventfd cannot be updated, nor become a port. */
	assert_errno(EINVAL, xen_outbound(vm, KVM_XEN_EVTCHN_UPDATE, 9, XEN_INTERDOMAIN, fd, -1));
	assert_errno(EINVAL, xen_outbound(vm, KVM_XEN_EVTCHN_UPDATE, 9, XEN_INTERDOMAIN, 1, 0));
	close(fd);
	close(file);
}

static void an_update_may_change_the_vcpu(void **state)
{
	struct kvm_xen_hvm_attr a = {
		.type = KVM_XEN_ATTR_TYPE_EVTCHN,
		.u.evtchn = { .send_port = 9, .type = XEN_INTERDOMAIN,
			      .flags = KVM_XEN_EVTCHN_UPDATE,
			      .deliver.port = { .port = 5, .priority = 0 } },
	};

	needs();
	assert_errno(ENOENT, xen_outbound(vm, KVM_XEN_EVTCHN_UPDATE, 9, XEN_INTERDOMAIN, 5, 1));
	assert_ok(xen_outbound(vm, 0, 9, XEN_INTERDOMAIN, 5, 0));
	assert_ok(xen_outbound(vm, KVM_XEN_EVTCHN_UPDATE, 9, XEN_INTERDOMAIN, 5, 1));
	assert_errno(EINVAL, xen_outbound(vm, KVM_XEN_EVTCHN_UPDATE, 9, XEN_INTERDOMAIN, 6, 1));
	assert_errno(EINVAL, xen_outbound(vm, KVM_XEN_EVTCHN_UPDATE, 9, XEN_IPI, 5, 1));
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_XEN_HVM_SET_ATTR, &a));
}

static void deassign_and_reset(void **state)
{
	needs();
	assert_errno(ENOENT, xen_outbound(vm, KVM_XEN_EVTCHN_DEASSIGN, 9, 0, 0, 0));
	/* 9, 73 and 137 are ports of one bucket, if there are buckets. */
	for (int port = 9; port < 200; port += 64)
		assert_ok(xen_outbound(vm, 0, port, XEN_INTERDOMAIN, 5, 0));
	assert_ok(xen_outbound(vm, KVM_XEN_EVTCHN_DEASSIGN, 73, 0, 0, 0));
	assert_errno(ENOENT, xen_outbound(vm, KVM_XEN_EVTCHN_DEASSIGN, 73, 0, 0, 0));
	assert_errno(EEXIST, xen_outbound(vm, 0, 9, XEN_INTERDOMAIN, 5, 0));
	assert_errno(EEXIST, xen_outbound(vm, 0, 137, XEN_INTERDOMAIN, 5, 0));
	/* RESET looks at nothing else. */
	assert_ok(xen_outbound(vm, KVM_XEN_EVTCHN_RESET, 0, 77, 0, 0));
	assert_ok(xen_outbound(vm, KVM_XEN_EVTCHN_RESET, 9999, 77, 0, 0));
	assert_ok(xen_outbound(vm, 0, 9, XEN_INTERDOMAIN, 5, 0));
}

IOCTL_TESTS(xen_hvm_set_attr,
	    with_vcpu(errors_of_the_call),
	    with_vcpu(vectors_below_16_are_not_interrupts),
	    with_vcpu(shared_info_must_be_in_writable_memory),
	    with_vcpu(shared_info_gets_the_wall_clock),
	    with_vcpu(shared_info_is_exempt_from_dirty_logging),
	    with_vcpu(ports_are_those_of_the_layout),
	    with_vcpu(assigned_are_ipis_and_interdomain_ports),
	    with_vcpu(eventfds_are_looked_up),
	    with_vcpu(an_update_may_change_the_vcpu),
	    with_vcpu(deassign_and_reset))
