/* SPDX-License-Identifier: MIT */
/*
 * Segments: Linux's GDT as user mode finds it, and an LDT that the host's
 * kernel makes and the guest gets a copy of.
 */
#include "silicon.h"

#include <asm/ldt.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HAS_FSGSBASE = 2 };	/* of AT_HWCAP2 */
enum { MODIFY_LDT_READ = 0, MODIFY_LDT_WRITE = 0x11 };

/* 64 KiB from here lead to all of the data. */
#define SEGMENT_BASE	(DATA - 0x4000)

u64 gdt[GDT_SLOTS] = {
	[KERNEL32_CS / 8] = 0x00cf9b000000ffff,
	[KERNEL_CS / 8] = 0x00af9b000000ffff,
	[KERNEL_DS / 8] = 0x00cf93000000ffff,
	[USER32_CS / 8] = 0x00cffb000000ffff,
	[USER_DS / 8] = 0x00cff3000000ffff,
	[USER_CS / 8] = 0x00affb000000ffff,
	[CPU_NUMBER / 8] = 0x0040f50000000000,
};
u64 ldt[LDT_SLOTS];
bool segments_available;

enum row {
	/* At SEGMENT_BASE. */
	STACK16, DATA32, CUT, DOWN16, DOWN32, READ_ONLY_DATA, PAGES, ACROSS, WHOLE,
	/* At 0. */
	FLAT, FLAT_DOWN, FLAT_CUT,
	/* At CODE. */
	CODE16_READ, CODE16_ONLY, CODE16_CUT, CODE32_READ, CODE32_ONLY, CODE32_CUT,
	/* Neither. */
	ODD, ABSENT_DATA, ABSENT_CODE, CONFORMING, NR_ROWS
};

enum { DATA_UP, DATA_DOWN, CODE_ALONE, CODE_ANY };	/* user_desc.contents */

static const struct user_desc rows[NR_ROWS] = {
#define ROW(name, base, lim, type, big, pages, ro, gone)				\
	[name] = { .entry_number = name, .base_addr = base, .limit = lim,		\
		   .contents = type, .seg_32bit = big, .limit_in_pages = pages,		\
		   .read_exec_only = ro, .seg_not_present = gone },
	ROW(STACK16, SEGMENT_BASE, 0xffff, DATA_UP, 0, 0, 0, 0)
	ROW(DATA32, SEGMENT_BASE, 0xffff, DATA_UP, 1, 0, 0, 0)
	ROW(CUT, SEGMENT_BASE, 0x64f7, DATA_UP, 1, 0, 0, 0)
	ROW(DOWN16, SEGMENT_BASE, 0x5403, DATA_DOWN, 0, 0, 0, 0)
	ROW(DOWN32, SEGMENT_BASE, 0x57ff, DATA_DOWN, 1, 0, 0, 0)
	ROW(READ_ONLY_DATA, SEGMENT_BASE, 0xffff, DATA_UP, 1, 0, 1, 0)
	ROW(PAGES, SEGMENT_BASE, 6, DATA_UP, 0, 1, 0, 0)
	ROW(ACROSS, SEGMENT_BASE + 0x13, 0xffffe, DATA_UP, 1, 1, 0, 0)
	ROW(WHOLE, SEGMENT_BASE + 0x13, 0xfffff, DATA_UP, 1, 1, 0, 0)
	ROW(FLAT, 0, 0xfffff, DATA_UP, 0, 1, 0, 0)
	ROW(FLAT_DOWN, 0, 0x20021, DATA_DOWN, 1, 1, 0, 0)
	ROW(FLAT_CUT, 0, 0x20021, DATA_UP, 1, 1, 0, 0)
	ROW(CODE16_READ, CODE, 0xffff, CODE_ALONE, 0, 0, 0, 0)
	ROW(CODE16_ONLY, CODE, 1, CODE_ALONE, 0, 1, 1, 0)
	ROW(CODE16_CUT, CODE, 0x1ff0, CODE_ALONE, 0, 0, 0, 0)
	ROW(CODE32_READ, CODE, 0xfffff, CODE_ALONE, 1, 1, 0, 0)
	ROW(CODE32_ONLY, CODE, 0xffff, CODE_ALONE, 1, 0, 1, 0)
	ROW(CODE32_CUT, CODE, 0x1ff0, CODE_ALONE, 1, 0, 0, 0)
	ROW(ODD, 0xfffff7f1, 0x7ffff, DATA_UP, 1, 1, 0, 0)
	ROW(ABSENT_DATA, SEGMENT_BASE, 0xffff, DATA_UP, 1, 0, 0, 1)
	ROW(ABSENT_CODE, CODE, 0xffff, CODE_ALONE, 1, 0, 0, 1)
	/* Linux has these for being absent only. */
	ROW(CONFORMING, CODE, 0xffff, CODE_ANY, 1, 0, 1, 1)
};

bool segments_create(void)
{
	struct user_desc d;

	if (!(getauxval(AT_HWCAP2) & HAS_FSGSBASE))
		return false;
	for (u32 i = 0; i < NR_ROWS; i++) {
		d = rows[i];
		if (syscall(SYS_modify_ldt, MODIFY_LDT_WRITE, &d, sizeof(d)))
			return false;
	}
	segments_available = syscall(SYS_modify_ldt, MODIFY_LDT_READ, ldt, sizeof(ldt)) > 0;
	return segments_available;
}

void segments_follow_cpu(void)
{
	u64 limit = 0;

	asm("lsl %1, %0" : "+r"(limit) : "r"((u64)CPU_NUMBER | 3));
	gdt[CPU_NUMBER / 8] = 0x0040f50000000000 | limit;
}

