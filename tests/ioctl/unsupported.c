/* SPDX-License-Identifier: MIT */
/*
 * Requests of api.rst that Linux 6.1 refuses on x86: of other architectures,
 * removed long ago, or newer.  One row each; where a later kernel answers
 * differently the row names it, and only the engine is asked.
 */
#include "vm_test.h"

enum fd { SYS, VM, VCPU };

struct row {
	enum fd fd;
	unsigned long request;
	int err;
	const char *until;	/* NULL: the same to this day */
};

/* Sizes of what the headers of 6.1 for x86 do not declare. */
#define REQ_W(nr, n)	_IOC(_IOC_WRITE, KVMIO, nr, n)
#define REQ_R(nr, n)	_IOC(_IOC_READ, KVMIO, nr, n)
#define REQ_WR(nr, n)	_IOC(_IOC_READ | _IOC_WRITE, KVMIO, nr, n)

static const struct row rows[] = {
	/* -- Tracing by ioctl, long gone ----------------------------------------------------- */
	{ SYS,	KVM_TRACE_ENABLE,		EOPNOTSUPP, "later: EINVAL" },
	{ SYS,	KVM_TRACE_PAUSE,		EOPNOTSUPP, "later: EINVAL" },
	{ SYS,	KVM_TRACE_DISABLE,		EOPNOTSUPP, "later: EINVAL" },

	/* -- Removed ---------------------------------------------------------------------- */
	{ VM,	REQ_W(0x40, 0x18),		ENOTTY },	/* SET_MEMORY_REGION */
	{ VM,	REQ_W(0x43, 0x20),		ENOTTY },	/* SET_MEMORY_ALIAS */
	{ VM,	KVM_ASSIGN_PCI_DEVICE,		ENOTTY },
	{ VM,	KVM_ASSIGN_DEV_IRQ,		ENOTTY },
	{ VM,	KVM_DEASSIGN_PCI_DEVICE,	ENOTTY },
	{ VM,	KVM_DEASSIGN_DEV_IRQ,		ENOTTY },
	{ VM,	KVM_ASSIGN_SET_MSIX_NR,		ENOTTY },
	{ VM,	KVM_ASSIGN_SET_MSIX_ENTRY,	ENOTTY },
	{ VM,	KVM_ASSIGN_SET_INTX_MASK,	ENOTTY },
	{ VCPU,	REQ_W(0x87, 0x30),		EINVAL },	/* DEBUG_GUEST */

	/* -- Newer than 6.1, or new on x86 ---------------------------------------------------- */
	{ VM,	REQ_W(0x49, 0xa0),		ENOTTY, "6.8: SET_USER_MEMORY_REGION2" },
	{ VM,	REQ_W(0xd2, 0x20),		ENOTTY, "6.8: SET_MEMORY_ATTRIBUTES" },
	{ VM,	REQ_WR(0xd4, 0x40),		ENOTTY, "6.8: CREATE_GUEST_MEMFD" },
	{ VCPU,	REQ_WR(0xd5, 0x40),		EINVAL, "6.11: PRE_FAULT_MEMORY" },
	{ VCPU,	KVM_SET_ONE_REG,		EINVAL, "6.18: ONE_REG" },
	{ VCPU,	KVM_GET_ONE_REG,		EINVAL, "6.18: ONE_REG" },
	{ VCPU,	KVM_GET_REG_LIST,		EINVAL, "6.18: ONE_REG" },

	/* -- Attributes where x86 has none --------------------------------------------------- */
	{ SYS,	KVM_SET_DEVICE_ATTR,		EINVAL },
	{ VM,	KVM_SET_DEVICE_ATTR,		ENOTTY },
	{ VM,	KVM_GET_DEVICE_ATTR,		ENOTTY },
	{ VM,	KVM_HAS_DEVICE_ATTR,		ENOTTY },

	/* -- PowerPC ------------------------------------------------------------------------------ */
	{ VM,	KVM_PPC_GET_PVINFO,		ENOTTY },
	{ VM,	KVM_PPC_GET_SMMU_INFO,		ENOTTY },
	{ VM,	KVM_PPC_ALLOCATE_HTAB,		ENOTTY },
	{ VM,	REQ_W(0xa8, 0x10),		ENOTTY },	/* CREATE_SPAPR_TCE */
	{ VM,	REQ_W(0xa8, 0x28),		ENOTTY },	/* CREATE_SPAPR_TCE_64 */
	{ VM,	REQ_R(0xa9, 0x8),		ENOTTY },	/* ALLOCATE_RMA */
	{ VM,	REQ_W(0xaa, 0x20),		ENOTTY },	/* PPC_GET_HTAB_FD */
	{ VM,	REQ_W(0xac, 0x80),		ENOTTY },	/* PPC_RTAS_DEFINE_TOKEN */
	{ VM,	REQ_R(0xad, 0x10),		ENOTTY },	/* PPC_RESIZE_HPT_PREPARE */
	{ VM,	REQ_R(0xae, 0x10),		ENOTTY },	/* PPC_RESIZE_HPT_COMMIT */
	{ VM,	REQ_W(0xaf, 0x10),		ENOTTY },	/* PPC_CONFIGURE_V3_MMU */
	{ VM,	REQ_R(0xb0, 0x120),		ENOTTY },	/* PPC_GET_RMMU_INFO */
	{ VM,	REQ_R(0xb1, 0x20),		ENOTTY },	/* PPC_GET_CPU_CHAR */
	{ VM,	KVM_PPC_SVM_OFF,		ENOTTY },
	{ VCPU,	KVM_DIRTY_TLB,			EINVAL },

	/* -- S/390 ------------------------------------------------------------------------------- */
	{ SYS,	KVM_S390_ENABLE_SIE,		EINVAL },
	{ VM,	KVM_S390_INTERRUPT,		ENOTTY },
	{ VM,	KVM_S390_GET_SKEYS,		ENOTTY },
	{ VM,	KVM_S390_SET_SKEYS,		ENOTTY },
	{ VM,	KVM_S390_GET_CMMA_BITS,		ENOTTY },
	{ VM,	KVM_S390_SET_CMMA_BITS,		ENOTTY },
	{ VM,	KVM_S390_MEM_OP,		ENOTTY },
	{ VM,	KVM_S390_PV_COMMAND,		ENOTTY },
	{ VM,	KVM_S390_ZPCI_OP,		ENOTTY },
	{ VCPU,	KVM_S390_INTERRUPT,		EINVAL },
	{ VCPU,	KVM_S390_UCAS_MAP,		EINVAL },
	{ VCPU,	KVM_S390_UCAS_UNMAP,		EINVAL },
	{ VCPU,	KVM_S390_VCPU_FAULT,		EINVAL },
	{ VCPU,	KVM_S390_STORE_STATUS,		EINVAL },
	{ VCPU,	KVM_S390_SET_INITIAL_PSW,	EINVAL },
	{ VCPU,	KVM_S390_INITIAL_RESET,		EINVAL },
	{ VCPU,	KVM_S390_NORMAL_RESET,		EINVAL },
	{ VCPU,	KVM_S390_CLEAR_RESET,		EINVAL },
	{ VCPU,	KVM_S390_MEM_OP,		EINVAL },
	{ VCPU,	KVM_S390_IRQ,			EINVAL },
	{ VCPU,	KVM_S390_SET_IRQ_STATE,		EINVAL },
	{ VCPU,	KVM_S390_GET_IRQ_STATE,		EINVAL },
	{ VCPU,	KVM_S390_PV_CPU_COMMAND,	EINVAL },

	/* -- ARM -------------------------------------------------------------------------------------- */
	{ VM,	REQ_W(0xab, 0x10),		ENOTTY },	/* ARM_SET_DEVICE_ADDR */
	{ VM,	REQ_R(0xaf, 0x20),		ENOTTY },	/* ARM_PREFERRED_TARGET */
	{ VM,	REQ_R(0xb4, 0x30),		ENOTTY },	/* ARM_MTE_COPY_TAGS */
	{ VCPU,	REQ_W(0xae, 0x20),		EINVAL },	/* ARM_VCPU_INIT */
	{ VCPU,	KVM_ARM_VCPU_FINALIZE,		EINVAL },
};

