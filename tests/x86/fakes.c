/* SPDX-License-Identifier: MIT */
/*
 * Just enough of the other parts for the state ioctls.  Weak: the real ones
 * win where they are linked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "api/arch.h"
#include "api/memslot.h"
#include "util/guard.h"
#include "x86/api/api.h"
#include "x86/cpu/event.h"
#include "x86/decode/block.h"
#include "x86/mmu/mmu.h"
#include "x86/native/native.h"

#define FAKE __attribute__((weak))

/* -- util, api ------------------------------------------------------------------- */

static int copy(void *dst, const void *src, size_t n, bool in)
{
	struct iovec local = { in ? dst : (void *)src, n }, remote = { in ? (void *)src : dst, n };
	ssize_t done = in ? process_vm_readv(getpid(), &local, 1, &remote, 1, 0) :
			    process_vm_writev(getpid(), &local, 1, &remote, 1, 0);

	return n == 0 || done == (ssize_t)n ? 0 : -EFAULT;
}

FAKE int guard_copy_in(void *dst, const void *src, size_t n) { return copy(dst, src, n, true); }
FAKE int guard_copy_out(void *dst, const void *src, size_t n) { return copy(dst, src, n, false); }
FAKE void guard_push(struct guard *g) { }
FAKE void guard_leave(struct guard *g) { }
FAKE bool vcpu_enter_guest(struct vcpu *v) { return false; }
FAKE void vcpu_leave_guest(struct vcpu *v) { }
FAKE void vm_sync_vcpus(struct vm *vm) { }

FAKE void vcpu_request(struct vcpu *v, u32 bits)
{
	__atomic_fetch_or(v->requests, bits, __ATOMIC_ACQ_REL);
}

FAKE struct vcpu *vm_vcpu_by_id(struct vm *vm, u32 id)
{
	return id < vm->nr_vcpus ? vm->vcpus[id] : NULL;
}

FAKE const struct memslot *memslot_find(const struct memslots *s, gfn_t gfn)
{
	return gfn < s->slot[0].npages ? &s->slot[0] : NULL;
}

FAKE void memslot_mark_dirty(const struct memslot *s, gfn_t gfn) { }

/* -- mmu, decode, native ------------------------------------------------------------- */

FAKE int mmu_create(struct cpu *c) { return 0; }
FAKE void mmu_destroy(struct cpu *c) { }
FAKE void mmu_flush_all(struct cpu *c) { }
FAKE enum step mmu_load_pdptes(struct cpu *c, u64 cr3) { return STEP_NEXT; }
FAKE const struct memslots *cpu_slots(const struct cpu *c) { return c->vcpu->vm->slots[c->smm]; }

FAKE bool mmu_translate(struct cpu *c, u64 lin, gpa_t *gpa)
{
	*gpa = lin;
	return lin < 0x100000000ull;
}

FAKE void *gpa_to_host(struct cpu *c, gpa_t gpa, bool write)
{
	const struct memslot *s = memslot_find(cpu_slots(c), gpa >> PAGE_SHIFT);

	return s ? (void *)memslot_hva(s, gpa) : NULL;
}

FAKE bool gpa_read(struct cpu *c, gpa_t gpa, void *buf, u32 n)
{
	void *p = gpa_to_host(c, gpa, false);

	if (p)
		memcpy(buf, p, n);
	return p;
}

FAKE bool gpa_write(struct cpu *c, gpa_t gpa, const void *buf, u32 n)
{
	void *p = gpa_to_host(c, gpa, true);

	if (p)
		memcpy(p, buf, n);
	return p;
}

FAKE int block_cache_create(struct cpu *c) { return 0; }
FAKE void block_cache_destroy(struct cpu *c) { }
FAKE struct native *native_create(void) { return NULL; }
FAKE void native_destroy(struct native *n) { }

/* -- cpu ------------------------------------------------------------------------------- */

