/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "api/stats.h"
#include "x86/irqchip/irqchip.h"
#include "x86/api/vapic.h"
#include "x86/mmu/access.h"

u8 mem[MEM_SIZE];
struct cpu cpu;
struct kvm_run run;
struct arch_vm arch;
bool features[NR_FEATURES];
enum feature host_lacks;
u32 flushes_all, flushes_nonglobal, flushes_page;
static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_stats stats;
static u32 requests;

/* -- In the place of the MMU and of x86/api ---------------------------------------- */

#define FAKE __attribute__((weak))

static enum step flat(struct cpu *c, u64 lin, void *buf, const void *from, u32 n, u32 error)
{
	if (lin + n > BAD_PAGE)
		return cpu_raise_pf(c, MAX(lin, BAD_PAGE), error);
	if (from)
		memcpy(mem + lin, from, n);
	else if (buf)
		memcpy(buf, mem + lin, n);
	return STEP_NEXT;
}

static u32 user(const struct cpu *c) { return c->cpl == 3 ? PF_U : 0; }

FAKE enum step mem_read_slow(struct cpu *c, u64 lin, void *buf, u32 n)
{
	return flat(c, lin, buf, NULL, n, user(c));
}
FAKE enum step mem_write_slow(struct cpu *c, u64 lin, const void *buf, u32 n)
{
	return flat(c, lin, NULL, buf, n, user(c) | PF_W);
}
FAKE enum step mem_sys_read(struct cpu *c, u64 lin, void *buf, u32 n)
{
	return flat(c, lin, buf, NULL, n, 0);
}
FAKE enum step mem_sys_write(struct cpu *c, u64 lin, const void *buf, u32 n)
{
	return flat(c, lin, NULL, buf, n, PF_W);
}
FAKE enum step mem_sys_update8(struct cpu *c, u64 lin, u8 set, u8 clear)
{
	u8 v;

	TRY(flat(c, lin, &v, NULL, 1, PF_W));
	v = (v | set) & ~clear;
	return flat(c, lin, NULL, &v, 1, PF_W);
}
FAKE enum step mem_probe(struct cpu *c, u64 lin, u32 n, bool write)
{
	return flat(c, lin, NULL, NULL, n, user(c));
}
FAKE enum step mem_host(struct cpu *c, u64 lin, bool write, u8 **host)
{
	*host = mem + lin;
	return STEP_NEXT;
}
FAKE enum step mem_check_alignment(struct cpu *c, u64 lin, u32 n) { return STEP_NEXT; }
FAKE enum step mem_read_size(struct cpu *c, u64 lin, u32 size, u64 *v)
{
	*v = 0;
	return mem_read_slow(c, lin, v, size);
}
FAKE enum step stack_push(struct cpu *c, u64 v, u8 size)
{
	struct stack s;

	stack_current(c, &s, 0);
	TRY(stack_put(c, &s, v, size));
	c->gpr[RSP] = s.sp;
	return STEP_NEXT;
}
FAKE enum step stack_pop(struct cpu *c, u64 *v, u8 size)
{
	struct stack s;

	stack_current(c, &s, 0);
	TRY(stack_take(c, &s, v, size));
	c->gpr[RSP] = s.sp;
	return STEP_NEXT;
}
FAKE void mmu_flush_all(struct cpu *c)		{ flushes_all++; }
FAKE void mmu_flush_nonglobal(struct cpu *c)	{ flushes_nonglobal++; }
FAKE void mmu_flush_page(struct cpu *c, u64 lin) { flushes_page++; }
FAKE void mmu_class_changed(struct cpu *c)	{ }
FAKE void mmu_pkru_changed(struct cpu *c, u32 old) { }
FAKE enum step mmu_load_pdptes(struct cpu *c, u64 cr3)
{
	return cr3 & BIT_ULL(31) ? cpu_raise_gp0(c) : STEP_NEXT;
}
FAKE bool gpa_read(struct cpu *c, gpa_t gpa, void *buf, u32 n)
{
	return memcpy(buf, mem + gpa, n);
}
FAKE bool gpa_write(struct cpu *c, gpa_t gpa, const void *buf, u32 n)
{
	return memcpy(mem + gpa, buf, n);
}
FAKE bool cpu_has(const struct cpu *c, enum feature f)	{ return features[f]; }
FAKE u64 guest_xcr0(const struct cpu *c)	{ return XFEATURE_X87 | XFEATURE_SSE | XFEATURE_YMM; }
FAKE u64 fpu_supported_xcr0(void)	{ return XFEATURE_X87 | XFEATURE_SSE | XFEATURE_YMM; }
FAKE void fpu_reset(struct fpu *f)	{ memset(f, 0, sizeof(*f)); }
FAKE void lapic_set_cr8(struct lapic *l, u64 v)	{ }
FAKE u64 lapic_get_cr8(const struct lapic *l)	{ return 0; }
FAKE void vapic_load(struct cpu *c)		{ }
FAKE void vapic_store(struct cpu *c)		{ }
FAKE void pmu_reset(struct cpu *c)		{ }
FAKE void user_reply_drop(struct cpu *c)	{ }
FAKE u32 pmu_nr_counters(const struct cpu *c)	{ return 0; }
FAKE u64 pmu_read(struct cpu *c, u32 i)		{ return 0; }
FAKE void vcpu_doze(struct vcpu *v, u64 ns)	{ }
FAKE bool event_wakes(struct cpu *c)		{ return false; }
FAKE bool irqchip_has_interrupt(struct cpu *c)	{ return false; }
FAKE void lapic_reset(struct lapic *l, bool init)	{ }
FAKE void vcpu_request(struct vcpu *v, u32 bits)	{ requests |= bits; }
FAKE enum step cpu_halt(struct cpu *c)		{ return STEP_JUMP; }
FAKE enum step cpu_rdmsr(struct cpu *c, u32 i, u64 *v)	{ *v = i; return STEP_NEXT; }
FAKE enum step cpu_wrmsr(struct cpu *c, u32 i, u64 v)	{ return STEP_NEXT; }
FAKE void cpu_cpuid(struct cpu *c, u32 l, u32 s, struct cpuid_regs *r)	{ memset(r, 0, sizeof(*r)); }
FAKE bool host_has(enum feature f)		{ return features[f] && f != host_lacks; }
FAKE bool cpu_has_monitor(const struct cpu *c)	{ return features[FEATURE_MONITOR]; }
FAKE u64 cpu_read_tsc(const struct cpu *c)	{ return 0x1122334455667788; }
FAKE enum step cpu_hypercall(struct cpu *c)	{ return STEP_NEXT; }
FAKE const u8 *cpu_hypercall_insn(const struct cpu *c) { return (const u8 *)"\x0f\x01\xc1"; }

