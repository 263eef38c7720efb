/* SPDX-License-Identifier: MIT */
/*
 * The guest: long mode, the window at the same linear addresses and with the
 * same rights, everything else of it in the upper half.  Each gate leads to a
 * HLT of its own, on a stack of the IST.
 */
#include "silicon.h"

#include "run/guest.h"

enum {
	GPA_TABLES	= 0x100000,	/* PML4, and three tables for each half */
	GPA_SYSTEM	= 0x110000,	/* descriptor tables, handlers, stack */
	GPA_CODE	= 0x120000,
	GPA_DATA	= 0x130000,
	SYSTEM_PAGES	= 4,
};

#define HIGH		0xffffa9c35e200000ull	/* where no operand is likely to be */
#define IDT_AT		(HIGH + 0x000)
#define GDT_AT		(HIGH + 0x1000)
#define TSS_AT		(HIGH + 0x1100)
#define LDT_AT		(HIGH + 0x1200)
#define HANDLERS_AT	(HIGH + 0x2000)
#define STACK_TOP	(HIGH + 0x4000)

enum {
	PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_AD = 0x60,
	HANDLER_BYTES = 16,
};
#define PTE_NX		(1ull << 63)

static struct guest guest;
static struct kvm_sregs sregs;	/* but for the segments */
static u8 *system_pages, *code, *memory;

/* -- Tables ------------------------------------------------------------------------- */

static u64 *table(u32 n)
{
	return (u64 *)(guest.mem + GPA_TABLES + n * PAGE);
}

static void link_table(u32 from, u32 index, u32 to)
{
	table(from)[index] = (GPA_TABLES + to * PAGE) | PTE_P | PTE_W | PTE_U | PTE_AD;
}

static void make_page_tables(void)
{
	u64 *window, *high;
	u64 gpa = GPA_DATA;

	link_table(0, 0, 1);
	link_table(1, 0, 2);
	link_table(2, WINDOW >> 21, 3);
	link_table(0, HIGH >> 39 & 511, 4);
	link_table(4, HIGH >> 30 & 511, 5);
	link_table(5, HIGH >> 21 & 511, 6);
	window = table(3);
	high = table(6);
	for (u32 i = 0; i < CODE_PAGES; i++)
		window[(CODE - WINDOW) / PAGE + i] = (GPA_CODE + i * PAGE) | PTE_P | PTE_U | PTE_AD;
	for (u32 i = 0; i < DATA_PAGES; i++) {
		if (data_access[i] == ABSENT)
			continue;
		window[(DATA - WINDOW) / PAGE + i] = gpa | PTE_P | PTE_U | PTE_AD | PTE_NX |
						   (data_access[i] == READ_WRITE ? PTE_W : 0);
		gpa += PAGE;
	}
	for (u32 i = 0; i < SYSTEM_PAGES; i++)
		high[i] = (GPA_SYSTEM + i * PAGE) | PTE_P | PTE_W | PTE_AD;
}

static void make_descriptors(void)
{
	u64 stack = STACK_TOP;

	memcpy(system_pages + (GDT_AT - HIGH), gdt, sizeof(gdt));
	memcpy(system_pages + (LDT_AT - HIGH), ldt, sizeof(ldt));
	memcpy(system_pages + (TSS_AT - HIGH) + 0x24, &stack, 8);	/* IST1 */
	memset(system_pages + (TSS_AT - HIGH) + 0x66, 0xff, 2);	/* no I/O bitmap */
}

static void make_handlers(void)
{
	u64 *idt = (u64 *)(system_pages + (IDT_AT - HIGH));
	u8 *handlers = system_pages + (HANDLERS_AT - HIGH);

	memset(handlers, 0xf4, PAGE);
	for (u64 v = 0; v < 256; v++) {
		u64 at = HANDLERS_AT + v * HANDLER_BYTES;
		/* INT3 and INTO may be executed at CPL 3. */
		u64 type = v == 3 || v == 4 ? 0xee : 0x8e;

		idt[2 * v] = (at & 0xffff) | KERNEL_CS << 16 | 1ull << 32 | type << 40 |
			     (at >> 16 & 0xffff) << 48;
		idt[2 * v + 1] = at >> 32;
	}
}

/* -- Modes ----------------------------------------------------------------------------- */

static struct kvm_segment segment(u16 selector)
{
	u64 d = descriptor_of(selector);

	return (struct kvm_segment){
		.base = segment_base(selector), .limit = segment_limit(selector),
		.selector = selector, .type = d >> 40 & 15, .s = d >> 44 & 1,
		.dpl = d >> 45 & 3, .present = d >> 47 & 1, .l = d >> 53 & 1,
		.db = d >> 54 & 1, .g = d >> 55 & 1, .unusable = selector < 4,
	};
}

static void set_segments(const struct state *st, bool user)
{
	struct kvm_sregs *s = &sregs;

	s->cs = segment(st->sel[CS]);
	s->ss = segment(st->sel[SS]);
	s->ds = segment(st->sel[DS]);
	s->es = segment(st->sel[ES]);
	s->fs = segment(st->sel[FS]);
	s->gs = segment(st->sel[GS]);
	s->fs.base = st->fs_base;
	s->gs.base = st->gs_base;
	if (!user)
		s->cs.dpl = s->ss.dpl = 0;
}

