/* SPDX-License-Identifier: MIT */
#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "anykvm.h"

#define PG		4096ul
#define RAM_SIZE	(1ul << 20)
#define GPA_CODE	0x10000
#define GPA_HIGH	(1ul << 32)

static u8 *ram;
static int eventfds[4];
static struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 e[256]; } cpuid;
static u64 bitmap[RAM_SIZE / PG / 64];

void life_prepare(void)
{
	/* x87, SSE, two exits. */
	static const u8 code[] = { 0xd9, 0xe8, 0x0f, 0x58, 0xc1, 0xe6, 0x80, 0xe6, 0x80 };

	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(ram + GPA_CODE, code, sizeof(code));
	for (u32 i = 0; i < ARRAY_SIZE(eventfds); i++)
		eventfds[i] = eventfd(0, EFD_CLOEXEC);
}

static int request(int fd, u32 cmd, const void *arg)
{
	return anykvm_ioctl(fd, cmd, (void *)arg);
}

/* -- Steps: a result as an ioctl's ----------------------------------------------- */

static int open_system(struct life *l)
{
	return l->sys = anykvm_open(O_RDWR | O_CLOEXEC);
}

static int get_cpuid(struct life *l)
{
	cpuid.head.nent = ARRAY_SIZE(cpuid.e);
	return request(l->sys, KVM_GET_SUPPORTED_CPUID, &cpuid);
}

static int create_vm(struct life *l)
{
	return l->vm = request(l->sys, KVM_CREATE_VM, NULL);
}

static int create_irqchip(struct life *l)
{
	return request(l->vm, KVM_CREATE_IRQCHIP, NULL);
}

static int create_pit(struct life *l)
{
	struct kvm_pit_config pit = { 0 };

	return request(l->vm, KVM_CREATE_PIT2, &pit);
}

static int set_region(int vm, u32 slot, u32 flags, u64 gpa, u64 size)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)ram,
	};

	return request(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static int add_slots(struct life *l)
{
	int ret = set_region(l->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, RAM_SIZE);

	for (u32 i = 1; i < 20 && !ret; i++)
		ret = set_region(l->vm, i * 3, 0, GPA_HIGH - i * PG, PG);
	return ret;
}

static int create_vcpu(struct life *l)
{
	return l->vcpu[0] = request(l->vm, KVM_CREATE_VCPU, (void *)0);
}

static int create_second_vcpu(struct life *l)
{
	return l->vcpu[1] = request(l->vm, KVM_CREATE_VCPU, (void *)1);
}

static int map_vcpus(struct life *l)
{
	for (int i = 0; i < 2; i++) {
		void *p = l->run[i] ?: anykvm_mmap(NULL, 3 * PG, PROT_READ | PROT_WRITE,
						   MAP_SHARED, l->vcpu[i], 0);

		if (p == MAP_FAILED)
			return -1;
		l->run[i] = p;
	}
	return 0;
}

static int set_cpuid(struct life *l)
{
	return request(l->vcpu[0], KVM_SET_CPUID2, &cpuid) ?:
	       request(l->vcpu[1], KVM_SET_CPUID2, &cpuid);
}

static int change_slots(struct life *l)
{
	return set_region(l->vm, 1, 0, GPA_HIGH * 2, PG) ?:
	       set_region(l->vm, 2, KVM_MEM_LOG_DIRTY_PAGES, GPA_HIGH + PG, PG) ?:
	       set_region(l->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA_HIGH * 2, PG) ?:
	       set_region(l->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA_HIGH * 3, PG) ?:
	       set_region(l->vm, 1, 0, GPA_HIGH * 3, PG) ?:
	       set_region(l->vm, 1 << 16, 0, 0, RAM_SIZE) ?:
	       set_region(l->vm, 2, 0, 0, 0);
}

static int dirty_logs(struct life *l)
{
	struct kvm_dirty_log get = { .dirty_bitmap = bitmap };
	struct kvm_clear_dirty_log clear = { .num_pages = 64, .dirty_bitmap = bitmap };

	return request(l->vm, KVM_GET_DIRTY_LOG, &get) ?:
	       request(l->vm, KVM_CLEAR_DIRTY_LOG, &clear);
}

static int set_msr_filter(struct life *l)
{
	struct kvm_msr_filter f = {
		.ranges = { { .flags = 3, .nmsrs = 64, .base = 0x100, .bitmap = (u8 *)bitmap },
			    { .flags = 1, .nmsrs = 9, .base = 0x900, .bitmap = (u8 *)bitmap } },
	};

	return request(l->vm, KVM_X86_SET_MSR_FILTER, &f) ?:
	       request(l->vm, KVM_X86_SET_MSR_FILTER, &f);
}

static int set_routing(struct life *l)
{
	struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry e[2]; } r = {
		.head = { .nr = 2 },
		.e = { { .gsi = 5, .type = KVM_IRQ_ROUTING_IRQCHIP,
			 .u.irqchip = { KVM_IRQCHIP_IOAPIC, 5 } },
		       { .gsi = 24, .type = KVM_IRQ_ROUTING_MSI,
			 .u.msi = { .address_lo = 0xfee00000, .data = 0x31 } } },
	};

	return request(l->vm, KVM_SET_GSI_ROUTING, &r);
}

