/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <sys/mman.h>

#include "api/memslot.h"
#include "x86/mmu/internal.h"

struct machine *m;

static void *map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void add_slot(struct memslots *s, gpa_t gpa, u64 size, void *host, u32 flags)
{
	s->slot[s->count] = (struct memslot){
		.base_gfn = gpa >> PAGE_SHIFT, .npages = size >> PAGE_SHIFT,
		.hva = (hva_t)host, .flags = flags, .id = (u16)s->count,
	};
	s->count++;
}

int machine_setup(void **state)
{
	struct memslots *s = calloc(1, sizeof(*s) + 8 * sizeof(struct memslot));

	m = aligned_alloc(64, (sizeof(*m) + 63) & ~63ul);
	memset(m, 0, sizeof(*m));
	m->ram = map(RAM_SIZE);
	m->rom = map(SMALL_SIZE);
	m->logged = map(SMALL_SIZE);
	m->high = map(SMALL_SIZE);
	add_slot(s, 0, RAM_SIZE, m->ram, 0);
	add_slot(s, ROM_GPA, SMALL_SIZE, m->rom, KVM_MEM_READONLY);
	add_slot(s, LOGGED_GPA, SMALL_SIZE, m->logged, KVM_MEM_LOG_DIRTY_PAGES);
	s->slot[2].dirty_bitmap = &m->dirty;
	add_slot(s, HIGH_GPA, SMALL_SIZE, m->high, 0);
	m->vm.slots[0] = s;
	m->vm.arch = &m->arch;
	m->run = map(4 * PAGE_SIZE);
	m->vcpu.vm = &m->vm;
	m->vcpu.run = m->run;
	m->vcpu.stats = &m->stats;
	m->vcpu.pio_data = (u8 *)m->run + PAGE_SIZE;
	m->vcpu.cpu = &m->cpu;
	m->cpu.vcpu = &m->vcpu;
	m->cpu.maxphyaddr = 40;
	m->cpu.rflags = X86_EFLAGS_FIXED;
	m->cpu.rip = 0x00300000;	/* far from the data of the tests */
	assert_int_equal(mmu_create(&m->cpu), 0);
	build_long();
	mode_long(LONG_CR3);
	return 0;
}

int machine_teardown(void **state)
{
	mmu_destroy(&m->cpu);
	munmap(m->ram, RAM_SIZE);
	munmap(m->rom, SMALL_SIZE);
	munmap(m->logged, SMALL_SIZE);
	munmap(m->high, SMALL_SIZE);
	munmap(m->run, 4 * PAGE_SIZE);
	free(m->vm.slots[0]);
	free(m);
	return 0;
}

/* -- Modes --------------------------------------------------------------------- */

void mode_changed(void)
{
	mmu_class_changed(&m->cpu);
	mmu_flush_all(&m->cpu);
}

static void set_mode(u64 cr0, u64 cr4, u64 efer, u8 code_size)
{
	struct cpu *c = &m->cpu;

	c->cr0 = cr0;
	c->cr4 = cr4;
	c->efer = efer;
	c->code_size = c->stack_size = code_size;
	for (int i = 0; i < NR_SEGS; i++)
		c->seg[i].limit = code_size == 2 ? 0xffff : ~0u;
	mode_changed();
}

void mode_real(void)
{
	set_mode(0, 0, 0, 2);
}

void mode_flat32(void)
{
	set_mode(X86_CR0_PE, 0, 0, 4);
}

void mode_paging32(u64 cr3)
{
	m->cpu.cr3 = cr3;
	set_mode(X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, X86_CR4_PSE, 0, 4);
}

void mode_pae(u64 cr3)
{
	m->cpu.cr3 = cr3;
	set_mode(X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, X86_CR4_PAE, EFER_NX, 4);
	assert_int_equal(mmu_load_pdptes(&m->cpu, cr3), STEP_NEXT);
}

void mode_long(u64 cr3)
{
	m->cpu.cr3 = cr3;
	set_mode(X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, X86_CR4_PAE | X86_CR4_PGE,
		 EFER_LME | EFER_LMA | EFER_NX, 8);
}

void build_long(void)
{
	set64(LONG_CR3, 0x11000 | P | W | U);
	set64(0x11000, 0x12000 | P | W | U);			/* 0 - 1 GiB */
	set64(0x11000 + 8, 0x15000 | P | W | U);		/* 1 - 2 GiB */
	for (u32 i = 0; i < 2; i++) {
		set64(0x12000 + i * 8, (0x13000 + i * PAGE_SIZE) | P | W | U);
		for (u64 k = 0; k < 512; k++)
			set64(0x13000 + i * PAGE_SIZE + k * 8,
			      (i * 512 + k) << PAGE_SHIFT | P | W | U);
	}
	set64(0x15000, LONG_PT | P | W | U);
}

/* -- Assertions ------------------------------------------------------------------- */

void assert_exception(enum step step, u8 vector, u32 error)
{
	assert_int_equal(step, STEP_FAULT);
	assert_int_equal(m->cpu.exc.vector, vector);
	assert_int_equal(m->cpu.exc.error, error);
}

void assert_page_fault(enum step step, u64 cr2, u32 error)
{
	assert_exception(step, EXC_PF, error);
	assert_int_equal(m->cpu.exc.payload, cr2);
}

void assert_mmio_exit(enum step step, u64 gpa, u32 len, bool is_write)
{
	assert_int_equal(step, STEP_EXIT);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(m->run->mmio.phys_addr, gpa);
	assert_int_equal(m->run->mmio.len, len);
	assert_int_equal(m->run->mmio.is_write, is_write);
}

void complete_mmio(u64 data)
{
	memcpy(m->run->mmio.data, &data, 8);
	mmio_complete(&m->cpu);
}
