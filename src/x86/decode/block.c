/* SPDX-License-Identifier: MIT */
#include "x86/decode/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "x86/cpu/cpu.h"
#include "x86/mmu/access.h"
#include "x86/native/native.h"

enum {
	BUCKETS		= 1 << 15,
	ARENA_SIZE	= 24 << 20,
	BLOCK_MAX_SIZE	= sizeof(struct block) + BLOCK_MAX_BYTES + 16 +
			  BLOCK_MAX_INSNS * sizeof(struct insn),
};

struct block_cache {
	struct block *bucket[BUCKETS];
	u8 *arena;
	size_t used;
};

int block_cache_create(struct cpu *c)
{
	struct block_cache *bc = calloc(1, sizeof(*bc));

	if (!bc)
		return -ENOMEM;
	bc->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bc->arena == MAP_FAILED) {
		free(bc);
		return -ENOMEM;
	}
	c->blocks = bc;
	return 0;
}

void block_cache_destroy(struct cpu *c)
{
	if (!c->blocks)
		return;
	munmap(c->blocks->arena, ARENA_SIZE);
	free(c->blocks);
	c->blocks = NULL;
}

void block_cache_flush(struct cpu *c)
{
	memset(c->blocks->bucket, 0, sizeof(c->blocks->bucket));
	c->blocks->used = 0;
	if (c->native)
		native_flush(c->native);
}

static inline u32 bucket_of(const u8 *host, u8 code_size)
{
	u64 h = (u64)host + code_size;

	return (h ^ h >> 15) & (BUCKETS - 1);
}

static const u8 *block_bytes(const struct block *b)
{
	return (const u8 *)b + b->bytes_off;
}

/* Do @n bytes of code still read as they did?  No byte beyond is touched. */
static inline bool same_bytes(const u8 *a, const u8 *b, u32 n)
{
	u64 x, y;
	u32 i;

	if (n < 8) {
		for (i = 0; i < n; i++)
			if (a[i] != b[i])
				return false;
		return true;
	}
	for (i = 0; i + 8 <= n; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return false;
	}
	memcpy(&x, a + n - 8, 8);
	memcpy(&y, b + n - 8, 8);
	return x == y;
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

	if (bc->used + BLOCK_MAX_SIZE > ARENA_SIZE)
		block_cache_flush(c);
	b = (struct block *)(bc->arena + bc->used);
	b->host = host;
	b->code_size = c->code_size;
	b->count = b->len = b->cross = 0;
	return b;
}

/* Keeps the snapshot behind the instructions, and makes the block findable. */
static void block_publish(struct cpu *c, struct block *b, const u8 *bytes)
{
	struct block_cache *bc = c->blocks;
	size_t size = sizeof(*b) + b->count * sizeof(struct insn);

	b->bytes_off = size;
	memcpy((u8 *)b + size, bytes, b->len);
	bc->used += (size + b->len + 15) & ~15ul;
	bc->bucket[bucket_of(b->host, b->code_size)] = b;
}

static void set_fault(struct insn *in, op_fn op)
{
	memset(in, 0, sizeof(*in));
	in->op = op;
	in->len = 1;
	in->flags = INSN_END;
}

/* Decodes what the page holds from @bytes on.  The first may not fit: 0. */
static u32 decode_run(struct cpu *c, struct block *b, const u8 *bytes, u32 avail)
{
	u32 off = 0;

	while (b->count < BLOCK_MAX_INSNS && off < avail) {
		struct insn *in = &b->insn[b->count];
		enum decode_result r = decode_insn(c->native, bytes + off,
						   MIN(avail - off, 15),
						   b->code_size, in);

		if (r == DECODE_SHORT && avail - off >= 15)
			r = DECODE_TOO_LONG;
		if (r == DECODE_SHORT || (r != DECODE_OK && b->count))
			break;
		if (r != DECODE_OK) {
			set_fault(in, r == DECODE_INVALID ? op_ud : op_too_long);
			in->len = MIN(avail, 15);
		}
		in->off = off;
		off += in->len;
		b->count++;
		if (in->flags & INSN_END)
			break;
	}
	return off;
}

/* One instruction that begins on this page and ends on the next. */
static enum step fetch_crossing(struct cpu *c, u64 lin, const u8 *host, u8 *bytes)
{
	u32 here = PAGE_SIZE - (lin & ~PAGE_MASK);
	const u8 *next;

	TRY(mmu_fetch(c, lin + here, &next));
	memcpy(bytes, host, here);
	memcpy(bytes + here, next, 15 - here);
	return STEP_NEXT;
}

static enum step make_crossing(struct cpu *c, u64 lin, const u8 *host,
			       const struct block **out)
{
	u32 here = PAGE_SIZE - (lin & ~PAGE_MASK);
	struct block *b;
	u8 bytes[16];

	TRY(fetch_crossing(c, lin, host, bytes));
	b = block_alloc(c, host);
	if (decode_run(c, b, bytes, 15) == 0) {
		set_fault(&b->insn[0], op_too_long);
		b->insn[0].len = 15;
		b->count = 1;
	}
	b->count = 1;
	b->len = b->insn[0].len;
	b->cross = b->len > here ? b->len - here : 0;
	block_publish(c, b, bytes);
	*out = b;
	return STEP_NEXT;
}

static enum step block_make(struct cpu *c, u64 lin, const u8 *host,
			    const struct block **out)
{
	u32 avail = MIN(PAGE_SIZE - (lin & ~PAGE_MASK), BLOCK_MAX_BYTES);
	u8 bytes[BLOCK_MAX_BYTES];
	struct block *b;

	/* Others write this memory: decode from a copy that stays as it is. */
	memcpy(bytes, host, avail);
	b = block_alloc(c, host);
	b->len = decode_run(c, b, bytes, avail);
	if (!b->count)
		return make_crossing(c, lin, host, out);
	block_publish(c, b, bytes);
	*out = b;
	return STEP_NEXT;
}

static bool crossing_is_current(struct cpu *c, const struct block *b, u64 lin,
				const u8 *host)
{
	u8 bytes[16];

	return fetch_crossing(c, lin, host, bytes) == STEP_NEXT &&
	       same_bytes(bytes, block_bytes(b), b->len);
}

enum step block_get(struct cpu *c, const struct block **out)
{
	u64 lin = cpu_linear_rip(c);
	const struct tlb_entry *e = tlb_entry(c->tlb, lin);
	const u8 *host = (const u8 *)(lin + e->addend);
	const struct block *b;

	if (unlikely((lin ^ e->tag_exec) >= PAGE_SIZE))
		TRY(mmu_fetch(c, lin, &host));

	b = c->blocks->bucket[bucket_of(host, c->code_size)];
	if (likely(b && b->host == host && b->code_size == c->code_size)) {
		if (unlikely(b->cross)) {
			if (crossing_is_current(c, b, lin, host)) {
				*out = b;
				return STEP_NEXT;
			}
		} else if (likely(same_bytes(host, block_bytes(b), b->len))) {
			*out = b;
			return STEP_NEXT;
		}
	}
	return block_make(c, lin, host, out);
}
