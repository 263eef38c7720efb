/* SPDX-License-Identifier: MIT */
#include "x86/decode/block.h"

#include <emmintrin.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "util/spare.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/translator.h"
#include "x86/decode/shape.h"
#include "x86/interp/ops.h"
#include "x86/mmu/access.h"
#include "x86/native/native.h"

enum {
	BUCKETS		= 1 << 16,
	ARENA_SIZE	= 96 << 20,	/* touched pages only are there */
	COLD_SIZE	= 24 << 20,	/* used of it if what is hot gets translated */
	SPARE_MAX	= 128 << 10,	/* of a cache that is kept for others */
};

struct block_cache {
	struct block *last;	/* executed; its successor is wanted next */
	struct block none;	/* where no block is; goes nowhere */
	size_t used;		/* of arena[] */
	u8 runs[BUCKETS];	/* of blocks that have been dropped, by bucket_of() */
	struct block *free[BLOCK_MAX_SIZE / 16 + 1];	/* in arena[], by size / 16 */
	struct block *bucket[BUCKETS];
	struct shape shapes[NR_SHAPES];
	u8 arena[ARENA_SIZE] __attribute__((aligned(16)));
};

static struct spares spares;

/* Nothing has been decoded. */
static void all_unused(struct block_cache *bc)
{
	bc->used = 0;
	memset(bc->free, 0, sizeof(bc->free));
	bc->last = bc->none.next[0] = bc->none.next[1] = &bc->none;
}

static inline u32 bucket_of(const u8 *host, u8 code_size)
{
	u64 h = (u64)host + code_size;

	return (h ^ h >> 16) & (BUCKETS - 1);
}

int block_cache_create(struct cpu *c)
{
	struct block_cache *bc = spare_take(&spares);

	if (!bc) {
		bc = mmap(NULL, sizeof(*bc), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (bc == MAP_FAILED)
			return -ENOMEM;
		all_unused(bc);
	}
	c->blocks = bc;
	return 0;
}

static size_t block_size(const struct block *b)
{
	size_t size = sizeof(*b) + b->count * sizeof(struct insn) + b->len;

	return (size + 15) & ~15ul;
}

/* Empties a cache that few blocks are in, at the cost of those. */
static void empty_small(struct block_cache *bc)
{
	for (size_t at = 0; at < bc->used;) {
		struct block *b = (struct block *)(bc->arena + at);

		bc->bucket[bucket_of(b->host, b->code_size)] = NULL;
		at += block_size(b);
	}
	all_unused(bc);
}

void block_cache_destroy(struct cpu *c)
{
	struct block_cache *bc = c->blocks;

	c->blocks = NULL;
	if (!bc)
		return;
	if (bc->used <= SPARE_MAX) {
		empty_small(bc);
		if (spare_keep(&spares, bc))
			return;
	}
	munmap(bc, sizeof(*bc));
}

/* What is about to be hot stays so. */
static void keep_runs(struct block_cache *bc)
{
	for (size_t at = 0; at < bc->used;) {
		const struct block *b = (struct block *)(bc->arena + at);

		bc->runs[bucket_of(b->host, b->code_size)] = MIN(b->runs, 0xff);
		at += block_size(b);
	}
}

void block_cache_flush(struct cpu *c)
{
	keep_runs(c->blocks);
	memset(c->blocks->bucket, 0, sizeof(c->blocks->bucket));
	all_unused(c->blocks);
	if (c->native)
		native_flush(c->native);
}

static const u8 *block_bytes(const struct block *b)
{
	return (const u8 *)b + b->bytes_off;
}

static inline bool same_u32(const u8 *a, const u8 *b)
{
	u32 x, y;

	memcpy(&x, a, 4);
	memcpy(&y, b, 4);
	return x == y;
}

static inline bool same_u64(const u8 *a, const u8 *b)
{
	u64 x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return x == y;
}

static inline bool same_16(const u8 *a, const u8 *b)
{
	__m128i x = _mm_loadu_si128((const __m128i *)a);
	__m128i y = _mm_loadu_si128((const __m128i *)b);

	return _mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) == 0xffff;
}

