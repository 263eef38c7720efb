/* SPDX-License-Identifier: MIT */
/*
 * Decoded code.  A block is a run of decoded instructions within one page, up
 * to the first that always branches.  Each vCPU has its own blocks: finding
 * and making one takes no lock.
 *
 * Blocks are keyed by the host address of their first byte, hence by physical
 * page, whatever linear address or slot leads to it.  Before every execution
 * the code in memory is compared with the bytes the block was made from.  So
 * any writer is noticed - this vCPU, another one, a device of the VMM, another
 * process - without write protection and without telling other vCPUs.
 */
#ifndef ANYKVM_X86_DECODE_BLOCK_H
#define ANYKVM_X86_DECODE_BLOCK_H

#include "x86/decode/insn.h"

enum {
	BLOCK_MAX_INSNS	= 32,
	BLOCK_MAX_BYTES	= 240,		/* insn.end is a byte */
};

struct block {
	const u8 *host;			/* first byte in guest memory */
	u8 code_size;
	u8 count;			/* of insn[] */
	u8 len;				/* of bytes[], all in one page unless... */
	u8 cross;			/* ...this many bytes are on the next page */
	u32 bytes_off;			/* of the snapshot, from the block's start */
	u32 runs;			/* not translated: times interpreted */
	/*
	 * Where execution went the last time: by fall-through, by a jump.  Only
	 * a guess, which spares the hash table; it is checked like any other.
	 */
	struct block *next[2];
	struct block *hash_next;
	struct insn insn[];
};

enum {
	BLOCK_MAX_SIZE	= sizeof(struct block) + BLOCK_MAX_BYTES + 16 +
			  BLOCK_MAX_INSNS * sizeof(struct insn),
};

/*
 * Makes, outside of the cache, the block at @host again that had the @len bytes
 * at @bytes, or the rest of it.  It takes the size that the block had, or less.
 */
void block_again(struct cpu *c, struct block *b, const u8 *host, u8 code_size,
		 const u8 *bytes, u32 len);

int block_cache_create(struct cpu *c);	/* -ENOMEM */
void block_cache_destroy(struct cpu *c);
void block_cache_flush(struct cpu *c);

/* @b need not be kept: it is not expected to be executed again. */
void block_translated(struct cpu *c, const struct block *b);

/* The block at CS:RIP.  STEP_FAULT and STEP_EXIT as mmu_fetch() has them. */
enum step block_get(struct cpu *c, const struct block **out);

#endif
