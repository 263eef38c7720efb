/* SPDX-License-Identifier: MIT */
/* Page walks: rights, reserved bits, A and D, in every paging mode. */
#include "machine.h"

enum mode { PAGING32_4K, PAGING32_4M, PAE_4K, PAE_2M, LONG_4K, LONG_2M, LONG_1G, NR_MODES };

/* The linear address under test; its frame is on a 1 GiB boundary: 0. */
#define LIN	0x00000123ull

static const char *const mode_name[] = {
	"32-bit 4K", "32-bit 4M", "PAE 4K", "PAE 2M", "4-level 4K", "4-level 2M", "4-level 1G",
};

/* Where each mode's tables are: directory levels from the root down. */
#define T(n)	(0x40000ull + (n) * PAGE_SIZE)

/*
 * Maps LIN with @leaf in the last entry and @upper in those above.  Returns
 * the gpa of the leaf entry.
 */
static gpa_t build(enum mode mode, u64 upper, u64 leaf)
{
	memset(m->ram + T(0), 0, 4 * PAGE_SIZE);
	switch (mode) {
	case PAGING32_4K:
		set32(T(0), (u32)(T(1) | upper));
		set32(T(1), (u32)leaf);
		mode_paging32(T(0));
		return T(1);
	case PAGING32_4M:
		set32(T(0), (u32)(leaf | PS));
		mode_paging32(T(0));
		return T(0);
	case PAE_4K:
	case PAE_2M:
		set64(T(0), T(1) | P);
		set64(T(1), mode == PAE_4K ? T(2) | upper : leaf | PS);
		set64(T(2), leaf);
		mode_pae(T(0));
		return mode == PAE_4K ? T(2) : T(1);
	default:
		set64(T(0), T(1) | upper);
		set64(T(1), mode == LONG_1G ? leaf | PS : T(2) | upper);
		set64(T(2), mode == LONG_2M ? leaf | PS : T(3) | upper);
		set64(T(3), leaf);
		mode_long(T(0));
		return mode == LONG_1G ? T(1) : mode == LONG_2M ? T(2) : T(3);
	}
}

/* -- Rights ---------------------------------------------------------------------- */

#define OK	(~0u)
#define USER		TLB_USER
#define KERNEL		TLB_KERNEL
#define KERNEL_AC	TLB_KERNEL_AC
#define RD		ACCESS_READ
#define WR		ACCESS_WRITE
#define EX		ACCESS_EXEC
enum { WP = 1, SMEP = 2, SMAP = 4, NXE = 8 };

