/* SPDX-License-Identifier: MIT */
/* A block of decoded instructions becomes host code. */
#include "api/stats.h"
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
	cold->pos = t->pos;
	cold->x87 = t->x87_last;
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

static struct edge *edge_add(struct trans *t, u64 target, bool plain)
{
	struct jit *j = t->j;
	u32 n = j->nr_edges++;

	j->edges[n] = (struct edge){
		.target = target, .from = tu_off(j, t->tu), .site = t->k.p - j->rw,
		.plain = plain,
	};
	cold_add(t, COLD_STUB, jmp_later(&t->k))->edge = n;
	return &j->edges[n];
}

struct edge *edge_emit(struct trans *t, u64 target)
{
	const u8 *site = t->k.p;
	struct edge *e = edge_add(t, target, false);

	/* Within the page it remains a jump. */
	while (!edge_is_near(t->tu, target) && t->k.p < site + EDGE_SIZE)
		put8(&t->k, 0xcc);
	return e;
}

/* One comparison: a request makes the limit higher than any stack. */
void poll_emit(struct trans *t, u64 target)
{
	struct cold *cold;

	put_op(&t->k, true, 0x3b, RSP, CPU_FIELD(jit_limit));
	cold = cold_add(t, COLD_EVENT, jcc_later(&t->k, CC_B));
	cold->target = target;
}

/* For --stats: @n more instructions.  Flags are parked. */
static void count_emit(struct trans *t, s32 n)
{
	if (likely(!stats_count_insns))
		return;
	put_op(&t->k, true, 0x83, 0, CPU_FIELD(insns));		/* ADD */
	put8(&t->k, (u8)n);
}

/* What the block has from @rip on is not executed, or not by this code. */
static void uncount_emit(struct trans *t, u64 rip)
{
	const struct block *b = t->block;
	u32 done = 0;

	while (done < b->count && t->tu->rip + b->insn[done].end <= rip)
		done++;
	if (done < b->count)
		count_emit(t, (s32)done - (s32)b->count);
}

/* -- Behind the main line ----------------------------------------------------------- */

static void put_punt(struct trans *t, const struct insn *in, u32 slow)
{
	mov_imm(&t->k, R_B, punt_of(t->j, t->tu, in - t->block->insn, slow));
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

/* Of an instruction that has not come here by a jump of its own. */
static void park_as(struct trans *t, const struct cold *cold)
{
	t->recipe = cold->recipe;
	t->flags = cold->before;
	flags_park(t);
}

static void cold_punt(struct trans *t, const struct cold *cold, bool vec_matters)
{
	if (cold->check)
		put_fill(t, cold);
	t->tu->insn[cold->pos].punt = t->k.p - t->tu->entry;
	if (cold->kind == COLD_STRING)
		string_leave(t, cold->source);
	if (cold->at)
		park_by(t, &cold->recipe);
	else
		park_as(t, cold);
	x87_put_last(t, cold->x87);
	put_punt(t, cold->in, PUNT_SLOW_BIT);
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
	x87_put_last(t, cold->x87);
	if (cold->in)
		uncount_emit(t, t->tu->rip + cold->in->end);
	if (cold->in && cold->target <= t->tu->rip + cold->in->end)
		poll_emit(t, cold->target);
	edge_emit(t, cold->target);
}

static void cold_exit(struct trans *t, const struct cold *cold)
{
	typeof(t->exit[0]) *same = &t->exit[cold->flags];

	if (same->code && same->x87 == cold->x87) {
		patch_rel32(cold->at, same->code);
		return;
	}
	same->code = t->k.p;
	same->x87 = cold->x87;
	cold_taken(t, cold);
}

/* What is in one page is in the TLB then, or it is not to be written yet. */
static void fill_window(struct trans *t, const struct cold *cold)
{
	const struct near *a = &cold->access;
	u8 base = gpr_use(t, a->base, RAX);
	u8 index = a->index == NO_GPR ? NO_INDEX : pinned[a->index];

	lea(&t->k, RAX, RM_SIB(base, index, a->shift, a->disp));
	call_to(&t->k, t->j->fill[a->write]);
	jcc_to(&t->k, CC_NE, cold->check + t->k.exec_delta);
}

/* In the same page, so that a jump will do. */
static void cold_plain(struct trans *t, const struct cold *cold)
{
	u8 *straddles;

	/* The page is there: it ends too early. */
	put_op(&t->k, true, 0x81, 7, RM_REG(R_C));		/* cmp r11, imm32 */
	put32(&t->k, PAGE_SIZE);
	straddles = jcc_later(&t->k, CC_B);
	fill_window(t, cold);
	patch_here(&t->k, straddles);
	park_by(t, &cold->recipe);
	x87_put_last(t, cold->x87);
	uncount_emit(t, cold->target);
	edge_add(t, cold->target, true);
}

static void cold_event(struct trans *t, const struct cold *cold)
{
	mov_imm(&t->k, RAX, cold->target);
	jmp_to(&t->k, t->j->exit);
}

static void cold_stub(struct trans *t, const struct cold *cold)
{
	struct edge *e = &t->j->edges[cold->edge];

	e->stub = t->k.p - t->j->rw - e->site;
	mov_imm(&t->k, R_B, cold->edge);
	jmp_to(&t->k, t->j->follow);
}

static void cold_vec(struct trans *t, const struct cold *cold)
{
	park_by(t, &cold->recipe);
	x87_put_last(t, cold->x87);
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
		case COLD_EXIT:
			cold_exit(t, &cold);
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
		case COLD_PLAIN:
			cold_plain(t, &cold);
			break;
		}
	}
}

