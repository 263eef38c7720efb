/* SPDX-License-Identifier: MIT */
/* Xen event channels: upcalls, routes, the guest's own (api.rst 4.126, 4.128, 4.135). */
#include <sys/eventfd.h>

#include "xen_guest.h"

static void upcalls_come_while_the_flag_is_set(void **state)
{
	needs_xen_guest();
	assert_ok(xen_set_vector(g.vm, VECTOR));
	START(xen_open);
	start_handler(VECTOR, guest_xen_upcall, guest_xen_upcall_end);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(*guest_word(&g, COUNT), 0);
	*byte(INFO) = 1;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(*guest_word(&g, COUNT), 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(*guest_word(&g, COUNT), 1);
}

static void sleep_with(struct runner *r, const u8 *handler, const u8 *end)
{
	START(xen_sleep);
	start_handler(VECTOR, handler, end);
	run_to_sleep(r);
}

static void an_event_wakes_the_vcpu(void **state)
{
	struct runner r;

	needs_xen_guest();
	assert_ok(xen_set_vector(g.vm, VECTOR));
	sleep_with(&r, guest_xen_upcall, guest_xen_upcall_end);
	assert_ok(xen_send(g.vm, 4095, 0, XEN_2LEVEL));
	assert_int_equal(runner_join(&r), KVM_EXIT_IO);
	assert_int_equal(*guest_word(&g, COUNT), 1);
	assert_int_equal(*guest_word(&g, SEEN), 1ull << 63);
	assert_int_equal(*guest_word(&g, SHARED + 2048 + 504), 1ull << 63);
}

static void the_layout_of_32_bit_guests(void **state)
{
	needs_xen_guest();
	assert_ok(xen_set_long_mode(g.vm, false));
	assert_errno(EINVAL, xen_send(g.vm, 1024, 0, XEN_2LEVEL));
	assert_ok(xen_send(g.vm, 1023, 0, XEN_2LEVEL));
	assert_int_equal(*byte(SHARED + 2048 + 127), 0x80);
	assert_int_equal(*byte(INFO), 1);
	assert_int_equal(*byte(INFO + 4 + 3), 0x80);
	*byte(SHARED + 2048 + 128) = 1 << 3;
	*byte(INFO + 4) = 0;
	assert_ok(xen_send(g.vm, 3, 0, XEN_2LEVEL));
	assert_int_equal(*byte(SHARED + 2048), 1 << 3);
	assert_int_equal(*byte(INFO + 4), 0);		/* masked */
}

static void masked_and_pending_events_raise_nothing(void **state)
{
	needs_xen_guest();
	*guest_word(&g, SHARED + 2560) = 1 << 5;
	assert_ok(xen_send(g.vm, 5, 0, XEN_2LEVEL));
	*guest_word(&g, SHARED + 2048) |= 1 << 6;
	assert_ok(xen_send(g.vm, 6, 0, XEN_2LEVEL));
	assert_int_equal(*guest_word(&g, SHARED + 2048), 3 << 5);
	assert_int_equal(*guest_word(&g, INFO), 0);
	assert_int_equal(*guest_word(&g, INFO + 8), 0);
}

static void a_vcpus_own_vector_comes_through_its_lapic(void **state)
{
	struct kvm_xen_vcpu_attr a = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR, .u.vector = VECTOR,
	};
	struct runner r;

	needs_xen_guest();
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_XEN_VCPU_SET_ATTR, &a));
	for (u32 i = 1; i <= 2; i++) {
		sleep_with(&r, guest_xen_upcall_lapic, guest_xen_upcall_lapic_end);
		assert_ok(xen_send(g.vm, 7, 0, XEN_2LEVEL));
		assert_int_equal(runner_join(&r), KVM_EXIT_IO);
		assert_int_equal(*guest_word(&g, COUNT), i);
		*guest_word(&g, SHARED + 2048) = 0;
		*guest_word(&g, INFO + 8) = 0;
	}
}

static void set_route(u32 gsi, u32 port, u32 vcpu)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} r = { .head.nr = 1, .entry = {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_XEN_EVTCHN,
		.u.xen_evtchn = { .port = port, .vcpu = vcpu, .priority = XEN_2LEVEL },
	} };

	assert_ok(kvm_ioctl(g.vm, KVM_SET_GSI_ROUTING, &r));
}