/* Error codes as SDM vol. 3A 4.7 defines them; NX rows need 8-byte entries. */
static const struct rights {
	u64 leaf;
	u8 on;			/* controls */
	u8 class, access;
	u32 error;
} rights[] = {
	{ 0,		WP | NXE,	KERNEL,	RD,	0 },
	{ 0,		WP | NXE,	KERNEL,	WR,	PF_W },
	{ 0,		WP | NXE,	USER,	RD,	PF_U },
	{ 0,		WP | NXE,	USER,	WR,	PF_U | PF_W },
	{ W | U,	WP | NXE,	USER,	WR,	PF_U | PF_W },

	{ P,		WP | NXE,	KERNEL,	RD,	OK },
	{ P,		WP | NXE,	KERNEL,	EX,	OK },
	{ P,		WP,		KERNEL,	WR,	PF_P | PF_W },
	{ P,		0,		KERNEL,	WR,	OK },
	{ P | W,	WP,		KERNEL,	WR,	OK },
	{ P | W,	WP,		USER,	RD,	PF_P | PF_U },
	{ P | W,	WP,		USER,	WR,	PF_P | PF_U | PF_W },

	{ P | U,	WP,		USER,	RD,	OK },
	{ P | U,	WP,		USER,	WR,	PF_P | PF_U | PF_W },
	{ P | U,	0,		USER,	WR,	PF_P | PF_U | PF_W },
	{ P | U,	WP,		KERNEL,	WR,	PF_P | PF_W },
	{ P | U,	0,		KERNEL,	WR,	OK },
	{ P | W | U,	WP,		USER,	WR,	OK },
	{ P | W | U,	WP,		KERNEL,	WR,	OK },

	{ P | W | U,	WP,		KERNEL,	EX,	OK },
	{ P | W | U,	WP | SMEP,	KERNEL,	EX,	PF_P | PF_I },
	{ P | W | U,	WP | SMEP,	KERNEL_AC, EX,	PF_P | PF_I },
	{ P | W | U,	WP | SMEP,	USER,	EX,	OK },
	{ P | W,	WP | SMEP,	KERNEL,	EX,	OK },
	{ 0,		WP | SMEP,	KERNEL,	EX,	PF_I },
	{ P | W,	WP | SMEP,	USER,	EX,	PF_P | PF_U | PF_I },

	{ P | W | U,	WP | SMAP,	KERNEL,	RD,	PF_P },
	{ P | W | U,	WP | SMAP,	KERNEL,	WR,	PF_P | PF_W },
	{ P | W | U,	WP | SMAP,	KERNEL_AC, RD,	OK },
	{ P | W | U,	WP | SMAP,	KERNEL_AC, WR,	OK },
	{ P | U,	WP | SMAP,	KERNEL_AC, WR,	PF_P | PF_W },
	{ P | W | U,	WP | SMAP,	KERNEL,	EX,	OK },
	{ P | W | U,	WP | SMAP,	USER,	WR,	OK },
	{ P | W,	WP | SMAP,	KERNEL,	WR,	OK },

	{ P | U | NX,	WP | NXE,	USER,	EX,	PF_P | PF_U | PF_I },
	{ P | U | NX,	WP | NXE,	USER,	RD,	OK },
	{ P | NX,	WP | NXE,	KERNEL,	EX,	PF_P | PF_I },
	{ P | NX,	WP | NXE,	KERNEL,	RD,	OK },
	{ P | W | NX,	WP | NXE,	KERNEL,	WR,	OK },
	{ P | NX,	WP,		KERNEL,	RD,	PF_P | PF_RSVD },
	{ P | U | NX,	WP,		USER,	WR,	PF_P | PF_RSVD | PF_U | PF_W },
	{ P | NX,	WP,		KERNEL,	EX,	PF_P | PF_RSVD },
	{ P | NX,	WP | SMEP,	KERNEL,	EX,	PF_P | PF_RSVD | PF_I },
	{ P,		WP | NXE,	USER,	EX,	PF_P | PF_U | PF_I },
	{ P,		WP,		USER,	EX,	PF_P | PF_U },
};

static void set_controls(u8 on)
{
	struct cpu *c = &m->cpu;

	c->cr0 = (c->cr0 & ~X86_CR0_WP) | (on & WP ? X86_CR0_WP : 0);
	c->cr4 = (c->cr4 & ~(X86_CR4_SMEP | X86_CR4_SMAP)) |
		 (on & SMEP ? X86_CR4_SMEP : 0) | (on & SMAP ? X86_CR4_SMAP : 0);
	c->efer = (c->efer & ~EFER_NX) | (on & NXE ? EFER_NX : 0);
	mode_changed();
}

static void check_rights(enum mode mode, u32 i, u64 upper, u64 leaf)
{
	const struct rights *r = &rights[i];
	u32 expect = r->error;
	struct walk w;
	enum step step;

	/* Without CR4.PAE, NXE does not make fetches tell. */
	if (mode <= PAGING32_4M && r->access == EX && expect != OK && !(r->on & SMEP))
		expect &= ~PF_I;
	build(mode, upper, leaf);
	set_controls(r->on);
	step = mmu_walk(&m->cpu, LIN, r->access, r->class, true, &w);
	if ((step == STEP_NEXT) != (expect == OK) ||
	    (step == STEP_FAULT && w.error != expect))
		fail_msg("%s, row %u: step %d, error %#x, expected %#x",
			 mode_name[mode], i, step, w.error, expect);
	if (step == STEP_NEXT)
		assert_int_equal(w.gpa, LIN);
}

static void rights_of_the_leaf(void **state)
{
	for (u32 i = 0; i < ARRAY_SIZE(rights); i++)
		for (enum mode mode = 0; mode < NR_MODES; mode++)
			if (!(rights[i].leaf & NX) || mode >= PAE_4K)
				check_rights(mode, i, P | W | U, rights[i].leaf);
}

