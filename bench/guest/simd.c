/* SPDX-License-Identifier: MIT */
/* Vector code: the same two kernels for SSE2 and for AVX2 with FMA. */
#include <immintrin.h>

#include "workload.h"

enum { FLOATS = 4096, PIXELS = 16384 };

static float a[FLOATS] __attribute__((aligned(64))), b[FLOATS] __attribute__((aligned(64)));
static u8 front[PIXELS] __attribute__((aligned(64))), back[PIXELS] __attribute__((aligned(64)));
static u8 blended[PIXELS] __attribute__((aligned(64)));

static void simd_setup(void)
{
	u64 seed = RANDOM_SEED;

	for (int i = 0; i < FLOATS; i++) {
		a[i] = (float)(random_next(&seed) % 512) / 64;
		b[i] = (float)(random_next(&seed) % 512) / 128;
	}
	for (int i = 0; i < PIXELS; i++) {
		front[i] = (u8)(random_next(&seed) >> 24);
		back[i] = (u8)(random_next(&seed) >> 24);
	}
}

static u64 sum_of(const float *lanes, int count)
{
	u64 sum = MIX_START;

	for (int i = 0; i < count; i++) {
		u32 bits;

		__builtin_memcpy(&bits, &lanes[i], sizeof(bits));
		sum = mix(sum, bits);
	}
	for (int i = 0; i < PIXELS; i += 127)
		sum = mix(sum, blended[i]);
	return sum;
}

static __m128 dot_sse(__m128 acc)
{
	for (int i = 0; i < FLOATS; i += 8) {
		__m128 x = _mm_mul_ps(_mm_load_ps(a + i), _mm_load_ps(b + i));
		__m128 y = _mm_mul_ps(_mm_loadu_ps(a + i + 4), _mm_loadu_ps(b + i + 4));

		acc = _mm_add_ps(_mm_mul_ps(acc, _mm_set1_ps(0.5f)), _mm_add_ps(x, y));
	}
	return acc;
}

/* Each byte: (3 * front + back) / 4, in words. */
static void blend_sse(void)
{
	const __m128i zero = _mm_setzero_si128(), three = _mm_set1_epi16(3);

	for (int i = 0; i < PIXELS; i += 16) {
		__m128i f = _mm_load_si128((const __m128i *)(front + i));
		__m128i g = _mm_load_si128((const __m128i *)(back + i));
		__m128i low = _mm_add_epi16(_mm_mullo_epi16(_mm_unpacklo_epi8(f, zero), three),
					    _mm_unpacklo_epi8(g, zero));
		__m128i high = _mm_add_epi16(_mm_mullo_epi16(_mm_unpackhi_epi8(f, zero), three),
					     _mm_unpackhi_epi8(g, zero));

		low = _mm_packus_epi16(_mm_srli_epi16(low, 2), _mm_srli_epi16(high, 2));
		_mm_store_si128((__m128i *)(blended + i), low);
	}
}

static u64 sse_unit(void)
{
	__m128 acc = _mm_setzero_ps();
	float lanes[4];

	for (int i = 0; i < 800; i++) {
		acc = dot_sse(acc);
		blend_sse();
	}
	_mm_storeu_ps(lanes, acc);
	return sum_of(lanes, 4);
}

__attribute__((target("avx2,fma")))
static __m256 dot_avx(__m256 acc)
{
	for (int i = 0; i < FLOATS; i += 16) {
		__m256 x = _mm256_mul_ps(_mm256_load_ps(a + i), _mm256_load_ps(b + i));

		x = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), x);
		acc = _mm256_fmadd_ps(acc, _mm256_set1_ps(0.5f), x);
	}
	return acc;
}

__attribute__((target("avx2")))
static void blend_avx(void)
{
	const __m256i zero = _mm256_setzero_si256(), three = _mm256_set1_epi16(3);

	for (int i = 0; i < PIXELS; i += 32) {
		__m256i f = _mm256_load_si256((const __m256i *)(front + i));
		__m256i g = _mm256_load_si256((const __m256i *)(back + i));
		__m256i low = _mm256_add_epi16(
			_mm256_mullo_epi16(_mm256_unpacklo_epi8(f, zero), three),
			_mm256_unpacklo_epi8(g, zero));
		__m256i high = _mm256_add_epi16(
			_mm256_mullo_epi16(_mm256_unpackhi_epi8(f, zero), three),
			_mm256_unpackhi_epi8(g, zero));

		low = _mm256_packus_epi16(_mm256_srli_epi16(low, 2), _mm256_srli_epi16(high, 2));
		_mm256_store_si256((__m256i *)(blended + i), low);
	}
}

__attribute__((target("avx2,fma")))
static u64 avx_unit(void)
{
	__m256 acc = _mm256_setzero_ps();
	float lanes[8];

	for (int i = 0; i < 1600; i++) {
		acc = dot_avx(acc);
		blend_avx();
	}
	_mm256_storeu_ps(lanes, acc);
	return sum_of(lanes, 8);
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const struct workload simd_workloads[] = {
	{ "sse", "user", 100, sse_unit, simd_setup },
	{ "avx", "user", 100, avx_unit, simd_setup, has_avx2 },
	{ 0 }
};
