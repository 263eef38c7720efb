/* SPDX-License-Identifier: MIT */
#define SEMANTICS "requests.def"
#include "semantics.h"

#include "api/dispatch.h"

#define NR(array)	(sizeof(array) / sizeof((array)[0]))

/* A VM with everything in it. */
struct machine {
	int sys, vm, vcpu;
};

static void machine_create(struct machine *m)
{
	struct kvm_pit_config pit = { 0 };

	m->sys = kvm_open(O_RDWR);
	m->vm = new_vm();
	assert_ok(kvm_ioctl_val(m->vm, KVM_CREATE_IRQCHIP, 0));
	assert_ok(kvm_ioctl(m->vm, KVM_CREATE_PIT2, &pit));
	m->vcpu = new_vcpu(m->vm, 0);
}

static void machine_destroy(struct machine *m)
{
	close(m->vcpu);
	close(m->vm);
	close(m->sys);
}

/* -- 10 ------------------------------------------------------------------------ */

static void upper_half_is_ignored(const struct machine *m)
{
	static const u64 upper[] = { 0, 1ull << 32, 0xffffffffull << 32, 0xabcdefull << 40 };
	struct kvm_regs regs;

	for (u32 i = 0; i < NR(upper); i++) {
		regs.rflags = 0;
		assert_ok(kvm_ioctl(m->vcpu, KVM_GET_REGS | upper[i], &regs));
		assert_int_equal(regs.rflags, 2);
		assert_int_equal(kvm_ioctl_val(m->sys, KVM_GET_API_VERSION | upper[i], 0), 12);
		assert_int_equal(kvm_ioctl_val(m->vm, KVM_CHECK_EXTENSION | upper[i],
					       KVM_CAP_USER_MEMORY), 1);
	}
}

/* A request of the other kind of descriptor is unknown, whatever its number. */
static void twins_of_vm_and_vcpu(const struct machine *m)
{
	static const struct { u32 vm, vcpu; } twins[] = {
		{ KVM_GET_PIT2, KVM_GET_VCPU_EVENTS },
		{ KVM_SET_PIT2, KVM_SET_VCPU_EVENTS },
		{ KVM_SIGNAL_MSI, KVM_SET_XSAVE },
	};
	static u8 arg[8192];

	for (u32 i = 0; i < NR(twins); i++) {
		assert_int_equal(_IOC_NR(twins[i].vm), _IOC_NR(twins[i].vcpu));
		assert_errno(EINVAL, kvm_ioctl(m->vcpu, twins[i].vm, arg));
		assert_errno(ENOTTY, kvm_ioctl(m->vm, twins[i].vcpu, arg));
	}
	assert_ok(kvm_ioctl(m->vm, KVM_GET_PIT2, arg));
	assert_ok(kvm_ioctl(m->vm, KVM_SET_PIT2, arg));
	assert_ok(kvm_ioctl(m->vcpu, KVM_GET_VCPU_EVENTS, arg));
	assert_ok(kvm_ioctl(m->vcpu, KVM_SET_VCPU_EVENTS, arg));
}

static void twins_of_one_descriptor(const struct machine *m)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = 0x1000, .size = 16 };
	struct kvm_irq_level level = { .irq = 4, .level = 1 };
	struct kvm_debugregs regs = { .db = { 0x1111 }, .dr6 = 0xffff0ff0, .dr7 = 0x400 };

	assert_int_equal(_IOC_NR(KVM_SET_TSC_KHZ), _IOC_NR(KVM_SET_DEBUGREGS));
	assert_ok(kvm_ioctl(m->vcpu, KVM_SET_DEBUGREGS, &regs));
	assert_ok(kvm_ioctl_val(m->vcpu, KVM_SET_TSC_KHZ, 0));
	memset(&regs, 0, sizeof(regs));
	assert_ok(kvm_ioctl(m->vcpu, KVM_GET_DEBUGREGS, &regs));
	assert_int_equal(regs.db[0], 0x1111);

	assert_int_equal(_IOC_NR(KVM_GET_TSC_KHZ), _IOC_NR(KVM_ENABLE_CAP));
	assert_true(kvm_ioctl_val(m->vcpu, KVM_GET_TSC_KHZ, 0) > 0);
	assert_errno(EFAULT, kvm_ioctl_val(m->vcpu, KVM_ENABLE_CAP, 0));

	assert_int_equal(_IOC_NR(KVM_IRQ_LINE_STATUS), _IOC_NR(KVM_REGISTER_COALESCED_MMIO));
	assert_ok(kvm_ioctl(m->vm, KVM_REGISTER_COALESCED_MMIO, &zone));
	assert_ok(kvm_ioctl(m->vm, KVM_IRQ_LINE_STATUS, &level));
	assert_ok(kvm_ioctl(m->vm, KVM_UNREGISTER_COALESCED_MMIO, &zone));
}

