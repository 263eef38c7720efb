/* SPDX-License-Identifier: MIT */
/* Reading and writing single MSRs (SDM vol. 4; AMD64 APM vol. 2, appendix A). */
#include "x86/api/msr_handlers.h"

#include <cpuid.h>

#include "x86/api/cpuid_table.h"

static u64 canonicalise(u64 v)
{
	return (u64)((s64)(v << 16) >> 16);
}

/* -- Generic -------------------------------------------------------------------- */

enum msr_result msr_read_value(struct cpu *c, struct msr_access *a)
{
	a->data = *msr_storage(c, a);
	return MSR_DONE;
}

enum msr_result msr_read_host(struct cpu *c, struct msr_access *a)
{
	return a->host ? msr_read_value(c, a) : MSR_REFUSED;
}

enum msr_result msr_write_value(struct cpu *c, struct msr_access *a)
{
	if (a->data & ~a->desc->mask)
		return MSR_REFUSED;
	*msr_storage(c, a) = a->data;
	return MSR_DONE;
}

enum msr_result msr_write_host(struct cpu *c, struct msr_access *a)
{
	return a->host ? msr_write_value(c, a) : MSR_REFUSED;
}

enum msr_result msr_write_ignore(struct cpu *c, struct msr_access *a)
{
	return MSR_DONE;
}

enum msr_result msr_write_refuse(struct cpu *c, struct msr_access *a)
{
	return MSR_REFUSED;
}

enum msr_result msr_read_unknown(struct cpu *c, struct msr_access *a)
{
	return MSR_UNKNOWN;
}

enum msr_result msr_write_unknown(struct cpu *c, struct msr_access *a)
{
	return MSR_UNKNOWN;
}

enum msr_result write_host_or_ignore(struct cpu *c, struct msr_access *a)
{
	return a->host ? msr_write_value(c, a) : MSR_DONE;
}

enum msr_result write_canonical(struct cpu *c, struct msr_access *a)
{
	return is_canonical(a->data) ? msr_write_value(c, a) : MSR_REFUSED;
}

/* A register that exists only if the guest's CPUID says so; not for hosts. */
static enum msr_result read_if(struct cpu *c, struct msr_access *a, bool has)
{
	return a->host || has ? msr_read_value(c, a) : MSR_REFUSED;
}

static enum msr_result write_if(struct cpu *c, struct msr_access *a, bool has)
{
	return a->host || has ? msr_write_value(c, a) : MSR_REFUSED;
}

/* -- Time ------------------------------------------------------------------------- */

MSR_READ(tsc)
{
	a->data = cpu_read_tsc(c);
	return MSR_DONE;
}

MSR_WRITE(tsc)
{
	if (a->host)
		tsc_write_host(c, a->data);
	else
		tsc_write_guest(c, a->data);
	return MSR_DONE;
}

MSR_READ(tsc_adjust)
{
	return read_if(c, a, cpu_has(c, FEATURE_TSC_ADJUST));
}

/* A guest's write moves the TSC, a host's restores a value (SDM vol. 3B 17.17.3). */
MSR_WRITE(tsc_adjust)
{
	if (!cpu_has(c, FEATURE_TSC_ADJUST))
		return MSR_DONE;
	if (!a->host)
		tsc_shift(c, a->data - c->tsc_adjust);
	return msr_write_value(c, a);
}

MSR_READ(tsc_deadline)
{
	a->data = c->lapic ? lapic_get_tsc_deadline(c->lapic) : 0;
	return MSR_DONE;
}

MSR_WRITE(tsc_deadline)
{
	if (c->lapic)
		lapic_set_tsc_deadline(c->lapic, a->data);
	return MSR_DONE;
}

static bool has_tsc_aux(const struct cpu *c)
{
	return cpu_has(c, FEATURE_RDTSCP) || cpu_has(c, FEATURE_RDPID);
}

MSR_READ(tsc_aux)
{
	return read_if(c, a, has_tsc_aux(c));
}

static bool is_intel(const struct cpu *c)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(c, 0, 0);

	return e && e->ebx == signature_INTEL_ebx;
}

/* AMD drops the upper half, Intel refuses it. */
MSR_WRITE(tsc_aux)
{
	if (is_intel(c) && a->data >> 32)
		return MSR_REFUSED;
	a->data = (u32)a->data;
	return write_if(c, a, has_tsc_aux(c));
}

/* -- Paravirtual ------------------------------------------------------------------- */

MSR_READ(clocksource)
{
	if (!cpuid_pv_allowed(c, FEATURE_KVM_CLOCKSOURCE))
		return MSR_REFUSED;
	return msr_read_value(c, a);
}

MSR_READ(clocksource2)
{
	if (!cpuid_pv_allowed(c, FEATURE_KVM_CLOCKSOURCE2))
		return MSR_REFUSED;
	return msr_read_value(c, a);
}

