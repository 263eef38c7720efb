/* SPDX-License-Identifier: MIT */
/* The engine around the MMU, as little of it as the tests need. */
#include "machine.h"

#include "api/coalesced.h"
#include "api/eventfd.h"
#include "api/memslot.h"
#include "util/guard.h"
#include "x86/cpu/features.h"

#define FAKE __attribute__((weak))

FAKE void guard_push(struct guard *g) { }
FAKE void guard_leave(struct guard *g) { }

FAKE int guard_copy_in(void *dst, const void *user_src, size_t n)
{
	memcpy(dst, user_src, n);
	return 0;
}

FAKE int guard_copy_out(void *user_dst, const void *src, size_t n)
{
	memcpy(user_dst, src, n);
	return 0;
}

/* The slots change once, if the test says so. */
FAKE bool vcpu_alone_begin(struct vcpu *self)
{
	m->alone++;
	return m->alone != m->slots_change;
}

FAKE void vcpu_alone_end(struct vcpu *self) { }
FAKE void vcpu_ack_sync(struct vcpu *vcpu) { }

FAKE const struct memslot *memslot_find(const struct memslots *slots, gfn_t gfn)
{
	for (u32 i = 0; i < slots->count; i++)
		if (gfn - slots->slot[i].base_gfn < slots->slot[i].npages)
			return &slots->slot[i];
	return NULL;
}

FAKE void memslot_mark_dirty(struct vm *vm, struct vcpu *vcpu, const struct memslot *s,
			     gfn_t gfn)
{
	if (m->on_dirty)
		m->on_dirty();
	if (s->dirty_bitmap)
		*s->dirty_bitmap |= BIT_ULL((gfn - s->base_gfn) % 64);
}

FAKE bool cpu_has(const struct cpu *c, enum feature f)
{
	return f != FEATURE_GBPAGES || !m->no_gbpages;
}

/* -- Exceptions and segments ------------------------------------------------------ */

FAKE enum step cpu_raise(struct cpu *c, u8 vector)
{
	c->exc = (struct exception){ .vector = vector };
	return STEP_FAULT;
}

FAKE enum step cpu_raise_error(struct cpu *c, u8 vector, u32 error)
{
	c->exc = (struct exception){ .vector = vector, .has_error = true, .error = error };
	return STEP_FAULT;
}

FAKE enum step cpu_raise_pf(struct cpu *c, u64 cr2, u32 error)
{
	c->exc = (struct exception){ .vector = EXC_PF, .has_error = true, .error = error,
				     .has_payload = true, .payload = cr2 };
	return STEP_FAULT;
}

FAKE enum step cpu_insn_completed(struct cpu *c)
{
	return STEP_JUMP;
}

FAKE enum step cpu_iteration_completed(struct cpu *c)
{
	return STEP_AGAIN;
}

FAKE enum step cpu_emulation_failure(struct cpu *c, u64 exit_code, u64 info1, u64 info2)
{
	c->vcpu->run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	return STEP_EXIT;
}

FAKE enum step cpu_seg_linear(struct cpu *c, enum seg seg, u64 off, u32 size, bool write,
			      u64 *lin)
{
	if (c->code_size != 8 && off + size - 1 > c->seg[seg].limit)
		return cpu_raise_error(c, seg == SS ? EXC_SS : EXC_GP, 0);
	*lin = off + c->seg[seg].base;
	if (c->code_size != 8)
		*lin = (u32)*lin;
	return STEP_NEXT;
}

/* -- Devices ------------------------------------------------------------------------- */

FAKE bool irqchip_mmio_read(struct cpu *c, gpa_t gpa, u32 len, void *data)
{
	if (gpa >> PAGE_SHIFT != DEVICE_GPA >> PAGE_SHIFT)
		return false;
	m->device_reads++;
	memcpy(data, &m->device_value, len);
	return true;
}

FAKE bool irqchip_mmio_write(struct cpu *c, gpa_t gpa, u32 len, const void *data)
{
	if (gpa >> PAGE_SHIFT != DEVICE_GPA >> PAGE_SHIFT)
		return false;
	m->device_writes++;
	memcpy(&m->device_value, data, len);
	return true;
}

FAKE bool irqchip_pio_read(struct cpu *c, u16 port, u8 size, u32 *val)
{
	if (port != DEVICE_PORT)
		return false;
	m->device_reads++;
	*val = (u32)m->device_value++;
	return true;
}

FAKE bool irqchip_pio_write(struct cpu *c, u16 port, u8 size, u32 val)
{
	if (port != DEVICE_PORT)
		return false;
	m->device_writes++;
	m->device_value = val;
	return true;
}

FAKE bool ioeventfd_write(struct vm *vm, bool pio, gpa_t addr, u32 len, u64 data)
{
	if (!m->doorbell || addr != m->doorbell)
		return false;
	m->doorbell_value = data;
	return true;
}

FAKE bool coalesced_write(struct vm *vm, bool pio, gpa_t addr, const void *data, u32 len)
{
	return false;
}