/* The same rights given by an upper level, under a leaf that allows all. */
static void rights_of_upper_levels(void **state)
{
	static const enum mode modes[] = { PAGING32_4K, PAE_4K, LONG_4K, LONG_2M, LONG_1G };

	for (u32 i = 0; i < ARRAY_SIZE(rights); i++)
		for (u32 k = 0; k < ARRAY_SIZE(modes); k++)
			if (!(rights[i].leaf & NX) || modes[k] >= PAE_4K)
				check_rights(modes[k], i, rights[i].leaf, P | W | U);
}

static void no_paging_permits_all(void **state)
{
	struct walk w;

	mode_flat32();
	assert_int_equal(mmu_walk(&m->cpu, 0xfee00123, ACCESS_WRITE, TLB_USER, true, &w),
			 STEP_NEXT);
	assert_int_equal(w.gpa, 0xfee00123);
	assert_true(w.dirty);
}

/* -- Protection keys ------------------------------------------------------------------- */

#define KEY	((u64)5 << 59)
#define AD	(PKRU_AD << 2 * 5)
#define WD	(PKRU_WD << 2 * 5)

/* SDM vol. 3A 4.6.2, 4.7. */
static const struct key {
	u64 leaf;
	u32 pkru;
	u8 on;
	u8 class, access;
	u32 error;
} keys[] = {
	{ P | W | U | KEY,	0,	WP,	USER,	WR,	OK },
	{ P | W | U | KEY,	AD,	WP,	USER,	RD,	PF_P | PF_U | PF_PK },
	{ P | W | U | KEY,	AD,	WP,	USER,	WR,	PF_P | PF_U | PF_W | PF_PK },
	{ P | W | U | KEY,	AD,	WP,	USER,	EX,	OK },
	{ P | W | U | KEY,	AD,	0,	KERNEL,	RD,	PF_P | PF_PK },
	{ P | W | U | KEY,	AD,	0,	KERNEL,	WR,	PF_P | PF_W | PF_PK },
	{ P | W | U | KEY,	WD,	WP,	USER,	RD,	OK },
	{ P | W | U | KEY,	WD,	0,	USER,	WR,	PF_P | PF_U | PF_W | PF_PK },
	{ P | W | U | KEY,	WD,	WP,	KERNEL,	RD,	OK },
	{ P | W | U | KEY,	WD,	WP,	KERNEL,	WR,	PF_P | PF_W | PF_PK },
	{ P | W | U | KEY,	WD,	0,	KERNEL,	WR,	OK },
	{ P | W | U | KEY,	WD,	WP | SMAP, KERNEL_AC, WR, PF_P | PF_W | PF_PK },
	{ P | W | U | KEY,	AD,	WP | SMAP, KERNEL, RD,	PF_P | PF_PK },
	/* Keys are not for supervisor pages; other keys are others'. */
	{ P | W | KEY,		AD | WD, WP,	KERNEL,	WR,	OK },
	{ P | W | KEY,		AD | WD, WP,	USER,	RD,	PF_P | PF_U },
	{ P | W | U,		AD | WD, WP,	USER,	WR,	OK },
	{ P | W | U | KEY,	~(AD | WD), WP,	USER,	WR,	OK },
	/* What else is wrong is told together with it, or alone. */
	{ P | U | KEY,		WD,	WP,	USER,	WR,	PF_P | PF_U | PF_W | PF_PK },
	{ P | U | KEY,		0,	WP,	USER,	WR,	PF_P | PF_U | PF_W },
	{ P | U | KEY | NX,	AD,	WP | NXE, USER,	EX,	PF_P | PF_U | PF_I },
	{ W | U | KEY,		AD,	WP,	USER,	RD,	PF_U },
	{ P | U | KEY | NX,	AD,	WP,	USER,	RD,	PF_P | PF_U | PF_RSVD },
};

static void check_key(enum mode mode, u32 i)
{
	const struct key *k = &keys[i];
	struct walk w = { 0 };
	enum step step;

	build(mode, P | W | U, k->leaf);
	m->cpu.cr4 |= X86_CR4_PKE;
	m->cpu.fpu.pkru = k->pkru;
	set_controls(k->on);
	step = mmu_walk(&m->cpu, LIN, k->access, k->class, true, &w);
	if ((step == STEP_NEXT) != (k->error == OK) ||
	    (step == STEP_FAULT && w.error != k->error))
		fail_msg("%s, row %u: step %d, error %#x, expected %#x",
			 mode_name[mode], i, step, w.error, k->error);
}

