/* SPDX-License-Identifier: MIT */
#include "util/types.h"
#include "watch/trace/decode.h"

#define DATA_MAX	32	/* of PIO data in text, as strace has it */

static const struct {
	const char *name;
	u8 name_len;
} exit_names[] = {
#define EXIT(name, when)	[KVM_EXIT_##name] = { "KVM_EXIT_" #name, sizeof("KVM_EXIT_" #name) - 1 },
#define EXIT_NEVER(name, why)	EXIT(name, why)
#include "api/exits.def"
};

static const struct {
	const char *member;
	struct_fn desc;
} exit_members[] = {
#define MEMBER(exit, member)	[KVM_EXIT_##exit] = { #member, struct_exit_##member },
	MEMBER(UNKNOWN, hw)
	MEMBER(EXCEPTION, ex)
	MEMBER(IO, io)
	MEMBER(HYPERCALL, hypercall)
	MEMBER(DEBUG, debug)
	MEMBER(MMIO, mmio)
	MEMBER(FAIL_ENTRY, fail_entry)
	MEMBER(TPR_ACCESS, tpr_access)
	MEMBER(INTERNAL_ERROR, internal)
	MEMBER(SYSTEM_EVENT, system_event)
	MEMBER(IOAPIC_EOI, eoi)
	MEMBER(HYPERV, hyperv)
	MEMBER(X86_RDMSR, msr)
	MEMBER(X86_WRMSR, msr)
	MEMBER(XEN, xen)
	MEMBER(NOTIFY, notify)
};

/* What the guest writes; what it reads is not there yet. */
static void out_pio_data(struct out *o, const struct kvm_run *copy, const u8 *pio_data)
{
	u64 n = (u64)copy->io.size * copy->io.count;

	if (copy->io.direction != KVM_EXIT_IO_OUT || n > PAGE_SIZE)
		return;
	out_key(o, "data");
	out_data(o, pio_data, n, DATA_MAX);
}

static void out_mmio_data(struct out *o, const struct kvm_run *copy)
{
	u64 value = 0;

	if (!copy->mmio.is_write || copy->mmio.len > sizeof(copy->mmio.data))
		return;
	memcpy(&value, copy->mmio.data, copy->mmio.len);
	out_key(o, "data");
	out_hex(o, value);
}

static void out_member(struct out *o, struct vcpu *vcpu, u32 reason)
{
	struct kvm_run copy;
	const struct struct_desc *d = exit_members[reason].desc();

	/* The VMM may write to it at any time. */
	memcpy(&copy.hw, (const u8 *)&vcpu->run->hw, MIN(d->size, sizeof(copy.padding)));
	out_key(o, exit_members[reason].member);
	out_open(o, '{');
	out_fields(o, d, &copy.hw);
	if (reason == KVM_EXIT_IO)
		out_pio_data(o, &copy, vcpu->pio_data);
	if (reason == KVM_EXIT_MMIO)
		out_mmio_data(o, &copy);
	out_close(o, '}');
}

void decode_exit(struct out *o, struct vcpu *vcpu)
{
	const u32 reason = READ_ONCE(vcpu->run->exit_reason);
	const u32 flags = READ_ONCE(vcpu->run->flags);

	out_key(o, "exit_reason");
	if (reason < ARRAY_SIZE(exit_names) && exit_names[reason].name)
		out_string(o, exit_names[reason].name);
	else
		out_dec(o, reason);
	if (flags) {
		out_key(o, "flags");
		out_flags(o, flags, names_run_flags);
	}
	if (reason < ARRAY_SIZE(exit_members) && exit_members[reason].desc)
		out_member(o, vcpu, reason);
}
