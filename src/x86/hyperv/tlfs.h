/* SPDX-License-Identifier: MIT */
/*
 * What guests of Hyper-V know: numbers and layouts of Microsoft's Hypervisor
 * Top Level Functional Specification (TLFS), with its names.
 */
#ifndef ANYKVM_X86_HYPERV_TLFS_H
#define ANYKVM_X86_HYPERV_TLFS_H

#include "util/types.h"

/* -- CPUID ---------------------------------------------------------------------------------- */

enum hv_leaf {
	HV_CPUID_VENDOR_AND_MAX		= 0x40000000,
	HV_CPUID_INTERFACE		= 0x40000001,
	HV_CPUID_VERSION		= 0x40000002,
	HV_CPUID_FEATURES		= 0x40000003,
	HV_CPUID_ENLIGHTENMENTS		= 0x40000004,
	HV_CPUID_LIMITS			= 0x40000005,
	HV_CPUID_NESTED			= 0x4000000a,
	HV_CPUID_SYNDBG_VENDOR		= 0x40000080,
	HV_CPUID_SYNDBG_INTERFACE	= 0x40000081,
	HV_CPUID_SYNDBG_CAPS		= 0x40000082,
};

#define HV_INTERFACE_SIGNATURE		0x31237648u	/* "Hv#1" */
#define HV_SYNDBG_SIGNATURE		0x31235356u	/* "VS#1" */

/* HV_CPUID_FEATURES.EAX: partition privileges, access to MSRs. */
#define HV_ACCESS_VP_RUNTIME		BIT(0)
#define HV_ACCESS_TIME_REF_COUNT	BIT(1)
#define HV_ACCESS_SYNIC			BIT(2)
#define HV_ACCESS_STIMER		BIT(3)
#define HV_ACCESS_APIC			BIT(4)
#define HV_ACCESS_HYPERCALL		BIT(5)
#define HV_ACCESS_VP_INDEX		BIT(6)
#define HV_ACCESS_RESET			BIT(7)
#define HV_ACCESS_REFERENCE_TSC		BIT(9)
#define HV_ACCESS_FREQUENCY		BIT(11)
#define HV_ACCESS_REENLIGHTENMENT	BIT(13)

/* EBX: access to hypercalls. */
#define HV_POST_MESSAGES		BIT(4)
#define HV_SIGNAL_EVENTS		BIT(5)
#define HV_DEBUGGING			BIT(11)

/* EDX: features. */
#define HV_GUEST_DEBUGGING		BIT(1)
#define HV_XMM_INPUT			BIT(4)
#define HV_FREQUENCY_MSRS		BIT(8)
#define HV_CRASH_MSRS			BIT(10)
#define HV_DEBUG_MSRS			BIT(11)
#define HV_STIMER_DIRECT		BIT(19)

/* HV_CPUID_ENLIGHTENMENTS.EAX: what the guest had better use. */
#define HV_REMOTE_TLB_FLUSH		BIT(2)
#define HV_APIC_MSRS			BIT(3)
#define HV_RELAXED_TIMING		BIT(5)
#define HV_DEPRECATED_AUTO_EOI		BIT(9)
#define HV_CLUSTER_IPI			BIT(10)
#define HV_EX_PROCESSOR_MASKS		BIT(11)
#define HV_NO_NONARCH_CORE_SHARING	BIT(18)

#define HV_NESTED_MSR_BITMAP		BIT(19)
#define HV_SYNDBG_KERNEL_DEBUGGING	BIT(1)

/* -- MSRs ---------------------------------------------------------------------------- */

enum hv_msr {
	HV_MSR_GUEST_OS_ID	= 0x40000000,
	HV_MSR_HYPERCALL	= 0x40000001,
	HV_MSR_EOI		= 0x40000070,
	HV_MSR_ICR		= 0x40000071,
	HV_MSR_TPR		= 0x40000072,
	HV_MSR_SCONTROL		= 0x40000080,
	HV_MSR_SVERSION		= 0x40000081,
	HV_MSR_SIEFP		= 0x40000082,
	HV_MSR_SIMP		= 0x40000083,
	HV_MSR_EOM		= 0x40000084,
	HV_MSR_SINT0		= 0x40000090,
	HV_MSR_STIMER0_CONFIG	= 0x400000b0,
	HV_MSR_SYNDBG_CONTROL	= 0x400000f1,
	HV_MSR_SYNDBG_STATUS	= 0x400000f2,
	HV_MSR_SYNDBG_SEND	= 0x400000f3,
	HV_MSR_SYNDBG_RECV	= 0x400000f4,
	HV_MSR_SYNDBG_PENDING	= 0x400000f5,
	HV_MSR_SYNDBG_OPTIONS	= 0x400000ff,
	HV_MSR_CRASH_P0		= 0x40000100,
	HV_MSR_CRASH_CTL	= 0x40000105,
};

/* Hypercall, reference TSC, SIEFP, SIMP and VP assist page: enable, page. */
#define HV_MSR_ENABLE		BIT_ULL(0)
#define HV_MSR_PAGE		(~0xfffull)

#define HV_CRASH_NOTIFY		BIT_ULL(63)
#define HV_NR_CRASH_PARAMS	5

