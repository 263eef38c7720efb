/* SPDX-License-Identifier: MIT */
/*
 * What segment loads, far transfers, exceptions and task switches share:
 * selectors, descriptors, and a stack that is written before it is current.
 */
#ifndef ANYKVM_X86_CPU_PROTECT_H
#define ANYKVM_X86_CPU_PROTECT_H

#include "x86/cpu/cpu.h"
#include "x86/cpu/features.h"

/* -- Selectors and error codes (SDM vol. 3A 3.4.2, 6.13) --------------------- */

enum { ERR_EXT = 1, ERR_IDT = 2 };

static inline bool sel_is_null(u16 sel)		{ return !(sel & 0xfffc); }
static inline u8 sel_rpl(u16 sel)		{ return sel & 3; }
static inline bool sel_is_local(u16 sel)	{ return sel & 4; }
static inline u32 sel_error(u16 sel, u32 ext)	{ return (sel & 0xfffc) | ext; }

/* -- Descriptors (SDM vol. 3A 3.4.5, 3.5) -------------------------------------- */

struct desc {
	u64 lin;	/* of the descriptor */
	u64 base;
	u32 limit, attr;
	u32 lo, hi;	/* as read */
};

/* System types, S = 0 (SDM vol. 3A table 3-2). */
enum desc_type {
	DESC_TSS16 = 1, DESC_LDT = 2, DESC_TSS16_BUSY = 3, DESC_CALL16 = 4,
	DESC_TASK_GATE = 5, DESC_INT16 = 6, DESC_TRAP16 = 7, DESC_TSS = 9,
	DESC_TSS_BUSY = 11, DESC_CALL = 12, DESC_INT = 14, DESC_TRAP = 15,
	DESC_NOT_SYSTEM = 0,	/* reserved, as type 0 is */
};
enum { DESC_BUSY = 2, DESC_386 = 8 };