static bool clocksource_allowed(const struct cpu *c, const struct msr_access *a)
{
	enum feature f = a->index < 0x100 ? FEATURE_KVM_CLOCKSOURCE :
					    FEATURE_KVM_CLOCKSOURCE2;

	return cpuid_pv_allowed(c, f);
}

/* Old and new numbers are one register. */
static void set_both(struct cpu *c, u64 *one, u64 *two, u64 v)
{
	*one = *two = v;
}

MSR_WRITE(wall_clock)
{
	if (!clocksource_allowed(c, a))
		return MSR_REFUSED;
	set_both(c, &MSR_VALUE(c, KVM_WALL_CLOCK), &MSR_VALUE(c, KVM_WALL_CLOCK_NEW), a->data);
	return clock_write_wall_clock(c, a);
}

MSR_WRITE(system_time)
{
	if (!clocksource_allowed(c, a))
		return MSR_REFUSED;
	set_both(c, &MSR_VALUE(c, KVM_SYSTEM_TIME), &MSR_VALUE(c, KVM_SYSTEM_TIME_NEW), a->data);
	return clock_write_system_time(c, a);
}

MSR_READ(steal_time)
{
	return cpuid_pv_allowed(c, FEATURE_KVM_STEAL_TIME) ? msr_read_value(c, a) : MSR_REFUSED;
}

MSR_READ(poll_control)
{
	return cpuid_pv_allowed(c, FEATURE_KVM_POLL_CONTROL) ? msr_read_value(c, a) : MSR_REFUSED;
}

MSR_WRITE(poll_control)
{
	return cpuid_pv_allowed(c, FEATURE_KVM_POLL_CONTROL) ? msr_write_value(c, a) : MSR_REFUSED;
}

/* -- Modes --------------------------------------------------------------------------- */

MSR_WRITE(apic_base)
{
	return apic_base_set(c, a->data, a->host) ? MSR_REFUSED : MSR_DONE;
}

/* The guest's way is cpu_write_efer(). */
MSR_WRITE(efer)
{
	return efer_set_host(c, a->data) ? MSR_REFUSED : MSR_DONE;
}

MSR_WRITE(sysenter_cs)
{
	a->data = (u32)a->data;
	return msr_write_value(c, a);
}

/* KVM: an AMD guest has 32 bits; others get what is not canonical repaired. */
MSR_WRITE(sysenter)
{
	a->data = c->features->amd_like ? (u32)a->data : canonicalise(a->data);
	return msr_write_value(c, a);
}

MSR_WRITE(misc_enable)
{
	const u64 unavailable = BIT_ULL(11) | BIT_ULL(12);	/* BTS, PEBS */
	const u64 monitoring = BIT_ULL(7);			/* reads as it is */
	u64 changed = c->misc_enable ^ a->data;

	if (!a->host && changed & unavailable)
		return MSR_REFUSED;
	if (!a->host)
		a->data ^= changed & monitoring;
	/* KVM: MWAIT came with SSE3. */
	if (READ_ONCE(cpu_arch_vm(c)->disabled_quirks) & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT &&
	    changed & MISC_ENABLE_MWAIT && !cpu_has(c, FEATURE_SSE3))
		return MSR_REFUSED;
	return msr_write_value(c, a);
}

/* KVM: reserved bits are refused to userspace, too.  Recording has its own loop. */
MSR_WRITE(debugctl)
{
	enum msr_result ret = msr_write_value(c, a);

	vcpu_request(c->vcpu, REQ_EVENT);
	return ret;
}

MSR_READ(last_branch)
{
	a->data = c->last_branch[a->index - a->desc->first];
	return MSR_DONE;
}

MSR_READ(xss)
{
	return read_if(c, a, cpu_has(c, FEATURE_XSAVES));
}

MSR_WRITE(xss)
{
	return write_if(c, a, cpu_has(c, FEATURE_XSAVES));
}

/* -- Speculation ---------------------------------------------------------------------- */

static bool has_spec_ctrl(const struct cpu *c)
{
	return cpu_has(c, FEATURE_SPEC_CTRL) || cpu_has(c, FEATURE_AMD_STIBP) ||
	       cpu_has(c, FEATURE_AMD_IBRS) || cpu_has(c, FEATURE_AMD_SSBD);
}

MSR_READ(spec_ctrl)
{
	return read_if(c, a, has_spec_ctrl(c));
}

MSR_WRITE(spec_ctrl)
{
	return write_if(c, a, has_spec_ctrl(c));
}

MSR_READ(virt_spec_ctrl)
{
	return read_if(c, a, cpu_has(c, FEATURE_VIRT_SSBD));
}

MSR_WRITE(virt_spec_ctrl)
{
	return write_if(c, a, cpu_has(c, FEATURE_VIRT_SSBD));
}

MSR_READ(arch_capabilities)
{
	return read_if(c, a, cpu_has(c, FEATURE_ARCH_CAPABILITIES));
}

MSR_WRITE(arch_capabilities)
{
	return msr_write_host(c, a);
}

