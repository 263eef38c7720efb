/* SPDX-License-Identifier: MIT */
/*
 * Scalar floating point: SSE2 as compilers use it, and x87.  Nothing but the
 * operations that IEEE 754 rounds exactly, so that all engines agree.
 */
#include <math.h>
#include <string.h>

#include "workload.h"

static u64 mix_double(u64 sum, double d)
{
	u64 bits;

	memcpy(&bits, &d, sizeof(bits));
	return mix(sum, bits);
}

/* -- Five bodies that attract each other ---------------------------------------- */

struct body { double at[3], speed[3], mass; };

static const struct body bodies_at_start[5] = {
	{ { 0, 0, 0 }, { 0, 0, 0 }, 39.5 },
	{ { 4.84, -1.16, -0.10 }, { 0.61, 2.81, -0.02 }, 0.038 },
	{ { 8.34, 4.12, -0.40 }, { -1.01, 1.82, 0.008 }, 0.011 },
	{ { 12.9, -15.1, -0.22 }, { 1.08, 0.87, -0.01 }, 0.0017 },
	{ { 15.4, -25.9, 0.18 }, { 0.98, 0.59, -0.03 }, 0.0020 },
};

static void attract(struct body *a, struct body *b, double step)
{
	double d[3], square = 0, pull;

	for (int i = 0; i < 3; i++) {
		d[i] = a->at[i] - b->at[i];
		square += d[i] * d[i];
	}
	pull = step / (square * sqrt(square));
	for (int i = 0; i < 3; i++) {
		a->speed[i] -= d[i] * b->mass * pull;
		b->speed[i] += d[i] * a->mass * pull;
	}
}

static u64 bodies_unit(void)
{
	struct body b[5];
	u64 sum = MIX_START;

	memcpy(b, bodies_at_start, sizeof(b));
	for (int step = 0; step < 40000; step++) {
		for (int i = 0; i < 5; i++)
			for (int j = i + 1; j < 5; j++)
				attract(&b[i], &b[j], 0.001);
		for (int i = 0; i < 5; i++)
			for (int k = 0; k < 3; k++)
				b[i].at[k] += 0.001 * b[i].speed[k];
	}
	for (int i = 0; i < 5; i++)
		sum = mix_double(sum, b[i].at[0]);
	return sum;
}

/* -- Matrix product, scalar -------------------------------------------------------- */

enum { ORDER = 128 };
static double left[ORDER][ORDER], right[ORDER][ORDER], product[ORDER][ORDER];

static void matrix_setup(void)
{
	u64 seed = RANDOM_SEED;

	for (int i = 0; i < ORDER; i++)
		for (int j = 0; j < ORDER; j++) {
			left[i][j] = (double)(random_next(&seed) % 1000) / 16;
			right[i][j] = (double)(random_next(&seed) % 1000) / 32;
		}
}

__attribute__((optimize("no-tree-vectorize")))
static u64 matrix_unit(void)
{
	u64 sum = MIX_START;

	for (int i = 0; i < ORDER; i++)
		for (int j = 0; j < ORDER; j++) {
			double dot = 0;

			for (int k = 0; k < ORDER; k++)
				dot += left[i][k] * right[k][j];
			product[i][j] = dot;
		}
	for (int i = 0; i < ORDER; i++)
		sum = mix_double(sum, product[i][i]);
	return sum;
}

/* -- x87: the Mandelbrot set in extended precision --------------------------------- */

static int escape(long double re, long double im)
{
	long double x = 0, y = 0;
	int n = 0;

	for (; n < 100; n++) {
		long double xx = x * x, yy = y * y;

		if (xx + yy > 4)
			break;
		y = 2 * x * y + im;
		x = xx - yy + re;
	}
	return n;
}

static u64 x87_unit(void)
{
	u64 sum = MIX_START;
	long double roots = 0;

	for (int row = 0; row < 80; row++)
		for (int column = 0; column < 80; column++)
			sum = mix(sum, (u64)escape(column / 30.0L - 2, row / 40.0L - 1));
	for (int i = 1; i < 20000; i++)
		roots += sqrtl(i) / (i + 1);
	return mix_double(sum, (double)roots);
}

const struct workload fp_workloads[] = {
	{ "fp bodies", "user", 100, bodies_unit },
	{ "fp matrix", "user", 100, matrix_unit, matrix_setup },
	{ "x87", "user", 100, x87_unit },
	{ 0 }
};