static int add_irqfd(struct life *l)
{
	struct kvm_irqfd i = { .fd = eventfds[0], .gsi = 24 };
	const u64 one = 1;
	int ret = request(l->vm, KVM_IRQFD, &i);

	return !ret && write(eventfds[0], &one, sizeof(one)) < 0 ? -1 : ret;
}

static int add_resample_irqfd(struct life *l)
{
	struct kvm_irqfd i = { .fd = eventfds[1], .gsi = 5, .resamplefd = eventfds[2],
			       .flags = KVM_IRQFD_FLAG_RESAMPLE };

	return request(l->vm, KVM_IRQFD, &i);
}

static int remove_irqfd(struct life *l)
{
	struct kvm_irqfd i = { .fd = eventfds[0], .gsi = 24,
			       .flags = KVM_IRQFD_FLAG_DEASSIGN };

	return request(l->vm, KVM_IRQFD, &i);
}

static int ioeventfd(struct life *l, u64 port, u32 flags)
{
	struct kvm_ioeventfd e = { .addr = port, .len = 2, .fd = eventfds[3],
				   .flags = flags | KVM_IOEVENTFD_FLAG_PIO };

	return request(l->vm, KVM_IOEVENTFD, &e);
}

static int add_ioeventfd(struct life *l)
{
	return ioeventfd(l, 0x100, 0);
}

static int add_second_ioeventfd(struct life *l)
{
	return ioeventfd(l, 0x200, 0);
}

static int remove_ioeventfd(struct life *l)
{
	return ioeventfd(l, 0x100, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static int add_zone(struct life *l)
{
	struct kvm_coalesced_mmio_zone z = { .addr = 0xa0000, .size = 0x1000 };

	return request(l->vm, KVM_REGISTER_COALESCED_MMIO, &z);
}

/* Timers of the LAPIC and the PIT run from here on. */
static int start_timers(struct life *l)
{
	struct kvm_pit_state2 pit = { .channels = { { .count = 10000, .mode = 2, .gate = 1 } } };
	struct kvm_lapic_state lapic;
	u32 *reg = (u32 *)lapic.regs;

	if (request(l->vcpu[0], KVM_GET_LAPIC, &lapic))
		return -1;
	reg[0xf0 / 4] = 0x1ff;
	reg[0x320 / 4] = 0x40 | 1 << 17;
	reg[0x380 / 4] = 1000000;
	return request(l->vcpu[0], KVM_SET_LAPIC, &lapic) ?: request(l->vm, KVM_SET_PIT2, &pit);
}

static int set_steal_time(struct life *l)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e[2]; } m = {
		.head = { .nmsrs = 2 },
		.e = { { .index = 0x4b564d03, .data = 0x8001 },	/* MSR_KVM_STEAL_TIME */
		       { .index = 0x4b564d01, .data = 0x9001 } },	/* ..._SYSTEM_TIME_NEW */
	};

	return request(l->vcpu[0], KVM_SET_MSRS, &m) == 2 ? 0 : -1;
}

static int set_state(struct life *l)
{
	struct kvm_regs r = { .rflags = 2 };
	struct kvm_sregs s;

	if (request(l->vcpu[0], KVM_GET_SREGS, &s))
		return -1;
	s.cs.base = GPA_CODE;
	s.cs.selector = GPA_CODE >> 4;
	s.cr4 |= 0x600;
	return request(l->vcpu[0], KVM_SET_SREGS, &s) ?: request(l->vcpu[0], KVM_SET_REGS, &r);
}

static int run(struct life *l)
{
	int ret = request(l->vcpu[0], KVM_RUN, NULL);

	if (!ret && l->run[0]->exit_reason != KVM_EXIT_IO) {
		errno = ENOTRECOVERABLE;
		return -1;
	}
	return ret;
}