MSR_READ(platform_info)
{
	if (!a->host && READ_ONCE(cpu_arch_vm(c)->no_platform_info))
		return MSR_REFUSED;
	return msr_read_value(c, a);
}

static bool cpuid_faults(const struct cpu *c)
{
	return c->misc_features & MISC_FEATURES_CPUID_FAULT;
}

/* What is in use cannot be taken away. */
MSR_WRITE(platform_info)
{
	if (!a->host || (cpuid_faults(c) && !(a->data & PLATFORM_INFO_CPUID_FAULT)))
		return MSR_REFUSED;
	return msr_write_value(c, a);
}

/* CPUID faulting, if PLATFORM_INFO says that there is such a thing. */
MSR_WRITE(misc_features)
{
	if (a->data & MISC_FEATURES_CPUID_FAULT &&
	    !(MSR_VALUE(c, PLATFORM_INFO) & PLATFORM_INFO_CPUID_FAULT))
		return MSR_REFUSED;
	return msr_write_value(c, a);
}

/* -- Memory types (SDM vol. 3A 11.11, 11.12) -------------------------------------------- */

static bool mtrr_type_valid(u8 type)
{
	return type < 8 && BIT(type) & 0x73;	/* UC WC WT WP WB */
}

static bool pat_type_valid(u8 type)
{
	return type < 8 && BIT(type) & 0xf3;	/* the same and UC- */
}

static u64 reserved_pa_bits(const struct cpu *c)
{
	return c->maxphyaddr < 64 ? ~0ull << c->maxphyaddr : 0;
}

MSR_WRITE(mtrr_variable)
{
	bool is_mask = a->index & 1;
	u64 reserved = reserved_pa_bits(c) | (is_mask ? 0x7ff : 0xf00);

	if (a->data & reserved || (!is_mask && !mtrr_type_valid(a->data)))
		return MSR_REFUSED;
	return msr_write_value(c, a);
}

static bool each_byte(u64 v, bool (*valid)(u8 type))
{
	for (u32 i = 0; i < 8; i++)
		if (!valid(v >> 8 * i))
			return false;
	return true;
}

MSR_WRITE(mtrr_fixed)
{
	return each_byte(a->data, mtrr_type_valid) ? msr_write_value(c, a) : MSR_REFUSED;
}

MSR_WRITE(mtrr_default)
{
	return mtrr_type_valid(a->data) ? msr_write_value(c, a) : MSR_REFUSED;
}

MSR_WRITE(pat)
{
	return each_byte(a->data, pat_type_valid) ? msr_write_value(c, a) : MSR_REFUSED;
}

/* -- AMD -------------------------------------------------------------------------------- */

MSR_WRITE(hwcr)
{
	const u64 ignored = BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8);

	a->data &= ~ignored;
	if (a->data & ~HWCR_MC_STATUS_WR_EN)
		return MSR_REFUSED;
	return msr_write_value(c, a);
}

MSR_WRITE(vm_hsave)
{
	if (!a->host && (a->data & ~PAGE_MASK || a->data & reserved_pa_bits(c)))
		return MSR_REFUSED;
	return msr_write_value(c, a);
}

MSR_READ(osvw)
{
	return cpu_has(c, FEATURE_OSVW) ? msr_read_value(c, a) : MSR_REFUSED;
}

MSR_WRITE(osvw)
{
	if (!cpu_has(c, FEATURE_OSVW))
		return MSR_REFUSED;
	return msr_write_value(c, a);
}

/* Userspace chooses from the bits there are; the guest must name them all. */
MSR_WRITE(de_cfg)
{
	u64 offered = a->desc->reset;

	if (a->data & ~offered || (!a->host && a->data != offered))
		return MSR_REFUSED;
	return msr_write_value(c, a);
}

/* Family 15h models 2 to 1Fh have the workaround of an erratum set. */
MSR_READ(ic_cfg)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(c, 1, 0);
	u32 family, model;

	if (!e)
		return MSR_REFUSED;
	family = (e->eax >> 8 & 0xf) + (e->eax >> 20 & 0xff);
	model = (e->eax >> 4 & 0xf) | (e->eax >> 12 & 0xf0);
	a->data = family == 0x15 && model >= 2 && model < 0x20 ? 0x1e : 0;
	return MSR_DONE;
}

/* IBPB: there are no predictors between guests to flush. */
MSR_WRITE(pred_cmd)
{
	if (!a->host && !cpu_has(c, FEATURE_AMD_IBPB) && !cpu_has(c, FEATURE_SPEC_CTRL))
		return MSR_REFUSED;
	return a->data & ~a->desc->mask ? MSR_REFUSED : MSR_DONE;
}

/* Nested TSC scaling is not offered; KVM lets QEMU 6.2 write 0 all the same. */
MSR_WRITE(tsc_ratio)
{
	if (!a->host || (a->data && a->data != a->desc->reset))
		return MSR_REFUSED;
	return MSR_DONE;
}