static void protection_keys(void **state)
{
	for (u32 i = 0; i < ARRAY_SIZE(keys); i++)
		for (enum mode mode = LONG_4K; mode <= LONG_1G; mode++)
			check_key(mode, i);
}

static void keys_need_pke_and_long_mode(void **state)
{
	struct walk w;

	build(LONG_4K, P | W | U, P | W | U | KEY);
	m->cpu.fpu.pkru = ~0u;
	assert_int_equal(mmu_walk(&m->cpu, LIN, WR, USER, true, &w), STEP_NEXT);
	build(PAE_2M, P | W | U, P | W | U);
	m->cpu.cr4 |= X86_CR4_PKE;
	mode_changed();
	assert_int_equal(mmu_walk(&m->cpu, LIN, WR, USER, true, &w), STEP_NEXT);
}

/* -- Reserved bits ------------------------------------------------------------------ */

static const struct reserved {
	enum mode mode;
	bool leaf;		/* else the entries above */
	u8 bit;
	bool reserved;
} reserved[] = {
	{ PAGING32_4M,	true,	20,	false },	/* address bit 39 */
	{ PAGING32_4M,	true,	21,	true },
	{ PAE_4K,	true,	39,	false },
	{ PAE_4K,	true,	40,	true },
	{ PAE_4K,	true,	62,	true },
	{ PAE_4K,	false,	40,	true },
	{ PAE_4K,	false,	52,	true },
	{ PAE_2M,	true,	12,	false },	/* PAT */
	{ PAE_2M,	true,	13,	true },
	{ PAE_2M,	true,	20,	true },
	{ LONG_4K,	true,	7,	false },	/* PAT */
	{ LONG_4K,	true,	39,	false },
	{ LONG_4K,	true,	40,	true },
	{ LONG_4K,	true,	51,	true },
	{ LONG_4K,	true,	52,	false },	/* ignored */
	{ LONG_4K,	true,	62,	false },
	{ LONG_4K,	false,	51,	true },
	{ LONG_4K,	false,	7,	true },		/* PS in a PML4E */
	{ LONG_4K,	false,	62,	false },
	{ LONG_2M,	true,	12,	false },
	{ LONG_2M,	true,	13,	true },
	{ LONG_2M,	true,	20,	true },
	{ LONG_1G,	true,	13,	true },
	{ LONG_1G,	true,	29,	true },
	{ LONG_1G,	true,	45,	true },
};

static void reserved_bits(void **state)
{
	for (u32 i = 0; i < ARRAY_SIZE(reserved); i++) {
		const struct reserved *r = &reserved[i];
		u64 bit = 1ull << r->bit;
		struct walk w;
		enum step step;

		build(r->mode, P | W | U | (r->leaf ? 0 : bit),
		      P | W | U | (r->leaf ? bit : 0));
		step = mmu_walk(&m->cpu, LIN, ACCESS_WRITE, TLB_USER, true, &w);
		if ((step == STEP_FAULT) != r->reserved ||
		    (r->reserved && w.error != (PF_P | PF_RSVD | PF_U | PF_W)))
			fail_msg("row %u: %s bit %u: step %d, error %#x", i,
				 mode_name[r->mode], r->bit, step, w.error);
	}
}

static void gigabyte_pages_need_cpuid(void **state)
{
	struct walk w;

	build(LONG_1G, P | W, P | W);
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, KERNEL, true, &w), STEP_NEXT);
	assert_int_equal(w.page_size, 1ul << 30);
	m->no_gbpages = true;
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, KERNEL, true, &w), STEP_FAULT);
	assert_int_equal(w.error, PF_P | PF_RSVD);
}

static void without_pse_a_4m_entry_is_a_table(void **state)
{
	struct walk w;

	build(PAGING32_4K, P | W | U | PS, 0x5000 | P | W | U);
	m->cpu.cr4 &= ~X86_CR4_PSE;
	mode_changed();
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, USER, true, &w), STEP_NEXT);
	assert_int_equal(w.gpa, 0x5123);
}

