/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "watch/trace/decode.h"

#define DATA_MAX	32	/* of PIO data in text, as strace has it */

static const char *const exit_names[] = {
#define EXIT(name, when)	[KVM_EXIT_##name] = "KVM_EXIT_" #name,
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

static bool has_member(u32 reason)
{
	return reason < ARRAY_SIZE(exit_members) && exit_members[reason].desc;
}

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

/* All of it that the structures describe; data may follow. */
static void out_exit(struct out *o, u32 reason, u32 flags, const struct kvm_run *copy)
{
	out_key(o, "exit_reason");
	if (reason < ARRAY_SIZE(exit_names) && exit_names[reason])
		out_string(o, exit_names[reason]);
	else
		out_dec(o, reason);
	if (flags) {
		out_key(o, "flags");
		out_flags(o, flags, names_run_flags);
	}
	if (!has_member(reason))
		return;
	out_key(o, exit_members[reason].member);
	out_open(o, '{');
	out_fields(o, exit_members[reason].desc(), &copy->hw);
}

/* Guests do the same again and again: a port, a register of a device. */
static void out_exit_memo(struct recorder *r, const u64 key[MEMO_KEYS],
			  const struct kvm_run *copy)
{
	u64 hash = (key[0] ^ key[1] ^ key[2] ^ key[3]) * 0x9e3779b97f4a7c15ull;
	struct memo *m = &r->exits[hash >> 58];
	const char *begin = r->o.p;

	static_assert(EXIT_MEMOS == 1 << (64 - 58), "bits of the hash");
	if (memo_put(m, &r->o, key))
		return;
	out_exit(&r->o, key[0], key[0] >> 32, copy);
	memo_keep(m, &r->o, key, begin);
}

void decode_exit(struct recorder *r, struct vcpu *vcpu)
{
	const u32 reason = READ_ONCE(vcpu->run->exit_reason);
	const u32 flags = READ_ONCE(vcpu->run->flags);
	const u32 size = has_member(reason) ? exit_members[reason].desc()->size : 0;
	u64 key[MEMO_KEYS] = { reason | (u64)flags << 32 };
	struct kvm_run copy;

	/* The VMM may write to it at any time. */
	memcpy(&copy.hw, (const u8 *)&vcpu->run->hw, size);
	if (reason == KVM_EXIT_IO)
		copy.io.data_offset = 0;
	if (size <= sizeof(key) - sizeof(key[0])) {
		memcpy(&key[1], &copy.hw, size);
		out_exit_memo(r, key, &copy);
	} else {
		out_exit(&r->o, reason, flags, &copy);
	}
	if (reason == KVM_EXIT_IO)
		out_pio_data(&r->o, &copy, vcpu->pio_data);
	if (reason == KVM_EXIT_MMIO)
		out_mmio_data(&r->o, &copy);
	if (has_member(reason))
		out_close(&r->o, '}');
}
