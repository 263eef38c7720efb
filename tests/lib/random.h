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
