/* SPDX-License-Identifier: MIT */
/* What an eventfd bound by KVM_IRQFD (api.rst 4.75) does. */
#include "fake_arch.h"
#include "kvm_api.h"

#include <sys/eventfd.h>

#include "api/eventfd.h"

static int set(int vm, int fd, u32 gsi, u32 flags, int resample)
{
	struct kvm_irqfd i = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample,
	};

	return kvm_ioctl(vm, KVM_IRQFD, &i);
}

static int vm_with_irqchip(void)
{
	int vm = new_vm();

	assert_ok(kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	fake_nr_irqs = 0;
	return vm;
}

static int event(unsigned int n)
{
	return eventfd(n, EFD_CLOEXEC);	/* blocking: the worker must not care */
}

static void signal_is_an_edge(void **state)
{
	int vm = vm_with_irqchip(), e = event(0);

	assert_ok(set(vm, e, 5, 0, 0));
	eventfd_write(e, 3);
	assert_soon(fake_irq_count() == 2);
	assert_int_equal(fake_irqs[0].pin, 5);
	assert_int_equal(fake_irqs[0].level, 1);
	assert_int_equal(fake_irqs[1].level, 0);
	assert_int_equal(fake_irqs[1].source, IRQ_SOURCE_USERSPACE);
	eventfd_write(e, 1);
	assert_soon(fake_irq_count() == 4);
	assert_ok(set(vm, e, 5, KVM_IRQFD_FLAG_DEASSIGN, 0));
	eventfd_write(e, 1);
	usleep(10000);
	assert_int_equal(fake_irq_count(), 4);
	/* What was counted meanwhile fires when it is assigned. */
	assert_ok(set(vm, e, 6, 0, 0));
	assert_soon(fake_irq_count() == 6);
	assert_int_equal(fake_irqs[4].pin, 6);
	close(e);
	close(vm);
}

static void resample_holds_until_eoi(void **state)
{
	int vm = vm_with_irqchip(), e = event(0), r = eventfd(0, EFD_NONBLOCK);
	u64 n;

	assert_ok(set(vm, e, 9, KVM_IRQFD_FLAG_RESAMPLE, r));
	eventfd_write(e, 1);
	assert_soon(fake_irq_count() == 1);
	assert_int_equal(fake_irqs[0].level, 1);
	assert_int_equal(fake_irqs[0].source, IRQ_SOURCE_RESAMPLE);
	irqfd_notify_ack(fake_vm, KVM_IRQCHIP_IOAPIC, 8);
	assert_int_equal(fake_irq_count(), 1);
	irqfd_notify_ack(fake_vm, KVM_IRQCHIP_IOAPIC, 9);
	assert_int_equal(fake_irq_count(), 2);
	assert_int_equal(fake_irqs[1].level, 0);
	assert_int_equal(read(r, &n, 8), 8);
	assert_int_equal(n, 1);
	close(e);
	close(r);
	close(vm);
}

static bool is_ignored(int e)
{
	int n = fake_irq_count();

	eventfd_write(e, 1);
	usleep(10000);
	return fake_irq_count() == n;
}

/*
 * Final close of the VM descriptor detaches, though a vCPU keeps the VM: soon,
 * as it is another thread that notices.
 */
static void vm_close_detaches(void **state)
{
	int vm = vm_with_irqchip(), e = event(0), vcpu = new_vcpu(vm, 0);

	assert_ok(set(vm, e, 5, 0, 0));
	close(vm);
	assert_soon(is_ignored(e));
	usleep(10000);
	assert_true(is_ignored(e));
	assert_int_equal(vm_count(), 1);
	close(vcpu);
	assert_soon(vm_count() == 0);
	close(e);
}

static void many_and_latency(void **state)
{
	int vm = vm_with_irqchip(), e = event(0);
	u64 total = 0;

	assert_ok(set(vm, e, 5, 0, 0));
	for (u32 i = 1; i <= 500; i++) {
		u64 start = now_ns();

		eventfd_write(e, 1);
		while (fake_irq_count() < 2 * i)
			;
		total += now_ns() - start;
	}
	print_message("irqfd to injection: %.1f us\n", total / 500e3);
	close(e);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signal_is_an_edge),
		cmocka_unit_test(resample_holds_until_eoi),
		cmocka_unit_test(vm_close_detaches),
		cmocka_unit_test(many_and_latency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
