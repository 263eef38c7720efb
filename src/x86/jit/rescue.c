/* SPDX-License-Identifier: MIT */
/*
 * The memory behind a slot has gone, and translated code has touched it.  What
 * an instruction changes it changes after its access: the interpreter can do
 * it instead.  It faults, too, but with the guest's registers in struct cpu.
 * The same goes for page tables that are walked to fill the TLB, and for what an
 * operand is not aligned for: the host's #GP comes before any change, too.
 */
#include <ucontext.h>

#include "x86/jit/rescue.h"

static bool holds(const struct jit *j, const struct tu *tu, const u8 *pc)
{
	const u8 *entry = exec_of(j, tu->entry);

	return pc >= entry && pc < entry + tu->insn[tu_insns(tu)].start;
}

/* All are looked through, the dead ones too: this is rare. */
static const struct tu *tu_around(const struct jit *j, const u8 *pc)
{
	const struct tu *tu = j->made;

	while (tu && !holds(j, tu, pc))
		tu = tu->made_before;
	return tu;
}

/* The way to the interpreter of the instruction that @pc is in; NULL: none. */
static const u8 *punt_at(const struct jit *j, const struct tu *tu, const u8 *pc)
{
	u32 off = pc - exec_of(j, tu->entry), i = 0;

	while (tu->insn[i + 1].start <= off)
		i++;
	return tu->insn[i].punt ? exec_of(j, tu->entry) + tu->insn[i].punt : NULL;
}

/* The stack frames of the function that filled are gone. */
static void abandon_frames(void)
{
#ifdef __SANITIZE_ADDRESS__
	extern void __asan_handle_no_return(void);

	__asan_handle_no_return();
#endif
}

/* jit_fill_read() and its like: as if they had returned 0. */
static void resume_unfilled(const struct cpu *c, greg_t *gregs)
{
	abandon_frames();
	gregs[REG_RIP] = (greg_t)c->jit->unfilled;
	gregs[REG_RSP] = (greg_t)c->jit->fill_rsp;
	gregs[REG_R15] = (greg_t)((u8 *)c + STATE_BIAS);
	gregs[REG_RAX] = 0;
}

static bool resume_at_punt(const struct jit *j, greg_t *rip)
{
	const struct tu *tu = tu_around(j, (const u8 *)*rip);
	const u8 *punt = tu ? punt_at(j, tu, (const u8 *)*rip) : NULL;

	if (!punt)
		return false;
	*rip = (greg_t)punt;
	return true;
}

bool rescue_resume(void *arg, void *ucontext)
{
	greg_t *gregs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	const struct jit *j = ((struct cpu *)arg)->jit;

	if (!j->fill_rsp)
		return resume_at_punt(j, &gregs[REG_RIP]);
	resume_unfilled(arg, gregs);
	return true;
}
