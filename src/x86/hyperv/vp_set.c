/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls that reach other virtual processors: TLB flushes and IPIs, to a
 * mask of 64 or to a sparse set of banks (TLFS, Sparse Virtual Processor Set).
 */
#include <string.h>

#include "x86/hyperv/internal.h"
#include "x86/mmu/mmu.h"

#define BANK_BITS	64
#define MAX_BANKS	(KVM_MAX_VCPUS / BANK_BITS)

/* Whom a call is for.  Banks are in the order of their bits in @valid. */
struct targets {
	bool all;
	u64 valid;
	u64 bank[MAX_BANKS];
};

static bool is_target(const struct targets *t, const struct vcpu *v)
{
	u32 index = hv_vp_index(v), bank = index / BANK_BITS;

	if (t->all)
		return true;
	if (bank >= MAX_BANKS || !(t->valid & BIT_ULL(bank)))
		return false;
	return t->bank[__builtin_popcountll(t->valid & (BIT_ULL(bank) - 1))] &
	       BIT_ULL(index % BANK_BITS);
}

static struct targets mask_targets(u64 mask)
{
	return (struct targets){ .valid = 1, .bank[0] = mask };
}

/*
 * The banks follow the fixed input: at @offset of it in memory, or from half
 * @half on in the XMM registers.  Those no vCPU can be in are left out.
 */
static bool read_banks(struct cpu *c, const struct hv_hypercall *h, u32 offset, u32 half,
		       struct targets *t)
{
	u32 n = MIN(h->var_count, MAX_BANKS);

	if (h->var_count > BANK_BITS)
		return false;
	if (!h->fast)
		return gpa_read(c, h->param + offset, t->bank, n * sizeof(u64));
	if (h->var_count > ARRAY_SIZE(h->xmm) - half)
		return false;
	memcpy(t->bank, &h->xmm[half], MIN(n, ARRAY_SIZE(h->xmm) - half) * sizeof(u64));
	return true;
}

/* -- TLB flushes ------------------------------------------------------------------------- */

/* More than was asked for: lists and address spaces are not told apart. */
static u64 flush(struct cpu *c, const struct hv_hypercall *h, const struct targets *t)
{
	struct vcpu *v;
	u32 i;

	vm_for_each_vcpu(c->vcpu->vm, i, v) {
		if (!is_target(t, v))
			continue;
		if (v == c->vcpu)
			mmu_flush_all(c);
		else
			vcpu_request_quietly(v, REQ_TLB_FLUSH);
	}
	vm_wait_taken(c->vcpu, REQ_TLB_FLUSH);
	return HV_STATUS_SUCCESS | (u64)h->rep_count << HV_CALL_REP_SHIFT;
}

/* KVM: Windows Server 2012 names no processor and means all. */
static u64 flush_mask(struct cpu *c, const struct hv_hypercall *h)
{
	struct hv_flush in = { h->param, h->output, h->xmm[0] };
	struct targets t;

	if (!h->fast && !gpa_read(c, h->param, &in, sizeof(in)))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	t = mask_targets(in.processor_mask);
	t.all = in.flags & HV_FLUSH_ALL_PROCESSORS || !in.processor_mask;
	return flush(c, h, &t);
}

static u64 flush_set(struct cpu *c, const struct hv_hypercall *h)
{
	struct hv_flush_ex in = { h->param, h->output, { h->xmm[0], h->xmm[1] } };
	struct targets t = { 0 };

	if (!h->fast && !gpa_read(c, h->param, &in, sizeof(in)))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	t.valid = in.set.valid_banks;
	t.all = in.set.format != HV_SET_SPARSE_4K;
	if (h->var_count != __builtin_popcountll(t.valid))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (!t.all && !read_banks(c, h, sizeof(in), 2, &t))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	return flush(c, h, &t);
}

u64 hv_flush_tlb(struct cpu *c, const struct hv_hypercall *h)
{
	if (h->code == HV_FLUSH_VIRTUAL_ADDRESS_SPACE || h->code == HV_FLUSH_VIRTUAL_ADDRESS_LIST)
		return flush_mask(c, h);
	return flush_set(c, h);
}

/* -- IPIs ------------------------------------------------------------------------------------ */

static u64 send(struct cpu *c, u32 vector, const struct targets *t)
{
	struct vcpu *v;
	u32 i;

	if (vector < HV_IPI_VECTOR_MIN || vector > HV_IPI_VECTOR_MAX || !c->lapic)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	vm_for_each_vcpu(c->vcpu->vm, i, v) {
		if (is_target(t, v) && v->cpu->lapic)
			lapic_post(v->cpu->lapic, vector);
	}
	return HV_STATUS_SUCCESS;
}

static u64 send_mask(struct cpu *c, const struct hv_hypercall *h)
{
	struct hv_ipi in = { h->param, h->param >> 32, h->output };
	struct targets t;

	if (h->fast && in.reserved)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (!h->fast && !gpa_read(c, h->param, &in, sizeof(in)))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	t = mask_targets(in.processor_mask);
	return send(c, in.vector, &t);
}

static u64 send_set(struct cpu *c, const struct hv_hypercall *h)
{
	struct hv_ipi_ex in = { h->param, 0, { h->output, h->xmm[0] } };
	struct targets t = { 0 };

	if (!h->fast && !gpa_read(c, h->param, &in, sizeof(in)))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	t.valid = in.set.valid_banks;
	t.all = in.set.format == HV_SET_ALL;
	if (h->var_count != __builtin_popcountll(t.valid))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (!t.all && !h->var_count)
		return HV_STATUS_SUCCESS;
	if (!t.all && !read_banks(c, h, sizeof(in), 1, &t))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	return send(c, in.vector, &t);
}

u64 hv_send_ipi(struct cpu *c, const struct hv_hypercall *h)
{
	return h->code == HV_SEND_IPI ? send_mask(c, h) : send_set(c, h);
}
