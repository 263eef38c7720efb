/* SPDX-License-Identifier: MIT */
/* A block of decoded instructions becomes host code. */
#include "x86/cpu/translator.h"
#include "x86/decode/decode.h"
#include "x86/jit/debug.h"
#include "x86/jit/trans.h"

enum {
	EDGE_SIZE = 22,		/* cmp dword [r15 + d32], imm32; jne stub; jmp target */
};

struct cold *cold_add(struct trans *t, enum cold_kind kind, u8 *at)
{
	struct cold *cold = &t->cold[t->nr_cold++];

	memset(cold, 0, sizeof(*cold));
	cold->kind = kind;
	cold->at = at;
	return cold;
}

struct cold *cold_if(struct trans *t, enum cold_kind kind, enum cc cc)
{
	struct cold *cold = cold_add(t, kind, jcc_later(&t->k, cc));

	cold->in = t->in;
	cold->target = t->rip;
	if (t->flags == FLAGS_HOST || t->flags == FLAGS_RECIPE)
		cold->recipe = t->recipe;
	return cold;
}

void punt_if(struct trans *t, enum cc cc)
{
	cold_if(t, COLD_PUNT, cc);
}

void miss_if(struct trans *t, enum cc cc, const u8 *check, u8 lin, bool write)
{
	struct cold *cold = cold_if(t, COLD_PUNT, cc);

	cold->check = check;
	cold->lin = lin;
	cold->write = write;
}

void edge_emit(struct trans *t, u64 target)
{
	struct edge *e = &t->j->edges[t->j->nr_edges];
	struct cold *cold;

	*e = (struct edge){ .target = target, .from = t->tu, .site = t->k.p };
	cold = cold_add(t, COLD_STUB, jmp_later(&t->k));
	cold->edge = t->j->nr_edges++;
	while (t->k.p < e->site + EDGE_SIZE)
		put8(&t->k, 0xcc);
}

/* One comparison: a request makes the limit higher than any stack. */
void poll_emit(struct trans *t, u64 target)
{
	struct cold *cold;

	put_op(&t->k, true, 0x3b, RSP, CPU_FIELD(jit_limit));
	cold = cold_add(t, COLD_EVENT, jcc_later(&t->k, CC_B));
	cold->target = target;
}

/* -- Behind the main line ----------------------------------------------------------- */

static void put_punt(struct trans *t, const struct insn *in, u64 rip, u32 slow)
{
	mov_imm(&t->k, RAX, rip);
	mov_imm(&t->k, R_B, (u64)in | slow);
	call_to(&t->k, t->j->punt);
}

/* If they are parked already, there is no recipe. */
static void park_by(struct trans *t, const struct recipe *r)
{
	if (!r->len)
		return;
	t->recipe = *r;
	t->flags = FLAGS_RECIPE;
	flags_park(t);
}

/* RAX stays as it is if the register with the address is that. */
static void put_fill(struct trans *t, const struct cold *cold)
{
	if (cold->lin != RAX)
		mov_rr(&t->k, RAX, cold->lin);
	call_to(&t->k, t->j->fill[cold->write]);
	jcc_to(&t->k, CC_NE, cold->check + t->k.exec_delta);
}

static void cold_punt(struct trans *t, const struct cold *cold, bool vec_matters)
{
	if (cold->check)
		put_fill(t, cold);
	t->tu->insn[cold->in - t->block->insn].punt = t->k.p - t->tu->entry;
	if (cold->kind == COLD_STRING)
		string_leave(&t->k, cold->source);
	park_by(t, &cold->recipe);
	put_punt(t, cold->in, cold->target, PUNT_SLOW_BIT);
	if (vec_matters)
		vec_load(t, cold->vec, cold->target + cold->in->len);
	t->flags = FLAGS_PARKED;
	if (cold->flags == FLAGS_HOST || cold->flags == FLAGS_BOTH)
		flags_load(t);
	jmp_to(&t->k, cold->resume + t->k.exec_delta);
}

static void cold_taken(struct trans *t, const struct cold *cold)
{
	t->flags = cold->flags;
	t->recipe.len = 0;
	flags_park(t);
	if (cold->in && cold->target <= t->tu->rip + cold->in->end)
		poll_emit(t, cold->target);
	edge_emit(t, cold->target);
}

static void cold_event(struct trans *t, const struct cold *cold)
{
	mov_imm(&t->k, RAX, cold->target);
	jmp_to(&t->k, t->j->exit);
}

static void cold_stub(struct trans *t, const struct cold *cold)
{
	t->j->edges[cold->edge].stub = t->k.p;
	mov_imm(&t->k, R_B, cold->edge);
	jmp_to(&t->k, t->j->follow);
}

static void cold_vec(struct trans *t, const struct cold *cold)
{
	park_by(t, &cold->recipe);
	vec_load(t, cold->vec, cold->target);
	jmp_to(&t->k, cold->resume + t->k.exec_delta);
}