/* -- Instructions --------------------------------------------------------------------- */

static void punt_all(struct trans *t)
{
	flags_park(t);
	x87_settle(t);
	put_punt(t, t->in, 0);
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

static void decode(const struct insn *in, u8 code_size, const u8 *bytes,
		   struct decoded *d)
{
	const ZydisDecoder *decoder = decode_decoder(code_size);

	d->known = ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, bytes, in->len, &d->zi,
						       d->ops)) &&
		   d->zi.length == in->len && in->mnemonic == d->zi.mnemonic &&
		   in->op != op_ud;
}

/* x87, vector and general instructions of sets that run natively. */
static bool has_vectors(const struct trans *t)
{
	return decode_isa(&t->zi) == ISA_NATIVE;
}

static bool emit(struct trans *t, u32 i)
{
	const struct decoded *d = &t->decoded[i];

	if (!d->known)
		return false;
	t->zi = d->zi;
	memcpy(t->ops, d->ops, d->zi.operand_count * sizeof(d->ops[0]));
	x87_before(t);
	/* Only then it may take the recipe's registers. */
	if (!insn_sets_flags(t) && !insn_ends_flags(t))
		flags_keep(t, t->outlook[i].written);
	return insn_generic(t) || insn_special(t) || insn_branch(t) ||
	       insn_string(t) || insn_bits(t) || insn_state(t) ||
	       insn_vector(t) || insn_x87(t) || insn_system(t);
}

static void one_insn(struct trans *t, u32 i)
{
	if (emit(t, i)) {
		window_follow(t, &t->outlook[i]);
		if (unlikely(jit_debug & JIT_LOCKSTEP) && has_vectors(t))
			t->tu->vectors = true;
	} else {
		punt_all(t);
		window_close_all(t);
	}
	if (t->decoded[i].known && !insn_sets_flags(t) && insn_ends_flags(t))
		flags_forget(t);
	resolve_punts(t);
}

static void look_at_block(struct trans *t)
{
	const struct block *b = t->block;
	const u8 *bytes = (const u8 *)b + b->bytes_off;

	for (u32 i = 0; i < b->count; i++) {
		decode(&b->insn[i], b->code_size, bytes + b->insn[i].end - b->insn[i].len,
		       &t->decoded[i]);
		if (t->decoded[i].known)
			window_look(&b->insn[i], &t->decoded[i], &t->outlook[i]);
		else
			t->outlook[i] = (struct outlook){
				.access.base = NO_GPR, .stack.base = NO_GPR,
				.adjusted = NO_GPR, .written = 0xffff,
			};
	}
}

static void put_block(struct trans *t)
{
	const struct block *b = t->block;
	const u8 *bytes = (const u8 *)b + b->bytes_off;

	count_emit(t, b->count);
	for (t->pos = 0; t->pos < t->count * t->copies; t->pos++) {
		u32 i = t->pos % t->count;

		t->in = &b->insn[i];
		t->bytes = bytes + t->in->end - t->in->len;
		t->rip = t->tu->rip + t->in->end - t->in->len;
		t->tu->insn[t->pos] = (struct tu_insn){ .start = t->k.p - t->tu->entry };
		one_insn(t, i);
	}
	t->tu->insn[t->pos].start = t->k.p - t->tu->entry;
	if (!t->ended) {
		flags_park(t);
		x87_settle(t);
		edge_emit(t, cut_rip(t, t->tu->rip + t->tu->len));
	}
}

/* NULL: there is no room. */
static struct tu *make_tu(struct trans *t, struct code_page *p, bool plain)
{
	const struct block *b = t->block;
	u32 len = b->insn[t->count - 1].end, insns = t->count * t->copies + 1;
	struct tu *tu;

	tu = pool_alloc(t->j, sizeof(*tu) + insns * sizeof(struct tu_insn) + len);
	if (!tu)
		return NULL;
	*tu = (struct tu){
		.rip = t->c->rip, .page = p, .entry = t->k.p, .count = t->count,
		.copies = t->copies, .code_size = b->code_size, .len = len, .plain = plain,
		.out = t->j->nr_edges,
	};
	memcpy((u8 *)tu_bytes(tu), (const u8 *)b + b->bytes_off, len);
	return tu;
}

struct tu *translate(struct cpu *c, const struct block *b, struct code_page *p, bool plain)
{
	struct outlook outlook[BLOCK_MAX_INSNS];
	struct decoded decoded[BLOCK_MAX_INSNS];
	struct jit *j = c->jit;
	struct trans t = {
		.k = { .p = j->rw + j->used, .exec_delta = j->exec_delta },
		.c = c, .j = j, .block = b, .wide = b->code_size == 8,
		.flags = FLAGS_PARKED, .outlook = outlook, .decoded = decoded,
		.count = b->count, .copies = 1,
	};
	struct tu *tu;

	look_at_block(&t);
	/* Instructions are counted by whole blocks. */
	if (!plain && !stats_count_insns)
		loop_find(&t);
	tu = t.tu = make_tu(&t, p, plain);
	if (!tu)
		return NULL;
	put_block(&t);
	put_cold(&t);
	tu->nr_out = j->nr_edges - tu->out;
	j->used = (t.k.p - j->rw + 15) & ~15ul;
	tu->size = t.k.p - tu->entry;
	if (unlikely(jit_debug))
		jit_debug_translated(j, tu);
	return tu;
}