FAKE void cpu_reset(struct cpu *c, bool init)
{
	memset(c->gpr, 0, sizeof(c->gpr));
	c->rip = 0xfff0;
	cpu_set_rflags(c, X86_EFLAGS_FIXED);
	c->seg[CS] = (struct segment){ .base = 0xffff0000, .limit = 0xffff, .attr = 0x9b,
				       .selector = 0xf000 };
	c->cr0 = X86_CR0_ET | X86_CR0_CD | X86_CR0_NW;
	c->dr6 = DR6_RESET;
	c->dr7 = DR7_RESET;
	c->xcr0 = XFEATURE_X87;
}

FAKE void cpu_sipi(struct cpu *c, u8 vector) { c->seg[CS].base = vector << 12; }
FAKE void cpu_mode_changed(struct cpu *c) { }

FAKE u64 cpu_cr4_allowed(const struct cpu *c)
{
	return X86_CR4_PAE | X86_CR4_PGE | X86_CR4_MCE | X86_CR4_OSFXSR |
	       (cpu_has(c, FEATURE_XSAVE) ? X86_CR4_OSXSAVE : 0);
}

FAKE enum step cpu_write_efer(struct cpu *c, u64 v)
{
	c->efer = v;
	return STEP_NEXT;
}

FAKE enum step cpu_raise_error(struct cpu *c, u8 vector, u32 error)
{
	c->exc = (struct exception){ .vector = vector, .has_error = true, .error = error };
	return STEP_FAULT;
}

FAKE void event_accept_init(struct cpu *c)
{
	if (c->ev.latched & BIT(1)) {
		c->ev.latched = 0;
		c->mp_state = KVM_MP_STATE_RUNNABLE;
	}
}

FAKE u64 fpu_supported_xcr0(void) { return XFEATURE_X87 | XFEATURE_SSE | XFEATURE_YMM; }

FAKE void fpu_to_xsave(const struct fpu *f, void *image, size_t size, u64 mask)
{
	memcpy(image, f->fxsave, 512);
	memcpy((u8 *)image + 512, &f->xinuse, 8);
}

FAKE int fpu_from_xsave(struct fpu *f, const void *image, size_t size)
{
	memcpy(f->fxsave, image, 512);
	memcpy(&f->xinuse, (u8 *)image + 512, 8);
	return 0;
}

/* -- irqchip ------------------------------------------------------------------------------ */

struct lapic { u64 cr8, deadline; };

FAKE bool arch_irqchip_in_kernel(struct vm *vm) { return vm_irqchip(vm)->mode != IRQCHIP_NONE; }
FAKE bool arch_irqchip_full(struct vm *vm) { return vm_irqchip(vm)->mode == IRQCHIP_FULL; }
FAKE int irqchip_create_split(struct vm *vm, u32 pins) { return 0; }
FAKE void irqchip_destroy(struct irqchip *ic) { }
FAKE void irqchip_stop(struct irqchip *ic) { }
FAKE struct lapic *lapic_create(struct cpu *c, u32 id) { return calloc(1, sizeof(struct lapic)); }
FAKE void lapic_stop(struct lapic *l) { }
FAKE void lapic_destroy(struct lapic *l) { free(l); }
FAKE u64 lapic_get_cr8(const struct lapic *l) { return l->cr8; }
FAKE void lapic_set_cr8(struct lapic *l, u64 cr8) { l->cr8 = cr8; }
FAKE void lapic_set_base(struct lapic *l, u64 v) { }
FAKE bool lapic_read_x2apic(struct lapic *l, u32 msr, u64 *v) { *v = msr; return true; }
FAKE bool lapic_write_x2apic(struct lapic *l, u32 msr, u64 v) { return true; }
FAKE u64 lapic_get_tsc_deadline(struct lapic *l) { return l->deadline; }
FAKE void lapic_set_tsc_deadline(struct lapic *l, u64 v) { l->deadline = v; }
FAKE void lapic_tsc_changed(struct lapic *l) { }
FAKE int lapic_send_pv_ipi(struct vm *vm, u64 lo, u64 hi, u32 min, u32 icr, bool m64) { return 3; }