static void put_cold(struct trans *t)
{
	/* Each may add others. */
	for (u32 i = 0; i < t->nr_cold; i++) {
		struct cold cold = t->cold[i];

		if (cold.at)
			patch_here(&t->k, cold.at);
		switch (cold.kind) {
		case COLD_PUNT:
		case COLD_STRING:
			cold_punt(t, &cold, i < t->vec_relied);
			break;
		case COLD_TAKEN:
			cold_taken(t, &cold);
			break;
		case COLD_EVENT:
			cold_event(t, &cold);
			break;
		case COLD_STUB:
			cold_stub(t, &cold);
			break;
		case COLD_VEC:
			cold_vec(t, &cold);
			break;
		}
	}
}

/* -- Instructions --------------------------------------------------------------------- */

static void punt_all(struct trans *t)
{
	flags_park(t);
	put_punt(t, t->in, t->rip, 0);
	t->tu->punted |= BIT(t->in - t->block->insn);
	flags_clobbered(t);
	t->vec = 0;
}

/* The interpreter's way back joins behind the instruction. */
static void resolve_punts(struct trans *t)
{
	for (u32 i = t->punts_from; i < t->nr_cold; i++) {
		if ((t->cold[i].kind != COLD_PUNT && t->cold[i].kind != COLD_STRING) ||
		    t->cold[i].resume)
			continue;
		t->cold[i].resume = t->k.p;
		t->cold[i].flags = t->flags;
		t->cold[i].vec = t->vec;
	}
	t->punts_from = t->nr_cold;
}

static bool decode(struct trans *t)
{
	const ZydisDecoder *d = decode_decoder(t->block->code_size);

	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, t->bytes, t->in->len, &t->zi, t->ops));
}

/* x87, vector and general instructions of sets that run natively. */
static bool has_vectors(const struct trans *t)
{
	return decode_isa(&t->zi) == ISA_NATIVE;
}

/* The general registers that the instruction writes, hidden operands too. */
static u16 gprs_written(const struct trans *t)
{
	u16 mask = 0;

	for (int i = 0; i < t->zi.operand_count; i++) {
		const ZydisDecodedOperand *o = &t->ops[i];
		ZydisRegister r;

		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		r = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
						     o->reg.value);
		if (ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_GPR64)
			mask |= BIT(ZydisRegisterGetId(r));
	}
	return mask;
}

static bool known(struct trans *t)
{
	return decode(t) && t->zi.length == t->in->len &&
	       t->in->mnemonic == t->zi.mnemonic && t->in->op != op_ud;
}

static bool emit(struct trans *t)
{
	return insn_generic(t) || insn_special(t) || insn_branch(t) ||
	       insn_string(t) || insn_bits(t) || insn_state(t) ||
	       insn_vector(t) || insn_x87(t) || insn_system(t);
}

/* Only then the instruction under way may take the recipe's registers. */
static void keep_flags(struct trans *t)
{
	if (!insn_sets_flags(t) && !insn_ends_flags(t))
		flags_keep(t, gprs_written(t));
}

static void one_insn(struct trans *t)
{
	bool is_known = known(t);

	if (is_known)
		keep_flags(t);
	if (!is_known || !emit(t))
		punt_all(t);
	else if (unlikely(jit_debug & JIT_LOCKSTEP) && has_vectors(t))
		t->tu->vectors = true;
	if (is_known && !insn_sets_flags(t) && insn_ends_flags(t))
		flags_forget(t);
	resolve_punts(t);
}

static void put_block(struct trans *t)
{
	const struct block *b = t->block;
	const u8 *bytes = (const u8 *)b + b->bytes_off;

	for (u32 i = 0; i < b->count; i++) {
		t->in = &b->insn[i];
		t->bytes = bytes + t->in->end - t->in->len;
		t->rip = t->tu->rip + t->in->end - t->in->len;
		t->tu->insn[i] = (struct tu_insn){ .start = t->k.p - t->tu->entry };
		one_insn(t);
	}
	t->tu->insn[b->count].start = t->k.p - t->tu->entry;
	if (!t->ended) {
		flags_park(t);
		edge_emit(t, cut_rip(t, t->tu->rip + b->len));
	}
}

struct tu *translate(struct cpu *c, const struct block *b, struct code_page *p)
{
	struct jit *j = c->jit;
	struct trans t = {
		.k = { .p = j->rw + j->used, .exec_delta = j->exec_delta },
		.c = c, .j = j, .block = b, .wide = b->code_size == 8,
		.flags = FLAGS_PARKED,
	};
	struct tu *tu = pool_alloc(j, sizeof(*tu) + (b->count + 1) * sizeof(struct tu_insn));

	if (!tu)
		return NULL;
	*tu = (struct tu){
		.rip = c->rip, .block = b, .page = p, .entry = t.k.p,
		.count = b->count, .out = j->edges + j->nr_edges,
	};
	t.tu = tu;
	put_block(&t);
	put_cold(&t);
	tu->nr_out = j->edges + j->nr_edges - tu->out;
	j->used = (t.k.p - j->rw + 15) & ~15ul;
	tu->size = t.k.p - tu->entry;
	if (unlikely(jit_debug))
		jit_debug_translated(j, tu);
	return tu;
}
