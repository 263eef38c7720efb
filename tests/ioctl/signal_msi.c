/* SPDX-License-Identifier: MIT */
/* KVM_SIGNAL_MSI (api.rst 4.71). */
#include "vm_test.h"

#define TO_APIC(id)	(0xfee00000u | (id) << 12)
#define LAPIC_SPIV	0xf0
#define LAPIC_IRR	0x200

static int send(int vm, uint32_t address, uint32_t data, uint32_t flags)
{
	struct kvm_msi m = { .address_lo = address, .data = data, .flags = flags };

	return kvm_ioctl(vm, KVM_SIGNAL_MSI, &m);
}

static int new_vcpu_with_apic(int vm, uint32_t id)
{
	struct kvm_lapic_state s;
	int vcpu = new_vcpu(vm, id);

	assert_ok(kvm_ioctl(vcpu, KVM_GET_LAPIC, &s));
	s.regs[LAPIC_SPIV + 1] |= 1;
	assert_ok(kvm_ioctl(vcpu, KVM_SET_LAPIC, &s));
	return vcpu;
}

static bool pending(int vcpu, uint8_t vector)
{
	struct kvm_lapic_state s;

	assert_ok(kvm_ioctl(vcpu, KVM_GET_LAPIC, &s));
	return s.regs[LAPIC_IRR + vector / 32 * 16 + vector % 32 / 8] & 1 << vector % 8;
}

static void needs_an_irqchip(void **state)
{
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SIGNAL_MSI, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SIGNAL_MSI, at_page_end(31)));
	assert_errno(EINVAL, send(vm, TO_APIC(0), 0x41, 0));
	close(vm);
}

static void flags(void **state)
{
	int vm = new_vm_irqchip(), vcpu = new_vcpu_with_apic(vm, 0);

	for (uint32_t flag = 2; flag; flag <<= 1)
		assert_errno(EINVAL, send(vm, TO_APIC(0), 0x41, flag));
	/* A device's id may be there and is not used. */
	assert_int_equal(send(vm, TO_APIC(0), 0x41, KVM_MSI_VALID_DEVID), 1);
	close(vcpu);
	close(vm);
}

static void delivers(void **state)
{
	int vm = new_vm_irqchip(), a = new_vcpu_with_apic(vm, 0);
	int b = new_vcpu_with_apic(vm, 1);

	assert_int_equal(send(vm, TO_APIC(1), 0x41, 0), 1);
	assert_true(pending(b, 0x41));
	assert_false(pending(a, 0x41));
	assert_int_equal(send(vm, TO_APIC(1), 0x41, 0), 1);	/* pending already */
	assert_true(send(vm, TO_APIC(255), 0x42, 0) > 0);
	assert_true(pending(a, 0x42) && pending(b, 0x42));
	close(a);
	close(b);
	close(vm);
}

static void in_split_mode(void **state)
{
	int vm = new_vm_split(), vcpu = new_vcpu_with_apic(vm, 0);

	assert_int_equal(send(vm, TO_APIC(0), 0x41, 0), 1);
	assert_true(pending(vcpu, 0x41));
	close(vcpu);
	close(vm);
}

/*
 * Nobody is -1, which is the number of EPERM, only where KVM has to ask every
 * APIC; one that does not take the message is 0.
 */
static void nobody_there(void **state)
{
	int vm = new_vm_irqchip(), vcpu;

	assert_errno(EPERM, send(vm, TO_APIC(0), 0x41, 0));
	assert_errno(EPERM, send(vm, TO_APIC(255), 0x41, 0));
	vcpu = new_vcpu_with_apic(vm, 0);
	assert_int_equal(send(vm, TO_APIC(9), 0x41, 0), 0);
	close(vcpu);
	/* Not enabled by software. */
	vcpu = new_vcpu(vm, 1);
	assert_int_equal(send(vm, TO_APIC(1), 0x41, 0), 0);
	close(vcpu);
	close(vm);
}

/* With 32-bit ids the low byte of the upper half is reserved (api.rst 7.7). */
static void x2apic_addresses(void **state)
{
	struct kvm_msi m = { .address_lo = TO_APIC(0), .address_hi = 1, .data = 0x41 };
	int vm = new_vm_irqchip(), vcpu = new_vcpu_with_apic(vm, 0);

	assert_int_equal(kvm_ioctl(vm, KVM_SIGNAL_MSI, &m), 1);
	assert_ok(enable_cap(vm, KVM_CAP_X2APIC_API, 0, KVM_X2APIC_API_USE_32BIT_IDS));
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_SIGNAL_MSI, &m));
	m.address_hi = 0;
	m.data = 0x42;
	assert_int_equal(kvm_ioctl(vm, KVM_SIGNAL_MSI, &m), 1);
	m.address_hi = 0x100;
	assert_int_equal(kvm_ioctl(vm, KVM_SIGNAL_MSI, &m), 0);	/* to APIC 100h */
	close(vcpu);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SIGNAL_MSI);
}

IOCTL_TESTS(signal_msi,
	    cmocka_unit_test(needs_an_irqchip),
	    cmocka_unit_test(flags),
	    cmocka_unit_test(delivers),
	    cmocka_unit_test(in_split_mode),
	    cmocka_unit_test(nobody_there),
	    cmocka_unit_test(x2apic_addresses),
	    cmocka_unit_test(wrong_scope))