/* -- Memory ------------------------------------------------------------------------------ */

u16 get16(u32 lin) { u16 v; memcpy(&v, mem + lin, 2); return v; }
u32 get32(u32 lin) { u32 v; memcpy(&v, mem + lin, 4); return v; }
u64 get64(u32 lin) { u64 v; memcpy(&v, mem + lin, 8); return v; }
void put16(u32 lin, u16 v) { memcpy(mem + lin, &v, 2); }
void put32(u32 lin, u32 v) { memcpy(mem + lin, &v, 4); }
void put64(u32 lin, u64 v) { memcpy(mem + lin, &v, 8); }

void set_desc(u32 sel, u32 base, u32 limit, u32 access)
{
	u32 at = GDT + (sel & ~7u);

	put32(at, (limit & 0xffff) | base << 16);
	put32(at + 4, (base >> 16 & 0xff) | (access & 0xff) << 8 | (limit & 0xf0000) |
		      (access & 0xf00) << 12 | (base & 0xff000000));
}

void set_gate(u8 vector, u8 type, u8 dpl, u16 sel, u64 off)
{
	u32 at = IDT + vector * 8;

	put32(at, (off & 0xffff) | sel << 16);
	put32(at + 4, (off & 0xffff0000) | 0x8000 | dpl << 13 | type << 8);
}

void set_gate64(u8 vector, u8 type, u8 dpl, u8 ist, u64 off)
{
	u32 at = IDT + vector * 16;

	put32(at, (off & 0xffff) | CODE64 << 16);
	put32(at + 4, (off & 0xffff0000) | 0x8000 | dpl << 13 | type << 8 | ist);
	put64(at + 8, off >> 32);
}

/* -- States ------------------------------------------------------------------------------------ */

static void fill_gdt(void)
{
	set_desc(CODE0, 0, 0xfffff, D_CODE | D_BIG);
	set_desc(DATA0, 0, 0xfffff, D_DATA | D_BIG);
	set_desc(CODE3, 0, 0xfffff, D_CODE | D_DPL3 | D_BIG);
	set_desc(DATA3, 0, 0xfffff, D_DATA | D_DPL3 | D_BIG);
	set_desc(SEL_TSS, TSS, 0x2fff, 0x89);
	set_desc(CODE64, 0, 0xfffff, D_CODE | D_LONG);
	set_desc(CODE64_3, 0, 0xfffff, D_CODE | D_DPL3 | D_LONG);
	set_desc(CONFORMING, 0, 0xfffff, 0x9f | D_BIG);
	set_desc(ABSENT_DATA, 0, 0xfffff, 0x13 | D_BIG);
	set_desc(SEL_LDT, LDT, 0xff, 0x82);
	set_desc(CODE16, 0, 0xffff, D_CODE);
	set_desc(DATA16, 0, 0xffff, D_DATA);
	set_desc(EXPAND_DOWN, 0, 0xf, 0x97 | D_BIG);
	set_desc(SEL_TASK_GATE, 0, 0, 0x85);
	put16(GDT + SEL_TASK_GATE + 2, SEL_TSS2);
	set_desc(SEL_TSS2, TSS2, 0x67, 0x89);
	set_desc(CODE1, 0, 0xfffff, D_CODE | 0x20 | D_BIG);
	set_desc(RO_DATA, 0, 0xfffff, 0x91 | D_BIG);
	set_desc(XO_CODE, 0, 0xfffff, 0x99 | D_BIG);
	set_desc(ABSENT_CODE, 0, 0xfffff, 0x1b | D_BIG);
	set_desc(ABSENT_STACK, 0, 0xfffff, 0x12 | D_BIG);
}

