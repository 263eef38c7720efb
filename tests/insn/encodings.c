// SPDX-License-Identifier: MIT
/*
 * Every encoding against the host CPU: is it an instruction, and how long?
 * All opcode maps under the prefixes that matter, then random stacks of
 * prefixes, in 64-, 32- and 16-bit code.
 *
 * ANYKVM_INSN_SHARE=N tries one in N of the maps, chosen by the seed (1: all),
 * ANYKVM_INSN_SLICE=I tries those whose number is I modulo the share instead,
 * ANYKVM_INSN_FULL=1 has every ModRM byte and every VEX prefix in them, 2 has
 * each of the ones with each of the others,
 * ANYKVM_INSN_SEED and ANYKVM_INSN_ROUNDS make other or longer random runs,
 * ANYKVM_INSN_ANY_HOST=1 compares with a host whose model is not known, too,
 * ANYKVM_INSN_LIST=1 prints every difference, not just the first ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "candidates.h"
#include "explained.h"
#include "lib/host.h"
#include "probe.h"
#include "x86/decode/decode.h"
#include "x86/interp/ops.h"
#include "x86/native/native.h"

enum { SHOWN = 20, ROUNDS = 20000, SHARE = 30 };

static struct native *native;
static u8 code_size;
static u64 compared, explained, different;
static bool list, known;

static u64 number(const char *name, u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* -- Comparing ----------------------------------------------------------------------- */

static void show(const u8 *bytes, const char *ours, u32 len, const char *host)
{
	u32 i;

	if (different++ >= SHOWN && !list)
		return;
	fprintf(stderr, "%2u-bit:", code_size * 8);
	for (i = 0; i < PROBE_BYTES; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, ": %s %u here, %s on the host (%s)\n", ours, len, host,
		explained_name(bytes, code_size));
}

/* How many bytes the host takes; 0 if no length makes an instruction. */
static u32 host_length(const u8 *bytes)
{
	u32 len;

	for (len = 1; len < PROBE_BYTES; len++)
		if (probe_run(bytes, len, code_size) != PROBE_FETCH)
			return len;
	return 0;
}

static void report(const u8 *bytes, const char *ours, u32 len, enum probe_result host)
{
	static const char *const name[] = {
		[PROBE_EXECUTED] = "executed", [PROBE_FETCH] = "too short",
		[PROBE_UD] = "#UD", [PROBE_GP] = "#GP",
	};
	char text[64];

	snprintf(text, sizeof(text), "%s at %u", name[host], host_length(bytes));
	show(bytes, ours, len, text);
}

static void differs(const u8 *bytes, const char *ours, u32 len, enum probe_result host)
{
	if (explained_difference(bytes, code_size, host == PROBE_UD))
		explained++;
	else
		report(bytes, ours, len, host);
}

static void compare_valid(const u8 *bytes, const struct insn *in)
{
	enum probe_result host = probe_run(bytes, in->len, code_size);

	if (in->op == op_unimplemented)
		show(bytes, "unimplemented", in->len, "?");
	if (host == PROBE_UD || host == PROBE_FETCH)
		differs(bytes, "valid", in->len, host);
	else if (in->len > 1 && probe_run(bytes, in->len - 1, code_size) != PROBE_FETCH)
		differs(bytes, "valid", in->len, PROBE_EXECUTED);
}

/* How many bytes it takes to know that it is none. */
static u32 fetched_length(const u8 *bytes)
{
	struct insn in;
	u32 len = 1;

	while (len < INSN_MAX_BYTES &&
	       decode_insn(native, bytes, len, code_size, &in) == DECODE_SHORT)
		len++;
	return len;
}

static void compare_undefined(const u8 *bytes)
{
	u32 len = fetched_length(bytes);

	if (probe_run(bytes, len, code_size) != PROBE_UD)
		report(bytes, "#UD", len, PROBE_FETCH);
	else if (len > 1 && probe_run(bytes, len - 1, code_size) != PROBE_FETCH)
		report(bytes, "#UD", len, PROBE_UD);
}

static void compare_too_long(const u8 *bytes)
{
	enum probe_result host = probe_run(bytes, INSN_MAX_BYTES, code_size);

	if (host != PROBE_GP)
		report(bytes, "too long", 0, host);
	else if (probe_run(bytes, INSN_MAX_BYTES - 1, code_size) != PROBE_FETCH)
		report(bytes, "too long", 0, PROBE_EXECUTED);
}

static void compare(const u8 *bytes)
{
	enum decode_result r;
	struct insn in;
	enum probe_result host;

	compared++;
	r = decode_insn(native, bytes, PROBE_BYTES, code_size, &in);
	if (r == DECODE_OK && in.op != op_ud) {
		compare_valid(bytes, &in);
		return;
	}
	if (r == DECODE_TOO_LONG) {
		compare_too_long(bytes);
		return;
	}
	host = probe_run(bytes, PROBE_BYTES, code_size);
	if (host != PROBE_UD)
		differs(bytes, "#UD", r == DECODE_OK ? in.len : 0, host);
	else
		compare_undefined(bytes);
}

/* -- The tests -------------------------------------------------------------------------- */

static void in_mode(u8 size)
{
	const u32 full = number("ANYKVM_INSN_FULL", 0);
	const struct candidates wanted = {
		.code_size = size,
		.seed = number("ANYKVM_INSN_SEED", 1),
		.share = number("ANYKVM_INSN_SHARE", full ? 1 : SHARE),
		.sliced = getenv("ANYKVM_INSN_SLICE") != NULL,
		.slice = number("ANYKVM_INSN_SLICE", 0),
		.rounds = number("ANYKVM_INSN_ROUNDS", ROUNDS),
		.full = full,
		.compare = compare,
	};

	if (!known)
		print_message("only what Zen 4 does is known so far\n");
	if (!known || !probe_has_mode(size))
		skip();
	probe_take_signals();
	code_size = size;
	compared = explained = different = 0;
	candidates_each(&wanted);
	print_message("%llu encodings, %llu explained, %llu different\n",
		      (unsigned long long)compared, (unsigned long long)explained,
		      (unsigned long long)different);
	assert_int_equal(different, 0);
}

static void encodings_in_64_bit_code(void **state)
{
	in_mode(8);
}

static void encodings_in_32_bit_code(void **state)
{
	in_mode(4);
}

static void encodings_in_16_bit_code(void **state)
{
	in_mode(2);
}

static int setup(void **state)
{
	list = number("ANYKVM_INSN_LIST", 0);
	known = host_is_zen4() || number("ANYKVM_INSN_ANY_HOST", 0);
	native = native_create();
	return native && probe_create() ? 0 : -1;
}

static int teardown(void **state)
{
	probe_destroy();
	native_destroy(native);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodings_in_64_bit_code),
		cmocka_unit_test(encodings_in_32_bit_code),
		cmocka_unit_test(encodings_in_16_bit_code),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
