/* SPDX-License-Identifier: MIT */
/* Random bytes as guest code in every mode, with random state. */
#include "fuzz.h"

#include <string.h>

static u32 gen_prefixes(struct thread *t, u8 *p)
{
	static const u8 prefix[] = {
		0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
		0x48, 0x41, 0x4c, 0x44,
	};
	u32 n = 0;

	while (n < 4 && one_in(t, 3))
		p[n++] = PICK(t, prefix);
	return n;
}

/* What leaves the guest, or enters another mode, is rare among random bytes. */
static u32 gen_system_opcode(struct thread *t, u8 *p)
{
	static const struct { u8 n, b[3]; } op[] = {
		{ 2, { 0x0f, 0x30 } }, { 2, { 0x0f, 0x32 } },		/* WRMSR, RDMSR */
		{ 2, { 0x0f, 0xa2 } }, { 3, { 0x0f, 0x01, 0xd9 } },	/* CPUID, VMMCALL */
		{ 3, { 0x0f, 0x01, 0xc1 } }, { 3, { 0x0f, 0x01, 0xd1 } },	/* VMCALL, XSETBV */
		{ 1, { 0xee } }, { 1, { 0xef } }, { 1, { 0xec } },	/* OUT, IN */
		{ 2, { 0xf3, 0x6c } }, { 2, { 0xf3, 0x6e } },		/* REP INS, OUTS */
		{ 1, { 0xf4 } }, { 1, { 0xfb } }, { 1, { 0xcf } },	/* HLT, STI, IRET */
		{ 2, { 0x0f, 0xaa } }, { 3, { 0x0f, 0x22, 0xc0 } },	/* RSM, MOV CR0 */
		{ 3, { 0x0f, 0x22, 0xe0 } }, { 3, { 0x0f, 0x22, 0xd8 } },	/* CR4, CR3 */
		{ 2, { 0xcd, 0x80 } }, { 2, { 0x0f, 0x05 } },		/* INT, SYSCALL */
	};
	const u32 i = pick(t, ARRAY_SIZE(op));

	memcpy(p, op[i].b, op[i].n);
	return op[i].n;
}

static u32 gen_opcode(struct thread *t, u8 *p)
{
	u32 n = 0;

	switch (pick(t, 10)) {
	case 0: case 1: case 2:
		p[n++] = rnd(t);
		return n;
	case 3: case 4: case 5:
		p[n++] = 0x0f;
		p[n++] = rnd(t);
		return n;
	case 6:
		p[n++] = 0x0f;
		p[n++] = one_in(t, 2) ? 0x38 : 0x3a;
		p[n++] = rnd(t);
		return n;
	case 7: case 8:
		return gen_system_opcode(t, p);
	default:	/* VEX */
		if (one_in(t, 2)) {
			p[n++] = 0xc5;
		} else {
			p[n++] = 0xc4;
			p[n++] = (rnd(t) & 0xe0) | (1 + pick(t, 3));
		}
		p[n++] = rnd(t);
		p[n++] = rnd(t);
		return n;
	}
}

static void gen_code(struct thread *t, u8 *code, u32 size)
{
	u32 n = 0;

	while (n + 24 < size) {
		n += gen_prefixes(t, code + n);
		n += gen_opcode(t, code + n);
		for (u32 i = pick(t, 7); i; i--)
			code[n++] = rnd(t);
	}
	while (n < size)
		code[n++] = rnd(t);
}

/* -- State ---------------------------------------------------------------------------- */

static u64 gen_value(struct thread *t)
{
	static const u32 msrs[] = {
		0x10, 0x1b, 0x277, 0x6e0, 0x830, 0x83f, 0x40000000, 0x40000001,
		0x400000b0, 0x4b564d00, 0x4b564d03, 0xc0000080, 0xc0000101,
	};

	switch (pick(t, 11)) {
	case 0: return rnd(t);
	case 1: return pick(t, 16);
	case 2: return -pick(t, 16);
	case 3: return GPA_MMIO + pick(t, 0x2000);
	case 4: return 0x7ffffffffff8 + pick(t, 16);
	case 5: return RAM_SIZE - pick(t, 32);
	case 6: return 0xfee00000 + pick(t, 0x400);
	case 7: return (pick(t, RAM_SIZE >> 12) << 12) - pick(t, 32);
	case 8: return PICK(t, msrs);
	default: return GPA_DATA + pick(t, 0x30000);
	}
}

static void gen_segment(struct thread *t, struct kvm_segment *s)
{
	if (!one_in(t, 24))
		return;
	s->base = gen_value(t);
	s->limit = gen_value(t);
	s->selector = rnd(t);
	s->type = pick(t, 16);
	s->dpl = pick(t, 4);
	s->db = pick(t, 2);
	s->l = pick(t, 2);
	s->g = pick(t, 2);
	s->s = pick(t, 2);
	s->present = !one_in(t, 4);
	s->unusable = one_in(t, 8);
}

static struct kvm_segment flat(u16 selector, u8 type, bool l, bool db)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type,
		.present = 1, .s = 1, .g = 1, .l = l, .db = db,
	};
}

enum mode { MODE_REAL, MODE_PROT32, MODE_LONG };