static void make_sregs(struct kvm_sregs *s)
{
	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_GET_SREGS, s));
	s->gdt.base = GDT_AT;
	s->gdt.limit = sizeof(gdt) - 1;
	s->idt.base = IDT_AT;
	s->idt.limit = 0xfff;
	s->tr = (struct kvm_segment){
		.base = TSS_AT, .limit = 0x67, .selector = TSS, .type = 11, .present = 1,
	};
	s->ldt = (struct kvm_segment){
		.base = LDT_AT, .limit = sizeof(ldt) - 1, .selector = LDT, .type = 2, .present = 1,
	};
	s->cr0 = 0x80050033;	/* PG, AM, WP, NE, ET, MP, PE */
	s->cr2 = 0;
	s->cr3 = GPA_TABLES;
	s->cr4 = 0x50620;	/* OSXSAVE, FSGSBASE, OSXMMEXCPT, OSFXSR, PAE */
	s->efer = 0xd01;	/* NXE, LMA, LME, SCE */
}

void ours_create(void)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0] = { .xcr = 0, .value = 7 } };

	guest_create(&guest, GUEST_PLAIN, 1);
	system_pages = guest.mem + GPA_SYSTEM;
	code = guest.mem + GPA_CODE;
	memory = guest.mem + GPA_DATA;
	memset(code, 0xcc, CODE_PAGES * PAGE);
	make_page_tables();
	make_descriptors();
	make_handlers();
	make_sregs(&sregs);
	set_segments(&(struct state){ .sel = { [CS] = USER_CS, [SS] = USER_DS } }, true);
	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_SET_SREGS, &sregs));
	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_SET_XCRS, &xcrs));
}

void ours_destroy(void)
{
	guest_destroy(&guest);
}

/* -- Running ----------------------------------------------------------------------------- */

/* Rows of struct kvm_regs in the order of encodings. */
static void exchange_gprs(struct kvm_regs *r, u64 *gpr, bool set)
{
	__u64 *const in_order[16] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
		&r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
	};

	for (u32 i = 0; i < 16; i++) {
		if (set)
			*in_order[i] = gpr[i];
		else
			gpr[i] = *in_order[i];
	}
}

static void set_state(const struct sequence *s)
{
	static struct kvm_xsave x;
	struct kvm_regs r = { .rip = s->start.rip, .rflags = s->start.flags };

	exchange_gprs(&r, (u64 *)s->start.gpr, true);
	memcpy(&x, &s->start.fpu, sizeof(s->start.fpu));
	set_segments(&s->start, s->user);
	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_SET_SREGS, &sregs));
	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_SET_REGS, &r));
	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_SET_XSAVE, &x));
}

/* The frame of the exception (SDM vol. 3A, 6.14.2). */
static void get_frame(struct outcome *out, u64 rsp)
{
	u64 f[6];
	bool has_error = rsp == STACK_TOP - 48;

	memcpy(f, system_pages + (rsp - HIGH), STACK_TOP - rsp);
	out->error = has_error ? f[0] : 0;
	out->end.rip = f[has_error];
	out->end.sel[CS] = f[has_error + 1];
	out->end.flags = f[has_error + 2];
	out->end.gpr[RSP] = f[has_error + 3];
	out->end.sel[SS] = f[has_error + 4];
}

static void get_segments(struct outcome *out)
{
	struct kvm_sregs now;

	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_GET_SREGS, &now));
	out->cr2 = now.cr2;
	out->end.sel[DS] = now.ds.selector;
	out->end.sel[ES] = now.es.selector;
	out->end.sel[FS] = now.fs.selector;
	out->end.sel[GS] = now.gs.selector;
	out->end.fs_base = now.fs.base;
	out->end.gs_base = now.gs.base;
}

/* DR6, whose bits nobody else clears. */
static bool take_single_step(void)
{
	struct kvm_debugregs d;
	bool bs;

	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_GET_DEBUGREGS, &d));
	bs = d.dr6 >> 14 & 1;
	d.dr6 = 0xffff0ff0;
	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_SET_DEBUGREGS, &d));
	return bs;
}

static void get_state(struct outcome *out)
{
	static struct kvm_xsave x;
	struct kvm_regs r;

	guest_regs(&guest, 0, &r);
	exchange_gprs(&r, out->end.gpr, false);
	out->vector = (r.rip - 1 - HANDLERS_AT) / HANDLER_BYTES;
	get_frame(out, r.rsp);
	assert_ok(kvm_ioctl(guest.vcpu[0], KVM_GET_XSAVE, &x));
	memcpy(&out->end.fpu, &x, sizeof(out->end.fpu));
	get_segments(out);
	out->single_step = out->vector == 1 && take_single_step();
}

void ours_run(const struct sequence *s, struct outcome *out)
{
	u32 n = sequence_layout(s, code);
	int exit;

	memcpy(memory, s->memory, MEM_BYTES);
	memcpy(system_pages + (GDT_AT - HIGH) + CPU_NUMBER, &gdt[CPU_NUMBER / 8], 8);
	set_state(s);
	ticks = 0;
	do {
		exit = guest_run(&guest, 0);
	} while (exit == -EINTR && ticks < 2);
	out->memory = memory;
	if (exit == KVM_EXIT_HLT)
		get_state(out);
	else
		out->vector = exit == -EINTR ? NEVER_ENDS : 0x1000 + exit;
	memset(code + s->at, 0xcc, n);
}
