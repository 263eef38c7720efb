/* SPDX-License-Identifier: MIT */
/* Integer code as compilers make it: calls, branches, loads and stores. */
#include <string.h>

#include "workload.h"

/* -- Recursion ------------------------------------------------------------- */

/* As it stands in the source: GCC would unroll the recursion several deep. */
__attribute__((noinline, noclone, optimize("no-optimize-sibling-calls", "no-inline")))
static u64 fib(unsigned int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static u64 fib_unit(void)
{
	return fib(29);
}

/* -- Quicksort ------------------------------------------------------------- */

enum { SORT_SIZE = 40000 };
static u32 numbers[SORT_SIZE];

static void quicksort(u32 *v, long low, long high)
{
	while (low < high) {
		u32 pivot = v[(low + high) / 2];
		long i = low, j = high;

		while (i <= j) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i <= j) {
				u32 tmp = v[i];

				v[i++] = v[j];
				v[j--] = tmp;
			}
		}
		quicksort(v, low, j);
		low = i;
	}
}

static u64 sort_unit(void)
{
	u64 seed = RANDOM_SEED, sum = MIX_START;

	for (int i = 0; i < SORT_SIZE; i++)
		numbers[i] = (u32)random_next(&seed);
	quicksort(numbers, 0, SORT_SIZE - 1);
	for (int i = 0; i < SORT_SIZE; i += 997)
		sum = mix(sum, numbers[i]);
	return sum;
}

/* -- Hash table with open addressing ----------------------------------------- */

enum { TABLE_SIZE = 1 << 15, KEYS = 20000 };
static struct { u64 key, value; } table[TABLE_SIZE];

static u32 table_find(u64 key)
{
	u32 i = (u32)((key * 0x9e3779b97f4a7c15) >> 49);

	while (table[i].key && table[i].key != key)
		i = (i + 1) % TABLE_SIZE;
	return i;
}

static u64 hash_unit(void)
{
	u64 seed = RANDOM_SEED, sum = MIX_START, key;

	memset(table, 0, sizeof(table));
	for (int i = 0; i < KEYS; i++) {
		u32 slot;

		key = random_next(&seed);
		slot = table_find(key);
		table[slot].key = key;
		table[slot].value = (u64)i;
	}
	for (int round = 0; round < 12; round++) {
		seed = RANDOM_SEED;
		for (int i = 0; i < KEYS; i++) {
			key = random_next(&seed) + (i % 16 == round);
			sum = mix(sum, table[table_find(key)].value);
		}
	}
	return sum;
}

/* -- SHA-256 (FIPS 180-4) ------------------------------------------------------ */

static const u32 sha_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u32 ror(u32 x, int n)
{
	return x >> n | x << (32 - n);
}

static void sha_schedule(u32 w[64], const u8 *block)
{
	for (int i = 0; i < 16; i++) {
		memcpy(&w[i], block + 4 * i, 4);
		w[i] = __builtin_bswap32(w[i]);
	}
	for (int i = 16; i < 64; i++) {
		u32 a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) +
		       w[i - 7] + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
	}
}

static void sha_block(u32 h[8], const u8 *block)
{
	u32 w[64], s[8];

	sha_schedule(w, block);
	memcpy(s, h, sizeof(s));
	for (int i = 0; i < 64; i++) {
		u32 a = s[0], e = s[4];
		u32 t1 = s[7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) +
			 ((e & s[5]) ^ (~e & s[6])) + sha_k[i] + w[i];
		u32 t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) +
			 ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

		s[7] = s[6];
		s[6] = s[5];
		s[5] = e;
		s[4] = s[3] + t1;
		s[3] = s[2];
		s[2] = s[1];
		s[1] = a;
		s[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += s[i];
}

enum { SHA_BLOCKS = 16384 };

/* The blocks of a message of 1 MiB, without the padding. */
static u64 sha_unit(void)
{
	u32 h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	u8 block[64];

	for (u32 i = 0; i < SHA_BLOCKS; i++) {
		memset(block, (int)i, sizeof(block));
		sha_block(h, block);
	}
	return (u64)h[0] << 32 | h[7];
}

/* -- An interpreter's loop ------------------------------------------------------ */

enum op { OP_SET, OP_ADD, OP_MUL, OP_XOR, OP_SHR, OP_AND, OP_DEC, OP_JNZ, OP_LOAD, OP_STORE, OP_END };
struct op_insn { u8 op, dst, src; signed char imm; };

/* Registers 0 to 7; register 7 counts down from the number given. */
static const struct op_insn program[] = {
	{ OP_SET, 0, 0, 1 }, { OP_SET, 1, 0, 7 }, { OP_SET, 2, 0, 127 },
	{ OP_ADD, 0, 1, 0 }, { OP_MUL, 0, 1, 0 }, { OP_SET, 3, 0, 0 },
	{ OP_ADD, 3, 0, 0 }, { OP_SHR, 3, 0, 13 }, { OP_XOR, 0, 3, 0 },
	{ OP_SET, 4, 0, 0 }, { OP_ADD, 4, 0, 0 }, { OP_AND, 4, 2, 0 },
	{ OP_LOAD, 5, 4, 0 }, { OP_ADD, 5, 0, 0 }, { OP_STORE, 5, 4, 0 },
	{ OP_AND, 4, 1, 0 }, { OP_JNZ, 4, 0, 1 }, { OP_ADD, 0, 5, 0 },
	{ OP_DEC, 7, 0, 0 }, { OP_JNZ, 7, 0, -17 }, { OP_END, 0, 0, 0 },
};

static u64 interpret(const struct op_insn *pc, u64 count)
{
	u64 r[8] = { [7] = count }, memory[128] = { 0 };

	for (;; pc++) {
		switch (pc->op) {
		case OP_SET: r[pc->dst] = (u64)pc->imm; break;
		case OP_ADD: r[pc->dst] += r[pc->src]; break;
		case OP_MUL: r[pc->dst] *= r[pc->src]; break;
		case OP_XOR: r[pc->dst] ^= r[pc->src]; break;
		case OP_SHR: r[pc->dst] >>= pc->imm; break;
		case OP_AND: r[pc->dst] &= r[pc->src]; break;
		case OP_DEC: r[pc->dst]--; break;
		case OP_JNZ: pc += r[pc->dst] ? pc->imm : 0; break;
		case OP_LOAD: r[pc->dst] = memory[r[pc->src] % 128]; break;
		case OP_STORE: memory[r[pc->src] % 128] = r[pc->dst]; break;
		default: return r[0];
		}
	}
}

static u64 interp_unit(void)
{
	return interpret(program, 120000);
}

const struct workload integer_workloads[] = {
	{ "recursion", "user", 100, fib_unit },
	{ "sort", "user", 100, sort_unit },
	{ "hash table", "user", 100, hash_unit },
	{ "sha256", "user", 100, sha_unit },
	{ "interpreter", "user", 100, interp_unit },
	{ 0 }
};