/* -- Descriptors (SDM vol. 3A 3.4.5) ----------------------------------------------------- */

u64 descriptor_of(u16 sel)
{
	u32 i = sel >> 3;

	if (sel & 4)
		return i < LDT_SLOTS ? ldt[i] : 0;
	return i < GDT_SLOTS ? gdt[i] : 0;
}

u64 segment_base(u16 sel)
{
	u64 d = descriptor_of(sel);

	return (d >> 16 & 0xffffff) | (d >> 56) << 24;
}

u32 segment_limit(u16 sel)
{
	u64 d = descriptor_of(sel);
	u32 limit = (d & 0xffff) | (d >> 32 & 0xf0000);

	return d >> 55 & 1 ? limit << 12 | 0xfff : limit;
}

bool segment_is_big(u16 sel)
{
	return descriptor_of(sel) >> 54 & 1;
}

bool segment_is_code(u16 sel, enum code code)
{
	u64 d = descriptor_of(sel);
	enum code is = d >> 53 & 1 ? CODE64 : d >> 54 & 1 ? CODE32 : CODE16;
	bool present_user_code = (d >> 43 & 0x1f) == 0x1f;	/* P, DPL 3, S, code */

	return present_user_code && is == code;
}

/* -- Choosing ------------------------------------------------------------------------------- */

static u16 selector(enum row r)
{
	return r << 3 | 7;
}

static u16 one_of(const u8 *list, u32 n)
{
	return selector(list[below(n)]);
}

static u16 code_for(enum code code)
{
	static const u8 code16[] = { CODE16_READ, CODE16_READ, CODE16_ONLY, CODE16_CUT };
	static const u8 code32[] = { CODE32_READ, CODE32_ONLY, CODE32_CUT };

	if (code == CODE64)
		return USER_CS;
	if (code == CODE16)
		return one_of(code16, COUNT(code16));
	return segments_available && below(3) == 0 ? one_of(code32, COUNT(code32)) : USER32_CS;
}

static const u8 data_rows[] = { STACK16, STACK16, DATA32, DATA32, DATA32, CUT, DOWN16, DOWN32,
				PAGES, ACROSS };

static void segmented(struct state *s)
{
	s->sel[SS] = one_of(data_rows, COUNT(data_rows));
	s->sel[DS] = below(8) ? one_of(data_rows, COUNT(data_rows)) : selector(READ_ONLY_DATA);
	s->sel[ES] = below(8) ? one_of(data_rows, COUNT(data_rows)) : selector(READ_ONLY_DATA);
	s->sel[FS] = below(4) ? one_of(data_rows, COUNT(data_rows)) : selector(ODD);
	s->sel[GS] = below(4) ? one_of(data_rows, COUNT(data_rows)) : 0;
}

static void flat(struct state *s)
{
	static const u8 list[] = { FLAT, FLAT_DOWN, FLAT_CUT };

	s->sel[SS] = s->sel[DS] = s->sel[ES] = s->sel[FS] = s->sel[GS] = USER_DS;
	if (!segments_available)
		return;
	if (below(2)) {
		s->sel[FS] = selector(below(4) ? WHOLE : ODD);
		s->sel[GS] = below(4) ? selector(WHOLE) : 0;
		return;
	}
	s->sel[SS] = below(2) ? USER_DS : one_of(list, COUNT(list));
	s->sel[DS] = one_of(list, COUNT(list));
	s->sel[ES] = one_of(list, COUNT(list));
	s->sel[FS] = below(2) ? selector(ODD) : selector(CODE32_READ);
	s->sel[GS] = below(2) ? one_of(data_rows, COUNT(data_rows)) : 0;
}

/* Often one with which a pointer still is one. */
static u64 random_base(void)
{
	switch (below(6)) {
	case 0: return DATA + 2 * PAGE + below(64) - 32;
	case 1: return (u64)(s32)rnd();
	case 2: return (u64)((s64)rnd() >> 16);	/* canonical */
	default: return (u64)below(256) - 128;
	}
}

void segments_generate(struct state *s, enum code code)
{
	s->sel[CS] = code_for(code);
	s->fs_base = s->gs_base = 0;
	if (code == CODE16 || (code == CODE32 && segments_available && below(3) == 0))
		segmented(s);
	else
		flat(s);
	if (code == CODE64) {
		s->sel[SS] = s->sel[DS] = s->sel[ES] = USER_DS;
		s->sel[FS] = s->sel[GS] = 0;
		s->fs_base = segments_available ? random_base() : 0;
		s->gs_base = segments_available ? random_base() : 0;
		return;
	}
	s->fs_base = segment_base(s->sel[FS]);
	s->gs_base = segment_base(s->sel[GS]);
}

u16 any_selector(void)
{
	switch (below(16)) {
	case 0: return below(4);
	case 1: return 8 * below(GDT_SLOTS) | below(4);
	case 2: return 8 * below(LDT_SLOTS) | 4 | below(4);
	case 3: return (u16)rnd();
	case 4: return below(2) ? USER_CS : USER32_CS;
	case 5: case 6: return USER_DS;
	default: return selector(below(NR_ROWS));
	}
}

u16 any_code_selector(void)
{
	switch (below(8)) {
	case 0: return any_selector();
	case 1: case 2: return USER_CS;
	case 3: return USER32_CS;
	default: return selector(CODE16_READ + below(CODE32_CUT - CODE16_READ + 1));
	}
}

u16 any_data_selector(void)
{
	switch (below(8)) {
	case 0: return any_selector();
	case 1: case 2: return USER_DS;
	default: return selector(below(FLAT_CUT + 1));
	}
}
