/* SPDX-License-Identifier: MIT */
/*
 * The memory behind a slot has gone, and translated code has touched it.  What
 * an instruction changes it changes after its access: the interpreter can do
 * it instead.  It faults, too, but with the guest's registers in struct cpu.
 */
#include <ucontext.h>

#include "x86/jit/rescue.h"

static bool holds(const struct jit *j, const struct tu *tu, const u8 *pc)
{
	const u8 *entry = exec_of(j, tu->entry);

	return pc >= entry && pc < entry + tu->insn[tu->count].start;
}

/* All are looked through, the dead ones too: this is rare. */
static const struct tu *tu_at(const struct jit *j, const u8 *pc)
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

bool rescue_resume(void *arg, void *ucontext)
{
	greg_t *rip = &((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];
	const struct jit *j = ((struct cpu *)arg)->jit;
	const struct tu *tu = tu_at(j, (const u8 *)*rip);
	const u8 *punt = tu ? punt_at(j, tu, (const u8 *)*rip) : NULL;

	if (!punt)
		return false;
	*rip = (greg_t)punt;
	return true;
}