/*
 * Do @n bytes (at least one) of code still read as they did?  No byte beyond
 * is touched: pieces at the end overlap those before.
 */
static inline bool same_bytes(const u8 *a, const u8 *b, u32 n)
{
	if (n > 16) {
		u32 i = 0, last = n - 16;

		do {
			if (!same_16(a + i, b + i))
				return false;
			i += 16;
		} while (i < last);
		return same_16(a + last, b + last);
	}
	if (n >= 8)
		return same_u64(a, b) && same_u64(a + n - 8, b + n - 8);
	if (n >= 4)
		return same_u32(a, b) && same_u32(a + n - 4, b + n - 4);
	return a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1];
}

/* An instruction over 15 bytes long (SDM vol. 2A 2.3.11). */
static enum step op_too_long(struct cpu *c, const struct insn *in)
{
	return cpu_raise_gp0(c);
}

static struct block *block_alloc(struct cpu *c, const u8 *host)
{
	struct block_cache *bc = c->blocks;
	struct block *b;

	if (bc->used + BLOCK_MAX_SIZE > (c->translator ? COLD_SIZE : ARENA_SIZE))
		block_cache_flush(c);
	b = (struct block *)(bc->arena + bc->used);
	b->host = host;
	b->code_size = c->code_size;
	b->count = b->len = b->cross = 0;
	b->runs = bc->runs[bucket_of(host, c->code_size)];
	b->next[0] = b->next[1] = &bc->none;
	return b;
}

static inline bool is_at(const struct block *b, const u8 *host, u8 code_size)
{
	return b->host == host && b->code_size == code_size;
}

/* The block at @host, as it was when it was decoded, or NULL. */
static struct block *block_find(struct block_cache *bc, const u8 *host, u8 code_size)
{
	struct block *b = bc->bucket[bucket_of(host, code_size)];

	while (b && !is_at(b, host, code_size))
		b = b->hash_next;
	return b;
}

/* What is found at @host is not any more: NULL, or that. */
static struct block *block_remove(struct block_cache *bc, const u8 *host, u8 code_size)
{
	struct block **p = &bc->bucket[bucket_of(host, code_size)], *b;

	while (*p && !is_at(*p, host, code_size))
		p = &(*p)->hash_next;
	b = *p;
	if (b)
		*p = b->hash_next;
	return b;
}

/* @b becomes findable instead of what is there. */
static void block_enter(struct block_cache *bc, struct block *b)
{
	struct block **first = &bc->bucket[bucket_of(b->host, b->code_size)];

	block_remove(bc, b->host, b->code_size);
	b->hash_next = *first;
	*first = b;
}

/* Guesses may lead to it still: there is always a block, of this size. */
static void block_free(struct block_cache *bc, struct block *b)
{
	struct block **first = &bc->free[block_size(b) / 16];

	b->host = NULL;
	b->hash_next = *first;
	*first = b;
}

void block_translated(struct cpu *c, const struct block *b)
{
	struct block *found = block_find(c->blocks, b->host, b->code_size);

	if (found == b)
		block_free(c->blocks, block_remove(c->blocks, b->host, b->code_size));
}

/* Where @b, which is the last in use, is to stay. */
static struct block *block_place(struct block_cache *bc, const struct block *b)
{
	size_t size = block_size(b);
	struct block *to = bc->free[size / 16];

	if (!to) {
		bc->used += size;
		return (struct block *)b;
	}
	bc->free[size / 16] = to->hash_next;
	return memcpy(to, b, size);
}

/* Keeps the snapshot behind the instructions; the block that is found then. */
static struct block *block_publish(struct cpu *c, struct block *b, const u8 *bytes)
{
	struct block_cache *bc = c->blocks;
	size_t size = sizeof(*b) + b->count * sizeof(struct insn);

	b->bytes_off = size;
	memcpy((u8 *)b + size, bytes, b->len);
	b = block_place(bc, b);
	block_enter(bc, b);
	return b;
}

