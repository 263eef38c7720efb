/* SPDX-License-Identifier: MIT */
/* Xen event channels: upcalls, routes, the guest's own (api.rst 4.126, 4.128, 4.135). */
#include <linux/userfaultfd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "xen_guest.h"

enum { FAR = 0x10000000 };

static void *far_page;		/* a slot of its own, there */

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

static int try_routes(u32 nr, u32 flags, u32 port, u32 priority)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[2];
	} r = { .head.nr = nr };

	for (u32 i = 0; i < 2; i++)
		r.entry[i] = (struct kvm_irq_routing_entry){
			.gsi = 40, .type = KVM_IRQ_ROUTING_XEN_EVTCHN, .flags = flags,
			.u.xen_evtchn = { .port = port, .vcpu = 7, .priority = priority },
		};
	return kvm_ioctl(g.vm, KVM_SET_GSI_ROUTING, &r);
}

static void routes_are_checked(void **state)
{
	struct kvm_irq_level line = { .irq = 40, .level = 1 };

	needs_xen_guest();
	assert_errno(EINVAL, try_routes(1, 0, 4096, XEN_2LEVEL));
	assert_errno(EINVAL, try_routes(1, 0, 4095, 0));
	assert_errno(EINVAL, try_routes(1, KVM_MSI_VALID_DEVID, 4095, XEN_2LEVEL));
	assert_errno(EINVAL, try_routes(2, 0, 4095, XEN_2LEVEL));	/* one a GSI */
	assert_ok(xen_set_long_mode(g.vm, false));
	assert_errno(EINVAL, try_routes(1, 0, 1024, XEN_2LEVEL));
	/* The vCPU may come later, as when a VM is restored. */
	assert_ok(try_routes(1, 0, 1023, XEN_2LEVEL));
	assert_ok(kvm_ioctl(g.vm, KVM_IRQ_LINE_STATUS, &line));
	assert_int_equal((int)line.status, -1);
}

/* vcpu_info has gone, and comes back: the event is not lost. */
static void an_event_waits_for_its_vcpu_info(void **state)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	void *page = guest_ram(PG);

	needs_xen_guest();
	assert_ok(set_region(g.vm, 1, 0, FAR, PG, page));
	assert_ok(xen_set_address(g.vcpu[0], KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, FAR));
	assert_ok(set_region(g.vm, 1, 0, FAR, 0, page));
	assert_ok(xen_send(g.vm, 70, 0, XEN_2LEVEL));
	START(xen_open);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);

	assert_ok(set_region(g.vm, 1, 0, FAR, PG, page));
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

/* -- A vCPU that waits for INIT ---------------------------------------------------------- */

/* Of what is missing in @page; -1 if the host does not let us. */
static int watch_faults(void *page)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = {
		.range = { (u64)page, PG }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (fd < 0)
		return -1;
	assert_ok(ioctl(fd, UFFDIO_API, &api));
	assert_ok(ioctl(fd, UFFDIO_REGISTER, &r));
	return fd;
}

struct removal { int vm, ret; volatile bool done; };

static void *remove_slot(void *arg)
{
	struct removal *r = arg;

	r->ret = set_region(r->vm, 1, 0, FAR, 0, NULL);
	r->done = true;
	return NULL;
}

/* KVM_SET_USER_MEMORY_REGION (api.rst 4.35): a slot that has gone is not read. */
static void a_waiting_vcpu_holds_its_slot(void **state)
{
	struct uffdio_zeropage fill = { .range.len = PG };
	struct kvm_regs regs;
	struct uffd_msg fault;
	struct removal removal;
	struct guest ap;
	struct runner r;
	pthread_t thread;
	bool early;
	int fd;

	needs_xen_guest();
	guest_create(&ap, GUEST_IRQCHIP, 2);
	removal = (struct removal){ .vm = ap.vm };
	far_page = guest_ram(PG);
	assert_ok(set_region(ap.vm, 1, 0, FAR, PG, far_page));
	assert_ok(xen_config(ap.vm, INTERCEPT | SENDS, MSR));
	assert_ok(xen_set_vector(ap.vm, VECTOR));
	assert_ok(xen_set_address(ap.vcpu[1], KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, FAR));
	guest_regs(&ap, 1, &regs);
	regs.rflags |= 0x200;
	guest_set_regs(&ap, 1, &regs);
	assert_ok(madvise(far_page, PG, MADV_DONTNEED));
	fd = watch_faults(far_page);
	if (fd < 0)
		skip();

	runner_start(&r, &ap, 1);
	assert_int_equal(read(fd, &fault, sizeof(fault)), sizeof(fault));
	assert_int_equal(pthread_create(&thread, NULL, remove_slot, &removal), 0);
	usleep(20000);
	early = removal.done;
	fill.range.start = (u64)far_page;
	assert_ok(ioctl(fd, UFFDIO_ZEROPAGE, &fill));
	pthread_join(thread, NULL);
	assert_false(early);
	assert_ok(removal.ret);
	runner_stop(&r);
	close(fd);
	guest_destroy(&ap);
	munmap(far_page, PG);
}

/* -- All at once ---------------------------------------------------------------------- */

static volatile bool stop;

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
		set_region(g.vm, 1, 0, FAR, PG, far_page);
		mprotect(far_page, PG, PROT_NONE);
		mprotect(far_page, PG, PROT_READ | PROT_WRITE);
		set_region(g.vm, 1, 0, FAR, 0, far_page);
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
		with_guest(routes_are_checked),
		with_guest(an_event_waits_for_its_vcpu_info),
		with_guest(the_guest_sends_to_its_own_ports),
		with_guest(the_guest_sends_to_an_eventfd),
		with_guest(a_cancelled_thread_finishes_its_send),
		with_guest(a_waiting_vcpu_holds_its_slot),
		with_guest(everything_changes_while_events_are_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