static void every_bit_counts(const struct machine *m)
{
	static u8 arg[16384];

	for (u32 bit = 8; bit < 32; bit++) {
		assert_errno(EINVAL, kvm_ioctl(m->vcpu, KVM_GET_SREGS ^ 1u << bit, arg));
		assert_errno(ENOTTY, kvm_ioctl(m->vm, KVM_IRQ_LINE ^ 1u << bit, arg));
		assert_errno(EINVAL, kvm_ioctl_val(m->sys, KVM_GET_API_VERSION ^ 1u << bit, 0));
	}
}

static void requests_have_32_bits(void **state)
{
	struct machine m;

	machine_create(&m);
	upper_half_is_ignored(&m);
	twins_of_vm_and_vcpu(&m);
	twins_of_one_descriptor(&m);
	every_bit_counts(&m);
	machine_destroy(&m);
}

/* -- 11 ------------------------------------------------------------------------ */

#define DIRECTION(request)	_IOC_DIR(request)

static void read_requests_that_set(const struct machine *m)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	struct kvm_enc_region region = { 0 };
	struct kvm_pit_state pit;

	assert_int_equal(DIRECTION(KVM_SET_IRQCHIP), _IOC_READ);
	assert_ok(kvm_ioctl(m->vm, KVM_GET_IRQCHIP, &chip));
	chip.chip.pic.irq_base = 0x58;
	assert_ok(kvm_ioctl(m->vm, KVM_SET_IRQCHIP, &chip));
	chip.chip.pic.irq_base = 0;
	assert_ok(kvm_ioctl(m->vm, KVM_GET_IRQCHIP, &chip));
	assert_int_equal(chip.chip.pic.irq_base, 0x58);

	assert_int_equal(DIRECTION(KVM_SET_PIT), _IOC_READ);
	assert_ok(kvm_ioctl(m->vm, KVM_GET_PIT, &pit));
	pit.channels[2].count = 0x1234;
	assert_ok(kvm_ioctl(m->vm, KVM_SET_PIT, &pit));
	memset(&pit, 0, sizeof(pit));
	assert_ok(kvm_ioctl(m->vm, KVM_GET_PIT, &pit));
	assert_int_equal(pit.channels[2].count, 0x1234);

	/* Without SEV there is nothing to register, but it is read. */
	assert_int_equal(DIRECTION(KVM_MEMORY_ENCRYPT_REG_REGION), _IOC_READ);
	assert_errno(EFAULT, kvm_ioctl(m->vm, KVM_MEMORY_ENCRYPT_REG_REGION, NO_POINTER));
	assert_errno(ENOTTY, kvm_ioctl(m->vm, KVM_MEMORY_ENCRYPT_REG_REGION, &region));
	assert_errno(EFAULT, kvm_ioctl(m->vm, KVM_MEMORY_ENCRYPT_UNREG_REGION, NO_POINTER));
	assert_errno(ENOTTY, kvm_ioctl(m->vm, KVM_MEMORY_ENCRYPT_UNREG_REGION, &region));
}

static void write_requests_that_get(const struct machine *m)
{
	u64 offset = 0xdeadbeefdeadbeef, bitmap = ~0ull;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bitmap };
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (u64)&offset,
	};
	u8 *mem = guest_ram(PG);

	assert_int_equal(DIRECTION(KVM_GET_DIRTY_LOG), _IOC_WRITE);
	assert_ok(set_region(m->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 0x100000, PG, mem));
	assert_ok(kvm_ioctl(m->vm, KVM_GET_DIRTY_LOG, &log));
	assert_int_equal(bitmap, 0);
	assert_int_equal(DIRECTION(KVM_GET_DEVICE_ATTR), _IOC_WRITE);
	assert_ok(kvm_ioctl(m->vcpu, KVM_GET_DEVICE_ATTR, &attr));
	assert_int_not_equal(offset, 0xdeadbeefdeadbeef);
	munmap(mem, PG);
}