static void set_fault(struct insn *in, op_fn op)
{
	memset(in, 0, sizeof(*in));
	in->op = op;
	in->len = in->end = 1;
	in->flags = INSN_END;
}

/* Code copied, with what stands before it in its first eight bytes. */
struct copy {
	u64 words[(BLOCK_MAX_BYTES + 7) / 8 + 1];
};

/*
 * Copies @n bytes of one page; where they begin in the copy.  Others write
 * this memory: eight bytes that are aligned are seen as they were stored (SDM
 * vol. 3A 8.1.1), so that a CPU may change an instruction within them while
 * another executes it.
 */
static const u8 *copy_code(struct copy *to, const u8 *host, u32 n)
{
	u32 skip = (u64)host & 7;
	const u64 *from = (const u64 *)(host - skip);

	for (u32 i = 0; i * 8 < skip + n; i++)
		to->words[i] = READ_ONCE(from[i]);
	return (const u8 *)to->words + skip;
}

/* Decodes what @bytes hold.  The first may not fit: 0. */
static u32 decode_bytes(struct cpu *c, struct block *b, const u8 *bytes, u32 avail)
{
	u32 off = 0;

	while (b->count < BLOCK_MAX_INSNS && off < avail) {
		struct insn *in = &b->insn[b->count];
		enum decode_result r = shape_decode(c->blocks->shapes, c->native,
						    bytes + off, MIN(avail - off, 15),
						    b->code_size, in);

		if (r == DECODE_SHORT && avail - off >= 15)
			r = DECODE_TOO_LONG;
		if (r == DECODE_SHORT || (r != DECODE_OK && b->count))
			break;
		if (r != DECODE_OK) {
			set_fault(in, r == DECODE_INVALID ? op_ud : op_too_long);
			in->len = MIN(avail, 15);
		}
		off += in->len;
		in->end = off;
		b->count++;
		if (in->flags & INSN_END)
			break;
	}
	return off;
}

/* What one block may have of what the page holds from @bytes on. */
static u32 decode_run(struct cpu *c, struct block *b, const u8 *bytes, u32 avail)
{
	u32 off = decode_bytes(c, b, bytes, avail);

	/* A translator does STI together with what follows it. */
	if (b->count > 1 && b->insn[b->count - 1].op == op_sti)
		off = b->insn[--b->count - 1].end;
	return off;
}

void block_again(struct cpu *c, struct block *b, const u8 *host, u8 code_size,
		 const u8 *bytes, u32 len)
{
	*b = (struct block){ .host = host, .code_size = code_size, .len = len };
	decode_bytes(c, b, bytes, len);
	b->bytes_off = sizeof(*b) + b->count * sizeof(struct insn);
	memcpy((u8 *)b + b->bytes_off, bytes, len);
}

/* One instruction that begins on this page and ends on the next. */
static enum step fetch_crossing(struct cpu *c, u64 lin, const u8 *host, u8 *bytes)
{
	u32 here = PAGE_SIZE - (lin & ~PAGE_MASK);
	const u8 *next;
	struct copy a, b;

	TRY(mmu_fetch(c, lin + here, &next));
	memcpy(bytes, copy_code(&a, host, here), here);
	memcpy(bytes + here, copy_code(&b, next, 15 - here), 15 - here);
	return STEP_NEXT;
}

static enum step make_crossing(struct cpu *c, u64 lin, const u8 *host, u32 room,
			       struct block **out)
{
	u32 here = PAGE_SIZE - (lin & ~PAGE_MASK);
	struct block *b;
	u8 bytes[16];

	TRY(fetch_crossing(c, lin, host, bytes));
	b = block_alloc(c, host);
	if (decode_run(c, b, bytes, MIN(room, 15)) == 0) {
		if (room < 15)
			return cpu_raise_gp0(c);
		set_fault(&b->insn[0], op_too_long);
		b->insn[0].len = b->insn[0].end = 15;
		b->count = 1;
	}
	b->count = 1;
	b->len = b->insn[0].len;
	b->cross = b->len > here ? b->len - here : 0;
	*out = block_publish(c, b, bytes);
	return STEP_NEXT;
}

