/* SPDX-License-Identifier: MIT */
/* One workload: a unit of work that is the same each time, wherever it runs. */
#ifndef BENCH_GUEST_WORKLOAD_H
#define BENCH_GUEST_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

struct workload {
	const char *name;
	const char *group;	/* "user" is what the geometric mean is made of */
	unsigned int units;	/* about 0.4 s on a CPU of 2023 */
	u64 (*unit)(void);	/* returns the same checksum each time */
	void (*setup)(void);	/* once, not timed; or NULL */
	bool (*usable)(void);	/* or NULL */
	void (*finish)(void);	/* ends and reaps what setup began; or NULL */
};

/* Each ends with a row without a name. */
extern const struct workload integer_workloads[], compress_workloads[], memory_workloads[],
	fp_workloads[], simd_workloads[], os_workloads[], io_workloads[];

/* Prints why, and ends the process. */
void die(const char *what) __attribute__((noreturn));

/* xorshift64: random enough, and the same everywhere. */
static inline u64 random_next(u64 *state)
{
	u64 x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

enum { RANDOM_SEED = 88172645 };

/* FNV-1a by words. */
static inline u64 mix(u64 sum, u64 value)
{
	return (sum ^ value) * 0x100000001b3;
}

enum { MIX_START = 0x811c9dc5 };

#endif