/* A blocked signal that the mask opens, and nobody tells of. */
static int run_masked(struct life *l)
{
	struct { u32 len; u64 mask; } __attribute__((packed)) m = { .len = 8 };
	sigset_t usr2;
	int ret;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	ret = request(l->vcpu[0], KVM_SET_SIGNAL_MASK, &m) ?: run(l);
	sigprocmask(SIG_UNBLOCK, &usr2, NULL);
	return ret;
}

static int enable(int fd, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return request(fd, KVM_ENABLE_CAP, &c);
}

static int create_second_vm(struct life *l)
{
	return l->vm2 = request(l->sys, KVM_CREATE_VM, NULL);
}

static int enable_split_irqchip(struct life *l)
{
	return enable(l->vm2, KVM_CAP_SPLIT_IRQCHIP, 24);
}

static int enable_dirty_ring(struct life *l)
{
	return enable(l->vm2, KVM_CAP_DIRTY_LOG_RING, PG);
}

static int create_third_vcpu(struct life *l)
{
	return l->vcpu2 = request(l->vm2, KVM_CREATE_VCPU, (void *)0);
}

static int map_dirty_ring(struct life *l)
{
	void *p = anykvm_mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, l->vcpu2,
			      KVM_DIRTY_LOG_PAGE_OFFSET * PG);

	return p == MAP_FAILED ? -1 : munmap(p, PG);
}

static int enable_synic(struct life *l)
{
	return enable(l->vcpu2, KVM_CAP_HYPERV_SYNIC2, 0);
}

static int add_hyperv_eventfd(struct life *l)
{
	struct kvm_hyperv_eventfd e = { .conn_id = 1, .fd = eventfds[3] };

	return request(l->vm2, KVM_HYPERV_EVENTFD, &e);
}

static int set_xen_config(struct life *l)
{
	struct kvm_xen_hvm_config config = { .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
					     .msr = 0x40000000 };

	return request(l->vm2, KVM_XEN_HVM_CONFIG, &config);
}

static int add_xen_port(struct life *l)
{
	struct kvm_xen_hvm_attr port = {
		.type = KVM_XEN_ATTR_TYPE_EVTCHN,
		.u.evtchn = { .send_port = 1, .type = 2,	/* EVTCHNSTAT_interdomain */
			      .deliver.eventfd.fd = eventfds[3] },
	};

	return request(l->vm2, KVM_XEN_HVM_SET_ATTR, &port);
}

static int set_xen_timer(struct life *l)
{
	struct kvm_xen_vcpu_attr timer = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_TIMER,
		.u.timer = { .port = 1, .priority = -1, .expires_ns = 1ul << 60 },
	};

	return request(l->vcpu2, KVM_XEN_VCPU_SET_ATTR, &timer);
}

/* -- All ---------------------------------------------------------------------------- */

static const struct step {
	const char *name;
	int (*fn)(struct life *l);
} steps[] = {
#define STEP(name) { #name, name }
	STEP(open_system), STEP(get_cpuid), STEP(create_vm), STEP(create_irqchip),
	STEP(create_pit), STEP(add_slots), STEP(create_vcpu), STEP(create_second_vcpu),
	STEP(map_vcpus), STEP(set_cpuid), STEP(change_slots), STEP(dirty_logs),
	STEP(set_msr_filter), STEP(set_routing), STEP(add_irqfd),
	STEP(add_resample_irqfd), STEP(remove_irqfd), STEP(add_ioeventfd),
	STEP(add_second_ioeventfd), STEP(remove_ioeventfd), STEP(add_zone),
	STEP(start_timers), STEP(set_steal_time), STEP(set_state), STEP(run),
	STEP(run_masked), STEP(dirty_logs), STEP(create_second_vm),
	STEP(enable_split_irqchip), STEP(enable_dirty_ring), STEP(create_third_vcpu),
	STEP(map_dirty_ring), STEP(enable_synic), STEP(add_hyperv_eventfd),
	STEP(set_xen_config), STEP(add_xen_port), STEP(set_xen_timer),
#undef STEP
};

bool life_live(struct life *l)
{
	*l = (struct life){ .sys = -1, .vm = -1, .vcpu = { -1, -1 }, .vm2 = -1, .vcpu2 = -1 };
	for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].fn(l) >= 0)
			continue;
		if (l->failed)
			return false;
		l->failed = steps[i].name;
		l->err = errno;
		if (steps[i].fn(l) < 0)
			return false;
	}
	return true;
}

void life_end(struct life *l)
{
	const int fds[] = { l->vcpu[0], l->vcpu[1], l->vcpu2, l->vm, l->vm2, l->sys };

	for (int i = 0; i < 2; i++) {
		if (l->run[i])
			munmap(l->run[i], 3 * PG);
	}
	for (u32 i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}
