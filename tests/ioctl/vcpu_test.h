/* SPDX-License-Identifier: MIT */
/* What the tests of vCPU ioctls share: a machine, bad pointers, CPUID, MSRs. */
#ifndef ANYKVM_TESTS_IOCTL_VCPU_TEST_H
#define ANYKVM_TESTS_IOCTL_VCPU_TEST_H

#include "vm_test.h"

/* The request succeeds; it fails with @err. */
#define must(fd, request, arg)		assert_ok(kvm_ioctl(fd, request, arg))
#define refused(err, fd, request, arg)	assert_errno(err, kvm_ioctl(fd, request, arg))

/* -- Machines ---------------------------------------------------------------- */

enum chips { NO_CHIPS, FULL_CHIPS, SPLIT_CHIPS };

/* A VM and its vCPU 0. */
struct machine {
	int vm, vcpu;
};

static inline struct machine machine_new(enum chips chips)
{
	struct machine m = {
		.vm = chips == FULL_CHIPS ? new_vm_irqchip() :
		      chips == SPLIT_CHIPS ? new_vm_split() : new_vm(),
	};

	m.vcpu = new_vcpu(m.vm, 0);
	return m;
}

static inline void machine_free(struct machine m)
{
	close(m.vcpu);
	close(m.vm);
}

/*
 * INIT, SIPI or NMI as another processor would send it to APIC ID @id of @vcpu.
 * A kernel does not find a new vCPU's LAPIC before something has been written
 * to it.
 */
static inline void send_ipi(int vm, int vcpu, uint8_t id, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000 | id << 12, .data = data };
	struct kvm_lapic_state lapic;

	must(vcpu, KVM_GET_LAPIC, &lapic);
	must(vcpu, KVM_SET_LAPIC, &lapic);
	assert_true(kvm_ioctl(vm, KVM_SIGNAL_MSI, &msi) > 0);
}

#define MSI_NMI		0x400u
#define MSI_INIT	0x500u
#define MSI_SIPI	0x600u

/* RAM of @size from 0 up as slot 0; the caller unmaps it. */
static inline uint8_t *add_ram(int vm, size_t size)
{
	uint8_t *ram = guest_ram(size);

	assert_ok(set_region(vm, 0, 0, 0, size, ram));
	return ram;
}

/* -- Pointers ---------------------------------------------------------------- */

/* The request reads @n bytes: pointers to fewer are EFAULT. */
static inline void reads_all_of(int fd, unsigned long request, size_t n)
{
	refused(EFAULT, fd, request, NULL);
	refused(EFAULT, fd, request, NO_POINTER);
	refused(EFAULT, fd, request, at_page_end(n - 1));
}

/* The request writes @n bytes and no more: pointers to fewer are EFAULT. */
static inline void writes_all_of(int fd, unsigned long request, size_t n)
{
	void *room = calloc(1, n), *constant = read_only(room, n);

	reads_all_of(fd, request, n);
	refused(EFAULT, fd, request, constant);
	must(fd, request, at_page_end(n));
	free(room);
}

/* A vCPU's request on the VM and on /dev/kvm (api.rst section 2). */
static inline void only_for_vcpus(unsigned long request)
{
	assert_not_on_vm(request);
	assert_not_on_system(request);
}

/* -- CPUID ------------------------------------------------------------------- */

#define MAX_CPUID	256

struct cpuid_list {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 e[MAX_CPUID];
};

/* KVM_GET_SUPPORTED_CPUID. */
static inline void supported_cpuid(struct cpuid_list *l)
{
	int sys = kvm_open(O_RDWR);

	memset(l, 0, sizeof(*l));
	l->head.nent = MAX_CPUID;
	must(sys, KVM_GET_SUPPORTED_CPUID, l);
	close(sys);
}

/* NULL if there is no such leaf. */
static inline struct kvm_cpuid_entry2 *find_leaf(struct cpuid_list *l, uint32_t function,
						 uint32_t index)
{
	for (uint32_t i = 0; i < l->head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &l->e[i];

		if (e->function == function &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
			return e;
	}
	return NULL;
}

/* The vCPU gets all that is supported. */
static inline void give_supported_cpuid(int vcpu)
{
	struct cpuid_list l;

	supported_cpuid(&l);
	must(vcpu, KVM_SET_CPUID2, &l);
}

/* -- MSRs -------------------------------------------------------------------- */

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry e;
};

/* 1 if done, 0 if refused. */
static inline int msr_get(int vcpu, uint32_t index, uint64_t *data)
{
	struct one_msr m = { .head.nmsrs = 1, .e.index = index };
	int n = kvm_ioctl(vcpu, KVM_GET_MSRS, &m);

	*data = m.e.data;
	return n;
}

static inline int msr_set(int vcpu, uint32_t index, uint64_t data)
{
	struct one_msr m = { .head.nmsrs = 1, .e = { .index = index, .data = data } };

	return kvm_ioctl(vcpu, KVM_SET_MSRS, &m);
}

static inline uint64_t msr_must_get(int vcpu, uint32_t index)
{
	uint64_t v = 0;

	assert_int_equal(msr_get(vcpu, index, &v), 1);
	return v;
}

#endif
