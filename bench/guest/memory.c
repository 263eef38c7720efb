/* SPDX-License-Identifier: MIT */
/* Latency of memory, its bandwidth, and the C library's allocator. */
#include <stdlib.h>
#include <string.h>

#include "workload.h"

/* -- Pointer chasing: one random cycle through all nodes ---------------------- */

struct node { struct node *next; u64 value; u8 pad[48]; };

enum { NEAR_NODES = 256, NEAR_ROUNDS = 8192, FAR_NODES = 1 << 17 };
static struct node near_nodes[NEAR_NODES], *far_nodes;

/* Sattolo's shuffle yields a permutation of one cycle. */
static void link_nodes(struct node *nodes, u32 count)
{
	u64 seed = RANDOM_SEED;
	u32 *order = malloc(count * sizeof(*order));

	if (!order)
		die("malloc");
	for (u32 i = 0; i < count; i++)
		order[i] = i;
	for (u32 i = count - 1; i > 0; i--) {
		u32 j = (u32)((random_next(&seed) >> 11) % i), tmp = order[i];

		order[i] = order[j];
		order[j] = tmp;
	}
	for (u32 i = 0; i < count; i++) {
		nodes[i].next = &nodes[order[i]];
		nodes[i].value = i;
	}
	free(order);
}

static u64 chase(const struct node *start, u64 steps)
{
	const struct node *n = start;
	u64 sum = 0;

	while (steps--) {
		sum += n->value;
		n = n->next;
	}
	return n == start ? sum : 0;
}

static void near_setup(void)
{
	link_nodes(near_nodes, NEAR_NODES);
}

static u64 near_unit(void)
{
	return chase(near_nodes, NEAR_NODES * NEAR_ROUNDS);
}

static void far_setup(void)
{
	far_nodes = aligned_alloc(4096, FAR_NODES * sizeof(*far_nodes));
	if (!far_nodes)
		die("aligned_alloc");
	link_nodes(far_nodes, FAR_NODES);
}

static u64 far_unit(void)
{
	return chase(far_nodes, FAR_NODES);
}

/* -- The C library's memcpy ----------------------------------------------------- */

enum { COPY_SIZE = 256 << 10 };
static u8 copy_from[COPY_SIZE + 64], copy_to[COPY_SIZE + 64];

static void copy_setup(void)
{
	u64 seed = RANDOM_SEED;

	for (size_t i = 0; i < sizeof(copy_from); i++)
		copy_from[i] = (u8)(random_next(&seed) >> 30);
}

static u64 sum_copied(void)
{
	u64 sum = MIX_START;

	for (int i = 0; i < COPY_SIZE; i += 509)
		sum = mix(sum, copy_to[i]);
	return sum;
}

/* Large blocks, one of them off by a byte. */
static u64 copy_unit(void)
{
	for (int i = 0; i < 512; i++)
		memcpy(copy_to + i % 2, copy_from + i % 3, COPY_SIZE);
	return sum_copied();
}

/* Up to 128 bytes each, whose size no compiler knows. */
static u64 copy_small_unit(void)
{
	u64 seed = RANDOM_SEED;

	for (int i = 0; i < 300000; i++) {
		u64 r = random_next(&seed);

		memcpy(copy_to + (r >> 8) % COPY_SIZE / 2, copy_from + (r >> 32) % COPY_SIZE / 2, r % 128);
	}
	return sum_copied();
}

/* -- malloc and free ---------------------------------------------------------- */

enum { LIVE = 2048, ALLOCATIONS = 60000 };

static u64 malloc_unit(void)
{
	static u8 *live[LIVE];
	u64 seed = RANDOM_SEED, sum = MIX_START;

	for (int i = 0; i < ALLOCATIONS; i++) {
		u64 r = random_next(&seed);
		u8 **p = &live[(r >> 40) % LIVE];
		size_t size = 16 + (r >> 16) % (r % 16 ? 256 : 4096);

		if (*p)
			sum = mix(sum, **p);
		free(*p);
		*p = malloc(size);
		if (!*p)
			die("malloc");
		**p = (*p)[size - 1] = (u8)i;
	}
	for (int i = 0; i < LIVE; i++) {
		free(live[i]);
		live[i] = NULL;
	}
	return sum;
}

const struct workload memory_workloads[] = {
	{ "chase 16 KiB", "user", 100, near_unit, near_setup },
	{ "chase 8 MiB", "user", 25, far_unit, far_setup },
	{ "memcpy large", "user", 100, copy_unit, copy_setup },
	{ "memcpy small", "user", 100, copy_small_unit, copy_setup },
	{ "malloc", "user", 100, malloc_unit },
	{ 0 }
};