int setup(void **state)
{
	static struct tlb tlb;

	memset(mem, 0, sizeof(mem));
	memset(&cpu, 0, sizeof(cpu));
	memset(&run, 0, sizeof(run));
	memset(&arch, 0, sizeof(arch));
	memset(features, true, sizeof(features));
	features[FEATURE_LA57] = features[FEATURE_PKU] = features[FEATURE_SVM] = false;
	host_lacks = NR_FEATURES;
	flushes_all = flushes_nonglobal = flushes_page = 0;
	/* Entry 0 must not match page 0: everything takes the slow path. */
	tlb.entry[0].tag_read = tlb.entry[0].tag_write = PAGE_SIZE;
	cpu.tlb = &tlb;
	vm.arch = &arch;
	vcpu.vm = &vm;
	vcpu.stats = &stats;
	vcpu.run = &run;
	vcpu.cpu = &cpu;
	cpu.vcpu = &vcpu;
	cpu.maxphyaddr = 40;
	cpu_reset(&cpu, false);
	fill_gdt();
	return 0;
}

void enter_real(void)
{
	cpu.seg[CS].base = CODE;
	cpu.seg[CS].selector = CODE >> 4;
	cpu.rip = 0x100;
	cpu.gpr[RSP] = STACK0;
	cpu_mode_changed(&cpu);
}

static void protect(void)
{
	cpu.cr0 |= X86_CR0_PE;
	cpu.gdtr = (struct dtable){ GDT, GDT_BYTES - 1 };
	cpu.idtr = (struct dtable){ IDT, 0xfff };
	cpu.rip = CODE;
}

static void tss_fill(void)
{
	cpu.seg[TR] = (struct segment){ TSS, 0x2fff, 0x8b, SEL_TSS };
	put32(TSS + 4, STACK0);
	put16(TSS + 8, DATA0);
}

void enter_32(u8 cpl)
{
	protect();
	tss_fill();
	seg_set_flat(&cpu.seg[CS], cpl ? CODE3 : CODE0, 0xc09b | (cpl ? SEG_ATTR_DPL : 0));
	for (u32 i = ES; i <= GS; i++)
		if (i != CS)
			seg_set_flat(&cpu.seg[i], cpl ? DATA3 : DATA0,
				     0xc093 | (cpl ? SEG_ATTR_DPL : 0));
	cpu.gpr[RSP] = cpl ? STACK3 : STACK0;
	cpu_mode_changed(&cpu);
	assert_int_equal(cpu.cpl, cpl);
}

void enter_64(u8 cpl)
{
	enter_32(cpl);
	cpu.cr4 |= X86_CR4_PAE;
	cpu.efer |= EFER_LME | EFER_LMA | EFER_SCE;
	cpu.cr0 |= X86_CR0_PG;
	cpu.idtr = (struct dtable){ IDT, 0xfff };
	seg_set_flat(&cpu.seg[CS], cpl ? CODE64_3 : CODE64, 0xa09b | (cpl ? SEG_ATTR_DPL : 0));
	put64(TSS + 4, STACK0);
	put64(TSS + 36, IST1);
	cpu_mode_changed(&cpu);
	assert_int_equal(cpu.code_size, 8);
}

void enter_vm86(u32 iopl)
{
	enter_32(3);
	cpu_set_rflags(&cpu, X86_EFLAGS_VM | X86_EFLAGS_IF | iopl << 12);
	for (u32 i = ES; i <= GS; i++)
		seg_set_vm86(&cpu.seg[i], 0x900 + i);
	cpu.rip = 0x10;
	cpu.gpr[RSP] = 0x100;
	cpu_mode_changed(&cpu);
	assert_int_equal(cpu.cpl, 3);
	assert_int_equal(cpu.code_size, 2);
}

/* -- Assertions ----------------------------------------------------------------------------------- */

void assert_exception(enum step st, u8 vector, u32 error)
{
	assert_int_equal(st, STEP_FAULT);
	assert_int_equal(cpu.exc.vector, vector);
	assert_int_equal(cpu.exc.error, error);
}

void assert_jumped(enum step st, u16 cs, u64 rip)
{
	if (st == STEP_FAULT)
		print_error("exception %u error %#x\n", cpu.exc.vector, cpu.exc.error);
	assert_int_equal(st, STEP_JUMP);
	assert_int_equal(cpu.seg[CS].selector, cs);
	assert_int_equal(cpu.rip, rip);
}