static void a_request_without_direction(const struct machine *m)
{
	struct kvm_reinject_control control = { .pit_reinject = 1 };

	assert_int_equal(DIRECTION(KVM_REINJECT_CONTROL), _IOC_NONE);
	assert_errno(EFAULT, kvm_ioctl(m->vm, KVM_REINJECT_CONTROL, NO_POINTER));
	assert_ok(kvm_ioctl(m->vm, KVM_REINJECT_CONTROL, &control));
}

static void arrays_are_longer_than_they_say(const struct machine *m)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[2];
	} msrs = { .head.nmsrs = 2, .entries = { { .index = 0x277 }, { .index = 0x174 } } };

	assert_int_equal(_IOC_SIZE(KVM_GET_MSRS), sizeof(msrs.head));
	assert_int_equal(_IOC_SIZE(KVM_SET_CPUID2), sizeof(struct kvm_cpuid2));
	assert_int_equal(_IOC_SIZE(KVM_SET_GSI_ROUTING), sizeof(struct kvm_irq_routing));
	assert_int_equal(kvm_ioctl(m->vcpu, KVM_GET_MSRS, &msrs), 2);
	assert_int_equal(msrs.entries[0].data, 0x0007040600070406);
	msrs.entries[1].data = 0x10;
	assert_int_equal(kvm_ioctl(m->vcpu, KVM_SET_MSRS, &msrs), 2);
	msrs.entries[1].data = 0;
	assert_int_equal(kvm_ioctl(m->vcpu, KVM_GET_MSRS, &msrs), 2);
	assert_int_equal(msrs.entries[1].data, 0x10);
}

static void direction_bits_tell_nothing(void **state)
{
	struct machine m;

	machine_create(&m);
	read_requests_that_set(&m);
	write_requests_that_get(&m);
	a_request_without_direction(&m);
	arrays_are_longer_than_they_say(&m);
	machine_destroy(&m);
}

/* -- 12 ------------------------------------------------------------------------ */

static void an_omitted_argument_is_ignored(void **state)
{
	const unsigned long garbage = 0xdeadbeefcafe1234;
	int vm = new_vm();
	struct machine m;

	assert_ok(kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, garbage));
	close(vm);
	machine_create(&m);
	assert_ok(kvm_ioctl_val(m.vcpu, KVM_NMI, garbage));
	if (kvm_ioctl_val(m.sys, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0)
		assert_ok(kvm_ioctl_val(m.vcpu, KVM_SMI, garbage));
	assert_int_equal(kvm_ioctl_val(m.vcpu, KVM_GET_TSC_KHZ, garbage),
			 kvm_ioctl_val(m.vcpu, KVM_GET_TSC_KHZ, 0));
	assert_true(kvm_ioctl_val(m.vcpu, KVM_GET_TSC_KHZ, garbage) > 0);
	assert_int_equal(kvm_ioctl_val(m.vm, KVM_GET_TSC_KHZ, garbage),
			 kvm_ioctl_val(m.vm, KVM_GET_TSC_KHZ, 0));

	assert_errno(EINVAL, kvm_ioctl_val(m.sys, KVM_GET_API_VERSION, garbage));
	assert_errno(EINVAL, kvm_ioctl_val(m.sys, KVM_GET_VCPU_MMAP_SIZE, garbage));
	assert_errno(EINVAL, kvm_ioctl_val(m.vcpu, KVM_RUN, garbage));
	machine_destroy(&m);
}

/* -- 13 ------------------------------------------------------------------------ */

enum { IS_IN = 1, IS_OUT = 2 };

#define KIND_NONE	0, 0
#define KIND_ZERO	0, 0
#define KIND_VALUE	0, 0
#define KIND_RAW	0, 0
#define KIND_IN(s)	IS_IN, sizeof(struct s)
#define KIND_OUT(s)	IS_OUT, sizeof(struct s)
#define KIND_INOUT(s)	IS_IN | IS_OUT, sizeof(struct s)

/* All that take a plain structure. */
static const struct row {
	const char *name;
	u32 request;
	enum scope scope;
	int how;
	u32 size;
} rows[] = {
#define IOCTL(scope, cmd, kind, fn) { #cmd, (u32)cmd, SCOPE_##scope, KIND_##kind },
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn) { #cmd, (u32)cmd, SCOPE_##scope, KIND_##kind },
#include "arch_ioctls.def"
};

/* Memory whose last page is not there. */
enum { MAPPED = 3 * 4096 };

static u8 *memory_with_an_end(void)
{
	u8 *p = guest_ram(MAPPED + PG);

	mprotect(p + MAPPED, PG, PROT_NONE);	/* not munmap: nothing else may come there */
	return p;
}