static void set_mode(struct kvm_sregs *s, enum mode mode)
{
	const struct kvm_segment real = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };
	const bool lm = mode == MODE_LONG;

	s->cs = flat(lm ? 0x08 : 0x18, 11, lm, !lm);
	s->ds = s->es = s->ss = s->fs = s->gs = flat(0x10, 3, false, true);
	s->gdt.base = GPA_GDT;
	s->gdt.limit = 0x2f;
	s->tr = (struct kvm_segment){ .base = GPA_TSS, .limit = 0x67, .selector = 0x20,
				      .type = 11, .present = 1 };
	s->idt.base = mode == MODE_REAL ? 0 : GPA_IDT;
	s->idt.limit = 0xfff;
	s->cr0 = lm ? 0x80000033 : 0x33;
	s->cr3 = lm ? GPA_PML4 : 0;
	s->cr4 = lm ? 0x620 : 0x600;
	s->efer = lm ? 0xd01 : 0;
	if (mode != MODE_REAL)
		return;
	s->cs = s->ds = s->es = s->ss = s->fs = s->gs = real;
	s->cs.base = GPA_CODE;
	s->cs.selector = GPA_CODE >> 4;
	s->cr0 = 0x10;
}

static void gen_sregs(struct thread *t, struct kvm_sregs *s)
{
	struct kvm_segment *seg = &s->cs;

	for (int i = 0; i < 8; i++)
		gen_segment(t, &seg[i]);
	if (one_in(t, 4))
		s->cs.dpl = s->ss.dpl = 3;
	for (int i = one_in(t, 8) ? 3 : 0; i; i--)
		s->cr4 ^= 1ull << pick(t, 24);
	for (int i = one_in(t, 8) ? 2 : 0; i; i--)
		s->cr0 ^= 1ull << pick(t, 32);
	if (one_in(t, 16))
		s->cr3 = gen_value(t);
	if (one_in(t, 16))
		s->efer ^= 1ull << pick(t, 16);
	if (one_in(t, 16))
		s->gdt.base = s->idt.base = gen_value(t);
	s->cr8 = pick(t, 16);
	if (one_in(t, 4))
		s->cr4 |= 0x40000;		/* OSXSAVE */
}

/* Of Hyper-V. */
static const u64 hypercalls[] = {
	0x0002, 0x0003, 0x0008, 0x000b, 0x0013, 0x0014, 0x0015, 0x005c, 0x005d, 0x0069,
	0x006a, 0x006b, 0x1000b, 1ull << 32 | 0x0013, 3ull << 32 | 1ull << 48 | 0x0014,
};

static void gen_regs(struct thread *t, struct kvm_regs *r, enum mode mode)
{
	const u64 ip = one_in(t, 8) ? 0xff0 + pick(t, 16) : 0;
	u64 *gpr = (u64 *)r;

	for (int i = 0; i < 16; i++)
		gpr[i] = gen_value(t);
	if (one_in(t, 3))
		r->rcx = pick(t, 64);
	if (one_in(t, 8))
		r->rcx = PICK(t, hypercalls) | pick(t, 2) << 16;
	if (one_in(t, 8))	/* Xen's */
		r->rax = pick(t, 48);
	r->rsp = mode == MODE_REAL ? 0x6000 : GPA_STACK;
	r->rflags = one_in(t, 4) ? rnd(t) & 0x3f7fd7 : (rnd(t) & 0xed5) | 2;
	r->rip = one_in(t, 64) ? gen_value(t) : mode == MODE_REAL ? ip : GPA_CODE + ip;
}

/* -- Memory ------------------------------------------------------------------------------ */

/* An identity map of 4 GiB, flat descriptors, and gates into the code. */
static void write_tables(struct thread *t, u8 *ram)
{
	u64 *pml4 = (u64 *)(ram + GPA_PML4), *pdpt = pml4 + 512, *pd = pdpt + 512;
	u64 *gdt = (u64 *)(ram + GPA_GDT), *idt = (u64 *)(ram + GPA_IDT);

	pml4[0] = (GPA_PML4 + 0x1000) | 7;
	for (int i = 0; i < 4; i++)
		pdpt[i] = (GPA_PML4 + 0x2000 + i * 0x1000) | 7;
	for (u64 i = 0; i < 2048; i++)
		pd[i] = i << 21 | 0x87;
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	gdt[3] = 0x00cf9b000000ffff;
	gdt[4] = 0x00008b0000000067 | (u64)GPA_TSS << 16;
	for (u64 i = 0; i < 512; i += 2)
		idt[i] = 8 << 16 | 0x8e00ull << 32 | (u64)(GPA_CODE >> 16) << 48 | (i * 8);
}

void program_load(struct thread *t, struct vm_slot *vm, u32 i)
{
	const enum mode mode = pick(t, 3);
	const int fd = get_fd(&vm->vcpu[i]);
	struct kvm_sregs s = { 0 };
	struct kvm_regs r;
	u64 bit = 1ull << pick(t, 64);

	write_tables(t, vm->ram);
	gen_code(t, vm->ram + GPA_CODE, 0x1000);
	for (u32 n = 0; n < 16; n++)
		vm->ram[GPA_DATA + pick(t, 0x1000)] = rnd(t);
	if (one_in(t, 16))
		((u64 *)(vm->ram + GPA_PML4))[pick(t, 0x3000) / 8] ^= bit;

	call(t, fd, SCOPE_VCPU, KVM_GET_SREGS, &s);
	set_mode(&s, mode);
	gen_sregs(t, &s);
	call(t, fd, SCOPE_VCPU, KVM_SET_SREGS, &s);
	gen_regs(t, &r, mode);
	call(t, fd, SCOPE_VCPU, KVM_SET_REGS, &r);
	if (!one_in(t, 16)) {
		struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };

		call(t, fd, SCOPE_VCPU, KVM_SET_MP_STATE, &runnable);
	}
}