static void pse36_reaches_above_4g(void **state)
{
	struct walk w;

	build(PAGING32_4M, 0, P | W | 1 << 13);
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, KERNEL, true, &w), STEP_NEXT);
	assert_int_equal(w.gpa, HIGH_GPA + LIN);
	assert_int_equal(w.page_size, 4ul << 20);
	m->cpu.maxphyaddr = 32;
	mode_changed();
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, KERNEL, true, &w), STEP_FAULT);
	assert_int_equal(w.error, PF_P | PF_RSVD);
}

/* KVM: a table that is not in a memory slot reads as not present. */
static void table_outside_memory(void **state)
{
	struct walk w;

	mode_long(MMIO_GPA);
	assert_int_equal(mmu_walk(&m->cpu, LIN, WR, USER, true, &w), STEP_FAULT);
	assert_int_equal(w.error, PF_W | PF_U);
}

/* -- PDPTEs --------------------------------------------------------------------------- */

static void pdptes_are_registers(void **state)
{
	struct walk w;

	build(PAE_4K, P | W | U, P | W | U);
	set64(T(0), 0);
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, USER, true, &w), STEP_NEXT);
	assert_int_equal(mmu_load_pdptes(&m->cpu, T(0)), STEP_NEXT);
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, USER, true, &w), STEP_FAULT);
	assert_int_equal(w.error, PF_U);
}

static void pdptes_with_reserved_bits_fault_at_load(void **state)
{
	static const u8 bits[] = { 1, 2, 5, 6, 7, 8, 40, 63 };

	build(PAE_4K, P, P);
	for (u32 i = 0; i < ARRAY_SIZE(bits); i++) {
		set64(T(0) + 24, P | 1ull << bits[i]);
		assert_exception(mmu_load_pdptes(&m->cpu, T(0)), EXC_GP, 0);
		set64(T(0) + 24, 1ull << bits[i]);	/* not present: ignored */
		assert_int_equal(mmu_load_pdptes(&m->cpu, T(0)), STEP_NEXT);
	}
	assert_exception(mmu_load_pdptes(&m->cpu, MMIO_GPA), EXC_GP, 0);
}

/* -- Accessed and dirty -------------------------------------------------------------------- */

static void read_sets_accessed(void **state)
{
	for (enum mode mode = 0; mode < NR_MODES; mode++) {
		gpa_t leaf = build(mode, P | W | U, P | W | U);
		struct walk w;

		assert_int_equal(mmu_walk(&m->cpu, LIN, RD, USER, true, &w), STEP_NEXT);
		assert_int_equal(pte32(leaf) & (A | D), A);
		assert_false(w.dirty);
		if (leaf != T(0) && mode != PAE_2M && mode != PAE_4K)
			assert_int_equal(pte32(T(0)) & (A | D), A);
	}
}

static void write_sets_dirty_in_the_leaf_only(void **state)
{
	for (enum mode mode = 0; mode < NR_MODES; mode++) {
		gpa_t leaf = build(mode, P | W | U, P | W | U);
		struct walk w;

		assert_int_equal(mmu_walk(&m->cpu, LIN, WR, USER, true, &w), STEP_NEXT);
		assert_int_equal(pte32(leaf) & (A | D), A | D);
		assert_true(w.dirty);
		if (leaf != T(0) && mode != PAE_2M && mode != PAE_4K)
			assert_int_equal(pte32(T(0)) & (A | D), A);
	}
}

static void no_flags_without_access(void **state)
{
	gpa_t leaf = build(LONG_4K, P | W | U, P | U);
	struct walk w;

	assert_int_equal(mmu_walk(&m->cpu, LIN, WR, USER, true, &w), STEP_FAULT);
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, USER, false, &w), STEP_NEXT);
	assert_int_equal(pte64(leaf) & (A | D), 0);
	assert_int_equal(pte64(T(0)) & (A | D), 0);
}

/* Tables in a read-only slot are used, but stay as they are. */
static void tables_in_rom_keep_their_flags(void **state)
{
	u64 e = LOGGED_GPA | P | W, pde = (ROM_GPA + PAGE_SIZE) | P | W, pml4e;
	struct walk w;

	memcpy(m->rom, &pde, 8);			/* PDPT */
	pde = (ROM_GPA + 2 * PAGE_SIZE) | P | W;
	memcpy(m->rom + PAGE_SIZE, &pde, 8);		/* page directory */
	memcpy(m->rom + 2 * PAGE_SIZE, &e, 8);		/* page table */
	pml4e = ROM_GPA | P | W;
	set64(T(0), pml4e);
	mode_long(T(0));
	assert_int_equal(mmu_walk(&m->cpu, LIN, WR, KERNEL, true, &w), STEP_NEXT);
	assert_int_equal(w.gpa, LOGGED_GPA + LIN);
	assert_int_equal(pte64(T(0)), pml4e | A);
	assert_memory_equal(m->rom + 2 * PAGE_SIZE, &e, 8);
}

