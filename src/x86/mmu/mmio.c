/* SPDX-License-Identifier: MIT */
/*
 * MMIO: dispatch to devices, exits to userspace, and the log from which an
 * instruction that is executed again takes what it has already done.
 */
#include "x86/mmu/internal.h"

#include <string.h>

#include "api/coalesced.h"
#include "api/eventfd.h"
#include "api/stats.h"
#include "x86/cpu/translator.h"
#include "x86/irqchip/irqchip.h"

/*
 * The next fragment of the log, if this access is the one it recorded.  An
 * instruction that now does something else (its code or page tables changed
 * between two runs) drops the rest of the log.
 */
static struct mmio_fragment *log_replay(struct mmio_log *log, gpa_t gpa, u32 len,
					bool is_write)
{
	struct mmio_fragment *f = &log->frag[log->cursor];

	if (log->cursor >= log->count)
		return NULL;
	if (f->gpa != gpa || f->len != len || f->is_write != is_write) {
		log->count = log->cursor;
		return NULL;
	}
	log->cursor++;
	return f;
}

/* A new fragment at the end of the log, not yet counted; NULL if full. */
static struct mmio_fragment *log_next(struct cpu *c, gpa_t gpa, u32 len, bool is_write)
{
	struct mmio_log *log = &c->mmio;
	struct mmio_fragment *f = &log->frag[log->count];

	if (log->count >= MMIO_LOG_MAX)
		return NULL;
	f->gpa = gpa;
	f->len = (u8)len;
	f->is_write = is_write;
	if (!log->count)
		stat_inc(c->vcpu, insn_emulation);
	return f;
}

/*
 * Done here, without userspace.  The block ends with this instruction, so that
 * the log does: the next one must find its own fragments in it, should it be
 * executed twice.
 */
static void log_done(struct cpu *c)
{
	stat_inc(c->vcpu, exits);
	c->mmio.cursor = ++c->mmio.count;
	c->stop_block = true;
}

static enum step mmio_exit(struct cpu *c, const struct mmio_fragment *f)
{
	struct kvm_run *run = c->vcpu->run;

	stat_inc(c->vcpu, mmio_exits);
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = f->gpa;
	run->mmio.len = f->len;
	run->mmio.is_write = f->is_write;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (f->is_write)
		memcpy(run->mmio.data, f->data, f->len);
	c->mmio.waiting = true;
	return STEP_EXIT;
}

enum step mmio_read(struct cpu *c, gpa_t gpa, void *data, u32 len)
{
	struct mmio_fragment *f = log_replay(&c->mmio, gpa, len, false);

	if (f) {
		memcpy(data, f->data, len);
		return STEP_NEXT;
	}
	f = log_next(c, gpa, len, false);
	if (!f)
		return cpu_emulation_failure(c, SVM_EXIT_NPF, NPF_FINAL | PF_U, gpa);
	if (!irqchip_mmio_read(c, gpa, len, f->data))
		return mmio_exit(c, f);
	memcpy(data, f->data, len);
	log_done(c);
	return STEP_NEXT;
}

static bool write_in_kernel(struct cpu *c, gpa_t gpa, const void *data, u32 len)
{
	u64 value = 0;

	if (irqchip_mmio_write(c, gpa, len, data))
		return true;
	memcpy(&value, data, len);
	if (!ioeventfd_write(c->vcpu->vm, false, gpa, len, value) &&
	    !coalesced_write(c->vcpu->vm, false, gpa, data, len))
		return false;
	TRANSLATOR(c, epoch);	/* a doorbell: the device may write code */
	return true;
}

enum step mmio_write(struct cpu *c, gpa_t gpa, const void *data, u32 len)
{
	struct mmio_fragment *f;

	if (log_replay(&c->mmio, gpa, len, true))
		return STEP_NEXT;
	f = log_next(c, gpa, len, true);
	if (!f)
		return cpu_emulation_failure(c, SVM_EXIT_NPF, NPF_FINAL | PF_U | PF_W, gpa);
	memcpy(f->data, data, len);
	if (!write_in_kernel(c, gpa, data, len))
		return mmio_exit(c, f);
	log_done(c);
	return STEP_NEXT;
}

void mmio_complete(struct cpu *c)
{
	struct mmio_log *log = &c->mmio;
	struct mmio_fragment *f = &log->frag[log->count];

	if (log->waiting) {
		if (!f->is_write)
			memcpy(f->data, c->vcpu->run->mmio.data, f->len);
		log->count++;
		log->waiting = false;
	}
	log->cursor = 0;
}
