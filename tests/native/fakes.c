/* SPDX-License-Identifier: MIT */
/*
 * A flat memory for the native handlers: guest linear addresses are host
 * addresses.  Accesses fault at will.
 */
#include "fakes.h"

#include <string.h>

#include "x86/cpu/features.h"
#include "x86/mmu/access.h"

struct fake_mmu fake;

static bool faults(u64 lin, u32 n, bool write)
{
	return lin < fake.fault_end && lin + n > fake.fault_start &&
	       (write || !fake.fault_writes_only);
}

enum step mem_read_slow(struct cpu *c, u64 lin, void *buf, u32 n)
{
	if (faults(lin, n, false))
		return cpu_raise_pf(c, lin, 0);
	memcpy(buf, (const void *)lin, n);
	return STEP_NEXT;
}

enum step mem_write_slow(struct cpu *c, u64 lin, const void *buf, u32 n)
{
	if (faults(lin, n, true))
		return cpu_raise_pf(c, lin, PF_W);
	memcpy((void *)lin, buf, n);
	return STEP_NEXT;
}

void mmu_pkru_changed(struct cpu *c, u32 old) { }

enum step mem_probe(struct cpu *c, u64 lin, u32 n, bool write)
{
	return faults(lin, n, write) ? cpu_raise_pf(c, lin, write ? PF_W : 0) :
				       STEP_NEXT;
}

enum step mem_check_alignment(struct cpu *c, u64 lin, u32 n)
{
	return STEP_NEXT;
}

enum step cpu_seg_linear(struct cpu *c, enum seg seg, u64 off, u32 size,
			 bool write, u64 *lin)
{
	*lin = c->seg[seg].base + off;
	return STEP_NEXT;
}

enum step cpu_raise(struct cpu *c, u8 vector)
{
	c->exc = (struct exception){ .vector = vector };
	return STEP_FAULT;
}

enum step cpu_raise_error(struct cpu *c, u8 vector, u32 error)
{
	c->exc = (struct exception){ .vector = vector, .has_error = true,
				     .error = error };
	return STEP_FAULT;
}

enum step cpu_raise_pf(struct cpu *c, u64 cr2, u32 error)
{
	c->exc = (struct exception){ .vector = EXC_PF, .has_error = true,
				     .error = error, .payload = cr2 };
	return STEP_FAULT;
}

enum step op_ud(struct cpu *c, const struct insn *in)
{
	return cpu_raise_ud(c);
}

bool cpu_has(const struct cpu *c, enum feature f)
{
	return true;
}