/* The page of HV_X64_MSR_REFERENCE_TSC (TLFS, Partition Reference Time Enlightenment). */
struct hv_tsc_page {
	u32 sequence;		/* 0: use the MSR */
	u32 reserved;
	u64 scale;
	s64 offset;
};
_Static_assert(sizeof(struct hv_tsc_page) == 24, "the guest's ABI");

/* -- Hypercalls -------------------------------------------------------------------------- */

enum hv_call {
	HV_FLUSH_VIRTUAL_ADDRESS_SPACE		= 0x0002,
	HV_FLUSH_VIRTUAL_ADDRESS_LIST		= 0x0003,
	HV_NOTIFY_LONG_SPIN_WAIT		= 0x0008,
	HV_SEND_IPI				= 0x000b,
	HV_FLUSH_VIRTUAL_ADDRESS_SPACE_EX	= 0x0013,
	HV_FLUSH_VIRTUAL_ADDRESS_LIST_EX	= 0x0014,
	HV_SEND_IPI_EX				= 0x0015,
	HV_POST_MESSAGE				= 0x005c,
	HV_SIGNAL_EVENT				= 0x005d,
	HV_POST_DEBUG_DATA			= 0x0069,
	HV_RETRIEVE_DEBUG_DATA			= 0x006a,
	HV_RESET_DEBUG_SESSION			= 0x006b,
};

enum hv_status {
	HV_STATUS_SUCCESS			= 0,
	HV_STATUS_INVALID_HYPERCALL_CODE	= 2,
	HV_STATUS_INVALID_HYPERCALL_INPUT	= 3,
	HV_STATUS_INVALID_ALIGNMENT		= 4,
	HV_STATUS_INVALID_PARAMETER		= 5,
	HV_STATUS_ACCESS_DENIED			= 6,
	HV_STATUS_OPERATION_DENIED		= 8,
	HV_STATUS_INVALID_PORT_ID		= 17,
};

/* The input value. */
#define HV_CALL_CODE		0xffffull
#define HV_CALL_FAST		BIT_ULL(16)
#define HV_CALL_VAR_SHIFT	17
#define HV_CALL_VAR_MASK	0x3ffu
#define HV_CALL_REP_SHIFT	32
#define HV_CALL_START_SHIFT	48
#define HV_CALL_REP_MASK	0xfffu
#define HV_CALL_RESERVED	0xf000f000f8000000ull
#define HV_CALL_NR_XMM		6

#define HV_FLUSH_ALL_PROCESSORS	BIT_ULL(0)

/* A set of virtual processors (TLFS, Sparse Virtual Processor Set). */
enum { HV_SET_SPARSE_4K, HV_SET_ALL };

struct hv_vp_set {
	u64 format;
	u64 valid_banks;	/* the banks themselves follow */
};

struct hv_flush {
	u64 address_space;
	u64 flags;
	u64 processor_mask;
};

struct hv_flush_ex {
	u64 address_space;
	u64 flags;
	struct hv_vp_set set;
};

struct hv_ipi {
	u32 vector;
	u32 reserved;
	u64 processor_mask;
};

struct hv_ipi_ex {
	u32 vector;
	u32 reserved;
	struct hv_vp_set set;
};

#define HV_IPI_VECTOR_MIN	0x10
#define HV_IPI_VECTOR_MAX	0xff

/* -- SynIC ------------------------------------------------------------------------------- */

#define HV_NR_SINTS		16
#define HV_SYNIC_VERSION	1
#define HV_SCONTROL_ENABLE	BIT_ULL(0)
#define HV_SINT_VECTOR		0xffull
#define HV_SINT_MASKED		BIT_ULL(16)
#define HV_SINT_AUTO_EOI	BIT_ULL(17)
#define HV_SINT_VECTOR_MIN	16

#define HV_MESSAGE_SIZE		256
#define HV_MESSAGE_NONE		0
#define HV_MESSAGE_TIMER	0x80000010u
#define HV_MESSAGE_PENDING	BIT(0)		/* in flags: write EOM */

struct hv_message_header {
	u32 type;
	u8 payload_size;
	u8 flags;
	u8 reserved[2];
	u64 sender;
};

struct hv_timer_message {
	struct hv_message_header header;
	u32 timer;
	u32 reserved;
	u64 expiration;		/* in 100 ns of the reference time */
	u64 delivery;
};
_Static_assert(sizeof(struct hv_timer_message) == 40, "the guest's ABI");

/* -- Synthetic timers -------------------------------------------------------------------- */

#define HV_NR_STIMERS		4
#define HV_STIMER_ENABLE	BIT_ULL(0)
#define HV_STIMER_PERIODIC	BIT_ULL(1)
#define HV_STIMER_AUTO_ENABLE	BIT_ULL(3)
#define HV_STIMER_VECTOR_SHIFT	4		/* of direct mode, 8 bits */
#define HV_STIMER_DIRECT_MODE	BIT_ULL(12)
#define HV_STIMER_SINT_SHIFT	16		/* 4 bits */

/* -- Synthetic debugging ----------------------------------------------------------------------- */

#define HV_SYNDBG_USE_HCALLS	BIT_ULL(2)

#endif