/* Neither a good pointer nor a bad one makes a difference. */
static size_t wrong_answers(const struct row *r, int fd)
{
	uint8_t zero[0x200] = { 0 };
	void *const args[] = { NULL, NO_POINTER, zero };
	size_t wrong = 0;

	for (size_t i = 0; i < ARRAY_LEN(args); i++) {
		errno = 0;
		if (kvm_ioctl(fd, r->request, args[i]) == -1 && errno == r->err)
			continue;
		print_error("request %#lx on fd %d, argument %zu: errno %d, not %d\n",
			    r->request, r->fd, i, errno, r->err);
		wrong++;
	}
	return wrong;
}

static void refused_as_linux_6_1_does(void **state)
{
	int vm = new_vm();
	const int fds[] = { [SYS] = kvm_open(O_RDWR), [VM] = vm, [VCPU] = new_vcpu(vm, 0) };
	size_t wrong = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!on_kernel() || !rows[i].until)
			wrong += wrong_answers(&rows[i], fds[rows[i].fd]);
	}
	assert_int_equal(wrong, 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

/* Nested state is looked for before the argument is. */
static void nested_state(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	if (kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE))
		skip();
	assert_errno(EINVAL, kvm_ioctl(vcpu, KVM_GET_NESTED_STATE, NO_POINTER));
	assert_errno(EINVAL, kvm_ioctl(vcpu, KVM_SET_NESTED_STATE, NO_POINTER));
	close(vcpu);
	close(vm);
}

/* A capability is 0 where its requests are refused. */
static void no_capability_promises_them(void **state)
{
	const int caps[] = {
		70,	/* ONE_REG */
		231,	/* USER_MEMORY2 */
		232,	/* MEMORY_FAULT_INFO */
		233,	/* MEMORY_ATTRIBUTES */
		234,	/* GUEST_MEMFD */
		235,	/* VM_TYPES */
		236,	/* PRE_FAULT_MEMORY */
		KVM_CAP_DEVICE_CTRL,
		KVM_CAP_PPC_GET_PVINFO, KVM_CAP_S390_UCONTROL, KVM_CAP_ARM_PSCI,
		17,	/* DEVICE_ASSIGNMENT */
	};
	int vm = new_vm();

	if (on_kernel()) {
		close(vm);
		skip();		/* newer kernels have the newer ones */
	}
	for (size_t i = 0; i < ARRAY_LEN(caps); i++)
		assert_int_equal(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, caps[i]), 0);
	close(vm);
}

IOCTL_TESTS(unsupported,
	    cmocka_unit_test(refused_as_linux_6_1_does),
	    cmocka_unit_test(nested_state),
	    cmocka_unit_test(no_capability_promises_them))

/* Rows of ioctls.def that are in the table above. */
IOCTL_TESTS(trace_enable, cmocka_unit_test(refused_as_linux_6_1_does))
IOCTL_TESTS(trace_pause, cmocka_unit_test(refused_as_linux_6_1_does))
IOCTL_TESTS(trace_disable, cmocka_unit_test(refused_as_linux_6_1_does))
