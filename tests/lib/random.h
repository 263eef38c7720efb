/* SPDX-License-Identifier: MIT */
/* Random numbers that a seed repeats (xorshift64*), and operands made of them. */
#ifndef ANYKVM_TESTS_LIB_RANDOM_H
#define ANYKVM_TESTS_LIB_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(random_next(state) >> 33) % n;
}

/* Elements of vectors: a double, two floats or four halves of the kinds IEEE 754 has. */
static inline uint64_t random_special(uint64_t *state)
{
	static const uint64_t special[] = {
		0, 0x8000000000000000, 0x3ff0000000000000, 0x7ff0000000000000,
		0x7ff8000000000001, 0x7ff0000000000001, 0x0000000000000001,
		0x3f8000003f800000, 0x7f80000000800000, 0x7fc000007f800001,
		0x0000000180000001, 0x4b00000042280000, 0xffffffffffffffff,
		0x41dfffffffc00000, 0x0010000000000000, 0x7fefffffffffffff,
		0x8000000080000000, 0x7c003c0080017e00, 0x0102030405060708,
	};

	return special[random_below(state, sizeof(special) / sizeof(special[0]))];
}

/* Values at which carries, signs and sizes change, as often as any others. */
static inline uint64_t random_value(uint64_t *state)
{
	switch (random_below(state, 6)) {
	case 0: return random_below(state, 4);
	case 1: return 0 - (uint64_t)random_below(state, 4);
	case 2: return (1ull << random_below(state, 64)) - random_below(state, 2);
	case 3: return (uint32_t)random_next(state);
	default: return random_next(state);
	}
}

#endif
