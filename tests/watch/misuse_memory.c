/* SPDX-License-Identifier: MIT */
#include "misuse.h"

MISUSE(SLOT_OVERLAP)
{
	struct vmm v;

	vmm_start(&v, 0);
	assert_int_equal(set_region(v.vm, 1, 0, bad ? MEMORY - PG : MEMORY, 2 * PG,
				    guest_ram(2 * PG)), bad ? -1 : 0);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
}

MISUSE(SLOT_MISALIGNED)
{
	struct vmm v;

	vmm_start(&v, 0);
	assert_int_equal(set_region(v.vm, 1, 0, MEMORY, PG,
				    (u8 *)guest_ram(2 * PG) + (bad ? 512 : 0)), bad ? -1 : 0);
}

MISUSE(SLOT_CHANGED)
{
	struct vmm v;

	vmm_start(&v, VMM_SLOT_1);
	if (!bad)
		assert_ok(set_region(v.vm, 1, 0, SLOT_1, 0, v.mem1));
	assert_int_equal(set_region(v.vm, 1, 0, SLOT_1, 2 * PG, guest_ram(2 * PG)), bad ? -1 : 0);
}

MISUSE(SLOT_UNMAPPED)
{
	struct vmm v;
	u8 *mem = guest_ram(2 * PG);

	vmm_start(&v, 0);
	if (bad)
		munmap(mem + PG, PG);
	assert_ok(set_region(v.vm, 1, 0, MEMORY, 2 * PG, mem));
}

MISUSE(SLOT_GONE)
{
	struct vmm v;

	vmm_start(&v, VMM_SLOT_1);
	/* mov $0xffff, %ax; mov %ax, %ds; mov 0x10, %al: the first byte behind 1 MiB */
	VMM_CODE(&v, 0xb8, 0xff, 0xff, 0x8e, 0xd8, 0xa0, 0x10, 0x00);
	if (!bad)
		assert_ok(set_region(v.vm, 1, 0, SLOT_1, 0, v.mem1));
	munmap(v.mem1, PG);
	assert_int_equal(vmm_run(&v, 0), bad ? -EFAULT : KVM_EXIT_MMIO);
}

static int get_log(struct vmm *v)
{
	static u64 bitmap[MEMORY / PG / 64];
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };

	return kvm_ioctl(v->vm, KVM_GET_DIRTY_LOG, &log);
}

MISUSE(DIRTY_LOG_OFF)
{
	struct vmm v;

	vmm_start(&v, bad ? 0 : VMM_LOG);
	assert_int_equal(get_log(&v), bad ? -1 : 0);
}

MISUSE(DIRTY_LOG_RING)
{
	struct vmm v;

	vmm_start(&v, bad ? VMM_RING : VMM_LOG);
	assert_int_equal(get_log(&v), bad ? -1 : 0);
}

static void collect(struct vmm *v)
{
	struct kvm_dirty_gfn *ring = kvm_mmap(PG, MAP_SHARED, v->vcpu[0],
					      KVM_DIRTY_LOG_PAGE_OFFSET * PG);

	assert_ptr_not_equal(ring, MAP_FAILED);
	for (u32 i = 0; i < PG / sizeof(*ring) && ring[i].flags & KVM_DIRTY_GFN_F_DIRTY; i++)
		__atomic_store_n(&ring[i].flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	assert_true(kvm_ioctl_val(v->vm, KVM_RESET_DIRTY_RINGS, 0) > 0);
}

MISUSE(DIRTY_RING_IGNORED)
{
	struct vmm v;
	int again;

	vmm_start(&v, VMM_RING);
	/* 1: mov %ax, %ds; mov %al, 0; add $0x100, %ax; jmp 1b: each page's first byte */
	VMM_CODE(&v, 0x8e, 0xd8, 0xa2, 0, 0, 0x05, 0, 1, 0xeb, 0xf6);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_DIRTY_RING_FULL);
	if (!bad)
		collect(&v);
	again = vmm_run(&v, 0);
	assert_int_equal(again, KVM_EXIT_DIRTY_RING_FULL);
}

/* -- CPUID and MSRs ------------------------------------------------------------------ */

MISUSE(CPUID_LATE)
{
	struct vmm v;

	vmm_start(&v, 0);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
	if (bad)
		vmm_leaf(&v, 1)->edx ^= 1;
	assert_int_equal(kvm_ioctl(v.vcpu[0], KVM_SET_CPUID2, v.cpuid), bad ? -1 : 0);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
}

MISUSE(CPUID_OBSOLETE)
{
	struct kvm_cpuid none = { .nent = 0 };
	struct vmm v;

	vmm_start(&v, 0);
	if (bad)
		assert_ok(kvm_ioctl(v.vcpu[0], KVM_SET_CPUID, &none));
	else
		vmm_cpuid(&v, 0);
}

MISUSE(CPUID_APIC_ID)
{
	struct vmm v;

	vmm_start(&v, VMM_IRQCHIP);
	vmm_vcpu(&v);
	if (bad)
		assert_ok(kvm_ioctl(v.vcpu[1], KVM_SET_CPUID2, v.cpuid));
	else
		vmm_cpuid(&v, 1);
}

MISUSE(CPUID_NO_APIC)
{
	struct vmm v;

	vmm_start(&v, bad ? 0 : VMM_IRQCHIP);
	vmm_leaf(&v, 1)->ecx |= 1u << 21;
	assert_ok(kvm_ioctl(v.vcpu[0], KVM_SET_CPUID2, v.cpuid));
}

MISUSE(CPUID_DIFFERS)
{
	struct vmm v;

	vmm_start(&v, VMM_IRQCHIP);
	vmm_vcpu(&v);
	if (bad)
		vmm_leaf(&v, 1)->edx ^= 1u << 25;
	vmm_cpuid(&v, 1);
}

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[3];
};

MISUSE(MSRS_CUT)
{
	struct msrs m = {
		.head.nmsrs = 3,
		.entries = { { .index = 0x174 }, { .index = 0xdeadbeef }, { .index = 0x175 } },
	}, rest = { .head.nmsrs = 1, .entries = { { .index = 0x175 } } };
	struct vmm v;

	vmm_start(&v, 0);
	assert_int_equal(kvm_ioctl(v.vcpu[0], KVM_SET_MSRS, &m), 1);
	if (!bad)
		assert_int_equal(kvm_ioctl(v.vcpu[0], KVM_SET_MSRS, &rest), 1);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
}
