/* SPDX-License-Identifier: MIT */
/* Logged memory, and a way to write it that needs no guest code. */
#ifndef ANYKVM_TESTS_IOCTL_DIRTY_H
#define ANYKVM_TESTS_IOCTL_DIRTY_H

#include "ioctl_test.h"

#define MSR_KVM_WALL_CLOCK_NEW	0x4b564d00
#define LOG_SLOT		5
#define LOG_PAGES		130ul	/* three words, the last with two bits */
#define LOG_GPA			(1ul << 30)

static inline int enable_cap(int vm, uint32_t cap, uint32_t flags, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .flags = flags, .args = { arg } };

	return kvm_ioctl(vm, KVM_ENABLE_CAP, &c);
}

/* KVM itself writes the time of day there. */
static inline void write_page(int vcpu, uint64_t page)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = { .index = MSR_KVM_WALL_CLOCK_NEW, .data = LOG_GPA + page * PG + 64 },
	};

	assert_int_equal(kvm_ioctl(vcpu, KVM_SET_MSRS, &msrs), 1);
}

static inline void *add_logged_slot(int vm)
{
	void *ram = guest_ram(LOG_PAGES * PG);

	assert_ok(set_region(vm, LOG_SLOT, KVM_MEM_LOG_DIRTY_PAGES, LOG_GPA,
			     LOG_PAGES * PG, ram));
	return ram;
}

/* The slot of that number where SMM looks; a kernel may be built without SMM. */
static inline bool has_smm_slots(int vm)
{
	return kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) > 1;
}

static inline int get_log(int vm, uint32_t slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return kvm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
}

static inline int clear_log(int vm, uint32_t slot, uint64_t first, uint32_t n, void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = slot, .first_page = first, .num_pages = n, .dirty_bitmap = bitmap,
	};

	return kvm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &log);
}

#endif
