/* SPDX-License-Identifier: MIT */
/* irqfds and interrupt lines with real guest code. */
#include <sys/eventfd.h>

#include "guest.h"

GUEST_BLOB(ev_handler);
GUEST_BLOB(ev_sleep);
GUEST_BLOB(ev_ioapic);

static void set_args(struct guest *g, u64 rdi, u64 rsi)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rdi = rdi;
	r.rsi = rsi;
	guest_set_regs(g, 0, &r);
}

static u64 counter(int fd)
{
	u64 v = 0;

	return read(fd, &v, sizeof(v)) < 0 ? 0 : v;
}

/* -- irqfd ------------------------------------------------------------------------------ */

static int irqfd(struct guest *g, int fd, u32 gsi, u32 flags, int resample)
{
	struct kvm_irqfd i = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample,
	};

	return kvm_ioctl(g->vm, KVM_IRQFD, &i);
}

static void prepare(struct guest *g)
{
	guest_create(g, GUEST_IRQCHIP, 1);
	guest_load(g, 0x20000, ev_handler);
	guest_gate(g, 0x30, 0x20000);
}

static void signal_fd(int fd)
{
	u64 one = 1;

	assert_int_equal(write(fd, &one, 8), 8);
}

static void irqfd_to_msi(void **state)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[1];
	} route = {
		.head.nr = 1,
		.e = { { .gsi = 24, .type = KVM_IRQ_ROUTING_MSI,
			 .u.msi = { .address_lo = 0xfee00000, .data = 0x30 } } },
	};
	int fd = eventfd(0, 0);
	struct runner r;
	struct guest g;

	prepare(&g);
	guest_load(&g, GUEST_CODE, ev_sleep);
	guest_long(&g, 0, GUEST_CODE);
	assert_ok(kvm_ioctl(g.vm, KVM_SET_GSI_ROUTING, &route));
	assert_ok(irqfd(&g, fd, 24, 0, 0));
	runner_start(&r, &g, 0);
	assert_soon(*guest_word(&g, 0x40010));
	for (u32 i = 1; i <= 100; i++) {
		signal_fd(fd);
		assert_soon(*guest_word(&g, 0x40000) == i);
	}
	assert_ok(irqfd(&g, fd, 24, KVM_IRQFD_FLAG_DEASSIGN, 0));
	signal_fd(fd);
	usleep(2000);
	assert_int_equal(*guest_word(&g, 0x40000), 100);
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
	close(fd);
}

static void ioapic_guest(struct guest *g, struct runner *r, u32 pin, u32 redirection)
{
	prepare(g);
	guest_load(g, GUEST_CODE, ev_ioapic);
	guest_long(g, 0, GUEST_CODE);
	set_args(g, pin, redirection);
	runner_start(r, g, 0);
	assert_soon(*guest_word(g, 0x40010));
}

static void irqfd_to_ioapic(void **state)
{
	int fd = eventfd(0, 0);
	struct runner r;
	struct guest g;

	ioapic_guest(&g, &r, 20, 0x30);
	assert_ok(irqfd(&g, fd, 20, 0, 0));
	for (u32 i = 1; i <= 50; i++) {
		signal_fd(fd);
		assert_soon(*guest_word(&g, 0x40000) == i);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
	close(fd);
}

/* Level: asserted until EOI, which the resample eventfd tells. */
static void irqfd_resample(void **state)
{
	int fd = eventfd(0, 0), resample = eventfd(0, EFD_NONBLOCK);
	struct runner r;
	struct guest g;
	u64 total;

	ioapic_guest(&g, &r, 20, 0x30 | 1 << 15);
	assert_ok(irqfd(&g, fd, 20, KVM_IRQFD_FLAG_RESAMPLE, resample));
	for (u32 i = 1; i <= 50; i++) {
		signal_fd(fd);
		total = 0;
		assert_soon((total += counter(resample)) == 1);
		assert_soon(*guest_word(&g, 0x40000) == i);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	assert_int_equal(counter(resample), 0);
	guest_destroy(&g);
	close(fd);
	close(resample);
}

static void irq_line_level(void **state)
{
	struct kvm_irq_level l = { .irq = 20, .level = 1 };
	struct runner r;
	struct guest g;

	ioapic_guest(&g, &r, 20, 0x30 | 1 << 15);
	assert_ok(kvm_ioctl(g.vm, KVM_IRQ_LINE, &l));
	/* Held high it comes again after each EOI. */
	assert_soon(*guest_word(&g, 0x40000) > 10);
	l.level = 0;
	assert_ok(kvm_ioctl(g.vm, KVM_IRQ_LINE, &l));
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(irqfd_to_msi),
		cmocka_unit_test(irqfd_to_ioapic),
		cmocka_unit_test(irqfd_resample),
		cmocka_unit_test(irq_line_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
