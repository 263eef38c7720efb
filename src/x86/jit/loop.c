/* SPDX-License-Identifier: MIT */
/*
 * Loops that are one block: it ends in a conditional branch to its beginning.
 * The body is translated several times in a row, with the branch turned round,
 * so that windows, and one look for requests, serve several rounds.
 */
#include "x86/jit/debug.h"
#include "x86/jit/trans.h"
#include "x86/mmu/internal.h"

enum { MAX_COPIES = 8 };

static bool is_jcc(const ZydisDecodedInstruction *zi)
{
	return zi->opcode_map == ZYDIS_OPCODE_MAP_0F ? (zi->opcode & 0xf0) == 0x80 :
	       zi->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (zi->opcode & 0xf0) == 0x70;
}

/* Does instruction @i go back to the block's beginning? */
static bool goes_back(const struct trans *t, u32 i)
{
	const struct insn *in = &t->block->insn[i];
	u64 begin = t->c->rip, rip = begin + in->end - in->len;

	return is_jcc(&t->decoded[i].zi) && in->osz == word_size(t) &&
	       cut_rip(t, rip + in->imm) == begin && is_canonical(begin);
}

void loop_find(struct trans *t)
{
	u32 count = 0;

	for (u32 i = 0; i < t->count && t->decoded[i].known; i++)
		if (goes_back(t, i))
			count = i + 1;
	if (!count)
		return;
	t->count = count;
	t->copies = MIN(LOOP_MAX_INSNS / count, MAX_COPIES);
}

/*
 * Back to the first copy.  The engines are compared where code leaves for
 * another block: it does here.
 */
static void go_back(struct trans *t)
{
	t->ended = true;
	flags_park(t);
	x87_settle(t);
	if (jit_debug & JIT_LOCKSTEP) {
		edge_emit(t, t->tu->rip);
		return;
	}
	poll_emit(t, t->tu->rip);
	jmp_to(&t->k, t->tu->entry + t->k.exec_delta);
}

bool loop_branch(struct trans *t)
{
	u64 target = cut_rip(t, t->rip + t->in->len);
	struct cold *cold;

	flags_load(t);
	cold = cold_add(t, COLD_EXIT, jcc_later(&t->k, (t->zi.opcode & 15) ^ 1));
	cold->target = target;
	cold->flags = t->flags;
	if (t->pos + 1 == t->count * t->copies)
		go_back(t);
	return true;
}