/* A table page whose flags are set is dirty for the log. */
static void flags_dirty_the_table_page(void **state)
{
	u64 e = 0x5000 | P | W;
	struct walk w;

	memcpy(m->logged + 3 * PAGE_SIZE, &e, 8);
	build(LONG_4K, P | W, 0);
	set64(T(2), (LOGGED_GPA + 3 * PAGE_SIZE) | P | W);
	assert_int_equal(mmu_walk(&m->cpu, LIN, RD, KERNEL, true, &w), STEP_NEXT);
	assert_int_equal(m->dirty, BIT_ULL(3));
}

/*
 * Another CPU changes the entry between the walk and the setting of its flags.
 * Marking the table's page dirty comes just before: that is where it strikes.
 */
static u64 new_entry;

static void change_entry(void)
{
	m->on_dirty = NULL;
	memcpy(m->logged, &new_entry, 8);
}

static enum step walk_with_race(u64 before, u64 after, struct walk *w)
{
	memcpy(m->logged, &before, 8);
	new_entry = after;
	build(LONG_4K, P | W | U, 0);
	set64(T(2), LOGGED_GPA | P | W | U);
	m->on_dirty = change_entry;
	return mmu_walk(&m->cpu, LIN, WR, KERNEL, true, w);
}

static void changed_entry_is_walked_again(void **state)
{
	u64 e = 0x7000 | P;
	struct walk w;

	/* Write-protected meanwhile: D must not appear. */
	assert_int_equal(walk_with_race(0x7000 | P | W, e, &w), STEP_FAULT);
	assert_int_equal(w.error, PF_P | PF_W);
	assert_memory_equal(m->logged, &e, 8);
	/* Moved to another frame. */
	assert_int_equal(walk_with_race(0x7000 | P | W, 0x8000 | P | W, &w), STEP_NEXT);
	assert_int_equal(w.gpa, 0x8000 + LIN);
	e = 0x8000 | P | W | A | D;
	assert_memory_equal(m->logged, &e, 8);
	/* Unmapped. */
	assert_int_equal(walk_with_race(0x7000 | P | W, 0, &w), STEP_FAULT);
	assert_int_equal(w.error, PF_W);
	e = 0;
	assert_memory_equal(m->logged, &e, 8);
}

/* -- mmu_translate ------------------------------------------------------------------------- */

static void translate_ignores_rights_and_changes_nothing(void **state)
{
	gpa_t gpa = 0, leaf = build(LONG_4K, P, 0x7000 | P | NX);

	assert_true(mmu_translate(&m->cpu, LIN, &gpa));
	assert_int_equal(gpa, 0x7123);
	assert_int_equal(pte64(leaf) & (A | D), 0);
	assert_false(mmu_translate(&m->cpu, LIN + PAGE_SIZE, &gpa));
	assert_false(mmu_translate(&m->cpu, 0x800000000000ull, &gpa));
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rights_of_the_leaf),
		TEST(rights_of_upper_levels),
		TEST(no_paging_permits_all),
		TEST(protection_keys),
		TEST(keys_need_pke_and_long_mode),
		TEST(reserved_bits),
		TEST(gigabyte_pages_need_cpuid),
		TEST(without_pse_a_4m_entry_is_a_table),
		TEST(pse36_reaches_above_4g),
		TEST(table_outside_memory),
		TEST(pdptes_are_registers),
		TEST(pdptes_with_reserved_bits_fault_at_load),
		TEST(read_sets_accessed),
		TEST(write_sets_dirty_in_the_leaf_only),
		TEST(no_flags_without_access),
		TEST(tables_in_rom_keep_their_flags),
		TEST(flags_dirty_the_table_page),
		TEST(changed_entry_is_walked_again),
		TEST(translate_ignores_rights_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