static inline u8 attr_dpl(u32 attr)
{
	return (attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
}

static inline bool attr_is_code(u32 attr)
{
	const u32 code = SEG_ATTR_S | SEG_ATTR_TYPE_CODE;

	return (attr & code) == code;
}

static inline bool attr_is_conforming(u32 attr)
{
	return attr_is_code(attr) && (attr & SEG_ATTR_TYPE_C);
}

static inline bool attr_is_stack(u32 attr)	/* writable data */
{
	const u32 m = SEG_ATTR_S | SEG_ATTR_TYPE_CODE | SEG_ATTR_TYPE_W;

	return (attr & m) == (SEG_ATTR_S | SEG_ATTR_TYPE_W);
}

static inline bool attr_is_readable(u32 attr)	/* data or readable code */
{
	return (attr & SEG_ATTR_S) &&
	       (!(attr & SEG_ATTR_TYPE_CODE) || (attr & SEG_ATTR_TYPE_R));
}

static inline enum desc_type attr_system_type(u32 attr)
{
	return attr & SEG_ATTR_S ? DESC_NOT_SYSTEM :
				   (enum desc_type)(attr & SEG_ATTR_TYPE);
}

/* Reads a descriptor; outside its table: exception @vec with the selector. */
enum step desc_read(struct cpu *c, u16 sel, u8 vec, u32 ext, struct desc *d);
/* The second half of a 16-byte one (SDM vol. 3A 3.5.2): its high base bits. */
enum step desc_read_upper(struct cpu *c, u16 sel, u8 vec, u32 ext,
			  struct desc *d, u32 *upper);
/* Sets type bits in memory: accessed, busy. */
enum step desc_set_type(struct cpu *c, struct desc *d, u32 bits);
enum step desc_clear_busy(struct cpu *c, u16 sel);
static inline enum step desc_set_accessed(struct cpu *c, struct desc *d)
{
	return d->attr & SEG_ATTR_TYPE_A ? STEP_NEXT :
	       desc_set_type(c, d, SEG_ATTR_TYPE_A);
}

/* -- Segment registers ----------------------------------------------------------- */

void seg_from_desc(struct segment *s, u16 sel, const struct desc *d);
void seg_set_flat(struct segment *s, u16 sel, u32 attr);
/* Null: unusable.  The DPL stays meaningful in SS (SDM vol. 3C 26.3.1.2). */
void seg_set_null(struct segment *s, u16 sel, u8 dpl);
/* VM86: every segment is a 64 KiB read-write one at DPL 3. */
void seg_set_vm86(struct segment *s, u16 sel);
/*
 * ES, FS, GS, DS that the new, lower privilege may not have are made null.
 * Intel: base and limit stay, which 64-bit code sees in FS and GS.
 */
void seg_drop_privileged(struct cpu *c);

/*
 * SS for privilege level @cpl, checked; from the TSS (@vec #TS) or a return
 * to an outer level (@vec #GP).  In @seg, nothing is loaded yet.
 */
enum step seg_check_stack(struct cpu *c, u16 sel, u8 cpl, u8 vec, u32 ext,
			  struct segment *seg);

/* A data segment (ES, DS, FS, GS) checked into @seg at privilege @cpl. */
enum step seg_check_data(struct cpu *c, u16 sel, u8 cpl, u8 vec, u32 ext,
			 struct segment *seg);

/* Limit check alone, any segment; false if it fails. */
bool seg_within_limit(const struct segment *s, u32 off, u32 size);

/* -- A stack being filled or emptied ------------------------------------------------- */

struct stack {
	struct segment ss;
	u64 sp;
	u8 width;	/* of the stack pointer: 2, 4, 8 */
	u8 cpl;		/* of the accesses */
	u32 error;	/* of #SS if it overflows */
};

/* The stack in use, as a copy. */
void stack_current(const struct cpu *c, struct stack *s, u32 error);
/* A new one: of legacy width, by its segment. */
void stack_new(struct stack *s, const struct segment *ss, u64 sp, u8 cpl, u32 error);
enum step stack_put(struct cpu *c, struct stack *s, u64 v, u8 size);
enum step stack_take(struct cpu *c, struct stack *s, u64 *v, u8 size);
/* @n of them at once. */
enum step stack_take_frame(struct cpu *c, struct stack *s, u64 *words, u32 n, u8 size);
/* As wide as that of code of @code64 with this SS. */
void stack_for_target(struct stack *s, bool code64);
void stack_add(struct stack *s, u64 n);

/* Writes with the privilege of @cpl: an IDT frame or a call gate's. */
enum step frame_write(struct cpu *c, u8 cpl, u64 lin, const void *buf, u32 n);

/* -- Task state segment (SDM vol. 3A 7.2.1, 7.7) ----------------------------------- */

/* SS:ESP for @cpl (legacy); RSP for @cpl or IST (long mode). */
enum step tss_stack(struct cpu *c, u8 cpl, u32 ext, u16 *ss, u32 *esp);
enum step tss_rsp(struct cpu *c, u8 cpl, u8 ist, u32 ext, u64 *rsp);

/* -- Far transfers ------------------------------------------------------------------- */

/* A code segment as the target of a transfer: where, and at what privilege. */
struct target {
	struct desc d;
	u16 sel;
	u8 cpl;
	u64 off;
};

/* Offset within limits or canonical, else #GP(ext). */
enum step target_check_offset(struct cpu *c, const struct target *t, u32 ext);
/* Loads CS:RIP.  The caller calls cpu_mode_changed(). */
void target_commit(struct cpu *c, const struct target *t);

/* A gate's target: rules of vectors and call gates (SDM vol. 3A 5.8.3, 6.12.1). */
enum step gate_target(struct cpu *c, u16 sel, u64 off, u32 ext, bool gate64,
		      bool jump, struct target *t);

struct task_switch {
	u16 selector;
	enum task_reason why;
	bool has_error;
	u32 error;
	u32 ext;
	u64 rip_next;
	u32 eflags;		/* TASK_GATE: to be saved, RF as the event wants it */
};
enum step task_switch(struct cpu *c, const struct task_switch *ts);

/* INT1: as cpu_soft_int(EXC_DB), but no DPL check, and EXT is set. */
enum step cpu_icebp(struct cpu *c, u64 rip_next);

static inline bool cpu_amd_like(const struct cpu *c)
{
	return c->features && c->features->amd_like;
}

#endif