/* A block of at most @room bytes, behind which CS ends. */
static enum step block_make(struct cpu *c, u64 lin, const u8 *host, u32 room,
			    struct block **out)
{
	u32 avail = MIN(PAGE_SIZE - (lin & ~PAGE_MASK), room);
	struct block *b = block_alloc(c, host);
	struct copy copy;
	const u8 *bytes = copy_code(&copy, host, avail);

	b->len = decode_run(c, b, bytes, avail);
	if (!b->count)
		return avail < room ? make_crossing(c, lin, host, room, out) :
				      cpu_raise_gp0(c);
	*out = block_publish(c, b, bytes);
	return STEP_NEXT;
}

static bool crossing_is_current(struct cpu *c, const struct block *b, u64 lin,
				const u8 *host)
{
	u8 bytes[16];

	return fetch_crossing(c, lin, host, bytes) == STEP_NEXT &&
	       !memcmp(bytes, block_bytes(b), b->len);
}

/* Is @b, of code that is at @host, what is there now? */
static inline bool block_fits(struct cpu *c, const struct block *b, u64 lin,
			      const u8 *host)
{
	if (unlikely(b->cross))
		return crossing_is_current(c, b, lin, host);
	return same_bytes(host, block_bytes(b), b->len);
}

static struct block **successor(struct block_cache *bc, const u8 *host)
{
	return &bc->last->next[host != bc->last->host + bc->last->len];
}

/* Does CS, of 16- or 32-bit code, end before a block from RIP on may? */
static inline bool near_limit(const struct cpu *c)
{
	u32 limit = c->seg[CS].limit;

	return unlikely(c->rip + BLOCK_MAX_BYTES - 1 > limit) && limit != ~0u;
}

/* The bytes that a block at RIP may have; 0 if CS has none there. */
static u32 block_room(const struct cpu *c)
{
	u32 limit = c->seg[CS].limit;

	if (cpu_code64(c) || !near_limit(c))
		return BLOCK_MAX_BYTES;
	return c->rip > limit ? 0 : limit - c->rip + 1;
}

/* All that block_get() leaves out, so as to need no stack frame. */
static __attribute__((noinline)) enum step block_search(struct cpu *c, u64 lin,
							const struct block **out)
{
	struct block_cache *bc = c->blocks;
	u32 room = block_room(c);
	struct block *b;
	const u8 *host;

	if (unlikely(!room))
		return cpu_raise_gp0(c);
	TRY(mmu_fetch(c, lin, &host));
	b = block_find(bc, host, c->code_size);
	if (!b || b->len > room || !block_fits(c, b, lin, host))
		TRY(block_make(c, lin, host, room, &b));
	/* Making one may have emptied the cache: only now is @last certain. */
	*successor(bc, host) = b;
	bc->last = b;
	c->code = host;
	*out = b;
	return STEP_NEXT;
}

static inline enum step block_predicted(struct cpu *c, u64 lin, const struct block **out)
{
	struct block_cache *bc = c->blocks;
	const struct tlb_entry *e = tlb_entry(c->tlb, lin);
	const u8 *host = (const u8 *)(lin + e->addend);
	struct block *b = *successor(bc, host);

	if (unlikely((lin ^ e->tag_exec) >= PAGE_SIZE || b->host != host ||
		     b->code_size != c->code_size || b->cross ||
		     !same_bytes(host, block_bytes(b), b->len)))
		return block_search(c, lin, out);
	bc->last = b;
	c->code = host;
	*out = b;
	return STEP_NEXT;
}

static __attribute__((noinline)) enum step block_get_legacy(struct cpu *c,
							    const struct block **out)
{
	u64 lin = cpu_linear_rip(c);

	return near_limit(c) ? block_search(c, lin, out) : block_predicted(c, lin, out);
}

/* Of two kinds of code, so that 64-bit code needs no stack frame here. */
enum step block_get(struct cpu *c, const struct block **out)
{
	return cpu_code64(c) ? block_predicted(c, c->rip, out) : block_get_legacy(c, out);
}