static void an_irqfd_and_irq_line_raise_events(void **state)
{
	struct kvm_irqfd fd = { .fd = eventfd(0, EFD_NONBLOCK), .gsi = 40 };
	struct kvm_irq_level line = { .irq = 40, .level = 1 };

	needs_xen_guest();
	set_route(40, 15, 0);
	assert_ok(kvm_ioctl(g.vm, KVM_IRQFD, &fd));
	eventfd_write(fd.fd, 1);
	assert_soon(*byte(INFO) == 1);
	assert_int_equal(*guest_word(&g, SHARED + 2048), 1 << 15);
	assert_int_equal(*guest_word(&g, INFO + 8), 1);

	*guest_word(&g, SHARED + 2048) = *guest_word(&g, INFO + 8) = *byte(INFO) = 0;
	assert_ok(kvm_ioctl(g.vm, KVM_IRQ_LINE_STATUS, &line));
	assert_int_equal(line.status, 1);
	line.irq = 40;
	assert_ok(kvm_ioctl(g.vm, KVM_IRQ_LINE_STATUS, &line));
	assert_int_equal(line.status, 0);		/* coalesced */
	assert_int_equal(*byte(INFO), 1);
	close(fd.fd);
}

/* vcpu_info has gone, and comes back: the event is not lost. */
static void an_event_waits_for_its_vcpu_info(void **state)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	void *page = guest_ram(PG);

	needs_xen_guest();
	assert_ok(set_region(g.vm, 1, 0, 0x10000000, PG, page));
	assert_ok(xen_set_address(g.vcpu[0], KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, 0x10000000));
	assert_ok(set_region(g.vm, 1, 0, 0x10000000, 0, page));
	assert_ok(xen_send(g.vm, 70, 0, XEN_2LEVEL));
	START(xen_open);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);

	assert_ok(set_region(g.vm, 1, 0, 0x10000000, PG, page));
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_MP_STATE, &mp));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(*(u8 *)page, 1);
	assert_int_equal(((u64 *)page)[1], 2);
	munmap(page, PG);
}

static void the_guest_sends_to_its_own_ports(void **state)
{
	needs_xen_guest();
	*(volatile u32 *)byte(ARG) = 127;
	assert_call_exits(EVENT_CHANNEL_OP, SEND, ARG, 0);	/* not ours */
	assert_ok(xen_outbound(g.vm, 0, 127, XEN_INTERDOMAIN, 15, 0));
	assert_int_equal(call(EVENT_CHANNEL_OP, SEND, ARG, 0), 0);
	assert_int_equal(*guest_word(&g, SHARED + 2048), 1 << 15);
	assert_int_equal(call(EVENT_CHANNEL_OP, SEND, 0x50000000, 0), (u64)-EFAULT);
	assert_call_exits(EVENT_CHANNEL_OP, SEND + 1, ARG, 0);
	/* To a vCPU that is not there: userspace may know better. */
	assert_ok(xen_outbound(g.vm, KVM_XEN_EVTCHN_UPDATE, 127, XEN_INTERDOMAIN, 15, 9));
	assert_call_exits(EVENT_CHANNEL_OP, SEND, ARG, 0);
	assert_ok(xen_outbound(g.vm, KVM_XEN_EVTCHN_DEASSIGN, 127, 0, 0, 0));
	assert_call_exits(EVENT_CHANNEL_OP, SEND, ARG, 0);
}

static void the_guest_sends_to_an_eventfd(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t count = 0;

	needs_xen_guest();
	*(volatile u32 *)byte(ARG) = 197;
	assert_ok(xen_outbound(g.vm, 0, 197, XEN_INTERDOMAIN, fd, -1));
	assert_int_equal(call(EVENT_CHANNEL_OP, SEND, ARG, 0), 0);
	assert_int_equal(call(EVENT_CHANNEL_OP, SEND, ARG, 0), 0);
	assert_ok(eventfd_read(fd, &count));
	assert_int_equal(count, 2);
	assert_ok(xen_outbound(g.vm, KVM_XEN_EVTCHN_RESET, 0, 0, 0, 0));
	assert_call_exits(EVENT_CHANNEL_OP, SEND, ARG, 0);
	close(fd);
}

