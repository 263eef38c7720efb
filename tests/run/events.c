/* SPDX-License-Identifier: MIT */
/* ioeventfd, irqfd and the coalesced ring with real guest code. */
#include <sys/eventfd.h>

#include "guest.h"

GUEST_BLOB(ev_bells);
GUEST_BLOB(ev_handler);
GUEST_BLOB(ev_sleep);
GUEST_BLOB(ev_ioapic);

static void set_args(struct guest *g, u64 rbx, u64 rcx, u64 rdi, u64 rsi)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rbx = rbx;
	r.rcx = rcx;
	r.rdi = rdi;
	r.rsi = rsi;
	guest_set_regs(g, 0, &r);
}

static void bells(struct guest *g, u64 n)
{
	guest_create(g, 0, 1);
	guest_load(g, GUEST_CODE, ev_bells);
	guest_long(g, 0, GUEST_CODE);
	set_args(g, GUEST_MMIO, n, 0, 0);
}

static u64 counter(int fd)
{
	u64 v = 0;

	return read(fd, &v, sizeof(v)) < 0 ? 0 : v;
}

static int ioeventfd(struct guest *g, u64 addr, u32 len, int fd, u32 flags, u64 match)
{
	struct kvm_ioeventfd e = {
		.addr = addr, .len = len, .fd = fd, .flags = flags, .datamatch = match,
	};

	return kvm_ioctl(g->vm, KVM_IOEVENTFD, &e);
}

/* -- ioeventfd --------------------------------------------------------------------- */

static void doorbells_do_not_exit(void **state)
{
	int pio = eventfd(0, EFD_NONBLOCK), mmio = eventfd(0, EFD_NONBLOCK);
	struct guest g;

	bells(&g, 100);
	assert_ok(ioeventfd(&g, 0x500, 2, pio, KVM_IOEVENTFD_FLAG_PIO, 0));
	assert_ok(ioeventfd(&g, GUEST_MMIO, 4, mmio, 0, 0));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(counter(pio), 100);
	assert_int_equal(counter(mmio), 100);
	guest_destroy(&g);
	close(pio);
	close(mmio);
}

static void doorbell_with_match(void **state)
{
	int pio = eventfd(0, EFD_NONBLOCK), mmio = eventfd(0, EFD_NONBLOCK);
	struct guest g;

	bells(&g, 3);
	assert_ok(ioeventfd(&g, 0x500, 2, pio, KVM_IOEVENTFD_FLAG_PIO |
			    KVM_IOEVENTFD_FLAG_DATAMATCH, 2));
	assert_ok(ioeventfd(&g, GUEST_MMIO, 0, mmio, 0, 0));	/* any length */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(*guest_pio(&g, 0), 3);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(*guest_pio(&g, 0), 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(counter(pio), 1);
	assert_int_equal(counter(mmio), 3);
	guest_destroy(&g);
	close(pio);
	close(mmio);
}

static void wrong_length_exits(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct guest g;

	bells(&g, 1);
	assert_ok(ioeventfd(&g, 0x500, 1, fd, KVM_IOEVENTFD_FLAG_PIO, 0));
	assert_ok(ioeventfd(&g, GUEST_MMIO, 8, fd, 0, 0));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_MMIO);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(counter(fd), 0);
	guest_destroy(&g);
	close(fd);
}

/* -- Coalesced writes ------------------------------------------------------------------ */

static struct kvm_coalesced_mmio_ring *ring_of(struct guest *g)
{
	return (void *)((u8 *)g->run[0] + 2 * PG);
}

static void zones(struct guest *g)
{
	struct kvm_coalesced_mmio_zone z = { .addr = GUEST_MMIO, .size = 8 };

	assert_ok(kvm_ioctl(g->vm, KVM_REGISTER_COALESCED_MMIO, &z));
	z = (struct kvm_coalesced_mmio_zone){ .addr = 0x500, .size = 2, .pio = 1 };
	assert_ok(kvm_ioctl(g->vm, KVM_REGISTER_COALESCED_MMIO, &z));
}

static void ring_keeps_order(void **state)
{
	const u32 max = (PG - sizeof(struct kvm_coalesced_mmio_ring)) /
			sizeof(struct kvm_coalesced_mmio);
	struct kvm_coalesced_mmio_ring *ring;
	struct guest g;
	u32 n = 0;
	int r;

	bells(&g, 400);
	zones(&g);
	ring = ring_of(&g);
	while ((r = guest_run(&g, 0)) != KVM_EXIT_HLT || ring->first != ring->last) {
		while (ring->first != ring->last) {
			struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[ring->first];
			u32 v = 0;

			assert_int_equal(e->pio, !(n & 1));
			assert_int_equal(e->phys_addr, e->pio ? 0x500 : GUEST_MMIO);
			assert_int_equal(e->len, e->pio ? 2 : 4);
			memcpy(&v, e->data, e->len);
			assert_int_equal(v, 400 - n / 2);
			ring->first = (ring->first + 1) % max;
			n++;
		}
		if (r == KVM_EXIT_HLT)
			break;
		/* A full ring: an ordinary exit. */
		assert_true(r == (n & 1 ? KVM_EXIT_MMIO : KVM_EXIT_IO));
		n++;
	}
	assert_int_equal(n, 800);
	guest_destroy(&g);
}

/* Indices that cannot be: an exit, or an entry inside the page. */
static void hostile_ring(void **state)
{
	static const u32 bad[] = { 170, 171, 1000, 0x7fffffff, 0x80000000, ~0u };
	struct kvm_coalesced_mmio_ring *ring;
	struct guest g;

	bells(&g, 1000);
	zones(&g);
	ring = ring_of(&g);
	for (u32 i = 0; i < 36; i++) {
		int r;

		ring->first = bad[i % 6];
		ring->last = bad[i / 6];
		r = guest_run(&g, 0);
		assert_true(r == KVM_EXIT_MMIO || r == KVM_EXIT_IO || r == KVM_EXIT_HLT);
	}
	guest_destroy(&g);
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
	set_args(g, 0, 0, pin, redirection);
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
		cmocka_unit_test(doorbells_do_not_exit),
		cmocka_unit_test(doorbell_with_match),
		cmocka_unit_test(wrong_length_exits),
		cmocka_unit_test(ring_keeps_order),
		cmocka_unit_test(hostile_ring),
		cmocka_unit_test(irqfd_to_msi),
		cmocka_unit_test(irqfd_to_ioapic),
		cmocka_unit_test(irqfd_resample),
		cmocka_unit_test(irq_line_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