/* A kernel may be built without. */
static bool may_be_unknown(const struct row *r, int err)
{
	return on_kernel() && (strstr(r->name, "HYPERV") || strstr(r->name, "XEN")) &&
	       err == (r->scope == SCOPE_VM ? ENOTTY : EINVAL);
}

static void assert_efault(const struct machine *m, const struct row *r, const void *arg)
{
	int fd = r->scope == SCOPE_SYSTEM ? m->sys : r->scope == SCOPE_VM ? m->vm : m->vcpu;

	errno = 0;
	assert_int_equal(kvm_ioctl(fd, r->request, (void *)arg), -1);
	if (errno != EFAULT && !may_be_unknown(r, errno))
		fail_msg("%s(%p): errno %d", r->name, arg, errno);
}

/* Kernels are built with and without (CONFIG_KVM_HYPERV, CONFIG_KVM_XEN). */
static bool is_optional(const struct machine *m, const struct row *r)
{
	return on_kernel() && (strstr(r->name, "HYPERV") || strstr(r->name, "XEN")) &&
	       kvm_ioctl(m->vm, r->request, NO_POINTER) == -1 && errno == ENOTTY;
}

static void structures(const struct machine *m, u8 *memory, const u8 *read_only)
{
	for (u32 i = 0; i < NR(rows); i++) {
		const struct row *r = &rows[i];

		if (!r->how || is_optional(m, r))
			continue;
		assert_efault(m, r, NULL);
		assert_efault(m, r, NO_POINTER);
		assert_efault(m, r, (void *)(1ull << 63));
		assert_efault(m, r, (void *)-8ull);
		memset(memory, 0, MAPPED);
		assert_efault(m, r, memory + MAPPED);
		if (r->size > 1)
			assert_efault(m, r, memory + MAPPED - r->size + 1);
		if (r->how == IS_OUT)
			assert_efault(m, r, read_only);
	}
}

/* The header is there, with a count of @n at @offset, and @room bytes behind. */
static void assert_cut(int fd, unsigned long request, u8 *memory, u32 head, u32 room, u32 n)
{
	u8 *at = memory + MAPPED - head - room;

	memset(memory, 0, MAPPED);
	memcpy(at, &n, sizeof(n));
	assert_errno(EFAULT, kvm_ioctl(fd, request, at));
}

static void arrays(const struct machine *m, u8 *memory)
{
	assert_cut(m->sys, KVM_GET_SUPPORTED_CPUID, memory, 8, 40, 100);
	assert_cut(m->sys, KVM_GET_MSR_INDEX_LIST, memory, 4, 8, 500);
	assert_cut(m->vcpu, KVM_GET_MSRS, memory, 8, 24, 2);
	assert_cut(m->vcpu, KVM_SET_MSRS, memory, 8, 24, 2);
	assert_cut(m->vcpu, KVM_SET_CPUID2, memory, 8, 40, 2);
	assert_cut(m->vcpu, KVM_SET_CPUID, memory, 8, 24, 2);
	assert_cut(m->vm, KVM_SET_GSI_ROUTING, memory, 8, 48, 2);
	assert_cut(m->vcpu, KVM_SET_SIGNAL_MASK, memory, 4, 4, 8);
}

static void pointers_inside(const struct machine *m, u8 *memory)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = memory + MAPPED - 4 };
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = 8,
	};
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = KVM_MSR_FILTER_READ, .nmsrs = 64, .base = 0x10,
			       .bitmap = memory + MAPPED - 4 },
	};

	assert_ok(set_region(m->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 0x100000, PG, memory));
	assert_errno(EFAULT, kvm_ioctl(m->vm, KVM_GET_DIRTY_LOG, &log));
	assert_errno(EFAULT, kvm_ioctl(m->vcpu, KVM_GET_DEVICE_ATTR, &attr));
	assert_errno(EFAULT, kvm_ioctl(m->vcpu, KVM_SET_DEVICE_ATTR, &attr));
	assert_errno(EFAULT, kvm_ioctl(m->vm, KVM_X86_SET_MSR_FILTER, &filter));
}

static void bad_pointers_give_efault(void **state)
{
	u8 *memory = memory_with_an_end();
	u8 *read_only = guest_ram(3 * PG);
	struct machine m;

	mprotect(read_only, 3 * PG, PROT_READ);
	machine_create(&m);
	structures(&m, memory, read_only);
	arrays(&m, memory);
	pointers_inside(&m, memory);
	machine_destroy(&m);
	munmap(memory, MAPPED);
	munmap(read_only, 3 * PG);
}