static void *send_when_cancelled(void *sent)
{
	pthread_cancel(pthread_self());
	if (guest_run(&g, 0) == KVM_EXIT_IO)
		*(volatile bool *)sent = true;
	return NULL;
}

/* ioctl() is no cancellation point, nor is anything it does. */
static void a_cancelled_thread_finishes_its_send(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	volatile bool sent = false;
	eventfd_t count = 0;
	pthread_t thread;

	needs_xen_guest();
	*(volatile u32 *)byte(ARG) = 197;
	assert_ok(xen_outbound(g.vm, 0, 197, XEN_INTERDOMAIN, fd, -1));
	begin_call(EVENT_CHANNEL_OP, SEND, ARG, 0);
	assert_int_equal(pthread_create(&thread, NULL, send_when_cancelled, (void *)&sent), 0);
	pthread_join(thread, NULL);
	assert_true(sent);
	assert_ok(eventfd_read(fd, &count));
	close(fd);
}

/* -- All at once ---------------------------------------------------------------------- */

static volatile bool stop;
static void *far_page;

static void *change_addresses(void *unused)
{
	while (!stop) {
		xen_set_shared_info(g.vm, SHARED / PG);
		xen_set_long_mode(g.vm, false);
		xen_set_shared_info(g.vm, 0x10000);
		xen_set_long_mode(g.vm, true);
		xen_set_shared_info(g.vm, XEN_NONE);
	}
	return NULL;
}

static void *change_memory(void *unused)
{
	while (!stop) {
		set_region(g.vm, 1, 0, 0x10000000, PG, far_page);
		mprotect(far_page, PG, PROT_NONE);
		mprotect(far_page, PG, PROT_READ | PROT_WRITE);
		set_region(g.vm, 1, 0, 0x10000000, 0, far_page);
	}
	return NULL;
}

static void *change_ports(void *unused)
{
	while (!stop) {
		xen_outbound(g.vm, 0, 127, XEN_INTERDOMAIN, 15, 0);
		xen_outbound(g.vm, KVM_XEN_EVTCHN_UPDATE, 127, XEN_INTERDOMAIN, 15, 1);
		xen_outbound(g.vm, KVM_XEN_EVTCHN_RESET, 0, 0, 0, 0);
	}
	return NULL;
}

static void *send_events(void *unused)
{
	for (u32 port = 1; !stop; port = port % 4000 + 1)
		xen_send(g.vm, port, 0, XEN_2LEVEL);
	return NULL;
}

/* Nothing is promised but that it ends, and that events come afterwards. */
static void everything_changes_while_events_are_sent(void **state)
{
	void *(*const fns[])(void *) = {
		change_addresses, change_memory, change_ports, send_events,
	};
	pthread_t threads[4];
	u64 until = now_ns() + 300000000;

	needs_xen_guest();
	stop = false;
	far_page = guest_ram(PG);
	*(volatile u32 *)byte(ARG) = 127;
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fns[i], NULL), 0);
	while (now_ns() < until) {
		begin_call(EVENT_CHANNEL_OP, SEND, ARG, 0);
		if (guest_run(&g, 0) == KVM_EXIT_XEN)
			assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	}
	stop = true;
	for (u32 i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);

	assert_ok(xen_set_shared_info(g.vm, SHARED / PG));
	memset(g.mem + INFO, 0, PG);
	memset(g.mem + SHARED, 0, PG);
	assert_ok(xen_send(g.vm, 9, 0, XEN_2LEVEL));
	assert_int_equal(*byte(INFO), 1);
	munmap(far_page, PG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_guest(upcalls_come_while_the_flag_is_set),
		with_guest(an_event_wakes_the_vcpu),
		with_guest(the_layout_of_32_bit_guests),
		with_guest(masked_and_pending_events_raise_nothing),
		with_guest(a_vcpus_own_vector_comes_through_its_lapic),
		with_guest(an_irqfd_and_irq_line_raise_events),
		with_guest(an_event_waits_for_its_vcpu_info),
		with_guest(the_guest_sends_to_its_own_ports),
		with_guest(the_guest_sends_to_an_eventfd),
		with_guest(a_cancelled_thread_finishes_its_send),
		with_guest(everything_changes_while_events_are_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
